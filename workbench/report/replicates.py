"""Does any mixture fit: what data made by each fit give back badly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.inference.advice import listed
from workbench.report.blocks import Block, Field, Grid, Head
from workbench.report.numerals import DASH, amount, counted
from workbench.report.slices import records

if TYPE_CHECKING:
    from workbench.report.slices import Slice

MOST = 8
NOTES = (
    "Each fit made up to 200 data sets of the observed size, with the same cells missing; draws made one each. Under a method: by how many "
    "standard deviations of the made numbers the observed one is above (+) or below (−) their mean.",
    "The data are used twice, to fit and to compare, so that distances are small: under a right model (two normal components, 200 rows, "
    "21 features; EM and Gibbs on 200 data sets each) the largest was above 3 in 1 of 200, and tail_share below 5 % for 0.1 % of the "
    "features. A large one is evidence against a fit; small ones are no proof for it. How large grows with the features that were looked "
    "through, pairs that are not shown included: diagnostics have the threshold.",
)
Key = tuple[Any, ...]


def grids(cell: Slice) -> Iterator[Block]:
    """The features that some method gives back worst."""
    table = distances(cell)
    if not table:
        return
    methods = [method for method in cell.methods if any(method in each for _, each in table.values())]
    worst = sorted(table, key=lambda key: -max(map(abs, table[key][1].values())))[:MOST]
    rows = []
    for key in worst:
        observed, each = table[key]
        texts = [amount(observed), *(f"{each[method]:+.1f}".replace("-", "−") if method in each else DASH for method in methods)]
        rows.append((Head(spelt(key)), tuple(Field(text) for text in texts)))
    heads = (Head("feature"), Head("observed"), *(Head(method, method=method) for method in methods))
    more = [f"{counted(len(table) - len(worst), 'feature')} more, all nearer, in the table."] if len(table) > len(worst) else []
    yield Grid("Features that are given back worst", heads[1:], tuple(rows), (*NOTES, *more), "replicated")


def reproduced(cell: Slice) -> Iterator[str]:
    """A finding: what no method gives back, else who fails, else that nothing speaks against the fits."""
    table = distances(cell)
    if not table:
        return
    methods = list(dict.fromkeys(method for _, each in table.values() for method in each))
    limit = threshold(cell)
    far = {method: [key for key in table if abs(table[key][1].get(method, 0.0)) > limit] for method in methods}
    failing = [method for method in methods if far[method]]
    if not failing:
        of = counted(len(table), "feature")
        yield f"Data made by {listed(methods)} give back all {of} of the data (quantiles, tails, shares, associations) within {limit:.2g} standard deviations."
        return
    common = [key for key in table if all(key in far[method] for method in methods)]
    named = sorted(common or far[failing[0]], key=lambda key: -max(map(abs, table[key][1].values())))[:3]
    what = listed([f"the {spelt(key)}" for key in named])
    if common and len(methods) > 1:
        yield f"No method gives back {what}: data made by every fit are more than {limit:.2g} standard deviations away."
    else:
        yield f"Data made by {listed(failing)} do not give back {what}: more than {limit:.2g} standard deviations away."


def threshold(cell: Slice) -> float:
    """Distance beyond which a feature speaks against a fit: one for all methods, as it depends on the data alone."""
    table = cell.tables["diagnostics"]
    return float(table.loc[table["quantity"] == "replicated_distance", "threshold"].iloc[0])


def distances(cell: Slice) -> dict[Key, tuple[float, dict[str, float]]]:
    """Of every feature its observed value, and by method the distance where there is one."""
    found: dict[Key, tuple[float, dict[str, float]]] = {}
    for row in records(cell.tables["replicated"]):
        if math.isfinite(row["distance"]):
            key = tuple(
                row[name] if isinstance(row[name], str) and row[name] else None for name in ("quantity", "feature", "feature_2", "level")
            )
            found.setdefault(key, (row["observed"], {}))[1][row["method"]] = row["distance"]
    return found


def spelt(key: Key) -> str:
    """`95 % quantile of eruptions`, `correlation of a and b`, `share of 2nd in class`."""
    quantity, feature, other, level = key
    if other:
        return f"{quantity} of {feature} and {other}"
    return f"{quantity} of {level} in {feature}" if level else f"{quantity} of {feature}"
