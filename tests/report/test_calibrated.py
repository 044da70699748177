"""The page's section on a calibration: methods on top of each other, failures in words, coverage with its error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import made
import numpy as np
import pandas as pd

from workbench.compare.assembly import frame
from workbench.compare.calibration.rows import COLUMNS, calibration_rows
from workbench.compare.calibration.trial import Trial, Trials
from workbench.inference.advice import Advice
from workbench.report import write
from workbench.report.findings import findings
from workbench.report.sections import of_cell
from workbench.report.slices import slices

DATA = made.clusters()
SIZE = 200


def ranked(spread: float, estimate: str, fitted: int = SIZE) -> Trials:
    """Ranks of two quantities among draws of another spread."""
    rng = np.random.default_rng(0)
    trials = []
    for i in range(fitted):
        below = (spread * rng.standard_normal((2, 99)) < rng.standard_normal((2, 1))).sum(axis=1)
        trials.append(
            Trial(i, ranks={"log_likelihood": int(below[0]), "largest_means[length_0]": int(below[1])}, n_draws=99, effective=500.0)
        )
    failures = [Trial(i, "ValueError: no such luck") for i in range(fitted, SIZE)]
    return Trials(estimate, SIZE, Advice("nuts", ("tune", "draws"), None), (*trials, *failures))


def covering() -> Trials:
    held = {"weights[0]": lambda i: i % 20 > 0, "means[0, length_0]": lambda i: None if i < 20 else i % 2 > 0}
    return Trials(
        "point", SIZE, Advice("em", (), None), tuple(Trial(i, covered={name: rule(i) for name, rule in held.items()}) for i in range(SIZE))
    )


def tables() -> dict[str, pd.DataFrame]:
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in (*COLUMNS, "diagnostics")}
    checked: dict[str, Callable[[], Trials]] = {
        "em": covering,
        "advi": lambda: ranked(0.5, "approximation"),
        "nuts": lambda: ranked(1.0, "sample", SIZE - 3),
    }
    for label, trials in checked.items():
        for name, row in calibration_rows(label, trials()):
            rows[name].append(row)
    columns = {**COLUMNS, "diagnostics": "method quantity value threshold verdict advice"}
    made_before = made.tables_of(DATA)
    new = {name: frame(blocks, columns[name].split()) for name, blocks in rows.items()}
    return {**made_before, **new, "diagnostics": pd.concat([made_before["diagnostics"], new["diagnostics"]], ignore_index=True)}


def test_findings_say_who_passes_who_fails_and_what_is_covered() -> None:
    said = "\n".join(findings(slices(tables(), [made.cell(DATA)])[0]))
    assert "advi is not calibrated. On 200 data sets" in said
    assert "log likelihood and largest means [length_0] (2 of 2 quantities)" in said
    assert "nuts is calibrated as far as 197 data sets drawn from the model can tell" in said
    assert "0.500 (means [0, length_0]) to 0.950 (weights [0]) of the data sets drawn from the model that have one: 200 of 200" in said
    assert "too narrow" not in said  # once, and in its section
    assert "The calibration of nuts is without 3 data sets that had no fit: left out, which biases the rest where it is no chance" in said


def test_chains_that_are_worth_too_little_are_told_in_a_sentence() -> None:
    found = tables()
    row = {"method": "nuts", "quantity": "calibration_few_effective_draws", "value": 1 / 6, "threshold": 0.1, "verdict": "warning"}
    found["diagnostics"] = pd.concat([found["diagnostics"], pd.DataFrame([{**row, "advice": "raise draws"}])], ignore_index=True)
    said = "\n".join(findings(slices(found, [made.cell(DATA)])[0]))
    assert (
        "In 17 % of the data sets that nuts was calibrated on, ranks are among more draws than its chains are worth: raise draws." in said
    )


def test_the_section_has_lines_bands_p_values_and_coverage(tmp_path: Path) -> None:
    target = write(tmp_path, tables(), [made.cell(DATA)], made.PROVENANCE)
    page, twin = target.read_text(), (tmp_path / "report.md").read_text()
    section = twin[twin.index("## Calibration") : twin.index("## Diagnostics")]
    assert "the draws are too narrow (U shape)" in section
    assert "&lt; 0.001 (warning)" in section
    assert "0.500 ± 0.037 of 180 (warning)" in section
    assert "ValueError: no such luck" in section
    assert (tmp_path / "figures" / "calibration-0.svg").is_file()
    assert 'id="calibration"' in page
    assert "calibration_" not in twin[twin.index("## Diagnostics") :]


def test_without_a_calibration_there_is_no_section() -> None:
    plain = slices(made.tables_of(DATA), [made.cell(DATA)])[0]
    assert "Calibration" not in {section.title for section in of_cell(plain, "")}
