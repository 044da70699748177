"""The identities between the tables of a run as written to disk: several families, every kind of EM, points and draws."""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.runs import Run, run

KEYS = {
    "likelihoods": "method",
    "restarts": "method restart",
    "components": "method component",
    "assignments": "method row",
    "path": "method restart iteration parameter component feature feature_2 level",
    "optima": "method optimum",
    "responsibilities": "method row component",
    "agreement": "method_a method_b",
    "parameters": "method parameter component feature feature_2 level row",
    "trace": "method restart iteration objective_name",
    "decomposition": "method restart iteration half_step",
}
"""What tells the rows of a table apart within a cell of the sweep."""
CLIMBS = {
    "em": ["log_posterior", "log_likelihood"],
    "gradient": ["log_posterior", "log_likelihood"],
    "hard_em": ["classification_log_likelihood"],
    "kmeans": ["negative_sum_of_squares"],
    "incremental_em": ["bound"],
}
"""Kinds whose objective never falls (the first of these that is traced): its name."""
WANDER = ("stochastic_em", "sampled_em")
"""Kinds whose point is where they stop, and not the optimum that it was followed to."""
MEASURES = (
    "n_components log_likelihood log_likelihood_best log_posterior elbo elbo_mcse log_evidence log_evidence_mcse elpd_loo elpd_loo_se "
    "pareto_k_max held_out_lpd n_parameters aic bic icl entropy relative_entropy seconds_compile seconds_run restart iterations objective "
    "gain_left optimum component weight count rows_assigned mean_responsibility_assigned row responsibility iteration gap restarts share "
    "posterior_share mean sd lower upper truth bound kl expected_complete log_prior seconds mcse mean_total_variation max_total_variation "
    "adjusted_rand rows_with_other_label coclustering_difference"
)
NUMBERS = frozenset(MEASURES.split())
"""Columns of numbers."""
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

POINTS: dict[str, dict[str, Any]] = {
    "em": {},
    "em_map": {"kind": "em", "objective": "posterior"},
    "squarem": {"kind": "em", "acceleration": "squarem"},
    "hard_em": {},
    "annealed_em": {"max_iter": 90},  # the temperature is 1 after 70
    "incremental_em": {},
    "stochastic_em": {"max_iter": 20},
    "sampled_em": {"max_iter": 30},
    "gradient": {},
    "gradient_map": {"kind": "gradient", "objective": "posterior"},
}
METHODS = {label: {"restarts": 4, "max_iter": 60, **options} for label, options in POINTS.items()}
"""Few and short, so that every table is CSV: some restarts stop at the cap, and are followed to their optimum from there."""
SOME = {
    "bernoulli": ("em", "hard_em", "annealed_em", "incremental_em", "gradient_map"),
    "categorical": ("em", "em_map", "squarem", "stochastic_em", "gradient"),
    "poisson": ("em", "em_map", "hard_em", "incremental_em", "sampled_em"),
}
"""Each kind with some family alone; all of them with Gaussians and with a product, which has the others' blocks."""


def some(family: str) -> dict[str, Any]:
    return {label: METHODS[label] for label in SOME[family]}


def mixed(levels_alone: bool) -> pd.DataFrame:
    """Two groups, words and measurements, some cells missing."""
    rng = np.random.default_rng(4)
    group = rng.integers(2, size=90)
    words = np.array(["low", "middle", "high"])
    table = {f"c{d}": words[np.clip(rng.integers(-1, 2, 90) + 2 * group, 0, 2)] for d in range(4 if levels_alone else 1)}
    if not levels_alone:
        table |= {
            "a": rng.normal(size=90) + 3.0 * group,
            "b": rng.normal(size=90) - group,
            "d": rng.poisson(2.0 + 3.0 * group).astype(float),
        }
    frame = pd.DataFrame(table)
    return frame.mask(rng.random(frame.shape) < 0.05)


