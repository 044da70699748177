"""The compiled E step of discrete families is the book's: hypothesis looks for data on which it is not."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import Dataset
from workbench.fast import chunks, codes, expectation
from workbench.inference.em import steps
from workbench.models import Mixture
from workbench.models.families.bernoulli import BernoulliComponents
from workbench.models.families.categorical.components import CategoricalComponents
from workbench.models.families.poisson import PoissonComponents

FAMILIES = ("bernoulli", "poisson", "categorical")
RULES = {"soft": steps.soft, "hard": steps.hard, "power": steps.Power(0.4)}


def some_data(rng, family, n_rows, n_features, missing):
    if family == "poisson":
        x = rng.poisson(rng.choice([0.3, 4.0, 2000.0], n_features), (n_rows, n_features)).astype(float)
    else:
        x = rng.integers(0, 2 if family == "bernoulli" else 4, (n_rows, n_features)).astype(float)
    x[rng.random(x.shape) < missing] = np.nan
    return x


def some_mixture(rng, family, fits, n_components, n_features, zeros):
    shape = (fits, n_components, n_features)
    nothing = rng.random(shape) < zeros
    weights = rng.dirichlet(np.full(n_components, 0.3), fits)
    if family == "bernoulli":
        return Mixture(weights, BernoulliComponents(np.where(nothing, rng.integers(0, 2, shape), rng.random(shape))))
    if family == "poisson":
        return Mixture(weights, PoissonComponents(np.where(nothing, 0.0, rng.gamma(0.5, 20.0, shape))))
    probs = rng.dirichlet(np.full(4, 0.5), shape)
    probs[..., 3] = np.where(nothing, 0.0, probs[..., 3])
    return Mixture(weights, CategoricalComponents(probs / probs.sum(axis=-1, keepdims=True)))


def same(ours, theirs, n_rows):
    """To 1e-9 relative; an entropy near 0 has the rounding of each row's probabilities, and of their log joints before."""
    for name in ("log_likelihood", "expected_complete"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9, atol=1e-13 * n_rows, err_msg=name)
    rounding = 1e-13 * n_rows + 1e-15 * np.abs(theirs.log_likelihood).max(initial=0.0)
    np.testing.assert_allclose(ours.entropy, theirs.entropy, rtol=1e-9, atol=rounding)
    for mine, his in zip(ours.statistics.arrays(), theirs.statistics.arrays(), strict=True):
        np.testing.assert_allclose(mine, his, rtol=1e-9, atol=1e-280)


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    family = draw(st.sampled_from(FAMILIES))
    n_rows, n_features = draw(st.integers(1, 90)), draw(st.integers(1, 9))
    fits, n_components = draw(st.integers(1, 19)), draw(st.integers(1, 11))
    x = some_data(rng, family, n_rows, n_features, draw(st.sampled_from([0.0, 0.2, 0.9])))
    if draw(st.booleans()):
        x[:, rng.integers(n_features)] = np.nan
    if draw(st.booleans()):
        x[rng.integers(n_rows)] = np.nan
    if draw(st.booleans()):
        x = x[rng.integers(0, max(1, n_rows // 6), n_rows)]  # most rows are there several times
    mixture = some_mixture(rng, family, fits, n_components, n_features, draw(st.sampled_from([0.0, 0.0, 0.2])))
    counts = {
        "the data's": None,
        "all fits'": rng.integers(0, 4, n_rows).astype(float),
        "each fit's": rng.exponential(size=(fits, n_rows)),
    }[draw(st.sampled_from(["the data's", "all fits'", "each fit's"]))]
    own = rng.integers(1, 4, n_rows).astype(float) if draw(st.booleans()) else np.ones(n_rows)
    return Dataset.of(x), mixture, counts, own


@given(cases(), st.sampled_from(sorted(RULES)))
@settings(deadline=None, max_examples=300)
def test_compiled_is_the_book(case, rule):
    data, mixture, counts, own = case
    data = dataclasses.replace(data, counts=own)
    with np.errstate(invalid="ignore"):  # a row that is impossible under every component, times a count of 0
        book = steps.expect(mixture, data, counts, RULES[rule])
    possible = np.isfinite(book.log_likelihood)
    beta = 0.4 if rule == "power" else 1.0
    fast = expectation.expect(mixture, data, counts, rule=rule, beta=beta)
    assert np.isfinite(fast.log_likelihood[possible]).all()
    assert (fast.log_likelihood[np.isneginf(book.log_likelihood)] == -np.inf).all()
    same(fast.take(possible), book.take(possible), data.n_rows)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("by_fit", [False, True])
def test_bits_depend_on_no_other_fit_and_no_number_of_threads(family, by_fit, monkeypatch):
    """A fit is worked on with seven others or alone, and alone its components share registers; rows come in several chunks."""
    monkeypatch.setattr(chunks, "ALONE", 0)
    rng = np.random.default_rng(4)
    x = some_data(rng, family, 20_000, 7, 0.1)
    mixture = some_mixture(rng, family, 11, 5, 7, 0.0)
    data = Dataset.of(x)
    counts = rng.exponential(size=(11, 20_000)) if by_fit else None
    whole = expectation.expect(mixture, data, counts)
    for again in (
        expectation.expect(mixture, data, counts, threads=2),
        expectation.expect(mixture, Dataset.of(x), counts, threads=5),
        type(whole).joined(
            [expectation.expect(mixture.take([i]), data, None if counts is None else counts[[i]], threads=2) for i in range(11)]
        ),
    ):
        np.testing.assert_array_equal(again.log_likelihood, whole.log_likelihood)
        np.testing.assert_array_equal(again.entropy, whole.entropy)
        for mine, his in zip(again.statistics.arrays(), whole.statistics.arrays(), strict=True):
            np.testing.assert_array_equal(mine, his)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_climb(family):
    """A hundred steps of the book and of the compiled engine, each from its own last one."""
    rng = np.random.default_rng(8)
    data = Dataset.of(some_data(rng, family, 200, 5, 0.1))
    ours = theirs = some_mixture(rng, family, 3, 3, 5, 0.0)
    for _ in range(100):
        ours = expectation.m_step(expectation.expect(ours, data).statistics, None, ours)
        theirs = steps.m_step(steps.expect(theirs, data).statistics, None, theirs)
    np.testing.assert_allclose(ours.weights, theirs.weights, rtol=1e-7)
    np.testing.assert_allclose(ours.log_likelihood(data.x), theirs.log_likelihood(data.x), rtol=1e-11)


def test_rows_that_are_there_often_are_worked_on_once():
    x = np.random.default_rng(1).integers(0, 2, (5000, 4)).astype(float)
    assert codes.encode(x).codes.shape[0] == 16


def test_codes_and_members_are_the_rows():
    x = some_data(np.random.default_rng(3), "categorical", 300, 6, 0.2)
    known = codes.encode(x)
    entries = [[cell] for cell in range(known.n_cells)] + [[]]
    for left, right in known.members:
        entries.append(entries[left] + entries[right])
    for row, own in zip(x, known.codes[known.place], strict=True):
        cells = [cell for entry in own for cell in entries[entry]]
        assert sorted(zip(known.feature[cells], known.value[cells], strict=True)) == [(d, v) for d, v in enumerate(row) if not np.isnan(v)]
