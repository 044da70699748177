"""Importing the package is cheap, and its public names are there."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import workbench

HEAVY = ("pymc", "pytensor", "nutpie", "numba", "arviz", "xarray", "pandas", "matplotlib", "scipy")


@pytest.mark.parametrize("name", workbench.__all__)
def test_public_name(name: str) -> None:
    assert getattr(workbench, name) is not None
    assert name in dir(workbench)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'GMM'"):
        workbench.GMM  # noqa: B018


@pytest.mark.parametrize("code", ["import workbench", "import workbench; workbench.Problem, workbench.EM(restarts=3)"])
def test_nothing_heavy_is_imported_before_a_fit(code: str) -> None:
    script = f"{code}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_problems_and_fits_show_themselves_in_a_line() -> None:
    problem = workbench.Problem(np.array([1.0, 2.0, 3.0, 9.0, 10.0, 11.0]), "gaussian", n_components=2)
    assert repr(problem) == "Problem(data: 6 rows x 1, Gaussian(covariance='full'), n_components=2, with a prior)"
    assert repr(workbench.EM(restarts=3).fit(problem)) == "Fit(em, point: converged, log_likelihood=-11.456)"


def test_an_unknown_family_is_answered() -> None:
    with pytest.raises(workbench.ProblemError, match="there is no family 'gausian'; did you mean gaussian"):
        workbench.Problem(np.array([1.0, 2.0]), "gausian", n_components=1)