CASES: dict[str, dict[str, Any]] = {
    "gaussian": {
        "data": "old_faithful",
        "model": {"n_components": 3},
        "methods": {**METHODS, "kmeans": {"restarts": 4}},
        "sweep": {"model.covariance": ["full", "spherical"]},
    },
    "bernoulli": {
        "data": {"name": "zoo", "held_out": 0.2},
        "model": {"family": "bernoulli", "n_components": 3},
        "methods": some("bernoulli"),
    },
    "categorical": {"data": mixed(True), "model": {"family": "categorical", "n_components": 2}, "methods": some("categorical")},
    "poisson": {"data": "death_notices", "model": {"family": "poisson", "n_components": 2}, "methods": some("poisson")},
    "product": {
        "data": mixed(False),
        "model": {"family": "product", "n_components": 2, "blocks": {"gaussian": ["a", "b"], "categorical": ["c0"], "poisson": ["d"]}},
        "methods": METHODS,
    },
    "draws": {
        "data": pd.DataFrame(np.random.default_rng(2).integers(2, size=(8, 3)).astype(float), columns=list("xyz")),
        "model": {"family": "bernoulli", "n_components": 2},
        "methods": {"em": {"restarts": 4}, "exact": {"chains": 2, "draws": 200}},
    },
}

Table = list[dict[str, Any]]
Tables = dict[str, Table]


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.slow if name == "product" else ()) for name in CASES], ids=str)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    found = run({**CASES[request.param], "seed": 3, "report": False}, tmp_path_factory.mktemp(request.param))
    assert not found.failures
    return found


@pytest.fixture(scope="module")
def cells(finished: Run) -> list[Tables]:
    """The tables of each cell of the sweep: numbers, words, and None where a cell is empty."""
    tables = {path.stem: read(path) for path in sorted((finished.folder / "tables").glob("*.csv"))}
    swept = [key for key in next(iter(tables["likelihoods"])) if "." in key]
    values = {tuple(row[key] for key in swept) for row in tables["likelihoods"]}
    return [{name: [row for row in table if tuple(row[key] for key in swept) == own] for name, table in tables.items()} for own in values]


def read(path: Path) -> Table:
    with path.open(newline="") as lines:
        return [{key: cell_of(key, text) for key, text in row.items()} for row in csv.DictReader(lines)]


def cell_of(column: str, text: str) -> Any:
    if text == "":
        return None
    return float(text) if column in NUMBERS else {"True": True, "False": False}.get(text, text)


def by(table: Table, *keys: str) -> Iterator[tuple[Any, Table]]:
    """Rows that agree in ``keys``, in their order, the groups by first appearance."""
    groups: dict[Any, Table] = {}
    for row in table:
        groups.setdefault(row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys), []).append(row)
    return iter(groups.items())


def one(table: Table, **wanted: Any) -> dict[str, Any]:
    (found,) = [row for row in table if all(row[key] == value for key, value in wanted.items())]
    return found


def climbs(cell: Tables, score: dict[str, Any]) -> str | None:
    traced = {row["objective_name"] for row in cell["trace"] if row["method"] == score["method"]}
    return next((name for name in CLIMBS.get(score["kind"], []) if name in traced), None)


def matrix(cell: Tables, method: str) -> dict[float, np.ndarray]:
    """Responsibilities (K,) by row."""
    return {
        n: np.array([row["mean"] for row in rows]) for n, rows in by([r for r in cell["responsibilities"] if r["method"] == method], "row")
    }


def once(cell: Tables, method: str) -> bool:
    """Whether every row was fitted and counts once: then tables by row say all about those by component."""
    count = sum(row["count"] for row in cell["components"] if row["method"] == method)
    return math.isclose(count, len(matrix(cell, method)), rel_tol=1e-9)


def test_files_are_there(finished: Run) -> None:
    json.loads((finished.folder / "manifest.json").read_text())
    assert (finished.folder / "config.yaml").is_file()
    assert {path.stem for path in (finished.folder / "tables").iterdir()} >= set(KEYS) | {"evidence", "diagnostics"}


