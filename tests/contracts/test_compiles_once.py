"""PyMC's methods compile once for a family, K and D: other rows of the same shape, more of them, fewer, or with missing cells cost no more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from workbench.data.builtin import load_built_in
from workbench.inference import ADVI, NUTS, FullRankADVI
from workbench.inference.method import Context, Method
from workbench.problem import Problem

METHODS: dict[str, Callable[[], Method]] = {
    "nuts": lambda: NUTS(chains=1, draws=20, tune=50, init="prior"),
    "advi": lambda: ADVI(restarts=1, rates=(1e-2,), window=50, max_iter=100, draws=20),
    "fullrank_advi": lambda: FullRankADVI(restarts=1, rates=(1e-2,), window=50, max_iter=100, draws=20),
}


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is compiled by a process that has compiled nothing: ADVI's steps, NUTS's C functions."""
    from workbench.fast.posterior import callback
    from workbench.inference.pymc import step

    seen: list[Any] = []
    callback.callback.cache_clear()
    monkeypatch.setattr(step, "_STEPS", {})
    for module, name in ((callback, "apart"), (step, "_compile")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, real=real: seen.append(given) or real(*given))
    return seen


def sets_of_rows() -> Iterator[np.ndarray]:
    """Old Faithful; other eruptions of the same number; a few; many; some with missing cells, and others than before."""
    x = load_built_in("old_faithful").x
    yield x
    yield x[::-1] * [1.1, 0.9]
    yield x[:40]
    yield np.concatenate([x, x + 0.01])
    rng = np.random.default_rng(0)
    for share in (0.1, 0.3):
        yield np.where(rng.random(x.shape) < share, np.nan, x)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_other_rows_cost_no_compilation(name: str, compiled: list[Any]) -> None:
    seconds = []
    for x in sets_of_rows():
        problem = Problem(x, "gaussian", 2)
        fit = METHODS[name]().fit(problem, dataclasses.replace(Context.default(problem), estimates=False))
        assert np.isfinite(fit.log_posterior).all()
        seconds.append(fit.seconds["compile"])
    assert len(compiled) == 1
    assert max(seconds[1:]) < 0.2 * seconds[0] or name == "nuts"  # whose code comes from the disk in no time
