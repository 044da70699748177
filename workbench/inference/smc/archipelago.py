"""All islands: each by itself, with rows in an order of its own, so that their spread tells what an order has cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from workbench.fit import Trace
from workbench.inference.method import Context
from workbench.inference.smc.entry import Entry
from workbench.inference.smc.islands import shared_out
from workbench.inference.smc.population import Population
from workbench.models import Mixture
from workbench.models.mixture import gathered
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.inference.smc import SMC


@dataclass(frozen=True, eq=False)
class Archipelago:
    """What independent islands have come to.

    Attributes
    ----------
    draws : batch (chain, draw), islands in proportion to their evidences
    log_evidences : ndarray (island,)
    trace : every island's log evidence of the rows so far
    remarks : what to say of the path
    """

    draws: Mixture
    log_evidences: np.ndarray
    trace: Trace
    remarks: tuple[str, ...]


def travelled(problem: Problem, options: SMC, context: Context) -> Archipelago:
    """Take islands through the path, one after the other: nothing that one draws, chooses or waits for depends on another."""
    own, *each = np.random.default_rng(context.noise_seed(0)).spawn(options.chains + 1)
    began, found = time.perf_counter(), []
    for i, rng in enumerate(each):
        island = Population.at_start(problem, options, rng, context.threads)
        island.travel(Entry.of(problem, rng), began, partial(_report, context, i, len(each)))
        found.append(island)
    log_evidences = np.array([island.log_evidence for island in found])
    chosen = shared_out(log_evidences, options.draws, own)
    draws = gathered([island.particles for island in found]).take(chosen.reshape(-1)).reshaped(*chosen.shape)
    capped, steps = sum(island.capped for island in found), sum(len(island.history) for island in found)
    remark = f"at {capped} of {steps} steps particles still resembled what they began from when the sweeps ran out; raise sweeps"
    return Archipelago(draws, log_evidences, _trace(found), (remark,) if capped else ())


def _report(context: Context, done: int, islands: int, share: float) -> None:
    context.progress("entering rows", (done + share) / islands)


def _trace(found: list[Population]) -> Trace:
    """Every island's log evidence of the rows so far, on its own path."""
    counts = [len(island.history) for island in found]
    steps = [step for island in found for step in island.history]
    return Trace(
        restart=np.repeat(np.arange(len(found)), counts),
        iteration=np.concatenate([np.arange(1, count + 1) for count in counts]),
        seconds=np.array([step.seconds for step in steps]),
        objective=np.array([step.log_evidence for step in steps]),
        entered=np.array([step.entered for step in steps]),
    )