def test_cells_are_numbers_words_or_empty(finished: Run) -> None:
    looked_at = 0
    for path in (finished.folder / "tables").glob("*.csv"):
        with path.open(newline="") as lines:
            for row in csv.DictReader(lines):
                assert None not in row, path.name  # more cells than the header has
                assert None not in row.values(), path.name
                for column in NUMBERS & row.keys():
                    text = row[column]
                    looked_at += 1
                    assert text == "" or (NUMBER.fullmatch(text) and math.isfinite(float(text))), (path.name, column, text)
                for column in {"local_maximum", "singular", "spurious"} & row.keys():
                    assert row[column] in ("", "True", "False")
                assert not {"nan", "NaN", "None", "<NA>", "inf", "-inf"} & {
                    text for key, text in row.items() if key not in ("id", "level", "feature")
                }
    assert looked_at > 1000


def test_no_row_stands_twice(cells: list[Tables]) -> None:
    for cell in cells:
        for name, keys in KEYS.items():
            rows = Counter(tuple(row[key] for key in keys.split()) for row in cell[name])
            assert not [row for row, count in rows.items() if count > 1], name


def test_a_fit_is_in_its_file_and_its_tables(finished: Run, cells: list[Tables]) -> None:
    files = {path.stem.split(",")[0] for path in (finished.folder / "fits").glob("*.nc")}
    for cell in cells:
        methods = {row["method"] for row in cell["likelihoods"]}
        assert methods == files
        for name in KEYS.keys() - {"agreement"}:
            assert {row["method"] for row in cell[name]} <= methods, name
        for score in cell["likelihoods"]:
            assert score["estimate"] in ("point", "approximation", "sample")
            assert score["status"]
            assert score["n_components"] == len([row for row in cell["components"] if row["method"] == score["method"]])
            for name in ("parameters", *(["restarts", "optima", "trace", "decomposition", "path"] if score["kind"] == "em" else [])):
                assert [row for row in cell[name] if row["method"] == score["method"]], (score["method"], name)


def test_scores_of_points(cells: list[Tables]) -> None:
    """aic at the MLE alone, bic of the rows that count, icl and entropies by the responsibilities (statistics, section 6)."""
    for cell in cells:
        for score in cell["likelihoods"]:
            if score["estimate"] != "point":
                continue
            assert score["elbo"] is score["elbo_mcse"] is score["pareto_k_max"] is None
            assert score["log_likelihood_best"] == pytest.approx(score["log_likelihood"], rel=1e-12)
            own, p, value = climbs(cell, score), score["n_parameters"], score["log_likelihood"]
            if own == "log_likelihood":
                assert score["aic"] == pytest.approx(2 * p - 2 * value, rel=1e-12)
            elif own not in (None, "bound"):
                assert score["aic"] is None
            if score["bic"] is None:
                continue
            total = sum(row["count"] for row in cell["components"] if row["method"] == score["method"])
            rows = np.stack(list(matrix(cell, score["method"]).values()))
            n = math.exp((score["bic"] + 2 * value) / p)
            assert n == pytest.approx(round(n), rel=1e-9)
            assert round(n) <= round(total)
            if once(cell, score["method"]) and round(n) == len(rows):
                entropy = -float((rows[rows > 0] * np.log(rows[rows > 0])).sum())
                assert score["icl"] == pytest.approx(score["bic"] - 2 * np.log(rows.max(axis=1)).sum(), rel=1e-9)
                assert score["entropy"] == pytest.approx(entropy, rel=1e-6, abs=1e-9)
                assert score["relative_entropy"] == pytest.approx(1 - entropy / n / math.log(rows.shape[1]), rel=1e-6)


