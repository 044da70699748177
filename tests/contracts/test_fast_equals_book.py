"""The fast room's Gaussian E and M steps are the book's, on data chosen to be hard, and their bits depend on nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from workbench.data import Dataset
from workbench.fast import chunks, expectation
from workbench.inference.em import steps
from workbench.inference.em.starts import starts
from workbench.models import Expectation, Mixture
from workbench.models.families.gaussian import STRUCTURES, Gaussian
from workbench.problem import Problem

COVARIANCES = sorted(STRUCTURES)
ASSIGN = {"soft": steps.soft, "hard": steps.hard, "power": steps.Power(0.4)}
AGREEMENT = 1e-9
NORMAL = 1e-290
"""A product below this has lost digits in float64, whoever forms it."""
FITS = 3


@dataclass(frozen=True, eq=False)
class Case:
    """Data, a batch of mixtures and counts; log joints, which are known to an ulp of their own size only."""

    data: Dataset
    mixture: Mixture
    counts: np.ndarray | None
    log_joint: np.ndarray

    @property
    def size(self) -> float:
        """Of what a log joint is the sum of: an exponent, and the logarithms of D spreads in their unit."""
        finite = self.log_joint[np.isfinite(self.log_joint)]
        spreads = np.abs(np.log([*self.mixture.components.parameters().values()][1].max()))
        return 1.0 + float(np.abs(finite).max(initial=0.0) + self.data.n_features * spreads)

    @property
    def tolerance(self) -> float:
        """Relative: a responsibility is no better known than the difference of the log joints it comes from."""
        return AGREEMENT + 4e-15 * self.size


def rows(rng: np.random.Generator, n_rows: int, size: int, kind: str) -> np.ndarray:
    x = rng.normal(size=(n_rows, size)) + 4.0 * rng.integers(0, 3, n_rows)[:, None]
    if kind == "duplicates":
        x = x[rng.integers(0, max(1, n_rows // 4), n_rows)]
    elif kind == "outlier":
        x[0] += 1e6
    elif kind == "far groups":
        x[::2] += 3e3
    elif kind == "constant column":
        x[:, 0] = 1.0
    elif kind == "missing":
        x[rng.random(x.shape) < 0.3] = np.nan
    elif kind == "empty rows and column":
        x[rng.random(n_rows) < 0.3] = np.nan
        x[:, -1] = np.nan
    return x


KINDS = ["plain", "duplicates", "outlier", "far groups", "constant column", "missing", "empty rows and column"]


def weights_of(rng: np.random.Generator, n_components: int, how: str) -> np.ndarray:
    weights = rng.dirichlet(np.full(n_components, 2.0), size=FITS)
    if how != "even" and n_components > 1:
        weights[:, 0] = 0.0 if how == "with a zero" else 1e-14
        weights /= weights.sum(axis=1, keepdims=True)
    return weights


def mixtures(rng: np.random.Generator, x: np.ndarray, weights: np.ndarray, covariance: str, narrow: float) -> Mixture:
    """Centres near rows, spreads from that of the data down to ``narrow`` of it."""
    n_components, size = weights.shape[1], x.shape[1]
    seen = np.where(np.isnan(x), 0.0, x)
    centres = seen[rng.integers(0, x.shape[0], (FITS, n_components))] + rng.normal(size=(FITS, n_components, size))
    spreads = narrow ** rng.random((FITS, n_components))
    mixing = rng.normal(size=(FITS, n_components, size, size)) / np.sqrt(size) + np.eye(size)
    matrices = mixing @ np.swapaxes(mixing, -1, -2) * spreads[..., None, None] ** 2 + 1e-3 * spreads[..., None, None] ** 2 * np.eye(size)
    shapes = {
        "full": matrices,
        "tied": matrices[:, 0],
        "diagonal": np.diagonal(matrices, axis1=-2, axis2=-1).copy(),
        "spherical": matrices[..., 0, 0].copy(),
    }
    return Mixture(weights, Gaussian(covariance).components_type(centres, shapes[covariance]))  # type: ignore[arg-type, call-arg]


def scaled(mixture: Mixture, covariance: str, unit: float) -> Mixture:
    means, spreads = mixture.components.parameters().values()
    return Mixture(mixture.weights, type(mixture.components)(means * unit, spreads * unit**2))  # type: ignore[call-arg]


@st.composite
def cases(draw: st.DrawFn, covariance: str) -> Case:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows, size = draw(st.sampled_from([1, 2, 7, 8, 9, 40, 140])), draw(st.sampled_from([1, 2, 3, 6, 9, 18]))
    n_components, kind = draw(st.integers(1, 4)), draw(st.sampled_from(KINDS))
    x = rows(rng, n_rows, size, kind)
    weights = weights_of(rng, n_components, draw(st.sampled_from(["even", "with a zero", "nearly empty"])))
    mixture = mixtures(rng, x, weights, covariance, draw(st.sampled_from([1.0, 0.1, 1e-3])))
    unit = draw(st.sampled_from([1.0, 1e-147, 1e-100, 1e30, 1e140]))
    data, mixture = Dataset.of(x * unit), scaled(mixture, covariance, unit)
    how = draw(st.sampled_from(["data's", "for all", "for each fit"]))
    shape = {"data's": (0,), "for all": (n_rows,), "for each fit": (FITS, n_rows)}[how]
    counts = None if how == "data's" else rng.choice([0.0, 0.25, 1.0, 3.0], size=shape)
    return Case(data, mixture, counts, mixture.log_joint(data.x))


def assert_same(found: Expectation, expected: Expectation, case: Case, tolerance: float) -> None:
    for name in ("log_likelihood", "expected_complete", "entropy"):
        ours, theirs = np.asarray(getattr(found, name)), np.asarray(getattr(expected, name))
        np.testing.assert_allclose(ours, theirs, rtol=AGREEMENT, atol=1e-13 * case.data.n_rows * case.size, err_msg=name)
    ours, theirs = found.statistics, expected.statistics
    np.testing.assert_allclose(ours.counts, theirs.counts, rtol=tolerance, atol=1e-290)
    np.testing.assert_allclose(ours.seen, theirs.seen, rtol=tolerance, atol=1e-290)  # type: ignore[attr-defined]
    reach = np.nanmax(np.abs(case.data.x), axis=0, initial=0.0) + np.abs(case.mixture.components.parameters()["means"]).max(axis=(0, 1))
    matrix = theirs.scatters.ndim == 4  # type: ignore[attr-defined]
    seen = theirs.seen[..., None] if matrix else theirs.seen  # type: ignore[attr-defined]
    some = seen * np.minimum(reach, 1.0) > NORMAL
    np.testing.assert_allclose(*(np.where(some, s.means / reach, 0.0) for s in (ours, theirs)), rtol=0, atol=tolerance)  # type: ignore[attr-defined]
    assert_same_scatters(ours.scatters, theirs.scatters, seen, reach, tolerance)  # type: ignore[attr-defined]


def assert_same_scatters(ours: np.ndarray, theirs: np.ndarray, seen: np.ndarray, reach: np.ndarray, tolerance: float) -> None:
    """Entry by entry, in units of the deviations of its two features; a mean of equal rows is off by 1e-15 of their size."""
    matrix = seen.shape != theirs.shape
    reaches = reach * reach[:, None] if matrix else reach * reach
    weight = seen[..., None] if matrix else seen
    weight = np.where(weight * min(reaches.min(), 1.0) > NORMAL, weight, np.inf)
    mine, other = ours / weight / reaches, theirs / weight / reaches
    variances = np.diagonal(other, axis1=-2, axis2=-1) if matrix else other
    sd = np.sqrt(np.maximum(variances, 0.0)) + 1e-10
    unit = sd[..., :, None] * sd[..., None, :] if matrix else sd * sd
    np.testing.assert_allclose(mine / unit, other / unit, rtol=0, atol=tolerance)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("rule", ASSIGN)
def test_e_step_is_the_books(covariance: str, rule: str) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(case=cases(covariance))
    def holds(case: Case) -> None:
        if rule == "hard":
            assume(decided(case))
        with np.errstate(all="ignore"):
            expected = steps.expect(case.mixture, case.data, case.counts, ASSIGN[rule])
        found = expectation.expect(case.mixture, case.data, case.counts, rule=rule, beta=0.4)  # type: ignore[arg-type]
        assert_same(found, expected, case, case.tolerance)

    holds()


def decided(case: Case) -> bool:
    """No label is chosen by rounding: two likeliest ones are equal, or differ by more than that."""
    if case.log_joint.shape[-1] == 1:
        return True
    first, second = np.moveaxis(-np.partition(-case.log_joint, 1, axis=-1)[..., :2], -1, 0)
    with np.errstate(invalid="ignore"):
        return bool((first - second > 1e-9 + 1e-13 * np.abs(first)).all())


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
def test_m_step_is_the_books(covariance: str, objective: str) -> None:
    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(case=cases(covariance))
    def holds(case: Case) -> None:
        statistics = expectation.expect(case.mixture, case.data, case.counts).statistics
        prior = None
        if objective == "posterior":
            prior = Problem(np.random.default_rng(0).normal(size=(60, case.data.n_features)), "gaussian", statistics.counts.shape[1], covariance=covariance).prior  # fmt: skip
        assume(bool((statistics.counts.sum(axis=-1) > 0).all()))
        with np.errstate(all="ignore"):
            expected = steps.m_step(statistics, prior, case.mixture)
            found = expectation.m_step(statistics, prior, case.mixture)
        for name, value in expected.parameters().items():
            size = np.abs(value[np.isfinite(value)]).max(initial=1e-300)
            np.testing.assert_allclose(found.parameters()[name] / size, value / size, rtol=1e-12, atol=1e-14, err_msg=name)

    holds()


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_collapsed_is_the_models(covariance: str) -> None:
    rng = np.random.default_rng(0)
    x = rows(rng, 40, 3, "plain")
    mixture = mixtures(rng, x, weights_of(rng, 2, "even"), covariance, 1.0)
    means, spreads = mixture.components.parameters().values()
    spreads = spreads.copy()
    spreads[1] *= 1e-20
    if covariance in ("full", "tied"):
        spreads[2, ..., 0, 0] = 0.0
    made = Mixture(mixture.weights, type(mixture.components)(means, spreads))  # type: ignore[call-arg]
    expected = np.asarray(made.components.collapsed(x.std(axis=0)))
    assert expected.any()
    assert not expected.all()
    np.testing.assert_array_equal(expectation.collapsed(made, x.std(axis=0)), expected)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
def test_fifty_iterations_take_the_same_path(covariance: str, missing: float, objective: str) -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(200, 2)) @ np.array([[1.0, 0.4], [0.0, 0.7]]) + 4.0 * rng.integers(0, 2, 200)[:, None]
    x[rng.random(x.shape) < missing] = np.nan
    problem = Problem(x, "gaussian", 3, covariance=covariance)
    prior = problem.prior if objective == "posterior" else None
    fast = book = starts(problem, None, "random_responsibilities", [0, 1, 2])[0]
    for _ in range(50):
        ours, theirs = expectation.expect(fast, problem.data), steps.expect(book, problem.data)
        np.testing.assert_allclose(ours.log_likelihood, theirs.log_likelihood, rtol=1e-10)
        fast, book = expectation.m_step(ours.statistics, prior, fast), steps.m_step(theirs.statistics, prior, book)
    for name, value in book.parameters().items():
        np.testing.assert_allclose(fast.parameters()[name], value, rtol=1e-7, atol=1e-9, err_msg=name)


def large(covariance: str, missing: float) -> tuple[Dataset, Mixture]:
    rng = np.random.default_rng(3)
    x = rows(rng, 3 * chunks.ROWS + 777, 2, "plain")
    x[rng.random(x.shape) < missing] = np.nan
    return Dataset.of(x), mixtures(rng, x, weights_of(rng, 3, "even"), covariance, 0.5)


def assert_equal(found: Expectation, expected: Expectation) -> None:
    for name, value in vars(expected.statistics).items():
        np.testing.assert_array_equal(getattr(found.statistics, name), value)
    for name in ("log_likelihood", "expected_complete", "entropy"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_bits_depend_neither_on_threads_nor_on_the_batch(covariance: str, missing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ALONE", 0)  # threads are used, however small the work
    data, mixture = large(covariance, missing)
    one = expectation.expect(mixture, data, threads=1)
    for threads in (2, 3):
        assert_equal(expectation.expect(mixture, data, threads=threads), one)
    assert_equal(expectation.expect(mixture.take(slice(1, 2)), data, threads=2), one.take(slice(1, 2)))
    monkeypatch.setattr(expectation, "ROOM", 1)  # one fit after the other
    assert_equal(expectation.expect(mixture, data), one)


def test_there_is_no_silent_way_round_for_components_without_a_compiled_step() -> None:
    class Other:
        pass

    with pytest.raises(TypeError, match="engine: book"):
        expectation.expect(Mixture(np.ones((1, 1)), Other()), Dataset.of(np.ones((2, 1))))  # type: ignore[arg-type]


PROGRAM = """
import hashlib, json, numpy as np
from workbench.data import Dataset
from workbench.fast import expectation
from workbench.models import Mixture
from workbench.models.families.gaussian import Gaussian
rng = np.random.default_rng(0)
found = {}
for covariance, spread in (("full", np.eye(3)), ("diagonal", np.ones(3))):
    for missing in (0.0, 0.2):
        x = rng.normal(size=(500, 3)) * 3.0
        x[rng.random(x.shape) < missing] = np.nan
        centres = rng.normal(size=(4, 2, 3))
        mixture = Mixture(np.full((4, 2), 0.5), Gaussian(covariance).components_type(centres, np.broadcast_to(spread, (4, 2, *spread.shape)).copy()))
        digest = hashlib.sha256()
        for _ in range(5):
            step = expectation.expect(mixture, Dataset.of(x))
            mixture = expectation.m_step(step.statistics, None, mixture)
            for array in (step.log_likelihood, step.entropy, *mixture.parameters().values()):
                digest.update(np.ascontiguousarray(array).tobytes())
        found[covariance + str(missing)] = digest.hexdigest()
print(json.dumps(found))
"""


def bits(cache: Path) -> dict[str, str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(run.stdout)
    return found


@pytest.mark.slow(seconds=24)
def test_bits_depend_on_no_code_cache(tmp_path: Path) -> None:
    """Compiled in this process, loaded from disk, or some of each: code from a cache is linked where fresh code is inlined."""
    empty = bits(tmp_path)
    assert bits(tmp_path) == empty
    gone = [path for folder in tmp_path.iterdir() for path in folder.iterdir() if "e_step" in path.name or "moments" in path.name]
    assert gone
    for path in gone:
        path.unlink()
    assert bits(tmp_path) == empty
    shutil.rmtree(tmp_path)
