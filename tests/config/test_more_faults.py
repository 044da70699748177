"""A table of bad configs: every kind of mistake at its place, in its words, before anything is computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import workbench
from workbench.experiment.config import load
from workbench.experiment.mistakes import ConfigError
from workbench.experiment.words import LATER_KINDS

FILES = {
    "my.csv": "a,b,c,kind\n1,2,5,x\n2,3,5,y\n4,1,5,x\n3,5,5,y\n",
    "word.csv": "a,b\n1,2\n2,oops\n4,1\n",
    "twos.csv": "a,b\n0,1\n1,2\n0,0\n",
    "header.csv": "a,b\n",
    "empty.csv": "",
    "ragged.csv": "a,b\n1,2\n3\n",
    "twice.csv": "a,a\n1,2\n",
    "infinite.csv": "a,b\n1,inf\n3,4\n",
}
OLD = "data: old_faithful\n"
TWO = "model: {n_components: 2}\n"
EM = "methods: [em]\n"
MAP = "methods:\n  em: {}\n  em_map: {kind: em, objective: posterior}\n"

KEYS = [
    (OLD + TWO + EM + "mothods: 3\n", "4:1: mothods", "unknown key; did you mean methods?"),
    (OLD + "model: {n_components: 2, covarance: full}\n" + EM, "2:26: model.covarance", "unknown key; did you mean covariance?"),
    (OLD + "model:\n  n_components: 2\n  covarance: full\n" + EM, "4:3: model.covarance", "unknown key; did you mean covariance?"),
    (OLD + "model: {n_components: 2, tol: 1}\n" + EM, "2:26: model.tol", "unknown key; it belongs under a method"),
    (OLD + TWO + EM + "random_state: 3\n", "4:1: random_state", "unknown key; here it is called seed"),
    (OLD + TWO + "methods: {em: {restart: 3}}\n", "3:16: methods.em.restart", "unknown key; did you mean restarts?"),
    (OLD + TWO + "methods: {em: {n_init: 3}}\n", "3:16: methods.em.n_init", "here it is called restarts"),
    (OLD + TWO + "methods: {em: {reg_covar: 1}}\n", "3:16: methods.em.reg_covar", "`objective: posterior`"),
    (OLD + TWO + "methods: {em: {timeout: 10}}\n", "3:16: methods.em.timeout", "not available yet"),
    ("data: {name: iris, colums: [a]}\n" + TWO + EM, "1:20: data.colums", "unknown key; did you mean columns?"),
    ("data: {synthetic: {n_row: 3}}\n" + TWO + EM, "1:20: data.synthetic.n_row", "unknown key; did you mean n_rows?"),
    (OLD + "model: {n_components: 2, prior: {kappa: 1}}\n" + EM, "2:34: model.prior.kappa", "here it is called mean_strength"),
    (OLD + TWO, "1:1: methods", "is missing"),
    (OLD + EM, "1:1: model", "is missing"),
    (TWO + EM, "1:1: data", "is missing"),
    (OLD + "model: {family: gaussian}\n" + EM, "2:8: model.n_components", "is missing"),
]
TYPES = [
    (OLD + "model: {n_components: 2.5}\n" + EM, "2:23: model.n_components", "is 2.5; give a whole number"),
    (OLD + "model: {n_components: true}\n" + EM, "2:23: model.n_components", "is true; give a whole number"),
    (OLD + 'model: {n_components: "2"}\n' + EM, "2:23: model.n_components", 'is "2"; give a whole number'),
    (OLD + "model: {n_components: 0}\n" + EM, "2:23: model.n_components", "is 0; give 1 or more"),
    (OLD + "model: 2\n" + EM, "2:8: model", "is 2; give a mapping"),
    (OLD + TWO + EM + "seed: -1\n", "4:7: seed", "is -1; give 0 or more"),
    (OLD + TWO + EM + "report: maybe\n", "4:9: report", "give true or false"),
    (OLD + TWO + EM + "name: ../up\n", "4:7: name", "cannot name a folder"),
    (OLD + TWO + "methods: {em: {restarts: many}}\n", "3:26: methods.em.restarts", 'is "many"; give a whole number'),
    (OLD + TWO + "methods: {em: {tol: .nan}}\n", "3:21: methods.em.tol", "not finite"),
    (OLD + TWO + "methods: {em: [1]}\n", "3:15: methods.em", "is [1]; give options as a mapping"),
    (OLD + TWO + "methods: {em: {init: {weights: [1]}}}\n", "3:15: methods.em", "give exactly weights, means, covariances"),
    ("data: [1]\n" + TWO + EM, "1:7: data", "is [1]; give a built-in"),
    ("data: {file: my.csv, columns: a}\n" + TWO + EM, "1:31: data.columns", 'is "a"; give a list'),
    ("data: {file: my.csv, complete_rows: yes}\n" + TWO + EM, "1:37: data.complete_rows", "give true or false"),
    ("data: {name: iris, held_out: 1.5}\n" + TWO + EM, "1:30: data.held_out", "is 1.5; give less than 1"),
    ("data: {name: iris, file: my.csv}\n" + TWO + EM, "1:7: data", "has name and file; give one of them"),
    ("data: {synthetic: {missing: 1}}\n" + TWO + EM, "1:29: data.synthetic.missing", "is 1; give less than 1"),
    (OLD + "model: {n_components: 2, prior: {kind: 3, dof: 0}}\n" + EM, "2:40: model.prior.kind", "is 3; there are conjugate, independent"),
    (
        OLD + "model: {n_components: 2, prior: {kind: independent, mean_strength: 1}}\n" + EM,
        "2:53: model.prior.mean_strength",
        "kind: conjugate has it",
    ),
    (OLD + "model: {n_components: 2, prior: {mean_covariance: 1}}\n" + EM, "2:34: model.prior.mean_covariance", "kind: independent has it"),
    (
        OLD + "model: {n_components: 2, prior: {kind: independent, mean_variance: 1}}\n" + EM,
        "2:53: model.prior.mean_variance",
        "here it is called mean_covariance",
    ),
    (
        OLD + "model: {n_components: 2, prior: {kind: independent, mean_covariance: [[1, 2], [2, 1]]}}\n" + EM,
        "2:70: model.prior.mean_covariance",
        "is not positive definite",
    ),
    (OLD + "model: {n_components: 1, prior: {kind: independent}}\nmethods: [exact]\n", "3:10: methods.exact", "needs a conjugate prior"),
    (OLD + "model: {n_components: 2, prior: flat}\n" + EM, "2:33: model.prior", "give default, or hyperparameters by name"),
]
NAMES = [
    ("data: old_faithfull\n" + TWO + EM, "1:7: data.name", "did you mean old_faithful?"),
    ("data: {name: irs}\n" + TWO + EM, "1:14: data.name", "did you mean iris?"),
    (OLD + "model: {family: gausian, n_components: 2}\n" + EM, "2:17: model.family", "did you mean gaussian?"),
    (
        OLD + "model: {family: poisson, n_components: 2}\n" + EM,
        "2:17: model.family",
        "column 'eruptions' holds 3.6 (row 0) and poisson takes",
    ),
    (
        OLD + "model: {family: lda, n_components: 2}\n" + EM,
        "2:17: model.family",
        "lda is not available yet; its topics mix within a document",
    ),
    (OLD + TWO + "methods: {nuts: {relabelling: stephens}}\n", "3:18: methods.nuts.relabelling", "it belongs at the top of the config"),
    (OLD + TWO + "methods: {gibbs: {relabelling: stephens}}\n", "3:19: methods.gibbs.relabelling", "it belongs at the top of the config"),
    (OLD + "model: {covariance: EEE, n_components: 2}\n" + EM, "2:21: model.covariance", "here it is called tied"),
    (OLD + "model: {covariance: diag, n_components: 2}\n" + EM, "2:21: model.covariance", "here it is called diagonal"),
    (
        "data: zoo\nmodel: {family: bernoulli, covariance: full, n_components: 2}\n" + EM,
        "2:28: model.covariance",
        "bernoulli has no covariance; gaussian has it: leave it out, or choose that family",
    ),
    (
        OLD + TWO + "methods: {em: {temperature: 2}}\n",
        "3:16: methods.em.temperature",
        "did you mean temperatures? annealed_em has it: leave it out, or choose such a kind",
    ),
    (OLD + TWO + "methods: {em: {burn_in: 2}}\n", "3:16: methods.em.burn_in", "unknown key; sampled_em has it: leave it out"),
    (OLD + TWO + "methods: {mine: {kind: nuts, objective: posterior}}\n", "3:30: methods.mine.objective", "em and gradient have it:"),
    (
        OLD + TWO + "methods: {nuts: {n_init: 3}}\n",
        "3:18: methods.nuts.n_init",
        "unknown key; here it is called restarts, and em, hard_em, kmeans and",
    ),
    (OLD + TWO + "methods: [ems]\n", "3:10: methods.ems", "did you mean em?"),
    (OLD + TWO + "methods: {mine: {kind: nutz}}\n", "3:24: methods.mine.kind", "did you mean nuts?"),
    (OLD + TWO + "methods: {mcmc: {}}\n", "3:11: methods.mcmc", "here it is called nuts"),
    (OLD + TWO + "methods: {mine: {}}\n", "3:11: methods.mine", "give `kind:`"),
    (OLD + TWO + "methods: {classes: {kind: em}}\n", "3:11: methods.classes", "classes is a reserved label; choose another"),
    (OLD + TWO + "methods: {My-Em: {kind: em}}\n", "3:11: methods.My-Em", "a label is lower-case letters, digits and _"),
    (OLD + TWO + "methods: [em, nuts, em]\n", "3:21: methods[2]", '"em" is there twice'),
    (OLD + TWO + "methods: []\n", "3:10: methods", "no method is named; there are em,"),
    (OLD + TWO + EM + "check: {kind: sbd}\n", "4:15: check.kind", "did you mean sbc?"),
    (OLD + TWO + EM + "check: {n_sims: 10}\n", "4:9: check.n_sims", "here it is called replicates"),
    (OLD + TWO + EM + "check: {replicate: 10}\n", "4:9: check.replicate", "did you mean replicates?"),
    (OLD + TWO + EM + "check: {replicates: 0}\n", "4:21: check.replicates", "give 1 or more"),
    (OLD + TWO + EM + "check: true\n", "4:8: check", "give sbc, or a mapping"),
    (OLD + TWO + EM + "check: {methods: [emm]}\n", "4:19: check.methods[0]", "did you mean em?"),
    (OLD + TWO + EM + "check: {methods: [em, em]}\n", "4:23: check.methods[1]", "there twice"),
    (OLD + TWO + "methods: [kmeans]\ncheck: sbc\n", "4:8: check", "kmeans has neither draws nor standard errors"),
    (OLD + TWO + "methods: [em, kmeans]\ncheck: {methods: [kmeans]}\n", "4:19: check.methods[0]", "neither draws nor standard errors"),
    (OLD + TWO + EM + "sbc: 200\n", "4:1: sbc", "here it is called check"),
    (
        "data: {file: my.csv, counts: kind}\n" + TWO + EM,
        "1:30: data.counts",
        "my.csv:2: kind: 'x' is no count; counts are whole numbers, 0 or more",
    ),
    ("data: {name: iris, held_out: {cells: 0.1}}\n" + TWO + EM, "1:30: data.held_out", "not available yet"),
    *((OLD + TWO + f"methods: [{kind}]\n", f"3:10: methods.{kind}", f"{kind} is not available yet; there are em,") for kind in LATER_KINDS),
]
REFUSALS = [
    (
        "data: {file: twos.csv}\nmodel: {family: bernoulli, n_components: 2}\n" + EM,
        "2:17: model.family",
        "column 'b' holds 2 (row 1) and bernoulli takes 0, 1",
    ),
    (
        OLD + "model: {n_components: 2, prior: {concentration: 0.5}}\n" + MAP,
        "5:11: methods.em_map",
        "needs concentration of at least 1",
    ),
    (
        "data: zoo\nmodel: {family: bernoulli, n_components: 2, prior: {a: 0.5}}\n" + MAP,
        "5:11: methods.em_map",
        "needs a of at least 1",
    ),
    ("data: {file: my.csv, classes: kind}\n" + TWO + MAP, "5:11: methods.em_map", "column c is constant"),
    ("data: {file: my.csv, classes: kind}\n" + TWO + MAP, "5:11: methods.em_map", "or give `prior:` by hand"),
    ("data: {file: my.csv, classes: kind}\n" + TWO + "methods: [nuts]\n", "3:10: methods.nuts", "column c is constant"),
    (
        "data: {file: my.csv, columns: [c]}\nmodel: {n_components: 2, prior: {dof: 4, mean: 1}}\n" + EM,
        "2:33: model.prior",
        "or give `prior:` by hand; still missing: scale",
    ),
    ("data: {file: my.csv, classes: kind}\nmodel: {n_components: 5}\n" + EM, "2:23: model.n_components", "5 components for 4 rows"),
    ("data: {name: galaxies, held_out: 0.5}\nmodel: {n_components: 42}\n" + EM, "2:23: model.n_components", "42 components for 41 rows"),
]
DATA = [
    ("data: {file: nowhere.csv}\n" + TWO + EM, "1:14: data.file", "nowhere.csv: there is no such file"),
    ("data: {file: my.parquet}\n" + TWO + EM, "1:14: data.file", "did you mean my.csv?"),
    ('data: {file: "**x.csv"}\n' + TWO + EM, "1:14: data.file", "there is no such file"),
    (f"data: {{file: {'long' * 100}.csv}}\n" + TWO + EM, "1:14: data.file", "cannot be read"),
    ("data: {file: empty.csv}\n" + TWO + EM, "1:14: data.file", "the file is empty"),
    ("data: {file: header.csv}\n" + TWO + EM, "1:14: data.file", "there are no data"),
    ("data: {file: ragged.csv}\n" + TWO + EM, "1:14: data.file", "ragged.csv:3: has 1 cells and the header 2"),
    ("data: {file: twice.csv}\n" + TWO + EM, "1:14: data.file", "column 'a' is there twice"),
    ("data: {file: infinite.csv}\n" + TWO + EM, "1:14: data.file", "infinite.csv:2: b: is infinite"),
    ("data: {file: word.csv}\n" + TWO + EM, "1:14: data.file", "word.csv:3: b: 'oops' is not a number"),
    ("data:\n  file: word.csv\n  columns: [a, b]\n" + TWO + EM, "3:16: data.columns[1]", "word.csv:3: b: 'oops' is not a number"),
    ("data: {file: my.csv, columns: [a, kind]}\n" + TWO + EM, "1:35: data.columns[1]", "my.csv:2: kind: 'x' is not a number"),
    ("data: {file: my.csv, columns: [a, B]}\n" + TWO + EM, "1:35: data.columns[1]", "did you mean b?"),
    ("data: {file: my.csv, classes: kinds}\n" + TWO + EM, "1:31: data.classes", "did you mean kind?"),
    ("data: {file: my.csv, id: nn}\n" + TWO + EM, "1:26: data.id", "has no column 'nn'"),
    ("data: {synthetic: {}, columns: [a]}\n" + TWO + EM, "1:23: data.columns", "synthetic data have no such column"),
]
YAML = [
    ("data: zoo\ndata: iris\n" + TWO + EM, "2:1: data", "is there twice (first in line 1)"),
    (OLD + "model: {n_components: 2, n_components: 3}\n" + EM, "2:26: model.n_components", "is there twice"),
    (OLD + TWO + EM + "sweep:\n  seed: [1]\n  seed: [2]\n", "6:3: sweep.seed", "is there twice (first in line 5)"),
    (OLD + "model:\n\tn_components: 2\n" + EM, "3:1: config", "a tab where YAML wants spaces"),
    (OLD + "model:\n  n_components: 2\n\tfamily: gaussian\n" + EM, "4:1: config", "a tab where YAML wants spaces"),
    (OLD + "model: {n_components: 2\n" + EM, "3:8: config", "is not YAML"),
    (OLD + TWO + EM + "---\n" + OLD, "4:1: config", "there is a second document"),
    ("- 1\n", "1:1: config", "is [1], not a mapping; the smallest config is"),
    ("data: *x\n" + TWO + EM, "1:7: config", "undefined alias 'x'"),
    ("# nothing\n", "1:1: config", "is empty"),
]
SWEEPS = [
    (OLD + TWO + EM + "sweep: {model.n_components: 3}\n", "4:29: sweep.model.n_components", "is 3; give a list"),
    (OLD + TWO + EM + "sweep: {model.n_components: []}\n", "4:29: sweep.model.n_components", "has no values"),
    (OLD + TWO + EM + "sweep: {model.n_components: [1, two]}\n", "4:33: sweep.model.n_components[1]", 'is "two"; give a whole number'),
    (OLD + TWO + EM + "sweep: {model.n_components: [1, 273]}\n", "4:33: sweep.model.n_components[1]", "273 components for 272 rows"),
    (OLD + TWO + EM + "sweep: {model.n_components: [1, 1]}\n", "4:33: sweep.model.n_components[1]", "1 is there twice"),
    (OLD + TWO + EM + "sweep: {n_components: [1]}\n", "4:9: sweep.n_components", "did you mean model.n_components?"),
    (OLD + TWO + EM + "sweep: {methods.nuts.draws: [1]}\n", "4:9: sweep.methods.nuts.draws", "no method is labelled nuts"),
    (OLD + TWO + EM + "sweep: {methods.em.restarts: [1, 0]}\n", "4:34: sweep.methods.em.restarts[1]", "is 0; give 1 or more"),
    (OLD + TWO + EM + "sweep: {data.name: [iris, nonsuch]}\n", "4:27: sweep.data.name[1]", "no built-in data set 'nonsuch'"),
    (OLD + TWO + EM + "sweep: {model.family: [gaussian, bernoulli]}\n", "4:34: sweep.model.family[1]", "holds 3.6 (row 0)"),
    (OLD + TWO + EM + "sweep: [1]\n", "4:8: sweep", "is [1]; give dotted keys to lists"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mistakes(text: str, folder: Path, name: str = "bad.yaml") -> list[str]:
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(name)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "start", "words"),
    [case for table in (KEYS, TYPES, NAMES, REFUSALS, DATA, YAML, SWEEPS) for case in table],
)
def test_one_mistake_is_one_line_at_its_place(text: str, start: str, words: str, folder: Path) -> None:
    told = mistakes(text, folder)
    assert len(told) == 1
    assert told[0].startswith(f"bad.yaml:{start}: ")
    assert words in told[0]
    assert "Error" not in told[0]
    assert list(folder.glob("reports")) == []


def test_mistakes_of_all_sections_at_once_in_the_order_of_the_file(folder: Path) -> None:
    text = (
        "seed: x\nname: a/b\ndata: {file: word.csv, columns: [a, b, d], id: nn}\n"
        "model: {n_components: 2, prior: {concentration: -1, means: 3, dof: 0}}\n"
        "methods:\n  pathfindre: {}\n  em: {restarts: 0, n_init: 2}\n  classes: {kind: em}\nsweep: {modl: [3]}\n"
    )
    told = [line.removeprefix("bad.yaml:").split(": ")[:2] for line in mistakes(text, folder)]
    assert told == [
        ["1:7", "seed"],
        ["2:7", "name"],
        ["3:37", "data.columns[1]"],
        ["3:40", "data.columns[2]"],
        ["3:48", "data.id"],
        ["4:53", "model.prior.means"],
        ["6:3", "methods.pathfindre"],
        ["7:18", "methods.em.restarts"],
        ["7:21", "methods.em.n_init"],
        ["8:3", "methods.classes"],
        ["9:9", "sweep.modl"],
    ]


def test_an_unknown_hyperparameter_does_not_hide_impossible_ones(folder: Path) -> None:
    text = OLD + "model: {n_components: 2, prior: {concentration: -1, means: 3, dof: 0}}\n" + EM
    assert [line.split(": ")[1] for line in mistakes(text, folder)] == ["model.prior.concentration", "model.prior.means", "model.prior.dof"]


def test_a_config_that_cannot_be_read(folder: Path) -> None:
    (folder / "latin.yaml").write_bytes("name: ü\n".encode("latin-1"))
    for name, words in (
        ("nowhere.yaml", "there is no such file; give a config's path"),
        ("lati.yaml", "there is no such file"),
        ("latin.yaml", "is not UTF-8 text"),
        (".", "is a folder; give a config in it"),
        ("**x.yaml", "there is no such file"),
        ("x" * 300, "cannot be read"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(name)
        assert str(caught.value).startswith(f"{name}:1:1: config: {words}")


def test_overrides_are_named_as_they_were_given(folder: Path) -> None:
    (folder / "good.yaml").write_text(OLD + TWO + EM)
    for override, start in (
        ("model.n_components=two", "--set model.n_components=two: model.n_components: "),
        ("methods.em.restart=2", "--set methods.em.restart=2: methods.em.restart: unknown key; did you mean restarts?"),
        ("seed", "--set seed: seed: is no assignment"),
    ):
        with pytest.raises(ConfigError) as caught:
            load("good.yaml", [override])
        assert str(caught.value).startswith(start)


def test_the_command_says_the_same_and_ends_with_two(folder: Path) -> None:
    (folder / "one.yaml").write_text(OLD + "model: {n_components: two}\n" + EM)
    (folder / "two.yaml").write_text("data: {file: word.csv}\n" + TWO + EM)
    for command in ("run", "check"):
        done = subprocess.run(
            [sys.executable, "-m", "workbench", command, "one.yaml", "two.yaml"], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == ["one.yaml:2:23", "two.yaml:1:14"]
        assert list(folder.glob("reports")) == []


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
@pytest.mark.parametrize("columns", ["[a, b, c]", "[c]"])
def test_likelihood_alone_runs_on_a_constant_column(covariance: str, columns: str, folder: Path) -> None:
    text = f"data: {{file: my.csv, columns: {columns}}}\nmodel: {{n_components: 2, covariance: {covariance}}}\nmethods: {{em: {{restarts: 3}}}}\nreport: false\n"
    (folder / "constant.yaml").write_text(text)
    run = workbench.run("constant.yaml")
    assert not run.failures
    likelihoods = run.tables["likelihoods"]
    assert likelihoods["method"].tolist() == ["em"]
    assert likelihoods["log_posterior"].isna().all()
    assert run.tables["restarts"]["log_posterior"].isna().all()


def test_likelihood_alone_runs_on_collinear_columns(folder: Path) -> None:
    (folder / "line.csv").write_text("a,b\n" + "\n".join(f"{i},{2 * i}" for i in (1, 2, 3, 4, 11, 12, 13, 15)) + "\n")
    collinear = "data: {file: line.csv}\n" + TWO + MAP
    assert "columns a, b are collinear" in mistakes(collinear, folder)[0]
    (folder / "good.yaml").write_text(collinear.replace(TWO, "model: {n_components: 2, covariance: diagonal}\n") + "report: false\n")
    run = workbench.run("good.yaml")
    assert run.tables["likelihoods"].set_index("method")["log_posterior"].notna().all()
