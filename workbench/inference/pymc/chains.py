"""Chains of NUTS from nutpie or from PyMC's own sampler, under one set of names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.fast.callback import addresses, identity_callback
from workbench.inference.em.apart import Places
from workbench.inference.pymc.density import Density  # prepares PyTensor: before nutpie, which loads it
from workbench.inference.pymc.model import Arrays
from workbench.models.shapes import Coordinates

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


@dataclass(frozen=True, eq=False)
class Chains:
    """Draws ``u`` (chain, draw, dim) and the sampler's statistics, name -> (chain, draw)."""

    u: np.ndarray
    statistics: dict[str, np.ndarray]


@dataclass(frozen=True)
class Settings:
    """What the chains are to be: ``seeds`` has one of each chain's own, ``cores`` is how many run at a time."""

    draws: int
    tune: int
    target_accept: float
    max_treedepth: int
    seeds: tuple[int, ...]
    cores: int


def sample(density: Density, given: Arrays, places: Places, settings: Settings, progress: Callable[[float], None]) -> Chains:
    """Run nutpie's NUTS from ``places``, each chain by its own seed: the same draws for any number of cores.

    Where a chain's place has a factor the chain moves in v, u = factor v: the same posterior, less stretched.

    A chain is a run of its own, as nutpie gives the starts of several to whichever asks first.
    """
    done, lock = [0.0] * len(places.u), threading.Lock()

    def heard(i: int, fraction: float) -> None:
        with lock:
            done[i] = fraction
            progress(sum(done) / len(done))

    factors = np.zeros((len(places.u), 0, 0)) if places.factors is None else np.ascontiguousarray(places.factors)
    data = density.data(given)  # once for all chains
    running = [_Chain(density, (*data, factor), places.u[i], settings, i, heard) for i, factor in enumerate(factors)]
    with ThreadPoolExecutor(settings.cores) as pool:
        try:
            trees = list(pool.map(_Chain.run, running))
        except BaseException:  # an interrupt, or a chain that failed, ends the others
            for chain in running:
                chain.cancel()
            raise
    statistics = [_renamed(tree["sample_stats"].to_dataset()) for tree in trees]
    drawn = [np.asarray(tree["posterior"]["u"]) for tree in trees]
    u = np.concatenate([v @ factor.T if factor.size else v for v, factor in zip(drawn, factors, strict=True)])
    return Chains(u, {name: np.concatenate([each[name] for each in statistics]) for name in statistics[0]})


@dataclass(eq=False)
class _Chain:
    """One chain of nutpie's, which can be stopped from elsewhere.

    ``data`` are what the callback takes, the factor last.
    """

    density: Density
    data: tuple[np.ndarray, ...]
    start: np.ndarray
    settings: Settings
    number: int
    heard: Callable[[int, float], None]
    handle: Any = None
    stopped: bool = False

    def run(self) -> Any:
        if self.stopped:
            return None
        settings = self.settings
        self.handle = nutpie.sample(
            _nutpie_model(self.density, self.data, self.start),
            chains=1,
            draws=settings.draws,
            tune=settings.tune,
            cores=1,
            seed=settings.seeds[self.number],
            target_accept=settings.target_accept,
            maxdepth=settings.max_treedepth,
            save_warmup=False,
            progress_bar=False,
            progress_callback=lambda chains: self.heard(self.number, _fraction(chains)),
            progress_rate=500,
            blocking=False,  # blocking, nutpie would return what it has when interrupted, as if that had been asked for
        )
        if self.stopped:  # meanwhile
            self.handle.cancel()
        return self.handle.wait()

    def cancel(self) -> None:
        self.stopped = True
        if self.handle is not None and not self.handle.is_finished:
            self.handle.cancel()


def _nutpie_model(density: Density, data: tuple[np.ndarray, ...], start: np.ndarray) -> Any:
    """A model for nutpie from our own callbacks. ``nutpie.compile_pymc_model`` makes the same kind of object, but compiles its
    callback anew in every process: 6 s where ours takes 1 s."""
    factor = data[-1]
    first = np.linalg.solve(factor, start) if factor.size else start
    return CompiledPyMCModel(
        dims={},
        _n_dim=density.dim,
        _coords={},
        _shapes={"u": (density.dim,)},
        compiled_logp_func=density.callback,
        compiled_expand_func=identity_callback,
        initial_point_func=lambda seed: first.copy(),
        shared_data=dict(zip((*density.names, "factor"), data, strict=True)),  # keeps the arrays alive
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


def sample_pymc(density: Density, starts: Coordinates, settings: Settings, step: Any) -> Chains:
    """Run PyMC's own NUTS from ``starts`` (chain, dim), one chain after the other; ``step`` from ``pymc_step``."""
    model = density.model
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