def test_scores_of_draws(cells: list[Tables]) -> None:
    for cell in cells:
        for score in cell["likelihoods"]:
            if score["estimate"] == "point":
                continue
            assert score["log_likelihood_best"] >= score["log_likelihood"]
            assert score["aic"] is score["bic"] is score["icl"] is None
            if score["elbo"] is not None and score["log_evidence"] is not None:
                assert (
                    score["elbo"] - 4 * (score["elbo_mcse"] or 0.0)
                    <= score["log_evidence"] + 4 * (score["log_evidence_mcse"] or 0.0) + 1e-9
                )
        known = {row["estimator"]: float(row["log_evidence"]) for row in cell["evidence"] if row["log_evidence"] is not None}
        gaps = [row for row in cell["evidence"] if row["kl"] is not None]
        assert len({row["reference"] for row in gaps}) <= 1
        for row in gaps:
            assert known[row["reference"]] - row["log_evidence"] == pytest.approx(row["kl"], abs=1e-9)
            assert row["kl"] >= -4 * (row["kl_mcse"] or 0.0) - 1e-6


def test_optima(cells: list[Tables]) -> None:
    """Numbered best first, the regular ones before the others; gaps, restarts and shares follow from the objectives and the restarts."""
    for cell in cells:
        for method, ends in by(cell["optima"], "method"):
            score = one(cell["likelihoods"], method=method)
            assert [row["optimum"] for row in ends] == list(range(len(ends)))
            regular = [row for row in ends if not (row["singular"] or row["spurious"])]
            assert ends[: len(regular)] == regular
            for row in regular:
                assert row["gap"] == pytest.approx(regular[0]["objective"] - row["objective"], abs=1e-9)
            assert all(a["gap"] <= b["gap"] for a, b in itertools.pairwise(regular))
            own = climbs(cell, score)
            if own in ("log_likelihood", "log_posterior"):
                assert all(row[own] == pytest.approx(row["objective"], rel=1e-9) for row in regular)
            if regular and score["kind"] not in WANDER and score["estimate"] == "point":
                for column in ("log_likelihood", "log_posterior"):
                    assert score[column] == pytest.approx(regular[0][column], rel=1e-7), (method, column)
            restarts = [row for row in cell["restarts"] if row["method"] == method]
            found = Counter(row["optimum"] for row in restarts)
            nowhere = found.pop(None, 0)
            assert {row["optimum"]: row["restarts"] for row in ends} == found
            for row in ends:
                assert any(row["share"] == pytest.approx(row["restarts"] / n) for n in {len(restarts), len(restarts) - nowhere})


def test_labels_responsibilities_and_components(cells: list[Tables]) -> None:
    for cell in cells:
        points = {row["method"] for row in cell["likelihoods"] if row["estimate"] == "point"}
        assert all(row["sd"] is None for row in cell["responsibilities"] if row["method"] in points)
        counts = []
        for method, parts in by(cell["components"], "method"):
            rows = matrix(cell, method)
            np.testing.assert_allclose([row.sum() for row in rows.values()], 1.0, atol=1e-9)
            assert all((row >= 0).all() for row in rows.values())
            assigned = [row for row in cell["assignments"] if row["method"] == method]
            assert {row["row"] for row in assigned} == set(rows)
            for row in assigned:
                assert row["responsibility"] == pytest.approx(rows[row["row"]].max(), rel=1e-12)
                assert rows[row["row"]][int(row["label"])] == pytest.approx(rows[row["row"]].max(), rel=1e-12)
            assert sum(part["weight"] for part in parts) == pytest.approx(1.0, abs=1e-9)
            counts.append(sum(part["count"] for part in parts))
            for part in parts if once(cell, method) else ():
                own = [row["responsibility"] for row in assigned if int(row["label"]) == part["component"]]
                assert part["rows_assigned"] == len(own)
                assert not own or part["mean_responsibility_assigned"] == pytest.approx(np.mean(own))
                assert part["count"] == pytest.approx(sum(row[int(part["component"])] for row in rows.values()), abs=1e-6)
        assert counts == pytest.approx([counts[0]] * len(counts), rel=1e-9)


