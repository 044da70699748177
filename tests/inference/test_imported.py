"""Imported draws give the tables of the fit that they came from; whatever is wrong with a file is one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench
from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.data import Dataset
from workbench.datatree import to_tree
from workbench.experiment.config import load
from workbench.experiment.mistakes import ConfigError
from workbench.experiment.plan import plan
from workbench.fit import Fit
from workbench.inference import NUTS, Exact, Gibbs, Imported
from workbench.inference.imported import DrawsError
from workbench.inference.method import Context
from workbench.problem import Problem

OF_THE_FIT = {"kind", "seconds_compile", "seconds_run"}
FAMILIES = ["full", "tied", "diagonal", "spherical", "bernoulli", "poisson", "categorical", "product"]


def problem_of(name: str, n_components: int = 2) -> Problem:
    """Thirty rows with missing cells and counts."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 30)
    real = rng.normal(size=(30, 2)) + 4.0 * labels[:, None]
    counts = rng.poisson(1.0 + 6.0 * labels[:, None], size=(30, 2)).astype(float)
    words = np.array(["u", "v", "w"])[np.clip(np.round(real / 2.0), 0, 2).astype(int)]
    mixed = pd.DataFrame({"a": real[:, 0], "c": words[:, 0], "d": (real[:, 1] > 2.0).astype(float), "e": counts[:, 1]})
    blocks = {"gaussian": ["a"], "categorical": ["c"], "poisson": ["e"], "bernoulli": ["d"]}
    if name in ("bernoulli", "poisson"):
        x = np.where(rng.random((30, 2)) < 0.1, np.nan, (real > 2.0).astype(float) if name == "bernoulli" else counts)
        return Problem(Dataset.of(x, ["b", "a"], counts=rng.integers(1, 4, 30)), name, n_components)
    if name == "categorical":
        return Problem(pd.DataFrame({"q": words[:, 0], "p": np.where(words[:, 1] == "w", "v", words[:, 1])}), name, n_components)
    if name == "product":
        return Problem(mixed, name, n_components, blocks=blocks)
    x = np.where(rng.random((30, 2)) < 0.1, np.nan, real)
    return Problem(Dataset.of(x, ["b", "a"]), "gaussian", n_components, covariance=name)


def quiet(problem: Problem) -> Context:
    """A fit without estimates of the evidence."""
    return dataclasses.replace(Context.default(problem), estimates=False)


def gibbs(problem: Problem, **options: int) -> Fit:
    return Gibbs(**options, init="random_rows").fit(problem, quiet(problem))  # from optima it says which: no matter of draws


def write_netcdf(problem: Problem, fit: Fit, path: Path) -> Path:
    to_tree(problem, fit, "made").to_netcdf(path, engine="h5netcdf")
    return path


def table_of(problem: Problem, fit: Fit) -> pd.DataFrame:
    assert fit.draws is not None
    rows = []
    for address in problem.family.addresses(problem.data, problem.n_components):
        values = fit.draws.parameters()[address.parameter][(..., *address.index)]
        names = dataclasses.asdict(address)
        del names["index"]
        rows += [{"chain": c, "draw": d, **names, "value": values[c, d]} for c, d in np.ndindex(*values.shape)]
    return pd.DataFrame(rows).astype({"component": "Int64"})


def tables(problem: Problem, fit: Fit) -> dict[str, pd.DataFrame]:
    found = assemble([Cell({}, problem, fits={"made": fit})])
    return {name: table.drop(columns=OF_THE_FIT & set(table.columns)) for name, table in found.items()}


