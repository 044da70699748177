"""Co-clustering and other label-free numbers: against loops, against all labellings, and the same however components are called."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.compare.coclustering import coclustering, coclustering_of, ordered_rows
from workbench.compare.invariants import PLACES, spelt
from workbench.compare.settled import settle
from workbench.data.builtin import load_built_in
from workbench.fit import Fit
from workbench.inference import EM, VBEM, Exact, Gibbs
from workbench.inference.evidence.pareto import array_statistics
from workbench.problem import Problem

FIVE = np.array([[0.0, 1.0], [0.4, 0.2], [2.0, 2.2], [2.5, 1.9], [1.2, 1.5]])
ON_A_LINE = np.array([[-1.0], [-0.6], [0.1], [1.9], [2.3]])


def scrambled(fit: Fit) -> Fit:
    """Every draw under names of its own."""
    assert fit.draws is not None
    chains, draws = fit.draws.batch_shape
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(fit.draws.n_components), (chains, draws, 1)), axis=-1)
    return dataclasses.replace(fit, draws=fit.draws.relabelled(orders))


def test_the_matrix_is_the_plain_double_loop() -> None:
    shares = np.random.default_rng(1).dirichlet(np.full(3, 0.5), size=(7, 6))
    found = coclustering(shares)
    for i, j in itertools.product(range(6), repeat=2):
        wanted = sum(shares[s, i, k] * shares[s, j, k] for s in range(7) for k in range(3)) / 7 if i != j else 1.0
        assert found[i, j] == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(coclustering(shares[0]), coclustering(shares[:1]))


def test_enumeration_of_all_labellings_agrees_with_exact_draws_and_gibbs() -> None:
    """P(z_i = z_j | x) as a sum over all 2^5 labellings, and by the draws' responsibilities within four standard errors."""
    problem = Problem(ON_A_LINE, "gaussian", 2)
    assert problem.prior is not None
    labels = np.array(list(itertools.product(range(2), repeat=5)))
    logs = problem.prior.posterior(problem.family.statistics(problem.data, np.eye(2)[labels])).log_normaliser()
    chances = np.exp(logs - logs.max())
    chances /= chances.sum()
    together = np.einsum("s,sij->ij", chances, labels[:, :, None] == labels[:, None, :])
    assert together.min() > 0.03
    assert np.ptp(together[0, 1:]) > 0.2  # pairs differ, and none is certain
    pairs = np.triu_indices(5, k=1)
    for method in (Exact(chains=2, draws=1000), Gibbs(chains=4, draws=1000, tune=200)):
        fit = method.fit(problem)
        assert fit.draws is not None
        shares = fit.draws.responsibilities(ON_A_LINE)
        each = np.einsum("csik,csjk->ijcs", shares, shares)[pairs]
        errors = each.std(axis=(1, 2)) / np.sqrt(array_statistics().ess(each, chain_axis=1, draw_axis=2))
        assert errors.max() < 0.03
        found = coclustering_of(fit.draws, ON_A_LINE, most_draws=4000)
        np.testing.assert_array_less(np.abs(found - together)[pairs], 4.0 * errors)


def test_names_of_components_change_no_label_free_table() -> None:
    problem = Problem(load_built_in("galaxies"), "gaussian", 3)
    fit = Gibbs(chains=2, draws=60, tune=20).fit(problem)
    before, after = (assemble([Cell({}, problem, fits={"gibbs": each})]) for each in (fit, scrambled(fit)))
    for name, numbers in (
        ("label_free", ["mean", "sd", "lower", "upper", "rhat", "ess_bulk", "ess_tail"]),
        ("coclustering", ["probability"]),
    ):
        assert len(before[name])
        np.testing.assert_allclose(before[name][numbers].to_numpy(dtype=float), after[name][numbers].to_numpy(dtype=float), rtol=1e-6)
    rows = [frame["diagnostics"].query("quantity.str.contains('label_free')") for frame in (before, after)]
    assert rows[0]["advice"].tolist() == rows[1]["advice"].tolist()


