"""What the prior does to P(K | x), on the page: a table, a figure, a finding, and lines to paste."""

from __future__ import annotations

import math
from typing import Any

import made
import pandas as pd

from workbench.report.blocks import Grid, Listing, Plate
from workbench.report.sensitivity import blocks, findings
from workbench.report.slices import Slice, slices

KEY = "model.n_components"


def row(k: int, prior: str, value: float, share: float, numbers: str = "", note: str = "") -> dict[str, Any]:
    found = {KEY: k, "prior": prior, "numbers": numbers, "log_evidence": value, "mcse": 0.01, "probability": share}
    return found | {"lower": share, "upper": share, "note": note, "by": "path from nuts"}


def cells_of(*rows: dict[str, Any]) -> list[Slice]:
    numbers = sorted({each[KEY] for each in rows})
    tables = {
        "prior_sensitivity": pd.DataFrame(list(rows)),
        "model_probabilities": pd.DataFrame([{KEY: k, "method": "nuts", "log_evidence": -1.0} for k in numbers]),
        "likelihoods": pd.DataFrame([{KEY: k, "method": "nuts"} for k in numbers]),
    }
    return slices(tables, [made.cell(made.clusters(), model__n_components=k) for k in numbers])


GIVEN = (row(1, "as given", -10.0, 0.3, "{scale: [[2.0]]}"), row(2, "as given", -9.0, 0.7, "{scale: [[1.0]]}"))
STRONGER = (
    row(1, "mean_strength x 100", -8.0, 0.9, "{mean_strength: 1.0}"),
    row(2, "mean_strength x 100", -10.0, 0.1, "{mean_strength: 1.0}"),
)


def test_table_figure_and_lines_to_paste() -> None:
    plate, grid, evidence, lines = blocks(cells_of(*GIVEN, *STRONGER))
    assert isinstance(plate, Plate)
    assert [panel.title for panel in plate.panels] == ["as given", "mean_strength x 100"]
    assert isinstance(grid, Grid)
    assert [(head.text, head.note) for head in grid.columns] == [("as given", ""), ("mean_strength x 100", "{mean_strength: 1.0}")]
    assert [field.text for field in grid.rows[0][1]] == ["0.300", "0.900"]
    assert isinstance(evidence, Grid)
    assert [field.text for field in evidence.rows[0][1]] == ["-10.000 ± 0.010", "-8.000 ± 0.010"]
    assert isinstance(lines, Listing)
    assert lines.text == "# as of K = 1\nprior: {scale: [[2.0]]}\n# as of K = 2\nprior: {scale: [[1.0]]}"


def test_notes_are_of_the_priors_that_there_are() -> None:
    doubled = (row(1, "a, b x 2", -8.0, 0.9, "{a: 2.0, b: 2.0}"), row(2, "a, b x 2", -10.0, 0.1, "{a: 2.0, b: 2.0}"))
    for other, word in ((STRONGER, "mean_strength"), (doubled, "imaginary rows")):
        grids = [block for block in blocks(cells_of(*GIVEN, *other)) if isinstance(block, Grid)]
        assert any(word in note for note in grids[1].notes)
        assert sum("mean_strength" in note or "imaginary" in note for note in grids[1].notes) == 1


def test_the_finding_says_whether_the_prior_decides() -> None:
    (line,) = findings(cells_of(*GIVEN, *STRONGER))
    assert line == "The prior decides how many components are most probable: K = 2 with the prior as given; K = 1 with mean_strength x 100."
    same = (row(1, "mean_strength / 100", -12.0, 0.2), row(2, "mean_strength / 100", -11.0, 0.8))
    (line,) = findings(cells_of(*GIVEN, *same))
    assert line == "K = 2 is the most probable under every prior that is known: as given and mean_strength / 100."


def test_no_cause_is_made_of_noise() -> None:
    def loose(each: dict[str, Any]) -> dict[str, Any]:
        return each | {"lower": 0.25, "upper": 0.75}

    wide = [
        loose(row(k, prior, -9.0, p)) for prior, p in (("as given", 0.51), ("mean_strength x 100", 0.49)) for k, p in ((2, p), (3, 1 - p))
    ]
    (line,) = findings(cells_of(*wide))
    assert line == (
        "Which K is the most probable: with the prior as given the errors leave open whether it is K = 2 or K = 3 and "
        "with mean_strength x 100 the errors leave open whether it is K = 3 or K = 2."
    )
    (line,) = findings(cells_of(*GIVEN, *map(loose, STRONGER)))
    assert line == (
        "K = 2 is the most probable under the prior as given. With mean_strength x 100 the errors leave open whether it is K = 1 or K = 2."
    )


def test_what_is_not_known_says_why_once() -> None:
    lost = [row(k, "mean_strength x 100", math.nan, math.nan, note="chains disagree; run the sweep") for k in (1, 2)]
    cells = cells_of(*GIVEN, *lost)
    grid = next(block for block in blocks(cells) if isinstance(block, Grid))
    assert [field.text for _, fields in grid.rows for field in fields[1:]] == ["not known", "not known"]
    told = "Not known (K = 1 with mean_strength x 100 and K = 2 with mean_strength x 100): chains disagree; run the sweep."
    assert told in grid.notes
    assert not list(findings(cells))


def test_one_k_that_is_not_known_does_not_empty_the_column() -> None:
    """Shares of the others are named as such, a figure spans what is possible, and the finding says what it leaves out."""
    prior = "mean_strength x 100"
    others = [row(k, prior, value, math.nan) | {"among_known": p, "upper": p + 0.05} for k, value, p in ((1, -10.0, 0.3), (2, -9.0, 0.7))]
    lost = row(3, prior, math.nan, math.nan, note="particles stay behind; run the sweep") | {"bound": -12.0}
    cells = cells_of(*GIVEN, row(3, "as given", -20.0, 0.0), *others, lost)
    plate, grid, evidence, *_ = blocks(cells)
    assert isinstance(plate, Plate)
    assert plate.panels[1].title == prior
    assert "Pale bars" in plate.caption
    assert isinstance(grid, Grid)
    assert [fields[1].text for _, fields in grid.rows] == [
        "0.300 of the known (at most 0.350)",
        "0.700 of the known (at most 0.750)",
        "not known",
    ]
    assert any("may have any share beside them" in note for note in grid.notes)
    assert isinstance(evidence, Grid)
    assert evidence.rows[2][1][1].text == "not known; above -12.000"
    line = list(findings(cells))[-1]
    assert line == (
        "With mean_strength x 100 the log evidence of K = 3 is not known, and any share may be due there; "
        "among the others K = 2 is the most probable (0.700 of theirs)."
    )
    line = list(findings(cells_of(*GIVEN, row(3, "as given", -20.0, 0.0), *others, lost | {"lower": 0.9, "upper": math.nan})))[-1]
    assert (
        line
        == "With mean_strength x 100 K = 3 is the most probable, by the ELBO of variational Bayes alone; its log evidence is not known."
    )


def test_what_smc_gave_itself_is_named() -> None:
    grid = next(block for block in blocks(cells_of(*GIVEN, STRONGER[0] | {"by": "smc"}, STRONGER[1])) if isinstance(block, Grid))
    assert "By smc under the other prior itself, as no path is trusted: K = 1 with mean_strength x 100." in grid.notes


def test_a_prior_as_given_alone_is_no_section() -> None:
    assert not list(blocks(cells_of(row(1, "as given", -10.0, 0.3), row(2, "as given", -9.0, 0.7))))