def same_tables(problem: Problem, fit: Fit, file: Path) -> Fit:
    """Those of ``fit`` and of what is read from ``file``, which is returned."""
    read = Imported(file=str(file)).fit(problem, quiet(problem))
    one, two = tables(problem, fit), tables(problem, read)
    assert one.keys() == two.keys()
    advice = one["diagnostics"]["advice"]
    one["diagnostics"]["advice"] = advice.str.replace(r"raise (tune and )?draws", "make more draws where these were made", regex=True)
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, two[name], rtol=1e-9, atol=1e-12, obj=name)
    assert len(one["parameters"]) > 3
    assert len(one["diagnostics"]) > 3
    return read


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    problem = problem_of(name)
    fit = gibbs(problem, chains=2, draws=30, tune=10)
    same_tables(problem, fit, write_netcdf(problem, fit, tmp_path / "draws.nc"))
    table = table_of(problem, fit).sample(frac=1.0, random_state=1)  # rows in any order, columns too
    table = table[["value", "level", "draw", "feature", "component", "parameter", "chain", "feature_2"]]
    table.to_csv(tmp_path / "draws.csv", index=False)
    read = same_tables(problem, fit, tmp_path / "draws.csv")
    assert read.options == {"file": "draws.csv"}
    table.dropna(axis=1, how="all").to_parquet(tmp_path / "draws.parquet", index=False)
    same_tables(problem, fit, tmp_path / "draws.parquet")


@pytest.mark.slow
def test_a_gradient_samplers_statistics_come_along(tmp_path: Path) -> None:
    problem = problem_of("full")
    fit = NUTS(chains=2, draws=50, tune=100, init="random_rows").fit(
        problem, quiet(problem)
    )  # from optima it says which: no matter of draws
    read = same_tables(problem, fit, write_netcdf(problem, fit, tmp_path / "draws.nc"))
    assert {"divergences", "e_bfmi"} <= set(tables(problem, read)["diagnostics"]["quantity"])


def test_dims_and_features_in_any_order(tmp_path: Path) -> None:
    problem = problem_of("full")
    fit = gibbs(problem, chains=2, draws=10, tune=5)
    tree = to_tree(problem, fit, "made")
    posterior = tree["posterior"].to_dataset().transpose("feature_2", "component", "draw", "feature", "chain")
    posterior = posterior.isel(feature=[1, 0], draw=slice(None, None, -1))
    posterior["extra"] = ("chain", np.zeros(2))
    statistics = xr.Dataset({"diverging": (("draw", "chain"), np.eye(10, 2, dtype=bool)), "step": ("chain", np.ones(2))})
    xr.DataTree.from_dict({"/posterior": posterior, "/sample_stats": statistics}).to_netcdf(tmp_path / "draws.nc", engine="h5netcdf")
    read = Imported(file=str(tmp_path / "draws.nc")).fit(problem)
    assert read.draws is not None
    assert fit.draws is not None
    for name, values in fit.draws.parameters().items():
        np.testing.assert_array_equal(read.draws.parameters()[name], values[:, ::-1])
    assert list(read.sample_stats) == ["diverging"]
    assert read.sample_stats["diverging"].sum(axis=1).tolist() == [1, 1]


def test_no_prior_leaves_the_log_posterior_empty(tmp_path: Path) -> None:
    problem = problem_of("diagonal")
    file = write_netcdf(problem, gibbs(problem, chains=1, draws=10, tune=5), tmp_path / "draws.nc")
    bare = Problem(problem.data, problem.family, 2, None)
    assert Imported(file=str(file)).refuses(bare) is None
    fit = Imported(file=str(file)).fit(bare)
    assert np.isnan(fit.log_posterior).all()
    assert np.isfinite(fit.log_likelihood).all()


Change = Callable[[pd.DataFrame], pd.DataFrame]


def at(table: pd.DataFrame, row: int, column: str, value: Any) -> pd.DataFrame:
    """Another cell; rows count from 0, lines in the file from 2."""
    table = table.astype({column: object})
    table.loc[row, column] = value
    return table


def where(table: pd.DataFrame, value: Any, chain: int = 1, draw: int = 2, **names: Any) -> pd.DataFrame:
    chosen = (table["chain"] == chain) & (table["draw"] == draw)
    for name, wanted in names.items():
        chosen &= table[name] == wanted
    assert chosen.any()
    return table.assign(value=np.where(chosen, value, table["value"]))


