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
from workbench.compare import sensitivity
from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.compare.sensitivity import ratio_of
from workbench.compare.sensitivity.changes import alternatives, changed, scale, spread, written
from workbench.compare.sensitivity.ratio import Ratio, bridged
from workbench.data.builtin import load_built_in
from workbench.fit import Evidence
from workbench.inference import EM, Exact, Gibbs
from workbench.inference.method import Context
from workbench.models import Bernoulli, Gaussian, Poisson
from workbench.models.families.product import Block
from workbench.problem import Problem

EIGHT = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])
KEY = "model.n_components"


def exactly(problem: Problem) -> float:
    return Exact(chains=1, draws=10).fit(problem).evidence[0].log_evidence


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
        found = ratio_of(problem, fit, other.prior)
        assert found.value == pytest.approx(exactly(other) - fit.evidence[0].log_evidence, abs=1e-8)
        assert found.value == pytest.approx(math.copysign(math.log(100.0), factor - 1.0), abs=0.01)
        assert found.mcse < 1e-9


def test_two_components_of_eight_rows_agree_with_enumeration() -> None:
    problem = Problem(EIGHT, "gaussian", 2)
    fit = Exact(chains=4, draws=400).fit(problem)
    for factor in (100.0, 0.01):
        other = under(problem, factor)
        assert other.prior is not None
        found = ratio_of(problem, fit, other.prior)
        assert abs(found.value - (exactly(other) - fit.evidence[0].log_evidence)) < 3.5 * found.mcse
        assert found.mcse < 0.1


def test_under_an_independent_prior_the_means_covariance_is_what_changes() -> None:
    """One normal, by quadrature over its variance with the mean integrated out."""
    problem = Problem(EIGHT, "gaussian", 1, {"kind": "independent"})
    words, numbers = spread(problem, 100.0) or ("", {})
    assert words == "mean_covariance / 100"
    other = changed(problem, numbers)
    context = dataclasses.replace(Context.default(problem), estimates=False)
    found = ratio_of(problem, Gibbs(chains=4, draws=500, tune=100).fit(problem, context), other)
    assert abs(found.value - (quadrature(other.numbers()) - quadrature(problem.prior.numbers()))) < 4 * found.mcse  # type: ignore[union-attr]
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
    found = ratio_of(problem, fit, other.prior)
    assert abs(found.value - (exactly(other) - exactly(problem))) < 4.0 * found.mcse


def test_without_draws_that_may_be_believed_nothing_is_called_known() -> None:
    problem = Problem(EIGHT, "gaussian", 2)
    point = EM(restarts=3, objective="posterior").fit(problem)
    believed = dataclasses.replace(point, evidence=(Evidence("importance", -21.9, 0.01),))
    denied = (Evidence("importance", -21.9, 0.01), Evidence("bridge", -22.4, 0.01, trusted=False))
    for fit, why in (
        (
            dataclasses.replace(Exact(chains=1, draws=20).fit(problem), evidence=denied),
            "no draws to start from, as bridge of em_map is not trusted",
        ),
        (dataclasses.replace(point, evidence=()), "as given is not known"),
        (believed, "no method here has draws from the posterior"),
    ):
        table = assemble([Cell({KEY: 2}, problem, fits={"em_map": fit})])["prior_sensitivity"].set_index("prior")
        assert table.loc["mean_strength x 100", "numbers"] == "{mean_strength: 1.0}"
        assert why in table.loc["mean_strength x 100", "note"]
        assert "run the sweep with this row's numbers" in table.loc["mean_strength x 100", "note"]
        assert table["change"].isna().all()


