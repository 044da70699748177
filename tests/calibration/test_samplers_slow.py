"""NUTS is calibrated and compiles once; what mean-field ADVI loses is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.compare.calibration import Ranked, calibrate, ranked
from workbench.data.builtin import load_built_in
from workbench.inference import ADVI, NUTS, SMC
from workbench.inference.method import Method
from workbench.problem import Problem


def small(prior: Any = "default") -> Problem:
    """Twenty eruptions of Old Faithful, both columns."""
    return Problem(load_built_in("old_faithful").take(np.arange(0, 272, 14)), "gaussian", 2, prior)


def ranked_by(method: Method, replicates: int, problem: Problem | None = None) -> dict[str, Ranked]:
    return {each.quantity: each for each in ranked(calibrate(problem or small(), method, replicates, seed=3))}


@pytest.mark.slow(seconds=35)
@pytest.mark.timeout(1800)
def test_nuts_passes_and_compiles_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.fast.posterior import callback

    compiled = []
    real = callback.apart
    callback.callback.cache_clear()
    monkeypatch.setattr(callback, "apart", lambda *arguments: compiled.append(arguments) or real(*arguments))
    found = ranked_by(NUTS(chains=4, tune=300, draws=200, init="prior"), 50)
    assert len(compiled) == 1
    assert [quantity for quantity, each in found.items() if not each.good] == []


@pytest.mark.slow(seconds=20)
@pytest.mark.timeout(1800)
def test_advi_fails_and_compiles_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean field: one mode of several, and too narrow about it."""
    from workbench.inference.pymc import step

    compiled = []
    real = step._compile
    monkeypatch.setattr(step, "_STEPS", {})
    monkeypatch.setattr(step, "_compile", lambda *arguments: compiled.append(arguments) or real(*arguments))
    found = ranked_by(ADVI(restarts=1, rates=(1e-2, 1e-3), window=200, max_iter=4_000, draws=200), 25)
    assert len(compiled) == 1
    assert found["log_likelihood"].good is False


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_smc_passes() -> None:
    found = ranked_by(SMC(chains=4, draws=100), 100)
    assert [quantity for quantity, each in found.items() if not each.good] == []


@pytest.mark.slow(seconds=35)
@pytest.mark.timeout(1800)
def test_smc_passes_under_an_independent_prior() -> None:
    """Where rows enter by powers of their likelihood from the first on, and moves are there and back."""
    found = ranked_by(SMC(chains=4, draws=100), 30, small({"kind": "independent"}))
    assert [quantity for quantity, each in found.items() if not each.good] == []