FAULTY_TABLES: list[tuple[str, Change, str]] = [
    ("full", lambda t: t.drop(columns="draw"), "draws.csv: there is no column draw; give the columns chain, draw, parameter,"),
    ("full", lambda t: at(t, 4, "value", "x"), "draws.csv:6: value: 'x' is no number; give one in every row"),
    ("full", lambda t: at(t, 4, "value", ""), "draws.csv:6: value: '' is no number"),
    ("full", lambda t: at(t, 0, "chain", 0.5), "draws.csv:2: chain: 0.5 is no whole number"),
    (
        "full",
        lambda t: at(t, 7, "parameter", "mu"),
        "draws.csv:9: parameter: mu does not go with the family; here it is one of weights, means, cov",
    ),
    ("full", lambda t: at(t, 7, "component", 2), "draws.csv:9: component: 2 does not go with weights; here it is one of 0, 1"),
    ("full", lambda t: at(t, 7, "feature", "a"), "draws.csv:9: feature: a does not go with weights, 0; leave it empty"),
    ("full", lambda t: t.assign(feature=t["feature"].replace("a", "c")), "feature: c does not go with means, 0; here it is one of b, a"),
    ("full", lambda t: t.drop(columns="feature_2"), "feature_2: nothing does not go with covariances, 0, b; here it is one of b, a"),
    (
        "categorical",
        lambda t: t.assign(level=t["level"].replace("w", "z")),
        "level: z does not go with probs, 0, q; here it is one of u, v, w",
    ),
    ("full", lambda t: t[t["parameter"] != "means"], "draws.csv: chain 0, draw 0 has no means, 0, b; give every number of every draw"),
    (
        "full",
        lambda t: t[(t["chain"] == 0) | (t["draw"] != 3)],
        "draws.csv: draw: chain 1 has 9 draws and chain 0 has 10; give chains of one length",
    ),
    ("full", lambda t: t.drop(index=len(t) - 1), "draws.csv: chain 1, draw 9 has no covariances, 1, a, a; give every"),
    ("full", lambda t: pd.concat([t, t.iloc[[5]]]), "gives the same number as draws.csv:7; leave out one"),
    ("full", lambda t: where(t, 0.9, parameter="weights"), "draws.csv: chain 1, draw 2: weights sum to 1.8; give shares that sum to 1"),
    (
        "full",
        lambda t: where(t, -0.1, parameter="weights", component=1),
        "chain 1, draw 2: weights, component 1 is -0.1; a probability lies",
    ),
    (
        "full",
        lambda t: where(t, -1.0, parameter="covariances", component=1, feature="a", feature_2="a"),
        "chain 1, draw 2: covariances, component 1 is not positive definite",
    ),
    (
        "tied",
        lambda t: where(t, 7.0, parameter="covariances", feature="a", feature_2="b"),
        "chain 1, draw 2: covariances is not symmetric; give covariance matrices",
    ),
    (
        "diagonal",
        lambda t: where(t, 0.0, parameter="variances", component=0, feature="a"),
        "variances, component 0, feature a is 0; a variance is above 0",
    ),
    (
        "poisson",
        lambda t: where(t, -2.0, parameter="rates", component=0, feature="a"),
        "rates, component 0, feature a is -2; a rate is 0 or more",
    ),
    (
        "bernoulli",
        lambda t: where(t, 2.0, parameter="probs", component=0, feature="a"),
        "probs, component 0, feature a is 2; a probability lies",
    ),
    (
        "categorical",
        lambda t: where(t, 0.9, parameter="probs", component=0, feature="q"),
        "chain 1, draw 2: probs, component 0, feature q sum to 2.7",
    ),
    ("product", lambda t: where(t, np.inf, parameter="means", component=0), "value: 'inf' is no number"),
]


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[Problem, Fit, pd.DataFrame]]:
    found = {}
    for name in ("full", "tied", "diagonal", "poisson", "bernoulli", "categorical", "product"):
        problem = problem_of(name)
        fit = gibbs(problem, chains=2, draws=10, tune=5)
        found[name] = (problem, fit, table_of(problem, fit))
    return found


