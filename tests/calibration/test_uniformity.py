"""Tests of uniformity hold their level and find what they are for; the band is exact."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest

from workbench.compare.calibration.uniformity import Uniformity, at_most, band, uniformity

DRAWS = 99


@functools.cache
def simulated(n_sets: int, n_ranks: int, spread: float = 1.0, shift: float = 0.0) -> list[Uniformity]:
    """Truths from N(0, 1) among draws from N(shift, spread^2)."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(n_sets):
        truth, draws = rng.standard_normal((n_ranks, 1)), shift + spread * rng.standard_normal((n_ranks, DRAWS))
        found.append(uniformity((draws < truth).sum(axis=1), DRAWS))
    return found


@pytest.mark.parametrize("name", ["p_histogram", "p_ecdf", "p_bias", "p_spread"])
def test_p_values_of_uniform_ranks_are_below_a_level_as_often_as_it_says(name: str) -> None:
    """Discrete ones no more often."""
    values = np.array([getattr(each, name) for each in simulated(2000, 100)])
    for level in (0.01, 0.1):
        assert abs((values <= level).mean() - level) < 3.3 * math.sqrt(level * (1 - level) / 2000) + 0.15 * level


def test_what_is_wrong_is_found_and_named() -> None:
    """A fifth too narrow, a fifth too wide, half an sd off: of 200 replicates, with the correction for ten quantities."""
    narrow, wide, off = (simulated(100, 200, *how) for how in ((0.8,), (1.25,), (1.0, 0.5)))
    assert np.mean([each.p * 10 < 0.01 for each in narrow]) > 0.5
    assert np.mean([each.p * 10 < 0.01 for each in wide]) > 0.45
    assert np.mean([each.p * 10 < 0.01 for each in off]) > 0.95
    assert np.mean([each.outer for each in narrow]) > 0.25 > 0.15 > np.mean([each.outer for each in wide])
    assert np.mean([each.below for each in off]) < 0.4


def all_sets(n_ranks: int, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Every set of ranks, all equally likely, and the band's p value of each."""
    sets = np.array(list(itertools.product(range(n_draws + 1), repeat=n_ranks)))
    p = {tuple(ranks): uniformity(ranks, n_draws).p_ecdf for ranks in np.unique(np.sort(sets, axis=1), axis=0)}
    return sets, np.array([p[tuple(ranks)] for ranks in np.sort(sets, axis=1)])


@pytest.mark.parametrize(("n_ranks", "n_draws", "level"), [(5, 3, 0.3), (6, 2, 0.1), (4, 5, 0.5)])
def test_the_band_is_left_by_the_sets_of_a_p_value_up_to_its_level(n_ranks: int, n_draws: int, level: float) -> None:
    sets, p = all_sets(n_ranks, n_draws)
    counts = np.array([at_most(ranks, n_draws) for ranks in sets])
    low, high = band(n_ranks, n_draws, level)
    inside = ((counts >= low) & (counts <= high)).all(axis=1)
    assert (inside == (p > level)).all()
    assert 0.0 < 1.0 - inside.mean() <= level


@pytest.mark.parametrize(("n_ranks", "n_draws"), [(5, 3), (4, 5)])
def test_the_p_value_of_the_band_is_exact(n_ranks: int, n_draws: int) -> None:
    """P(p <= t) = t at every value t that it takes."""
    _, p = all_sets(n_ranks, n_draws)
    for value in np.unique(p.round(9)):
        assert (p <= value + 1e-9).mean() == pytest.approx(value, abs=1e-9)
