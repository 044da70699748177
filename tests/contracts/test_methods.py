"""Every accepted pair of method and family gives the same kind of fit, whatever the method."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pytest

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.datatree import from_tree, to_tree
from workbench.experiment.contract import every_family, small_problem
from workbench.fit import Fit
from workbench.inference import METHODS, Gibbs
from workbench.inference.method import Context, Method
from workbench.models import Family
from workbench.models.families import Bernoulli, Gaussian
from workbench.problem import Problem

EVERY_FAMILY = every_family()
WRITTEN = tuple(family for family in EVERY_FAMILY if family == Gaussian() or family.name == "product")
"""Families of which every kind of EM is written and read back; of the others only ``em``, as kinds differ in no parameter."""
SMALL: dict[str, dict[str, Any]] = {
    "em": {"restarts": 3},
    "hard_em": {"restarts": 6},
    "kmeans": {"restarts": 3},
    "annealed_em": {"restarts": 3},
    "incremental_em": {"restarts": 3},
    "stochastic_em": {"restarts": 3, "max_iter": 20},
    "sampled_em": {"restarts": 3, "max_iter": 30},
    "gradient": {"restarts": 3},
    "vbem": {"restarts": 3, "draws": 50},
    "advi": {"restarts": 1, "draws": 50, "max_iter": 2000},
    "fullrank_advi": {"restarts": 1, "draws": 50, "max_iter": 2000},
    "pathfinder": {"restarts": 3, "draws": 50},
    "nuts": {"chains": 2, "draws": 50, "tune": 100},
    "gibbs": {"chains": 2, "draws": 50, "tune": 20},
    "smc": {"chains": 2, "draws": 50},
    "exact": {"chains": 2, "draws": 50},
    "imported": {"file": "draws.nc"},
}


def made(kind: str, problem: Problem, folder: Path) -> Method:
    """A small fit; draws to be imported are those of the prior."""
    if kind != "imported":
        return METHODS[kind](**SMALL[kind])
    assert problem.prior is not None
    draws = problem.prior.sample(np.random.default_rng(0), (2, 50))
    fit = dataclasses.replace(Gibbs(chains=2, draws=50, tune=0).fit(problem), draws=draws)
    to_tree(problem, fit, kind).to_netcdf(folder / "draws.nc", engine="h5netcdf")
    return METHODS[kind](file=str(folder / "draws.nc"))


def pairs() -> list[Any]:
    """Each family is compiled for each of PyMC's methods, 10 to 70 s: most of those pairs are marked slow. Full rank is mean field but for
    its q, in coordinates that have no family: it is tried with two."""
    quick = [Gaussian("full")]
    slow = {
        kind: [f for f in EVERY_FAMILY if f not in quick] for kind, method in METHODS.items() if "pymc" in getattr(method, "packages", ())
    }
    for kind in ("advi", "fullrank_advi"):
        slow[kind].extend(quick)
    return [
        pytest.param(kind, family, marks=[pytest.mark.slow(seconds=20)] if family in slow.get(kind, ()) else [], id=f"{kind}-{family}")
        for kind in METHODS
        for family in EVERY_FAMILY
        if kind != "fullrank_advi" or family in (Gaussian("full"), Bernoulli())
    ]


@pytest.mark.parametrize(("kind", "family"), pairs())
def test_pair(kind: str, family: Family, tmp_path: Path) -> None:
    problem = small_problem(family)
    method = made(kind, problem, tmp_path)
    if (reason := method.refuses(problem)) is not None:
        assert "; " in reason  # what is wrong; what to do
        pytest.skip(reason)
    written = method.estimate != "point" or kind == "em" or family in WRITTEN
    fit = method.fit(problem, dataclasses.replace(Context.default(problem), estimates=written))
    assert (fit.kind, fit.estimate) == (kind, method.estimate)
    assert fit.draws is not None
    chains, length = fit.draws.batch_shape
    assert (chains, length) == {"point": (1, 1), "approximation": (1, 50), "sample": (2, 50)}[fit.estimate]
    np.testing.assert_allclose(fit.log_likelihood, problem.log_likelihood(fit.draws), rtol=1e-10)
    np.testing.assert_allclose(fit.log_posterior, problem.log_likelihood(fit.draws) + problem.log_prior(fit.draws), rtol=1e-10)
    assert (fit.log_q is not None) == (fit.estimate == "approximation")
    assert set(fit.seconds) == {"compile", "run"}
    if written:
        assert_on_disk(problem, fit, tmp_path)


def assert_on_disk(problem: Problem, fit: Fit, folder: Path) -> None:
    """ArviZ reads what is written, and what is read gives the same tables."""
    to_tree(problem, fit, "label").to_netcdf(folder / "fit.nc", engine="h5netcdf")
    tree = az.from_netcdf(folder / "fit.nc").load()
    assert {"posterior", "sample_stats", "log_likelihood", "observed_data"} <= set(tree.children)
    assert {str(name): tree["posterior"][name].dims[2:] for name in tree["posterior"].data_vars} == problem.family.dims
    again = from_tree(tree)
    tables = assemble([Cell({}, problem, fits={fit.kind: fit})])
    for name, table in assemble([Cell({}, problem, fits={fit.kind: again})]).items():
        assert table.equals(tables[name]), name


@pytest.mark.parametrize("kind", [kind for kind, method in METHODS.items() if method.estimate != "point" and kind != "imported"])
def test_a_method_that_needs_the_prior_says_why_there_is_none(kind: str) -> None:
    problem = Problem(np.c_[np.arange(10.0), np.ones(10)], "gaussian", 2)
    reason = METHODS[kind]().refuses(problem)
    assert reason is not None
    assert "x1" in reason
    assert "prior" in reason


def test_arviz_summarises_every_estimate(tmp_path: Path) -> None:
    problem = small_problem(Gaussian())
    for kind in ("em", "nuts"):
        fit = METHODS[kind](**SMALL[kind]).fit(problem)
        summary = az.summary(to_tree(problem, fit, kind), kind="stats")
        assert "weights[0]" in summary.index


def test_option_classes_import_nothing_heavy() -> None:
    script = "import sys\nfrom workbench.inference import METHODS\n[method() for method in METHODS.values() if method.kind != 'imported']\n"
    script += "print([name for name in ('pymc', 'pytensor', 'nutpie', 'numba', 'arviz', 'pandas', 'xarray') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