@pytest.mark.parametrize(("name", "change", "wanted"), FAULTY_TABLES, ids=[wanted[:60] for _, _, wanted in FAULTY_TABLES])
def test_a_faulty_table_is_one_line(name: str, change: Change, wanted: str, made: Any, tmp_path: Path) -> None:
    problem, _, table = made[name]
    change(table.copy()).to_csv(tmp_path / "draws.csv", index=False)
    method = Imported(file=str(tmp_path / "draws.csv"))
    reason = method.refuses(problem)
    assert reason is not None
    assert wanted in reason
    assert "\n" not in reason
    assert "; " in reason
    with pytest.raises(DrawsError):
        method.fit(problem)


FAULTY_TREES: list[tuple[Callable[[Any], Any], str]] = [
    (
        lambda p: xr.DataTree.from_dict({"/prior": p}),
        "draws.nc: there is no group posterior, only prior; write the draws by ArviZ's to_netcdf",
    ),
    (lambda p: xr.DataTree(p), "there is no group posterior, none at all"),
    (lambda p: p.drop_vars("means"), "posterior has no means, only weights, covariances; name the parameters weights, means, covariances"),
    (lambda p: p.rename(component="k"), "weights has the dims chain, draw, k; rename them to chain, draw, component"),
    (lambda p: p.isel(feature=[0]), "means has 1 along feature and the problem 2; fit the same columns"),
    (lambda p: p.isel(component=[0]), "weights has 1 along component and the problem 2; set n_components to that"),
    (lambda p: p.assign_coords(feature=["b", "c"]), "means names 'c' along feature; the problem has b, a"),
    (lambda p: p.assign(means=p["means"].astype(str)), "means holds no numbers"),
    (
        lambda p: p.assign(means=p["means"].where(p["draw"] != 4)),
        "draws.nc: chain 0, draw 4: means, component 0, feature b is nan; give a finite number",
    ),
]


@pytest.mark.parametrize(("change", "wanted"), FAULTY_TREES, ids=[wanted[:60] for _, wanted in FAULTY_TREES])
def test_a_faulty_tree_is_one_line(change: Callable[[Any], Any], wanted: str, made: Any, tmp_path: Path) -> None:
    problem, fit, _ = made["full"]
    changed = change(to_tree(problem, fit, "made")["posterior"].to_dataset())
    tree = changed if isinstance(changed, xr.DataTree) else xr.DataTree.from_dict({"/posterior": changed})
    tree.to_netcdf(tmp_path / "draws.nc", engine="h5netcdf")
    assert wanted in str(Imported(file=str(tmp_path / "draws.nc")).refuses(problem))


def test_files_that_are_none(tmp_path: Path) -> None:
    problem = problem_of("full")
    assert "nothing.nc: there is no such file" in str(Imported(file=str(tmp_path / "nothing.nc")).refuses(problem))
    (tmp_path / "text.nc").write_text("not a netCDF file")
    assert "text.nc: cannot be read as netCDF 4; write it" in str(Imported(file=str(tmp_path / "text.nc")).refuses(problem))
    (tmp_path / "empty.csv").write_text("")
    assert "empty.csv: the file is empty" in str(Imported(file=str(tmp_path / "empty.csv")).refuses(problem))


