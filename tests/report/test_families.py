"""Pages of discrete families and products: every kind of features has its picture, and grouped rows are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench
from workbench.report.figures.counts import expected

RNG = np.random.default_rng(2)
GROUP = RNG.integers(0, 2, 60)
FRAME = pd.DataFrame(
    {
        "length": RNG.normal(4.0 * GROUP, 1.0),
        "colour": np.array(["red", "green", "a rather long name of a level"])[RNG.integers(0, 2, 60) + GROUP],
        "wings": (RNG.random(60) < 0.2 + 0.6 * GROUP).astype(float),
        "eggs": RNG.poisson(1.0 + 4.0 * GROUP).astype(float),
        "times": RNG.integers(1, 4, 60),
    }
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    blocks = {"gaussian": ["length"], "categorical": ["colour"], "bernoulli": ["wings"], "poisson": ["eggs"]}
    config = {
        "name": "mixed",
        "data": {"frame": FRAME, "counts": "times"},
        "model": {"family": "product", "n_components": 2, "blocks": blocks},
        "methods": {"em": {"restarts": 3}, "em_map": {"kind": "em", "objective": "posterior", "restarts": 3}},
    }
    folder = tmp_path_factory.mktemp("page") / "mixed"
    workbench.run(config, folder)
    return folder


def test_every_block_has_its_picture(page: Path) -> None:
    drawn = {path.name for path in (page / "figures").glob("data-*.svg")}
    kinds = ("data", "data-binary", "data-levels", "data-counts")
    assert drawn == {f"{kind}-{method}.svg" for kind in kinds for method in ("em", "em_map")}
    assert "red" in (page / "figures" / "data-levels-em.svg").read_text()
    assert "eggs" in (page / "figures" / "data-counts-em.svg").read_text()
    assert "wings" in (page / "figures" / "data-binary-em.svg").read_text()
    assert "length" in (page / "figures" / "data-em.svg").read_text()


def test_the_page_counts_what_rows_stand_for(page: Path) -> None:
    text = (page / "report.md").read_text()
    assert f"60 rows (sum of counts {FRAME['times'].sum()}), 4 features (length, colour, wings, eggs)" in text
    assert "Every row counts once here, whatever its count." in text
    assert "is assigned to its likeliest component and is one row here whatever its count; weights go by counts." in text


def test_tables_name_levels_and_blocks(page: Path) -> None:
    table = pd.read_csv(page / "tables" / "parameters.csv", keep_default_na=False)
    assert set(table["parameter"]) == {"weights", "means", "covariances", "probs_categorical", "probs_bernoulli", "rates"}
    levels = table[table["parameter"] == "probs_categorical"]
    assert set(levels["level"]) == set(FRAME["colour"])
    assert set(levels["feature"]) == {"colour"}
    sums = levels[levels["method"] == "em"].groupby("component")["mean"].sum()
    np.testing.assert_allclose(sums, 1.0, rtol=1e-9)


def test_expected_counts_are_the_poissons() -> None:
    found = expected(np.array([0.3, 0.7]), np.array([0.0, 2.0]), np.arange(3.0))
    np.testing.assert_allclose(found, [[0.3, 0.0, 0.0], 0.7 * np.exp(-2.0) * np.array([1.0, 2.0, 2.0])], atol=1e-12)
