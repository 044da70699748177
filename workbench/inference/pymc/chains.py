"""Chains of NUTS from nutpie, which calls a compiled log posterior; the names of statistics, whatever the sampler."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import nutpie
from nutpie.compile_pymc import CompiledPyMCModel

from workbench.fast.posterior.callback import identity_callback
from workbench.fast.posterior.pointers import addresses
from workbench.inference.em.apart import Places
from workbench.inference.pymc.posterior import Posterior

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


def sample(target: Posterior, places: Places, settings: Settings, progress: Callable[[float], None]) -> Chains:
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
    running = [_Chain(target, factor, places.u[i], settings, i, heard) for i, factor in enumerate(factors)]
    with ThreadPoolExecutor(settings.cores) as pool:
        try:
            trees = list(pool.map(_Chain.run, running))
        except BaseException:  # an interrupt, or a chain that failed, ends the others
            for chain in running:
                chain.cancel()
            raise
    statistics = [renamed(tree["sample_stats"].to_dataset()) for tree in trees]
    drawn = [np.asarray(tree["posterior"]["u"]) for tree in trees]
    u = np.concatenate([v @ factor.T if factor.size else v for v, factor in zip(drawn, factors, strict=True)])
    return Chains(u, {name: np.concatenate([each[name] for each in statistics]) for name in statistics[0]})


@dataclass(eq=False)
class _Chain:
    """One chain of nutpie's, which can be stopped from elsewhere."""

    target: Posterior
    factor: np.ndarray
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
            _nutpie_model(self.target, self.factor, self.start),
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


def _nutpie_model(target: Posterior, factor: np.ndarray, start: np.ndarray) -> Any:
    """A model for nutpie from our own callbacks: what ``nutpie.compile_pymc_model`` makes, but that compiles anew in every process."""
    first = np.linalg.solve(factor, start) if factor.size else start
    data = (factor, *target.data)
    return CompiledPyMCModel(
        dims={},
        _n_dim=target.dim,
        _coords={},
        _shapes={"u": (target.dim,)},
        compiled_logp_func=target.callback,
        compiled_expand_func=identity_callback,
        initial_point_func=lambda seed: first.copy(),
        shared_data={str(i): array for i, array in enumerate(data)},  # keeps the arrays alive
        shared_var_keys={},
        user_data=addresses(data),
        n_expanded=target.dim,
        shape_info=(["u"], [slice(0, target.dim)], [(target.dim,)]),
        logp_func=None,
        expand_func=None,
        reparameterized_names=[],
    )


def _fraction(chains: Any) -> float:
    total = sum(chain.total_draws for chain in chains)
    return sum(chain.finished_draws for chain in chains) / total if total else 0.0


def renamed(statistics: Any) -> dict[str, np.ndarray]:
    return {ours: np.asarray(statistics[theirs]) for theirs, ours in STATISTICS.items() if theirs in statistics}
