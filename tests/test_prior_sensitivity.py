"""What the prior does to the evidence: closed forms, enumerations, lines that freeze a scale, and what may not be called known."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import workbench
from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.compare.sensitivity import under as evidence_under
from workbench.compare.sensitivity.changes import alternatives, between, changed, scale, spread, written
from workbench.compare.sensitivity.path import Journey
from workbench.compare.sensitivity.under import bound_of, change_of
from workbench.data.builtin import load_built_in
from workbench.fit import Evidence, Fit
from workbench.inference import EM, SMC, Exact, Gibbs
from workbench.inference.method import Context
from workbench.models import Bernoulli, Gaussian, Mixture, Poisson
from workbench.models.families.product import Block
from workbench.problem import Problem

EIGHT = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])
KEY = "model.n_components"


def exactly(problem: Problem) -> float:
    return Exact(chains=1, draws=10).fit(problem).evidence[0].log_evidence


def drawn(fit: Fit) -> Mixture:
    assert fit.draws is not None
    return fit.draws


def under(problem: Problem, factor: float) -> Problem:
    found = spread(problem, factor)
    assert found is not None
    return Problem(problem.data, problem.family, problem.n_components, changed(problem, found[1]))


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal", "spherical"])
def test_one_component_is_a_closed_form(covariance: str) -> None:
    """Old Faithful: 1 against 0.01 costs nearly (D/2) log 100 = 4.6 nats (statistics, section 1)."""
    problem = Problem(load_built_in("old_faithful"), "gaussian", 1, covariance=covariance)
    fit = Exact(chains=1, draws=20).fit(problem)
    for factor in (100.0, 0.01):
        other = under(problem, factor)
        assert other.prior is not None
        found = change_of(problem, drawn(fit), other.prior).evidence
        assert found.log_evidence == pytest.approx(exactly(other) - fit.evidence[0].log_evidence, abs=1e-8)
        assert found.log_evidence == pytest.approx(math.copysign(math.log(100.0), factor - 1.0), abs=0.01)
        assert found.mcse < 1e-9


def test_two_components_of_eight_rows_agree_with_enumeration() -> None:
    problem = Problem(EIGHT, "gaussian", 2)
    fit = Exact(chains=4, draws=400).fit(problem)
    for factor in (100.0, 0.01):
        other = under(problem, factor)
        assert other.prior is not None
        found = change_of(problem, drawn(fit), other.prior)
        assert not found.why
        assert abs(found.evidence.log_evidence - (exactly(other) - fit.evidence[0].log_evidence)) < 3.5 * found.evidence.mcse
        assert found.evidence.mcse < 0.1


def test_under_an_independent_prior_the_means_covariance_is_what_changes() -> None:
    """One normal, by quadrature over its variance with the mean integrated out."""
    problem = Problem(EIGHT, "gaussian", 1, {"kind": "independent"})
    words, numbers = spread(problem, 100.0) or ("", {})
    assert words == "mean_covariance / 100"
    other = changed(problem, numbers)
    context = dataclasses.replace(Context.default(problem), estimates=False)
    found = change_of(problem, drawn(Gibbs(chains=4, draws=500, tune=100).fit(problem, context)), other).evidence
    assert abs(found.log_evidence - (quadrature(other.numbers()) - quadrature(problem.prior.numbers()))) < 4 * found.mcse  # type: ignore[union-attr]
    assert found.mcse < 0.05


def quadrature(numbers: dict[str, Any]) -> float:
    """log p(x) of the eight rows with normal mean and inverse-gamma variance (shape dof / 2, scale / 2) independent."""
    from scipy import stats

    mean, wide, dof, size = (float(np.squeeze(numbers[key])) for key in ("mean", "mean_covariance", "dof", "scale"))
    grid = np.linspace(-6.0, 10.0, 401)  # of the log variance
    each = []
    for log_variance in grid:
        covariance = math.exp(log_variance) * np.eye(8) + wide
        density = stats.multivariate_normal(np.full(8, mean), covariance).logpdf(EIGHT)
        each.append(density + stats.invgamma(dof / 2.0, scale=size / 2.0).logpdf(math.exp(log_variance)) + log_variance)
    top = max(each)
    return float(top + math.log(np.trapezoid(np.exp(np.array(each) - top), grid)))


DISCRETE = {
    "bernoulli": ([[0, 1], [1, 1], [0, 0], [1, np.nan], [1, 1.0], [0, 0]], 2, ["a, b x 2", "a, b / 2"], "{a: 2.0, b: 2.0}"),
    "categorical": ([["a", "u"], ["b", "v"], ["c", "u"], ["a", "v"], ["a", "u"]], 2, ["alpha x 2", "alpha / 2"], "{alpha: 2.0}"),
    "poisson": ([[1.0], [9.0], [2.0], [7.0], [8.0]], 3, ["shape, rate x 2", "shape, rate / 2"], "{shape: 2.0, rate: 0.37037"),
}


@pytest.mark.parametrize("family", DISCRETE)
def test_families_without_means_are_held_by_twice_and_half_as_many_imaginary_rows(family: str) -> None:
    """Against enumeration; the prior's mean stays, and a half has no interior mode to begin at."""
    rows, n_components, words, numbers = DISCRETE[family]
    problem = Problem(rows, family, n_components)
    fit = Exact(chains=4, draws=300).fit(problem)
    table = assemble([Cell({KEY: n_components}, problem, fits={"exact": fit})])["prior_sensitivity"]
    assert table["prior"].tolist() == ["as given", *words]
    assert table["numbers"].iloc[1].startswith(numbers)
    for line in table.iloc[1:].itertuples():
        other = Problem(problem.data, problem.family, n_components, changed(problem, yaml.safe_load(line.numbers)))
        assert abs(line.change - (exactly(other) - exactly(problem))) < 4.0 * line.change_mcse
        assert line.change_mcse < 0.15


