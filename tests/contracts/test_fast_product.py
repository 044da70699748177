"""The compiled E and M step of blocks of columns is the book's: hypothesis looks for blocks and data on which it is not."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_fast_discrete import some_data, some_mixture
from test_fast_equals_book import ASSIGN, COVARIANCES, FITS, KINDS, assert_same_scatters, mixtures, rows, weights_of

from workbench.data import Dataset
from workbench.fast import chunks, expectation
from workbench.inference.em import steps
from workbench.inference.em.engine import BOOK, Fast
from workbench.inference.em.starts import starts
from workbench.models import Expectation, Mixture, Product, Statistics
from workbench.models.families.product.components import Layout, ProductComponents
from workbench.problem import Problem

DISCRETE = ("bernoulli", "categorical", "poisson")


@dataclass(frozen=True, eq=False)
class Case:
    data: Dataset
    mixture: Mixture
    counts: np.ndarray | None

    @property
    def size(self) -> float:
        """Of the numbers that a log joint is the sum of."""
        parts = self.mixture.components.each(  # type: ignore[attr-defined]
            lambda block, columns: block.terms(np.ones_like(self.mixture.weights)).log_joint(self.data.x[:, columns])
        )
        return float(1.0 + sum(np.abs(part[np.isfinite(part)]).max(initial=0.0) for part in parts))


def blocks_of(
    rng: np.random.Generator,
    kinds: tuple[str, ...],
    sizes: tuple[int, ...],
    n_rows: int,
    weights: np.ndarray,
    how: tuple[str, float, float],
) -> tuple[np.ndarray, Mixture]:
    """Data and a mixture in blocks; ``how`` is the kind of Gaussian rows, the share of missing cells and of probabilities of 0."""
    columns, blocks = [], []
    for kind, size in zip(kinds, sizes, strict=True):
        if kind in COVARIANCES:
            x = rows(rng, n_rows, size, how[0])
            x[rng.random(x.shape) < how[1]] = np.nan
            blocks.append(mixtures(rng, x, weights, kind, 0.1).components)
        else:
            x = some_data(rng, kind, n_rows, size, how[1])
            blocks.append(some_mixture(rng, kind, FITS, weights.shape[1], size, how[2]).components)
        columns.append(x)
    names = tuple({name: f"{name}_{kind}" for name in block.dims} for kind, block in zip(kinds, blocks, strict=True))
    layout = Layout(sizes, names, tuple({} for _ in kinds))
    return np.concatenate(columns, axis=1), Mixture(weights, ProductComponents(tuple(blocks), layout))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    normal = draw(st.sampled_from([(), *((name,) for name in COVARIANCES)]))
    kinds = draw(st.permutations([*normal, *draw(st.sets(st.sampled_from(DISCRETE), min_size=0 if normal else 1))]))
    sizes = tuple(draw(st.sampled_from([1, 2, 5, 18] if kind in COVARIANCES else [1, 3, 7])) for kind in kinds)
    n_rows, n_components = draw(st.sampled_from([1, 2, 9, 40, 140])), draw(st.integers(1, 5))
    weights = weights_of(rng, n_components, draw(st.sampled_from(["even", "with a zero", "nearly empty"])))
    how = (draw(st.sampled_from(KINDS)), draw(st.sampled_from([0.0, 0.0, 0.2, 0.9])), draw(st.sampled_from([0.0, 0.0, 0.2])))
    x, mixture = blocks_of(rng, tuple(kinds), sizes, n_rows, weights, how)
    if draw(st.booleans()):
        x[rng.integers(n_rows)] = np.nan
    counts = {
        "the data's": None,
        "for all": rng.integers(0, 4, n_rows).astype(float),
        "each fit's": rng.choice([0.0, 0.25, 1.0, 3.0], size=(FITS, n_rows)),
    }[draw(st.sampled_from(["the data's", "for all", "each fit's"]))]
    own = rng.integers(1, 4, n_rows).astype(float) if draw(st.booleans()) else np.ones(n_rows)
    return Case(dataclasses.replace(Dataset.of(x), counts=own), mixture, counts)


def arrays(statistics: Statistics) -> list[np.ndarray]:
    return list(chain.from_iterable(arrays(part) if isinstance(part, Statistics) else [part] for part in statistics.arrays()))


def assert_same(found: Expectation, expected: Expectation, case: Case) -> None:
    """To 1e-9, and what float64 knows of the difference of two log joints."""
    tolerance = 1e-9 + 4e-15 * case.size
    for name in ("log_likelihood", "expected_complete", "entropy"):
        ours, theirs = np.asarray(getattr(found, name)), np.asarray(getattr(expected, name))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-13 * case.data.n_rows * case.size, err_msg=name)
    np.testing.assert_allclose(found.statistics.counts, expected.statistics.counts, rtol=tolerance, atol=1e-280)
    components = case.mixture.components
    pairs = zip(found.statistics.blocks, expected.statistics.blocks, components.blocks, components.layout.columns, strict=True)  # type: ignore[attr-defined]
    for ours, theirs, block, columns in pairs:
        if not hasattr(theirs, "scatters"):
            assert type(ours) is type(theirs)
            for mine, his in zip(ours.arrays(), theirs.arrays(), strict=True):
                np.testing.assert_allclose(mine, his, rtol=tolerance, atol=1e-280)
            continue
        reach = np.nanmax(np.abs(case.data.x[:, columns]), axis=0, initial=0.0) + np.abs(block.means).max(axis=(0, 1))
        np.testing.assert_allclose(ours.counts, theirs.counts, rtol=tolerance, atol=1e-280)
        np.testing.assert_allclose(ours.seen, theirs.seen, rtol=tolerance, atol=1e-280)
        seen = theirs.seen[..., None] if theirs.scatters.ndim == 4 else theirs.seen
        some = seen * np.minimum(reach, 1.0) > 1e-280
        np.testing.assert_allclose(*(np.where(some, s.means / reach, 0.0) for s in (ours, theirs)), rtol=0, atol=tolerance)
        assert_same_scatters(ours.scatters, theirs.scatters, seen, reach, tolerance)


def decided(case: Case) -> bool:
    """No label is chosen by rounding."""
    with np.errstate(all="ignore"):
        top = np.sort(case.mixture.log_joint(case.data.x), axis=-1)[..., -2:]
        return bool(top.shape[-1] < 2 or not (np.abs(top[..., 1] - top[..., 0]) < 1e-12 * case.size).any())


@pytest.mark.parametrize("rule", ASSIGN)
def test_e_step_is_the_books(rule: str) -> None:
    @settings(max_examples=120, deadline=None, derandomize=True)
    @given(case=cases())
    def holds(case: Case) -> None:
        if rule == "hard":
            assume(decided(case))
        with np.errstate(all="ignore"):
            book = steps.expect(case.mixture, case.data, case.counts, ASSIGN[rule])
        fast = expectation.expect(case.mixture, case.data, case.counts, rule=rule, beta=0.4)  # type: ignore[arg-type]
        possible = np.isfinite(book.log_likelihood)
        assert np.isfinite(fast.log_likelihood[possible]).all()
        assert (fast.log_likelihood[np.isneginf(book.log_likelihood)] == -np.inf).all()
        assert_same(fast.take(possible), book.take(possible), case)

    holds()


COLUMNS = {"gaussian": ["a", "b"], "bernoulli": ["c"], "categorical": ["d", "e"], "poisson": ["f"]}


def problem_of(covariance: str, n_rows: int = 200, missing: float = 0.1) -> Problem:
    """Three clusters in columns of all families, the Gaussian ones in the middle."""
    rng = np.random.default_rng(5)
    z = rng.integers(0, 3, n_rows)
    parts = [
        rng.random(n_rows) < np.array([0.1, 0.5, 0.9])[z],
        rng.poisson(np.array([1.0, 4.0, 20.0])[z]),
        rng.normal(size=n_rows) + 3.0 * z,
        rng.normal(size=n_rows) - 2.0 * z,
        (z + rng.integers(0, 2, n_rows)) % 3,
        rng.integers(0, 4, n_rows),
    ]
    x = np.stack([part.astype(float) for part in parts], axis=1)
    x[rng.random(x.shape) < missing] = np.nan
    data = dataclasses.replace(Dataset.of(x), features=("c", "f", "a", "b", "d", "e"), levels=(None,) * 4 + (tuple("xyz"), tuple("wxyz")))
    order = ("bernoulli", "poisson", "gaussian", "categorical")
    blocks = {name: COLUMNS[name] if name != "gaussian" else {"columns": COLUMNS[name], "covariance": covariance} for name in order}
    return Problem(data, Product(blocks), 3)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
def test_fifty_iterations_take_the_same_path(covariance: str, objective: str) -> None:
    problem = problem_of(covariance)
    prior = problem.prior if objective == "posterior" else None
    fast = book = starts(problem, None, "random_responsibilities", [0, 1, 2], BOOK)[0]
    for _ in range(50):
        ours, theirs = Fast().expect(fast, problem.data), BOOK.expect(book, problem.data)
        np.testing.assert_allclose(ours.log_likelihood, theirs.log_likelihood, rtol=1e-10)
        fast, book = Fast().m_step(ours.statistics, prior, fast), BOOK.m_step(theirs.statistics, prior, book)
    for name, value in book.parameters().items():
        np.testing.assert_allclose(fast.parameters()[name], value, rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_collapsed_is_the_models(covariance: str) -> None:
    problem = problem_of(covariance)
    mixture = starts(problem, None, "random_responsibilities", [0, 1, 2], BOOK)[0]
    components = mixture.components
    assert isinstance(components, ProductComponents)
    (place,) = (i for i, block in enumerate(components.blocks) if "means" in block.dims)
    means, spreads = components.blocks[place].parameters().values()
    spreads = spreads.copy()
    spreads[1] = 0.0
    blocks = list(components.blocks)
    blocks[place] = type(blocks[place])(means, spreads)  # type: ignore[call-arg]
    made, scale = Mixture(mixture.weights, components.of(blocks)), np.nanstd(problem.data.x, axis=0)
    np.testing.assert_array_equal(Fast().collapsed(made, scale), BOOK.collapsed(made, scale))
    assert Fast().collapsed(made, scale).tolist() == [False, True, False]


def assert_equal(found: Expectation, expected: Expectation) -> None:
    for mine, his in zip(arrays(found.statistics), arrays(expected.statistics), strict=True):
        np.testing.assert_array_equal(mine, his)
    for name in ("log_likelihood", "expected_complete", "entropy"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("by_fit", [False, True])
def test_bits_depend_neither_on_threads_nor_on_the_batch(covariance: str, by_fit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ALONE", 0)  # threads are used, however small the work
    problem = problem_of(covariance, 3 * chunks.ROWS + 777)
    data, mixture = problem.data, starts(problem, None, "random_rows", [0, 1, 2], BOOK)[0]
    counts = np.random.default_rng(0).exponential(size=(3, data.n_rows)) if by_fit else None
    one = expectation.expect(mixture, data, counts, threads=1)
    for threads in (2, 3):
        assert_equal(expectation.expect(mixture, data, counts, threads=threads), one)
    alone = None if counts is None else counts[1:2]
    assert_equal(expectation.expect(mixture.take(slice(1, 2)), data, alone, threads=2), one.take(slice(1, 2)))
    monkeypatch.setattr(expectation, "ROOM", 1)  # one fit after the other
    assert_equal(expectation.expect(mixture, data, counts), one)


PROGRAM = """
import hashlib
from test_fast_product import COVARIANCES, arrays, expectation, problem_of, starts
from workbench.inference.em.engine import BOOK
for covariance in COVARIANCES:
    problem = problem_of(covariance)
    mixture = starts(problem, None, "random_responsibilities", [0, 1], BOOK)[0]
    found = expectation.expect(mixture, problem.data)
    print(hashlib.sha256(b"".join(array.tobytes() for array in [*arrays(found.statistics), found.log_likelihood])).hexdigest())
"""


@pytest.mark.slow(seconds=18)
def test_bits_do_not_depend_on_the_code_cache(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parent)}

    def run() -> str:
        return subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment).stdout

    cold = run()
    assert cold == run()
    assert len(set(cold.split())) == len(COVARIANCES)
