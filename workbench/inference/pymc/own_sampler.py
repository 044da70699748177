"""Chains of NUTS from PyMC's own sampler."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.inference.pymc.chains import Chains, Settings, renamed
from workbench.inference.pymc.toolchain import prepare
from workbench.models.shapes import Coordinates

prepare()

import pymc as pm  # noqa: E402


def sample(model: Any, starts: Coordinates, settings: Settings, step: Any) -> Chains:
    """Run PyMC's own NUTS from ``starts`` (chain, dim), one chain after the other; ``step`` from ``step_of``."""
    with model:
        tree = pm.sample(
            draws=settings.draws,
            tune=settings.tune,
            chains=len(starts),
            cores=1,
            random_seed=list(settings.seeds),
            step=step,
            initvals=[_constrained(model, start) for start in starts],
            progressbar=False,
            compute_convergence_checks=False,
            idata_kwargs={"include_transformed": True},
        )
    groups = [tree[name].to_dataset() for name in ("posterior", "unconstrained_posterior") if name in tree.children]
    found = {str(name): np.asarray(group[name]) for group in groups for name in group.data_vars}
    shape = (len(starts), settings.draws, -1)
    u = np.concatenate([found[variable.name].reshape(shape) for variable in model.value_vars], axis=-1)
    return Chains(u, renamed(tree["sample_stats"].to_dataset()))


def step_of(model: Any, settings: Settings) -> Any:
    """PyMC's step method, which compiles its own copy of the density."""
    with model:
        return pm.NUTS(target_accept=settings.target_accept, max_treedepth=settings.max_treedepth)


def _constrained(model: Any, u: np.ndarray) -> dict[str, np.ndarray]:
    """A start by the names of the free variables, which is what ``initvals`` takes."""
    values, at = {}, 0
    for variable, value in ((free, model.rvs_to_values[free]) for free in model.free_RVs):
        size = int(np.prod(value.type.shape))
        part = u[at : at + size].reshape(value.type.shape)
        transform = model.rvs_to_transforms[variable]
        values[variable.name] = part if transform is None else transform.backward(part, *variable.owner.inputs).eval()
        at += size
    return values