def test_a_product_without_means_changes_all_its_discrete_blocks() -> None:
    rows = pd.DataFrame({"a": [0.0, 1.0, 1.0, 0.0], "b": [1.0, 5.0, 2.0, 7.0], "c": [0.1, 0.3, 2.0, 2.2]})
    blocks = (Block(Bernoulli(), ("a",)), Block(Poisson(), ("b",)), Block(Gaussian(), ("c",)))
    (twice, numbers), _ = alternatives(Problem(rows[["a", "b"]], "product", 2, blocks=blocks[:2]))
    assert twice == "a, b, shape, rate x 2"
    assert set(numbers) == {"bernoulli", "poisson"}
    assert numbers["bernoulli"] == {"a": 2.0, "b": 2.0}
    assert [words for words, _ in alternatives(Problem(rows, "product", 2, blocks=blocks))] == [
        "mean_strength x 100",
        "mean_strength / 100",
    ]


def test_a_prior_without_an_interior_mode_has_a_sampler_all_the_same() -> None:
    problem = Problem(EIGHT, "gaussian", 2, {"concentration": 0.5})
    fit = Exact(chains=2, draws=200).fit(problem)
    other = under(problem, 100.0)
    assert other.prior is not None
    found = change_of(problem, drawn(fit), other.prior).evidence
    assert abs(found.log_evidence - (exactly(other) - exactly(problem))) < 4.0 * found.mcse


def rows_of(cell: Cell) -> pd.DataFrame:
    return assemble([cell])["prior_sensitivity"].set_index("prior")


def test_without_draws_that_may_be_believed_there_is_no_path() -> None:
    """And without any sampler nothing is spent on it, where a bound is not known either."""
    problem = Problem(EIGHT, "gaussian", 2)
    point = EM(restarts=3, objective="posterior").fit(problem)
    believed = dataclasses.replace(point, evidence=(Evidence("importance", -21.9, 0.01),))
    for fit, why in (
        (dataclasses.replace(point, evidence=()), "as given is not known"),
        (believed, "no method here has draws from the posterior"),
    ):
        table = rows_of(Cell({KEY: 2}, problem, fits={"em_map": fit}))
        assert table.loc["mean_strength x 100", "numbers"] == "{mean_strength: 1.0}"
        assert why in table.loc["mean_strength x 100", "note"]
        assert (
            "run the sweep with this row's numbers in `model: {prior: ...}` and `smc: {chains: 64}`"
            in table.loc["mean_strength x 100", "note"]
        )
        assert table["change"].isna().all()


def test_draws_that_are_denied_leave_smc_under_the_other_prior() -> None:
    """Where it takes seconds; where it does not, the reason names what was denied."""
    problem = Problem(EIGHT, "gaussian", 2)
    draws = Exact(chains=1, draws=20).fit(problem)
    fits = {
        "em_map": dataclasses.replace(EM(restarts=3, objective="posterior").fit(problem), evidence=(Evidence("importance", -21.92, 0.01),)),
        "nuts": dataclasses.replace(draws, evidence=(Evidence("bridge", -22.4, 0.01, False, "no chain has been there"),)),
    }
    row = rows_of(Cell({KEY: 2}, problem, fits=fits)).loc["mean_strength x 100"]
    other = under(problem, 100.0)
    assert row["by"] == "smc"
    assert abs(row["log_evidence"] - exactly(other)) < 3.5 * row["mcse"]
    assert row["bound"] < exactly(other)
    wide = evidence_under.Base(problem, ("em_map", Evidence("importance", -21.92, 0.01)), None, False, "bridge of nuts is not trusted")
    assert other.prior is not None
    assert wide.under(other.prior).why == "bridge of nuts is not trusted"


