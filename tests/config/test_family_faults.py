"""Configs of discrete families, products and grouped data: each mistake has its place, its words and its advice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench.experiment.config import load
from workbench.experiment.mistakes import ConfigError
from workbench.experiment.starter import starter

FILES = {
    "mixed.csv": "a,b,c,d,n,bad,none\n1.5,2,x,0,2,1,\n2.5,3,y,1,0,-1,\n4.5,1,x10,0,3,2,\n3.5,5,x9,1,1,1.5,\n0.5,4,,1,4,0,\n",
    "empty.csv": "a,n\n1,2\n2,\n",
    "zeros.csv": "a,b\n0,1\n0,2\n0,0\n",
}
EM = "methods: [em]\n"
ONE = "model: {n_components: 1}\n"


def model(family: str, rest: str = "") -> str:
    return f"model: {{family: {family}, n_components: 2{rest}}}\n"


def of(columns: str, rest: str = "") -> str:
    return f"data: {{file: mixed.csv, columns: [{columns}]{rest}}}\n"


MIXED = "data: {file: mixed.csv}\n"

MISTAKES = [
    (of("a") + model("poisson") + EM, "2:17: model.family", "holds 1.5 (row 0) and poisson takes whole numbers from 0 up"),
    (of("bad") + model("poisson") + EM, "2:17: model.family", "holds -1 (row 1) and poisson"),
    (
        of("a") + model("categorical") + EM,
        "1:35: data.columns[0]",
        "mixed.csv:2: column 'a' holds 1.5 and levels are words or whole numbers",
    ),
    (of("c, none") + model("categorical") + EM, "2:17: model.family", "no cell of none is observed, so it has no levels"),
    (of("c") + model("categorical", ", prior: {alpha: [1, 2]}") + EM, "2:62: model.prior.alpha", "has 2 entries for 1 features"),
    (of("c") + model("categorical", ", prior: {alpha: [[1, 2]]}") + EM, "2:62: model.prior.alpha", "for c is [1, 2]; give"),
    (of("c") + model("categorical", ", prior: {alpha: 0}") + EM, "2:62: model.prior.alpha", "every entry must be above 0"),
    (
        of("c") + model("categorical", ", prior: {a: 1}") + EM,
        "2:55: model.prior.a",
        "bernoulli has it: here there are concentration, alpha",
    ),
    (of("b") + model("categoricl") + EM, "2:17: model.family", "did you mean categorical?"),
    (of("c") + model("multinomial") + EM, "2:17: model.family", "here it is called categorical"),
    (of("b", ", counts: n2") + ONE + EM, "1:47: data.counts", "has no column 'n2'; did you mean n?"),
    (of("b", ", counts: bad") + ONE + EM, "1:47: data.counts", "mixed.csv:3: bad: '-1' is no count; counts are whole numbers, 0 or more"),
    (of("b", ", counts: a") + ONE + EM, "1:47: data.counts", "mixed.csv:2: a: '1.5' is no count"),
    (of("b, n", ", counts: n") + ONE + EM, "1:38: data.columns[1]", "'n' is named as counts, and such a column is never fitted"),
    ("data: {file: empty.csv, counts: n}\n" + ONE + EM, "1:33: data.counts", "empty.csv:3: n: is empty; counts are whole numbers"),
    (MIXED + model("product") + EM, "2:8: model.blocks", "is missing; give families with their columns, as in {gaussian: [a, b]"),
    (MIXED + model("product", ", blocks: {}") + EM, "2:51: model.blocks", "give families with their columns"),
    (MIXED + model("product", ", blocks: {gausian: [a]}") + EM, "2:52: model.blocks.gausian", "did you mean gaussian?"),
    (MIXED + model("product", ", blocks: {gaussian: a}") + EM, "2:62: model.blocks.gaussian.columns", 'is "a"; give a list'),
    (
        MIXED + model("product", ", blocks: {gaussian: {columns: [a], covariance: ful}}") + EM,
        "2:89: model.blocks.gaussian.covariance",
        "did you mean full?",
    ),
    (MIXED + model("product", ", blocks: {gaussian: {covariance: full}}") + EM, "2:62: model.blocks.gaussian.columns", "is missing"),
    (MIXED + model("product", ", blocks: {gaussian: [a], categorical: [q]}") + EM, "2:51: model.blocks", "has no column 'q'"),
    (MIXED + model("product", ", blocks: {gaussian: [a], poisson: [a]}") + EM, "2:51: model.blocks", "column 'a' is in two blocks"),
    (of("a, b, n") + model("product", ", blocks: {gaussian: [a, b]}") + EM, "2:51: model.blocks", "columns n are in no block"),
    (of("a") + model("product", ", blocks: {gaussian: [a, b]}") + EM, "2:51: model.blocks", "there is no column 'b' among the features a"),
    (MIXED + model("product", ", blocks: {poisson: [bad]}") + EM, "2:17: model.family", "block poisson: column 'bad' holds -1"),
    (MIXED + model("product", ", blocks: {gaussian: [a]}, prior: {gaussian: {dof: 0}}") + EM, "2:92: model.prior.gaussian.dof", "above 0"),
    (
        MIXED + model("product", ", blocks: {gaussian: [a]}, prior: {gaussian: {df: 3}}") + EM,
        "model.prior.gaussian.df",
        "not a hyperparameter",
    ),
    (MIXED + model("product", ", blocks: {gaussian: [a]}, prior: {poisson: {rate: 1}}") + EM, "model.prior.poisson", "unknown key"),
    (
        MIXED + model("product", ", blocks: {gaussian: [a]}, prior: {gaussian: {concentration: 3}}") + EM,
        "gaussian.concentration",
        "no block's",
    ),
    (
        MIXED + model("gaussian", ", blocks: {gaussian: [a]}") + EM,
        "2:44: model.blocks",
        "gaussian has no blocks; product has it: leave it out",
    ),
    (
        MIXED + model("product", ", blocks: {poisson: {columns: [n], covariance: full}}") + EM,
        "2:76: model.blocks.poisson.covariance",
        "unknown key; gaussian has it: leave it out, or choose that family",
    ),
    (of("a") + model("gaussian", ", prior: {rate: 1}") + EM, "model.prior.rate", "poisson has it: here there are concentration, mean,"),
    ("data: {synthetic: {family: product, blocks: {gaussian: [a]}}}\n" + ONE + EM, "1:7: data", "no synthetic data for product"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("text", "place", "words"), MISTAKES)
def test_one_mistake_is_one_line_at_its_place(text: str, place: str, words: str, folder: Path) -> None:
    (folder / "bad.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load("bad.yaml")
    found = [str(mistake) for mistake in caught.value.mistakes]
    assert len(found) == 1, found
    assert place in found[0], found
    assert words in found[0], found


def test_an_all_zero_count_column_has_no_default_prior_and_is_named(folder: Path) -> None:
    text = "data: {file: zeros.csv}\n" + model("poisson") + "methods: {em: {objective: posterior, restarts: 2}}\n"
    (folder / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"3:15: methods.em: .*no cell of a is above 0.*leave the column out"):
        load("bad.yaml")
    (folder / "bad.yaml").write_text(text.replace("objective: posterior, ", ""))
    assert load("bad.yaml").cells()[0].problem.prior is None


def test_a_level_of_held_out_rows_alone_is_named(folder: Path) -> None:
    rows = "".join(f"{'x' if i else 'rare'},{i % 2}\n" for i in range(30))
    (folder / "rare.csv").write_text("c,d\n" + rows)
    told = []
    for seed in range(40):
        text = f"data: {{file: rare.csv, held_out: 0.3}}\n{model('categorical')}{EM}seed: {seed}\n"
        (folder / "held.yaml").write_text(text)
        try:
            setting = load("held.yaml").cells()[0]
            assert setting.held_out is not None
            assert setting.held_out.levels == setting.problem.data.levels == (("rare", "x"), ("0", "1"))
        except ConfigError as error:
            told.append(str(error))
    assert 3 <= len(told) <= 25  # 0.3 of the seeds hold the one row out
    assert all(re.search(r"1:34: data.held_out: row 0: column 'c' holds level 'rare'.*there is x;.*another seed", line) for line in told)


def test_zero_counts_are_left_out_and_noted(folder: Path) -> None:
    (folder / "ok.yaml").write_text(of("b", ", counts: n") + ONE + EM)
    data = load("ok.yaml").cells()[0].problem.data
    assert data.counts.tolist() == [2.0, 3.0, 1.0, 4.0]
    assert data.rows.tolist() == [0, 2, 3, 4]
    assert data.notes == ("1 of 5 rows with a count of 0 left out", "4 rows stand for 10 (counts in n)")


def test_a_product_has_its_columns_in_the_order_of_its_blocks(folder: Path) -> None:
    (folder / "ok.yaml").write_text(
        MIXED + model("product", ", blocks: {categorical: [d, c], gaussian: {columns: [a], covariance: diagonal}}") + EM
    )
    data = load("ok.yaml").cells()[0].problem.data
    assert data.features == ("d", "c", "a")
    assert data.levels == (("0", "1"), ("x", "x9", "x10", "y"), None) or data.levels == (("0", "1"), ("x", "y", "x9", "x10"), None)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("class,sex,note\n1st,m,\n2nd,f,x\n1st,f,x\ncrew,m,x\n", "model: {family: categorical, n_components: 2}"),
        ("a,b\n1.5,2\n2.5,\n0.5,4\n0.25,3\n2.75,1\n1.25,1\n", "model: {family: gaussian, covariance: full, n_components: 2}"),
        ("a,b\n1,0\n0,\n0,1\n", "model: {family: bernoulli, n_components: 2}"),
        ("a,b\n1,0\n0,\n7,2\n", "model: {family: poisson, n_components: 2}"),
    ],
)
def test_a_starter_config_suits_its_file_and_is_valid(text: str, model: str, tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(text)
    written = starter("mine", Path("my.csv"), tmp_path)
    assert model in written
    assert "# complete_rows: true" in written or "class" in text
    (tmp_path / "mine.yaml").write_text(written)
    assert load(tmp_path / "mine.yaml").cells()[0].problem.family.name in model
    by_hand = next(line for line in written.splitlines() if "prior: {concentration" in line).removeprefix("# ")
    (tmp_path / "hand.yaml").write_text(written.replace(model, by_hand))
    assert load(tmp_path / "hand.yaml").cells()[0].problem.prior is not None