def test_chains_that_disagree_are_not_called_known(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(EIGHT, "gaussian", 2)
    fit = Exact(chains=2, draws=50).fit(problem)
    said: list[str] = []
    monkeypatch.setattr(sensitivity, "ratio_of", lambda *_: Ratio(-1.0, 0.01, 1.4, 20.0, 0.9))
    table = assemble([Cell({KEY: 2}, problem, fits={"exact": fit})], said.append)["prior_sensitivity"].set_index("prior")
    assert said == ["sampling under 2 other priors, to see what the prior does to the evidence: model.n_components=2"]
    assert table.loc["mean_strength / 100", "note"].startswith("chains under one of the two priors disagree (R-hat 1.40, above 1.05)")
    assert pd.isna(table.loc["mean_strength / 100", "log_evidence"])
    assert pd.isna(table.loc["mean_strength / 100", "probability"])


def test_chains_that_stand_still_apart_are_not_called_known(monkeypatch: pytest.MonkeyPatch) -> None:
    still = np.repeat(np.array([[-1.0], [-2.0], [-1.0], [-2.0]]), 100, axis=1)
    found = bridged(np.random.default_rng(1).normal(-1.5, 0.5, (4, 100)), still)
    assert not (found.rhat <= 1.05 and found.mcse <= 0.25)

    def failing(*_: object) -> Ratio:
        raise FloatingPointError("a row has no density")

    problem = Problem(EIGHT, "gaussian", 2)
    monkeypatch.setattr(sensitivity, "ratio_of", failing)
    table = assemble([Cell({KEY: 2}, problem, fits={"exact": Exact(chains=2, draws=50).fit(problem)})])["prior_sensitivity"]
    assert table["note"].iloc[1].startswith("the sampler under the other prior failed (a row has no density)")


def test_bridge_of_two_normals() -> None:
    """Draws of N(0, 1) and N(1, 1), the second unnormalised by exp(-3)."""
    rng = np.random.default_rng(1)
    sides = rng.standard_normal((4, 1000)), rng.standard_normal((8, 500)) + 1.0
    found = bridged(*(x - 0.5 - 3.0 for x in sides))
    assert abs(found.value + 3.0) < 3.5 * found.mcse
    assert 0.01 < found.mcse < 0.06
    x = np.linspace(-8.0, 9.0, 2001)
    both = np.exp(-(x**2) / 2.0), np.exp(-((x - 1.0) ** 2) / 2.0)
    shared = np.trapezoid(2.0 * both[0] * both[1] / (both[0] + both[1]), x) / math.sqrt(2.0 * math.pi)
    assert found.overlap == pytest.approx(shared, abs=0.02)


@pytest.mark.parametrize("upto", [0.0, 0.8])
def test_draws_that_lack_a_part_of_one_posterior_tell_by_the_estimates_of_either_side(upto: float) -> None:
    """Of N(0, 1) what is above ``upto`` is missing; the other posterior is N(1, 1)."""
    refused = {}
    for name, limit in (("cut", upto), ("whole", math.inf)):
        refused[name] = 0
        for seed in range(20):
            rng = np.random.default_rng(seed)
            own = np.stack([chain[chain < limit][:1000] for chain in rng.standard_normal((4, 4000))])
            found = bridged(own - 0.5, rng.standard_normal((8, 500)) + 0.5)
            refused[name] += abs(found.apart) > sensitivity.SIDES_APART * max(found.apart_mcse, found.mcse)
            if name == "cut":
                assert abs(found.value) > 5.0 * found.mcse
    assert refused == {"cut": 20, "whole": 0}


def test_the_change_from_draws_that_lack_a_part_is_not_called_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """As their bridge is denied there is no sample to start from; and where it is not, both sides are compared."""
    problem = Problem(EIGHT, "gaussian", 2)
    fit = Exact(chains=2, draws=50).fit(problem)
    monkeypatch.setattr(sensitivity, "ratio_of", lambda *_: Ratio(-1.0, 0.01, 1.0, 2000.0, 0.9, 0.2, 0.02))
    notes = assemble([Cell({KEY: 2}, problem, fits={"exact": fit})])["prior_sensitivity"].set_index("prior")["note"]
    assert notes["mean_strength / 100"].startswith("by draws of the one posterior the change is 0.2 nats away from that by the other's")
    denied = dataclasses.replace(fit, evidence=(*fit.evidence, Evidence("bridge", -21.9, 0.01, False, "importance sampling is above")))
    notes = assemble([Cell({KEY: 2}, problem, fits={"exact": denied})])["prior_sensitivity"].set_index("prior")["note"]
    assert "no draws to start from, as bridge of exact is not trusted" in notes["mean_strength / 100"]


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
    for seed in range(20):
        base = Exact(chains=4, draws=500).fit(problem, dataclasses.replace(Context.default(problem, seed), estimates=False))
        found = ratio_of(problem, base, other.prior, seed=seed)
        z.append((found.value - truth) / found.mcse)
        errors.append(found.mcse)
    assert np.abs(z).max() < 4.5
    assert float(np.std(z)) < 1.6
    if np.median(errors) > 0.002:  # below that it is what no draw may have seen, and mostly there is nothing of it
        assert float(np.std(z)) > 0.4


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
