"""The data of one cell with each method's mixture over them: one plate for each kind of features that the fits have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from workbench.report.blocks import Panel, Plate
from workbench.report.figures import counts as count_bars
from workbench.report.figures import gaussians, probs
from workbench.report.figures import levels as level_bars
from workbench.report.numerals import count

if TYPE_CHECKING:
    from jaxtyping import Float

    from workbench.report.slices import Slice

BINARY = ("probs", "probs_bernoulli")
LEVELLED = ("probs", "probs_categorical")


def fitted(cell: Slice, prefix: str) -> Iterator[Plate]:
    """The data with each method's mixture over them, by the parameters that the fits have."""
    names = set(cell.tables["parameters"]["parameter"])
    if "means" in names and names & {"covariances", "variances"}:
        yield from bells(cell, prefix)
    yield from heats(cell, prefix)
    yield from levels(cell, prefix)
    yield from numbers(cell, prefix)


def bells(cell: Slice, prefix: str) -> Iterator[Plate]:
    features = owned(cell, "means")
    x, n_features = columns(cell, features), len(features)
    x = x if n_features == 1 else subsample(x, gaussians.MOST_POINTS)
    panels = []
    for method in cell.fitted:
        bell = gaussians.bells(cell.rows("parameters", method), features)
        if not len(bell.weights):
            continue
        stem, look = f"{prefix}data-{method}", cell.looks[method]
        if n_features == 1:
            known = np.isfinite(x[:, 0])
            svg = gaussians.histogram(stem, x[known, 0], cell.data.counts[known], bell, look, features[0])
        elif n_features == 2:
            svg = gaussians.scatter(stem, x, bell, look, (features[0], features[1]))
        else:
            svg = gaussians.pairs(stem, x, bell, look, features)
        panels.append(Panel(method, stem, svg, method))
    if panels:
        yield Plate(tuple(panels), bells_caption(cell, features, len(x)), "parameters")


def bells_caption(cell: Slice, features: tuple[str, ...], drawn: int) -> str:
    n_rows = len(cell.data.x)
    if len(features) == 1:
        text = f"Bars: the {count(n_rows)} rows{', each as often as its count' if cell.counted else ''}. Thick line: the fitted density; thin broken lines: its components, which add up to it."
    else:
        text = "Grey: the rows. Ellipses: each component at one standard deviation (thick) and around 95 % of its rows (thin)."
        text += " The digits are the components' numbers, at their means."
    if drawn < n_rows:
        text += f" Of {count(n_rows)} rows {count(drawn)}, drawn at random, are shown."
    if len(features) > gaussians.MOST_FEATURES:
        text += f" The first {gaussians.MOST_FEATURES} of {len(features)} features are shown."
    if np.isnan(columns(cell, features)).any():
        text += " Rows are left out of a panel where one of its features was not observed."
    text += " Look for methods that put a component elsewhere, or make it wider. Approximations and samples are drawn at the mean of their draws."
    return text


def subsample(x: Float[np.ndarray, "N D"], most: int) -> Float[np.ndarray, "n D"]:
    """At most `most` rows, the same ones each time."""
    if len(x) <= most:
        return x
    return x[np.sort(np.random.default_rng(0).choice(len(x), most, replace=False))]


def heats(cell: Slice, prefix: str) -> Iterator[Plate]:
    """Features of 0 and 1."""
    panels = []
    for method in cell.fitted:
        rows = cell.rows("parameters", method)
        rows = rows[rows["parameter"].isin(BINARY) & (rows["level"] == "")]
        if len(rows):
            features = tuple(dict.fromkeys(rows["feature"]))
            stem = f"{prefix}data-binary-{method}"
            panels.append(Panel(method, stem, probs.heat(stem, probs.table(rows, features), features), method))
    if panels:
        caption = (
            "Probability of a 1 in each feature (down) by component (across); dark is 0, light is 1. Features that are light in one column and dark in another "
            "tell the components apart; methods that agree have the same picture. Approximations and samples are drawn at the mean of their draws."
        )
        yield Plate(tuple(panels), caption, "parameters")


def levels(cell: Slice, prefix: str) -> Iterator[Plate]:
    """Features with levels."""
    panels, n_features = [], 0
    for method in cell.fitted:
        rows = cell.rows("parameters", method)
        rows = rows[rows["parameter"].isin(LEVELLED) & (rows["level"] != "")]
        if len(rows):
            features = list(dict.fromkeys(rows["feature"]))
            n_features = len(features)
            stem = f"{prefix}data-levels-{method}"
            panels.append(Panel(method, stem, level_bars.bars(stem, rows, features), method))
    if panels:
        caption = (
            "Probability of each level by component: a bar is a component (its number at the left), its parts are the levels in their order. "
            "Features whose bars differ tell the components apart. Approximations and samples are drawn at the mean of their draws."
        )
        most = level_bars.MOST_FEATURES
        yield Plate(
            tuple(panels), caption + (f" The first {most} of {n_features} features are shown." if n_features > most else ""), "parameters"
        )


def numbers(cell: Slice, prefix: str) -> Iterator[Plate]:
    """Features of counts."""
    features = owned(cell, "rates")
    panels = []
    for method in cell.fitted:
        rows = cell.rows("parameters", method)
        if (rows["parameter"] == "rates").any():
            stem = f"{prefix}data-counts-{method}"
            svg = count_bars.bars(stem, columns(cell, features), cell.data.counts, rows, cell.looks[method], list(features))
            panels.append(Panel(method, stem, svg, method))
    if panels:
        caption = (
            f"Bars: how many rows hold each number{', a row as often as its count' if cell.counted else ''}. Thick line: how many the fitted mixture expects; thin broken lines: its components, which add up to it. "
            "Look for numbers that are seen more often than expected. Approximations and samples are drawn at the mean of their draws."
        )
        most = count_bars.MOST_FEATURES
        more = f" The first {most} of {len(features)} features are shown." if len(features) > most else ""
        yield Plate(tuple(panels), caption + more, "parameters")


def owned(cell: Slice, parameter: str) -> tuple[str, ...]:
    """The features that have this parameter, in the data's order."""
    table = cell.tables["parameters"]
    own = set(table[table["parameter"] == parameter]["feature"])
    return tuple(feature for feature in cell.data.features if feature in own)


def columns(cell: Slice, features: tuple[str, ...]) -> Float[np.ndarray, "N d"]:
    """The data's columns of these features."""
    return cell.data.x[:, [cell.data.features.index(feature) for feature in features]]
