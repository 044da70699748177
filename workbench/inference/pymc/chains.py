"""Chains of NUTS from nutpie or from PyMC's own sampler, under one set of names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.fast.callback import addresses, identity_callback
from workbench.inference.pymc.density import Density  # prepares PyTensor: before nutpie, which loads it
from workbench.inference.pymc.model import Arrays

import nutpie  # isort: skip
import pymc as pm  # isort: skip
from nutpie.compile_pymc import CompiledPyMCModel  # isort: skip

STATISTICS = {
    "diverging": "diverging",
    "depth": "tree_depth",
    "tree_depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "reached_max_treedepth": "reached_max_treedepth",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "energy": "energy",
    "logp": "lp",
    "lp": "lp",
    "mean_tree_accept": "acceptance_rate",
    "acceptance_rate": "acceptance_rate",
}
"""What each sampler calls it -> what ArviZ's schema calls it; the rest is not kept."""

Start = Callable[[int], np.ndarray]
"""A seed -> flat coordinates (dim,) at which a chain begins."""


@dataclass(frozen=True, eq=False)
class Chains:
    """Draws ``u`` (chain, draw, dim) and the sampler's statistics, name -> (chain, draw)."""

    u: np.ndarray
    statistics: dict[str, np.ndarray]


@dataclass(frozen=True)
class Settings:
    chains: int
    draws: int
    tune: int
    target_accept: float
    max_treedepth: int
    seed: int
    cores: int


def sample(density: Density, given: Arrays, start: Start, settings: Settings, progress: Callable[[float], None]) -> Chains:
    """Run nutpie's NUTS: the same draws for the same seed and any number of cores."""
    handle = nutpie.sample(
        _nutpie_model(density, given, start),
        chains=settings.chains,
        draws=settings.draws,
        tune=settings.tune,
        cores=settings.cores,
        seed=settings.seed,
        target_accept=settings.target_accept,
        maxdepth=settings.max_treedepth,
        save_warmup=False,
        progress_bar=False,
        progress_callback=lambda chains: progress(_fraction(chains)),
        progress_rate=500,
        blocking=False,
    )
    try:
        tree = handle.wait()
    except KeyboardInterrupt:  # blocking, nutpie would return what it has as if that had been asked for
        handle.cancel()
        raise
    return Chains(np.asarray(tree["posterior"]["u"]), _renamed(tree["sample_stats"].to_dataset()))


def _nutpie_model(density: Density, given: Arrays, start: Start) -> Any:
    """A model for nutpie from our own callbacks. ``nutpie.compile_pymc_model`` makes the same kind of object, but compiles its
    callback anew in every process: 6 s where ours takes 1 s."""
    data = density.data(given)
    return CompiledPyMCModel(
        dims={},
        _n_dim=density.dim,
        _coords={},
        _shapes={"u": (density.dim,)},
        compiled_logp_func=density.callback,
        compiled_expand_func=identity_callback,
        initial_point_func=start,
        shared_data=dict(zip(density.names, data, strict=True)),  # keeps the arrays alive
        shared_var_keys={},
        user_data=addresses(data),
        n_expanded=density.dim,
        shape_info=(["u"], [slice(0, density.dim)], [(density.dim,)]),
        logp_func=density.function,
        expand_func=None,
        reparameterized_names=[],
    )


def _fraction(chains: Any) -> float:
    total = sum(chain.total_draws for chain in chains)
    return sum(chain.finished_draws for chain in chains) / total if total else 0.0


def _renamed(statistics: Any) -> dict[str, np.ndarray]:
    return {ours: np.asarray(statistics[theirs]) for theirs, ours in STATISTICS.items() if theirs in statistics}


def sample_pymc(density: Density, start: Start, settings: Settings, step: Any) -> Chains:
    """Run PyMC's own NUTS, one chain after the other; ``step`` from ``pymc_step``."""
    model = density.model
    seeds = [int(seed) for seed in np.random.SeedSequence(settings.seed).generate_state(settings.chains)]
    with model:
        tree = pm.sample(
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=1,
            random_seed=seeds,
            step=step,
            initvals=[_constrained(model, start(seed)) for seed in seeds],
            progressbar=False,
            compute_convergence_checks=False,
            idata_kwargs={"include_transformed": True},
        )
    groups = [tree[name].to_dataset() for name in ("posterior", "unconstrained_posterior") if name in tree.children]
    found = {str(name): np.asarray(group[name]) for group in groups for name in group.data_vars}
    shape = (settings.chains, settings.draws, -1)
    u = np.concatenate([found[variable.name].reshape(shape) for variable in model.value_vars], axis=-1)
    return Chains(u, _renamed(tree["sample_stats"].to_dataset()))


def pymc_step(density: Density, settings: Settings) -> Any:
    """PyMC's step method, which compiles its own copy of the density."""
    with density.model:
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