def test_agreement(cells: list[Tables]) -> None:
    """Every pair of methods, each number from the two methods' own rows."""
    for cell in cells:
        methods = sorted({row["method"] for row in cell["responsibilities"]})
        pairs = [row for row in cell["agreement"] if row["method_b"] != "classes"]
        assert {frozenset((row["method_a"], row["method_b"])) for row in pairs} == {
            frozenset(pair) for pair in itertools.combinations(methods, 2)
        }
        labels = {method: {r["row"]: r["label"] for r in cell["assignments"] if r["method"] == method} for method in methods}
        shares = {method: matrix(cell, method) for method in methods}
        for row in pairs:
            a, b = row["method_a"], row["method_b"]
            apart = [np.abs(shares[a][n] - shares[b][n]).sum() / 2 for n in shares[a]]
            assert row["max_total_variation"] == pytest.approx(max(apart), abs=1e-9)
            assert row["mean_total_variation"] == pytest.approx(np.mean(apart), abs=1e-9)
            both = [(labels[a][n], labels[b][n]) for n in labels[a]]
            assert row["rows_with_other_label"] == sum(first != second for first, second in both)
            assert row["adjusted_rand"] == pytest.approx(adjusted_rand(both), abs=1e-9)


def adjusted_rand(pairs: list[tuple[Any, Any]]) -> float:
    """Hubert & Arabie 1985, eq. 5."""
    together, first, second = (
        sum(math.comb(n, 2) for n in Counter(labels).values()) for labels in (pairs, [a for a, _ in pairs], [b for _, b in pairs])
    )
    chance, most = first * second / math.comb(len(pairs), 2), (first + second) / 2
    return 1.0 if chance == most else (together - chance) / (most - chance)


def test_ledger(cells: list[Tables]) -> None:
    """log p(x | theta) = bound + KL, bound = Q + H, KL >= 0 and 0 after a soft E step; what is climbed never falls."""
    for cell in cells:
        ends = {(row["method"], row["restart"]): row["optimum"] for row in cell["restarts"]}
        for method, rows in by(cell["decomposition"], "method"):
            score = one(cell["likelihoods"], method=method)
            ((run_of, _),) = by(rows, "method", "restart")
            assert ends[run_of] == 0  # the reported restart's
            assert {row["half_step"] for row in rows} <= {"E", "M"}
            for row in rows:
                assert row["bound"] == pytest.approx(row["expected_complete"] + row["entropy"], rel=1e-12)
                assert row["log_likelihood"] == pytest.approx(row["bound"] + row["kl"], rel=1e-12)
                assert row["kl"] >= -1e-9
                if score["kind"] == "em" and row["half_step"] == "E":
                    assert row["kl"] <= 1e-9
            own = climbs(cell, score)
            if own in ("log_likelihood", "log_posterior"):
                climbed = [row["bound"] + (row["log_prior"] if own == "log_posterior" else 0.0) for row in rows]
                assert all(after >= before - 1e-9 * abs(before) for before, after in itertools.pairwise(climbed))


def test_traces(cells: list[Tables]) -> None:
    """Each kind's own objective with the log likelihood beside it, in order, never falling; restarts end with theirs."""
    for cell in cells:
        scores = {row["method"]: row for row in cell["likelihoods"]}
        own = {method: climbs(cell, score) for method, score in scores.items()}
        for row in cell["restarts"]:
            if own[row["method"]] is not None:
                assert row["objective_name"] == own[row["method"]]
                assert row.get(row["objective_name"], row["objective"]) == pytest.approx(row["objective"], rel=1e-12)
        for method, score in scores.items():
            if score["kind"] in CLIMBS:
                assert {own[method], "log_likelihood"} <= {row["objective_name"] for row in cell["trace"] if row["method"] == method}
        for (method, restart, name), rows in by(cell["trace"], "method", "restart", "objective_name"):
            steps = [row["iteration"] for row in rows]
            assert steps == sorted(set(steps))
            if name == own[method]:
                values = [row["objective"] for row in rows if row["objective"] is not None]
                assert values[-1] == pytest.approx(one(cell["restarts"], method=method, restart=restart)["objective"], rel=1e-12)
                assert all(after >= before - 1e-12 * abs(before) for before, after in itertools.pairwise(values)), (method, name)