def test_label_free_quantities_are_those_of_the_draws() -> None:
    problem = Problem(FIVE, "gaussian", 3)
    fits = {
        "em": EM(restarts=3, objective="posterior").fit(problem),
        "vbem": VBEM(restarts=3).fit(problem),
        "exact": Exact(chains=2, draws=100).fit(problem),
    }
    table = assemble([Cell({}, problem, fits=fits)])["label_free"]
    draws = fits["exact"].draws
    assert draws is not None
    middle = np.sort(draws.parameters()["means"][..., 1], axis=-1)[..., 1]
    own = table[table["method"] == "exact"]
    (row,) = own.query("quantity == 'means' and order == 1 and feature == 'x1'").itertuples()
    assert row.mean == pytest.approx(middle.mean())
    assert (row.lower, row.upper) == pytest.approx(tuple(np.quantile(middle, [0.055, 0.945])))
    assert row.rhat == pytest.approx(float(array_statistics().rhat(middle)))
    shares = draws.responsibilities(FIVE)
    pairs = [(shares[..., i, :] * shares[..., j, :]).sum(axis=-1).mean() for i, j in itertools.combinations(range(5), 2)]
    wanted = {
        "entropy": -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=(-1, -2)).mean(),
        "occupied_components": np.mean([len(set(own.argmax(axis=-1))) for own in shares.reshape(-1, *shares.shape[-2:])]),
        "coclustering": np.mean(pairs),
        "log_posterior": fits["exact"].log_posterior.mean(),
    }
    found = dict(zip(own["quantity"], own["mean"], strict=True))
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    assert table[table["method"] == "em"][["sd", "lower", "upper", "rhat"]].isna().all(axis=None)
    assert table[table["method"] == "vbem"]["sd"].notna().all()
    assert table[table["method"] == "vbem"][["rhat", "ess_bulk", "ess_tail"]].isna().all(axis=None)


def test_features_of_order_statistics_are_within_their_budget() -> None:
    problem = Problem(np.random.default_rng(0).integers(2, size=(30, PLACES + 3)), "bernoulli", 2)
    table = assemble([Cell({}, problem, fits={"em": EM(restarts=2).fit(problem)})])["label_free"]
    assert problem.data.n_features > PLACES
    assert (table["quantity"] == "probs").sum() == 2 * PLACES
    assert set(table.loc[table["quantity"] == "probs", "feature"]) == set(problem.data.features[:PLACES])


def test_rows_of_the_matrix_are_in_blocks_of_the_reference_and_within_their_budget() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    settled = settle(Cell({}, problem, fits={"em": EM(restarts=5).fit(problem)}))
    shown = ordered_rows(settled, most=40)
    labels = settled["em"].rows.labels[shown]
    assert len(set(shown.tolist())) == 40
    assert (np.diff(labels) >= 0).all()
    assert abs((labels == 0).mean() - (settled["em"].rows.labels == 0).mean()) < 0.03


def test_the_diagnostic_names_its_worst_quantity() -> None:
    """Chains that are apart in one feature's largest mean alone: the warning says so."""
    problem = Problem(np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95]), "gaussian", 2)
    fit = Exact(chains=2, draws=100).fit(problem)
    assert fit.draws is not None
    flat = fit.draws.reshaped(200)
    order = np.argsort(flat.parameters()["means"].max(axis=(-1, -2)))
    apart = dataclasses.replace(fit, draws=flat.take(order).reshaped(2, 100))
    table = assemble([Cell({}, problem, fits={"exact": apart})])["diagnostics"]
    (row,) = table.query("quantity == 'rhat_label_free_quantities'").itertuples()
    assert row.verdict == "warning"
    assert row.advice.startswith("worst: largest means[x0]; raise draws")


@pytest.mark.parametrize(
    ("order", "n_components", "wanted"),
    [
        (0, 12, "smallest rates[a]"),
        (1, 12, "2nd smallest rates[a]"),
        (10, 12, "11th smallest rates[a]"),
        (2, 3, "largest rates[a]"),
        (None, 3, "rates[a]"),
    ],
)
def test_order_statistics_in_words(order: int | None, n_components: int, wanted: str) -> None:
    assert spelt({"quantity": "rates", "order": order, "feature": "a", "level": None}, n_components) == wanted