def test_the_table_in_the_readme_is_read(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (tmp_path / "draws.csv").write_text(text.split("```csv\n")[1].split("```")[0])
    problem = Problem(pd.DataFrame({"size": [1.0, 1.3, 0.8, 1.1, 7.9, 8.2, 8.1, 7.7]}), "gaussian", 2)
    method = Imported(file=str(tmp_path / "draws.csv"))
    assert method.refuses(problem) is None
    draws = method.fit(problem, quiet(problem)).draws
    assert draws is not None
    np.testing.assert_array_equal(draws.weights, [[[0.36, 0.64]]])
    np.testing.assert_array_equal(draws.components.parameters()["covariances"], [[[[[0.07]], [[0.05]]]]])


def test_other_data_have_no_density(tmp_path: Path) -> None:
    problem = problem_of("bernoulli")
    fit = gibbs(problem, chains=1, draws=10, tune=5)
    table = table_of(problem, fit)
    table.loc[table["parameter"] == "probs", "value"] = 0.0
    table.to_csv(tmp_path / "draws.csv", index=False)
    with pytest.raises(DrawsError, match=r"chain 0, draw 0: the data have no density under it; take draws"):
        Imported(file=str(tmp_path / "draws.csv")).fit(problem)


def test_evidence_of_draws_from_elsewhere(tmp_path: Path) -> None:
    """By importance sampling it is that of the problem's prior even if the draws are not; a bridge is never believed."""
    x = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])
    problem = Problem(x, "gaussian", 2)
    assert problem.prior is not None
    (exact,) = Exact(chains=1, draws=1).fit(problem).evidence
    other = Problem(x, "gaussian", 2, {**problem.prior.numbers(), "dof": 5.0})
    for name, made in (("own", problem), ("other", other)):
        file = write_netcdf(made, Gibbs(draws=500).fit(made, quiet(made)), tmp_path / f"{name}.nc")
        found = {each.estimator: each for each in Imported(file=str(file)).fit(problem).evidence}
        assert found["importance"].trusted
        assert abs(found["importance"].log_evidence - exact.log_evidence) < 4.0 * found["importance"].mcse
        assert not found["bridge"].trusted
        assert found["bridge"].note


CONFIG = """data: old_faithful
model: {n_components: 2}
methods:
  stan: {kind: imported, file: made/draws.csv}
report: false
"""


def test_a_run_reads_the_file_beside_its_config(tmp_path: Path) -> None:
    problem = Problem(
        workbench.load({"data": "old_faithful", "model": {"n_components": 2}, "methods": ["em"]}).settings[0].problem.data, "gaussian", 2
    )
    fit = gibbs(problem, chains=2, draws=20, tune=10)
    (tmp_path / "made").mkdir()
    file, config = tmp_path / "made" / "draws.csv", tmp_path / "mine.yaml"
    table_of(problem, fit).to_csv(file, index=False)
    config.write_text(CONFIG)
    (first,) = plan(load(config))
    run = workbench.run(config, tmp_path / "out")
    scores = run.tables["likelihoods"].iloc[0]
    assert (scores["kind"], scores["estimate"], scores["status"]) == ("imported", "sample", "sampled")
    assert scores["log_likelihood"] == pytest.approx(fit.log_likelihood.mean(), rel=1e-9)
    assert run.fits["stan"].attrs["options"] == '{"file": "draws.csv"}'
    (again,) = plan(load(tmp_path / "out" / "config.yaml"))  # the resolved config finds the file, and nothing is new
    assert again.key == first.key

    moved = tmp_path / "elsewhere.csv"
    moved.write_bytes(file.read_bytes())
    config.write_text(CONFIG.replace("made/draws.csv", str(moved)))
    assert plan(load(config))[0].key == first.key
    moved.write_text(moved.read_text().replace(",0,", ",0, ", 1))
    assert plan(load(config))[0].key != first.key


def test_a_config_names_the_fault_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "draws.csv").write_text("chain,draw,parameter,component,value\n0,0,weights,0,0.5\n0,0,mu,0,1.0\n")
    config = tmp_path / "mine.yaml"
    config.write_text(CONFIG)
    with pytest.raises(ConfigError) as caught:
        load(config)
    assert "mine.yaml:4:32: methods.stan.file: draws.csv:3: parameter: mu does not go with the family; here it is one of weights," in str(
        caught.value
    )
    config.write_text(CONFIG.replace(", file: made/draws.csv", ""))
    with pytest.raises(ConfigError, match=r"methods.stan.file: is missing; give file"):
        load(config)
