"""The compiled E step on terms is the book's: on those of mixtures, hard ones too, and on expected ones, which are no density."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import test_fast_discrete as discrete
import test_fast_equals_book as gaussian
import test_fast_product as product
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_fast_equals_book import COVARIANCES
from test_fast_product import arrays, assert_equal

from workbench.fast import chunks, expectation
from workbench.inference.em import steps
from workbench.models import Expectation, Terms
from workbench.models.prior import Prior
from workbench.problem import Problem

FITS = 3


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_gaussian_terms_of_a_mixture(covariance: str) -> None:
    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(case=gaussian.cases(covariance))
    def holds(case: gaussian.Case) -> None:
        terms = case.mixture.terms()
        assume(np.isfinite(case.log_joint[~np.isneginf(case.log_joint)]).all())
        with np.errstate(all="ignore"):
            expected = steps.expect_terms(terms, case.data, case.counts)
            found = expectation.expect_terms(terms, case.data, case.counts)
        gaussian.assert_same(found, expected, case, case.tolerance)

    holds()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(case=product.cases())
def test_product_terms_of_a_mixture(case: product.Case) -> None:
    terms = case.mixture.terms()
    with np.errstate(all="ignore"):
        book = steps.expect_terms(terms, case.data, case.counts)
        fast = expectation.expect_terms(terms, case.data, case.counts)
    possible = np.isfinite(book.log_likelihood)
    assert np.isfinite(fast.log_likelihood[possible]).all()
    assert (fast.log_likelihood[np.isneginf(book.log_likelihood)] == -np.inf).all()
    product.assert_same(fast.take(possible), book.take(possible), case)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(discrete.cases(), st.sampled_from(sorted(discrete.RULES)))
def test_discrete_terms_of_a_mixture(case: tuple, rule: str) -> None:  # type: ignore[type-arg]
    data, mixture, counts, own = case
    data, terms = dataclasses.replace(data, counts=own), mixture.terms()
    with np.errstate(invalid="ignore"):
        book = steps.expect_terms(terms, data, counts, discrete.RULES[rule])
        fast = expectation.expect_terms(terms, data, counts, rule=rule, beta=0.4)  # type: ignore[arg-type]
    possible = np.isfinite(book.log_likelihood)
    assert (fast.log_likelihood[np.isneginf(book.log_likelihood)] == -np.inf).all()
    discrete.same(fast.take(possible), book.take(possible), data.n_rows)


def rows_of(name: str, rng: np.random.Generator, n_rows: int, size: int, missing: float) -> np.ndarray:
    if name != "gaussian":
        return np.asarray(discrete.some_data(rng, name, n_rows, size, missing))
    x = 10.0 + rng.normal(size=(n_rows, size)) @ rng.normal(size=(size, size)) + 3.0 * rng.integers(0, 2, n_rows)[:, None]
    x[rng.random(x.shape) < missing] = np.nan
    return x


def updated(problem: Problem, rng: np.random.Generator, empty: bool) -> Prior:
    """A batch of updated priors, with a component to which nothing belongs if asked for."""
    assert problem.prior is not None
    shares = rng.dirichlet(np.ones(problem.n_components), size=(FITS, problem.data.n_rows))
    if empty and problem.n_components > 1:
        shares[..., 0] = 1e-12
    return problem.prior.posterior(problem.family.statistics(problem.data, shares))


def assert_same(found: Expectation, expected: Expectation) -> None:
    for name in ("log_likelihood", "expected_complete"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(found.entropy, expected.entropy, rtol=1e-9, atol=1e-10)
    for mine, theirs in zip(arrays(found.statistics), arrays(expected.statistics), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max(initial=1e-30))


@pytest.mark.parametrize("name", [*COVARIANCES, *discrete.FAMILIES])
def test_expected_terms(name: str) -> None:
    """Missing cells, counts, empty components, few rows and many features."""

    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(
        st.integers(0, 2**32 - 1),
        st.sampled_from([40, 140]),
        st.sampled_from([1, 2, 3, 9, 18]),
        st.integers(1, 5),
        st.sampled_from([0.0, 0.2, 0.6]),
        st.booleans(),
        st.sampled_from([1.0, 1e-4, 1e6]),
    )
    def holds(seed: int, n_rows: int, size: int, n_components: int, missing: float, empty: bool, unit: float) -> None:
        rng = np.random.default_rng(seed)
        family = "gaussian" if name in COVARIANCES else name
        options = {"covariance": name} if name in COVARIANCES else {}
        scale = unit if name in COVARIANCES else 1.0
        complete = Problem(scale * rows_of(family, rng, n_rows, size, 0.0), family, n_components, **options)
        x = np.where(rng.random(complete.data.x.shape) < missing, np.nan, complete.data.x)
        x[0] = np.nan if missing else x[0]
        counts = rng.integers(1, 4, size=n_rows).astype(float)
        problem = Problem(dataclasses.replace(complete.data, x=x, counts=counts), complete.family, n_components, complete.prior)
        terms = updated(problem, rng, empty).expected_terms()
        assert_same(expectation.expect_terms(terms, problem.data), steps.expect_terms(terms, problem.data))

    holds()


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_expected_terms_of_blocks(covariance: str, missing: float) -> None:
    """Some rows have nothing observed in the Gaussian block alone."""
    problem = product.problem_of(covariance, missing=missing)
    terms = updated(problem, np.random.default_rng(1), False).expected_terms()
    assert_same(expectation.expect_terms(terms, problem.data), steps.expect_terms(terms, problem.data))


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_bits_depend_neither_on_threads_nor_on_the_batch(covariance: str, missing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ALONE", 0)
    for problem in (
        product.problem_of(covariance, 2 * chunks.ROWS + 333, missing),
        Problem(rows_of("gaussian", np.random.default_rng(2), 2 * chunks.ROWS + 333, 2, missing), covariance=covariance, n_components=3),
    ):
        data, terms = problem.data, updated(problem, np.random.default_rng(1), False).expected_terms()
        one = expectation.expect_terms(terms, data)
        assert_equal(expectation.expect_terms(terms, data, threads=3), one)
        assert_equal(expectation.expect_terms(terms.take(slice(1, 2)), data, threads=2), one.take(slice(1, 2)))
        with monkeypatch.context() as patch:
            patch.setattr(expectation, "ROOM", 1)
            assert_equal(expectation.expect_terms(terms, data), one)


def test_there_is_no_silent_way_round_for_terms_without_a_compiled_step() -> None:
    class Other(Terms):
        pass

    with pytest.raises(TypeError, match="engine: book"):
        expectation.expect_terms(Other(), Problem(np.arange(4.0)).data)  # type: ignore[abstract]
