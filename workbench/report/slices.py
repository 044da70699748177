"""The tables of one cell of the sweep, cleaned so that those from memory and those read back from disk look alike."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from workbench.report import trust
from workbench.report.palette import Look

if TYPE_CHECKING:
    from workbench.compare.cell import Cell
    from workbench.data import Dataset

FLAGS = {"local_maximum", "singular", "spurious"}
WORDS = {"method", "method_a", "method_b", "kind", "estimate", "status", "init", "id", "parameter", "feature", "feature_2", "level"}
WORDS |= {"objective_name", "half_step", "estimator", "reference", "quantity", "value", "threshold", "verdict", "advice", "note"}
WORDS |= {
    "climbs",
    "reference_method",
    "posterior_share_method",
    "standing",
    "prior",
    "numbers",
    "by",
    "bound_method",
    "bound_estimator",
    "preferred_by",
    *(f"{score}_method" for score in ("bic", "icl", "elpd_loo", "held_out_lpd")),
}
DENIALS = {"elpd_loo": "pareto_k_loo"}
"""Column of likelihoods.csv -> the diagnostic that may deny its number."""
READ = {  # the columns that the page reads, by table
    "likelihoods": "method estimate status",
    "restarts": "method restart objective_name objective polished_objective optimum status",
    "components": "method component weight count rows_assigned mean_responsibility_assigned",
    "assignments": "method row id label responsibility",
    "optima": "method optimum objective gap restarts share local_maximum singular spurious posterior_share posterior_share_method lost_components",
    "responsibilities": "method row component mean sd",
    "label_free": "method quantity order feature level mean sd lower upper rhat ess_bulk ess_tail",
    "coclustering": "method row row_2 probability",
    "agreement": "method_a method_b mean_total_variation max_total_variation adjusted_rand rows_with_other_label coclustering_difference",
    "parameters": "method parameter component feature feature_2 level row mean sd lower upper truth",
    "decomposition": "method restart",
    "trace": "method restart iteration seconds objective_name objective",
    "evidence": "method estimator log_evidence mcse kl kl_mcse reference reference_method standing note",
    "model_probabilities": "method estimator log_evidence mcse gap probability lower upper among_known bound bound_method bic_probability preferred_by "
    "elpd_loo_method held_out_lpd_method note",
    "prior_sensitivity": "prior numbers log_evidence mcse by probability lower upper among_known bound note",
    "basins": "method climbs chain optimum missed objective share draws",
    "replicated": "method quantity feature feature_2 level observed distance",
    "diagnostics": "method quantity value threshold verdict advice",
    "calibration": "method quantity replicate",
    "calibration_ecdf": "method quantity place difference lower upper",
    "coverage": "method quantity intervals coverage error",
}


@dataclasses.dataclass(frozen=True)
class Slice:
    """One cell: its swept values, its data and its rows of every table.

    Attributes
    ----------
    values
        Swept value by dotted key; empty without a sweep.
    data
        The fitted rows.
    tables
        The cell's rows by table name; numbers as float (nan is an empty cell), words as str, flags as True, False or None.
    looks
        How each method of the page is drawn.
    held_out
        Rows that no fit has seen; None without any.
    """

    values: Mapping[str, object]
    data: Dataset
    tables: Mapping[str, pd.DataFrame]
    looks: Mapping[str, Look]
    held_out: Dataset | None = None

    @property
    def counted(self) -> bool:
        """Whether rows stand for others like them."""
        return bool((self.data.counts != 1).any())

    @property
    def title(self) -> str:
        return ", ".join(f"{key} = {value}" for key, value in self.values.items())

    @property
    def methods(self) -> list[str]:
        return list(self.tables["likelihoods"]["method"])

    def rows(self, table: str, method: str) -> pd.DataFrame:
        """The rows of one method."""
        frame = self.tables[table]
        return frame[frame["method"] == method]

    def row(self, method: str) -> Row:
        """The method's row of likelihoods.csv."""
        return self._rows[method]

    @functools.cached_property
    def _rows(self) -> dict[str, Row]:
        return {row["method"]: Row(row) for row in records(self.tables["likelihoods"])}

    def doubtful(self, method: str, column: str) -> bool:
        """Whether a diagnostic denies a number of likelihoods.csv: leave-one-out where some row's k-hat is above its threshold, or where
        the chains are in different places."""
        checks = self.rows("diagnostics", method)
        told = checks[checks["quantity"] == DENIALS[column]] if column in DENIALS else checks[:0]
        return bool((told["verdict"] != "ok").any()) or (column in DENIALS and trust.denied(self, method))

    def reported(self, method: str) -> float:
        """The number of the restart that a method reports, as its ledger has it; nan without one."""
        ledger = self.rows("decomposition", method)
        return float(ledger["restart"].iloc[0]) if len(ledger) else math.nan

    def objective_name(self, method: str) -> str:
        """What the method's restarts climbed."""
        names = self.rows("restarts", method)["objective_name"]
        return str(names.iloc[0]) if len(names) else "objective"

    @property
    def single(self) -> bool:
        """One component: responsibilities are all 1 and nothing about them is news."""
        return bool((self.tables["components"]["component"] < 1).all())

    @functools.cached_property
    def fitted(self) -> list[str]:
        """Methods with something to show."""
        drawn = set(self.tables["components"]["method"])
        return [method for method in self.methods if method in drawn or math.isfinite(self.row(method).number("log_likelihood"))]

    def estimates(self, *names: str) -> list[str]:
        """Fitted methods whose estimate is one of `names`."""
        return [method for method in self.fitted if self.row(method).text("estimate") in names]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, each a dict by column."""
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


class Row(dict[str, Any]):
    """A row of a table; what is not there is empty."""

    def number(self, column: str) -> float:
        value = self.get(column, math.nan)
        return float(value) if isinstance(value, int | float) else math.nan

    def text(self, column: str) -> str:
        return str(self.get(column, ""))


def slices(tables: Mapping[str, pd.DataFrame], cells: Sequence[Cell]) -> list[Slice]:
    """One slice a cell, in the order of `cells`."""
    swept = {key for cell in cells for key in cell.values}
    clean = {name: cleaned(tables.get(name, pd.DataFrame()), READ[name].split(), swept) for name in READ}
    methods = dict.fromkeys(clean["likelihoods"]["method"])
    looks = {method: Look(i) for i, method in enumerate(methods)}
    return [
        Slice(
            cell.values,
            cell.problem.data,
            {name: part(clean[name], cell.values) for name in READ},
            looks,
            cell.held_out,
        )
        for cell in cells
    ]


def cleaned(frame: pd.DataFrame, wanted: Sequence[str], swept: set[str]) -> pd.DataFrame:
    """The table with every column that is read: numbers as float, words as str, flags as True, False or None."""
    columns = {column: frame[column] for column in frame.columns if column in swept}
    for column in [*wanted, *(column for column in frame.columns if column not in columns and column not in wanted)]:
        values = frame[column] if column in frame.columns else pd.Series(math.nan, index=frame.index)
        if column in FLAGS:
            columns[column] = values.map(flag).astype(object)
        else:
            columns[column] = words(values) if column in WORDS else pd.to_numeric(values, errors="coerce").astype(float)
    return pd.DataFrame(columns).reset_index(drop=True)


def words(values: pd.Series) -> pd.Series:
    """Text of each value; whole numbers that became floats beside an empty cell are whole again."""
    if pd.api.types.is_float_dtype(values):
        values = values.map(lambda value: "" if math.isnan(value) else f"{value:.0f}" if value == int(value) else str(value))
    return values.astype(object).where(values.notna(), "").astype(str).astype(object)


def flag(value: object) -> bool | None:
    return {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}.get(str(value).lower())


def part(frame: pd.DataFrame, values: Mapping[str, object]) -> pd.DataFrame:
    """The rows of one cell, without the columns of the sweep."""
    for key, value in values.items():
        if key in frame.columns:
            frame = frame[same(frame[key], value)]
    return frame.drop(columns=[key for key in values if key in frame.columns])


def same(column: pd.Series, value: object) -> pd.Series:
    """Where a column, perhaps read from text, holds `value`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return pd.to_numeric(column, errors="coerce") == value
    return column.astype(str) == str(value)