@pytest.mark.parametrize(
    ("there", "back", "why"),
    [
        (np.linspace(-1.01, -0.99, 16), np.linspace(-1.01, -0.99, 16), ""),
        (np.linspace(-1.01, -0.99, 16), np.linspace(-0.52, -0.48, 16), "the ways to the other prior and back differ by 0.5"),
        (np.linspace(-3.0, 1.0, 16), np.linspace(-3.0, 1.0, 16), "islands of particles differ by"),
        (np.full(3, -1.0), np.full(3, -1.0), "3 islands of particles do not tell the error"),
        (np.linspace(-1.0, -0.9, 16), np.full(16, np.nan), "the ways to the other prior and back differ by nan"),
    ],
)
def test_what_a_journey_may_not_be_called(there: np.ndarray, back: np.ndarray, why: str) -> None:
    assert Journey(there, back, 0.001).why.startswith(why)
    assert bool(Journey(there, back, 0.001).why) == bool(why)


def test_a_change_that_is_denied_says_so_with_its_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Particles that stay behind, an estimate below an ELBO, a sampler that fails: each with its reason."""
    problem = Problem(EIGHT, "gaussian", 2)
    cell = Cell({KEY: 2}, problem, fits={"exact": Exact(chains=4, draws=50).fit(problem)})
    monkeypatch.setattr(evidence_under, "MOST_DIRECT", 0)
    for there, back, said in (
        (-1.0, -0.5, "path from exact gives -22.92 ± 0.00, not trusted: the ways to the other prior and back differ by 0.5"),
        (-90.0, -90.0, "path from exact gives -111.92 ± 0.00, not trusted: it is below the ELBO of vbem, -2"),
    ):
        ways = [value + np.linspace(-0.01, 0.01, 16) for value in (there, back)]
        monkeypatch.setattr(evidence_under, "change_of", lambda *_, ways=ways, **__: Journey(*ways, 0.001))
        row = rows_of(cell).loc["mean_strength / 100"]
        assert row["note"].startswith(said)
        assert pd.isna(row["log_evidence"])
        assert pd.isna(row["probability"])
        assert row["bound"] == pytest.approx(bound_of(problem, changed(problem, {"mean_strength": 0.0001})))

    def failing(*_: object, **__: object) -> Journey:
        raise FloatingPointError("a row has no density")

    monkeypatch.setattr(evidence_under, "change_of", failing)
    assert rows_of(cell).loc["mean_strength / 100", "note"].startswith("the path to the other prior failed (a row has no density)")


def test_the_path_begins_and_ends_at_its_priors() -> None:
    for problem in (Problem(EIGHT, "gaussian", 2), Problem(EIGHT, "gaussian", 2, {"kind": "independent"})):
        _, numbers = spread(problem, 100.0) or ("", {})
        other = changed(problem, numbers)
        assert problem.prior is not None
        assert between(problem, other, 0.0).numbers() == problem.prior.numbers()
        assert between(problem, other, 1.0).numbers() == other.numbers()
        ((key, value),) = numbers.items()
        middle = np.sqrt(np.asarray(value) * np.asarray(problem.prior.numbers()[key]))
        np.testing.assert_allclose(between(problem, other, 0.5).numbers()[key], middle)


def test_the_bound_is_below_the_evidence() -> None:
    for n_components in (1, 2, 3):
        other = under(Problem(EIGHT, "gaussian", n_components), 0.01)
        assert other.prior is not None
        assert bound_of(other, other.prior) <= exactly(other) + 1e-9


def test_one_k_that_is_not_known_leaves_the_others_theirs_among_themselves() -> None:
    cells = [
        Cell({KEY: k}, problem, fits={"exact": Exact(draws=300).fit(problem)})
        for k in (1, 2)
        for problem in [Problem(EIGHT, "gaussian", k)]
    ]
    lost = Problem(EIGHT, "gaussian", 3)
    cells.append(Cell({KEY: 3}, lost, fits={"em": EM(restarts=2).fit(lost)}))
    table = assemble(cells)["prior_sensitivity"]
    for _, rows in table.groupby("prior"):
        assert rows["probability"].isna().all()
        assert rows["among_known"].iloc[:2].sum() == pytest.approx(1.0)
        assert pd.isna(rows["among_known"].iloc[2])
        assert (rows["upper"].iloc[:2] >= rows["among_known"].iloc[:2]).all()


@pytest.mark.slow
@pytest.mark.parametrize("n_components", [2, 3, 4, 5])
@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_errors_are_honest(n_components: int, factor: float) -> None:
    """z-scores over seeds against enumeration: neither too wide nor too narrow."""
    problem = Problem(EIGHT, "gaussian", n_components)
    other = under(problem, factor)
    assert other.prior is not None
    truth = exactly(other) - exactly(problem)
    z, errors = [], []
    for seed in range(12):
        base = Exact(chains=4, draws=500).fit(problem, dataclasses.replace(Context.default(problem, seed), estimates=False))
        found = change_of(problem, drawn(base), other.prior, seed=seed).evidence
        z.append((found.log_evidence - truth) / found.mcse)
        errors.append(found.mcse)
    assert np.abs(z).max() < 4.0
    assert float(np.std(z)) < 1.5
    if np.median(errors) > 0.002:  # below that it is what no particle may have seen, and mostly there is nothing of it
        assert float(np.std(z)) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("n_components", [2, 3])
@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_galaxies_agree_with_longer_runs_under_the_other_prior(n_components: int, factor: float) -> None:
    """Under means held 100 times as strongly the posterior is elsewhere: no path may be trusted to get there that does not."""
    problem = Problem(load_built_in("galaxies"), "gaussian", n_components)
    fit = SMC().fit(problem)
    other = under(problem, factor)
    assert other.prior is not None
    found = evidence_under.Base.of(problem, {"smc": fit}, ("smc", fit.evidence[0])).under(other.prior)
    longer = SMC(chains=32, draws=512).fit(other, dataclasses.replace(Context.default(other, 7), estimates=False)).evidence[0]
    assert found.evidence is not None
    assert found.evidence.trusted
    assert abs(found.evidence.log_evidence - longer.log_evidence) < 3.5 * math.hypot(found.evidence.mcse, longer.mcse)


def test_the_scale_of_two_components_gives_the_published_evidences() -> None:
    """Statistics, section 1: frozen at K = 2's, the log evidence is -21.92, -22.24 for K = 2, 3."""
    cells = []
    for k in (1, 2, 3):
        problem = Problem(EIGHT, "gaussian", k)
        cells.append(Cell({KEY: k}, problem, fits={"exact": Exact(draws=300).fit(problem)}))
    table = assemble(cells)["prior_sensitivity"]
    frozen = table[table["prior"] == "scale as of K = 2"]
    wanted = [exactly(Problem(EIGHT, "gaussian", k, scale(cells[1].problem))) for k in (1, 2, 3)]
    np.testing.assert_allclose(wanted[1:], [-21.92, -22.24], atol=0.0051)
    assert (np.abs(frozen["log_evidence"] - wanted) <= 4 * frozen["mcse"] + 1e-9).all()
    assert frozen["probability"].sum() == pytest.approx(1.0)
    assert frozen["probability"].argmax() == 1
    given = table[table["prior"] == "as given"]
    assert given["probability"].argmax() == 2
    assert yaml.safe_load(given["numbers"].iloc[1]) == scale(cells[1].problem)


def test_a_line_of_the_table_can_be_pasted_into_a_config() -> None:
    problem = Problem(EIGHT, "gaussian", 2)
    text = f"data: {{file: configs/eight_rows.csv}}\nmodel:\n  n_components: 2\n  prior: {written(scale(problem))}\nmethods: [exact]\nsweep: {{{KEY}: [1, 2, 3]}}\n"
    experiment = workbench.load(yaml.safe_load(text))
    for setting in experiment.settings:
        assert setting.problem.prior is not None
        assert setting.problem.prior.numbers()["scale"] == problem.prior.numbers()["scale"]  # type: ignore[union-attr]


def test_the_config_has_the_scale_of_two_components_and_the_readme_says_so() -> None:
    root = Path(__file__).parents[1]
    line = written(scale(Problem(EIGHT, "gaussian", 2)))
    assert f"prior: {line}" in (root / "README.md").read_text()
    experiment = workbench.load(root / "configs" / "eight_rows_frozen.yaml")
    found = {setting.values["model.prior.mean_strength"]: [] for setting in experiment.settings}
    for setting in experiment.settings:
        if setting.problem.n_components < 4:
            found[setting.values["model.prior.mean_strength"]].append(exactly(setting.problem))
    np.testing.assert_allclose(found[0.01][1:], [-21.92, -22.24], atol=0.0051)
    assert found[1][0] - found[0.01][0] == pytest.approx(math.log(100.0) / 2.0, abs=0.2)
