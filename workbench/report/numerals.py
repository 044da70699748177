"""Numbers as text: as many digits as the quantity deserves, an en dash for an empty cell."""

from __future__ import annotations

import math

from workbench.compare.differences import INTERVAL
from workbench.compare.intervals import COVERAGE
from workbench.report.wording import figure

DASH = "\N{EN DASH}"
LEVEL = f"{100 * (INTERVAL[1] - INTERVAL[0]):.0f} %"
"""How much of the draws lies in the intervals of parameters.csv."""
POINT_LEVEL = f"{100 * COVERAGE:.0f} %"
"""How often a point's intervals there hold the truth, for large N."""


def nats(value: float) -> str:
    """A log density or a difference of two: three decimals, one where they would be noise beside the size."""
    if not math.isfinite(value):
        return DASH
    return f"{value:.3f}" if abs(value) < 1e5 else f"{value:.1f}"


def difference(value: float) -> str:
    """A difference of two log densities, to what it tells: a tenth of a nat, two digits where it is smaller than one."""
    return f"{value:.1f}" if abs(value) >= 1 and math.isfinite(value) else amount(value, 2)


def estimated(value: float, error: float) -> str:
    """A number with its Monte-Carlo error, both to the error's second digit."""
    if not (math.isfinite(value) and math.isfinite(error) and error >= 5e-7):  # what six decimals would not show
        return nats(value)
    decimals = min(6, max(0, 1 - math.floor(math.log10(error))))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def amount(value: float, digits: int = 4) -> str:
    """A number of any size to `digits` significant digits, in exponents only when it is tiny or huge."""
    if not math.isfinite(value):
        return DASH
    if value == 0 or (float(value).is_integer() and abs(value) < 1e6):
        return f"{value:.0f}"
    if not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def is_number(text: str) -> bool:
    return math.isfinite(figure(text))


def exact(text: str) -> str:
    """A number that somebody chose, in the digits that it has, four at most; words as they are."""
    return f"{figure(text):.4g}" if is_number(text) else text


def fraction(value: float) -> str:
    """A number between 0 and 1 to three decimals, never rounded to an end that it is not at."""
    return _inside(value, f"{value:.3f}")


def chance(value: float) -> str:
    """A probability to four digits, but for the thousandths next to its ends."""
    if 0 < value < 0.001 or 0.999 < value < 1:
        return "< 0.001" if value < 0.5 else "> 0.999"
    return amount(value)


def responsibility(value: float) -> str:
    """A posterior probability of a label: a density ratio, which floating point may round to an end that it is never at."""
    return "> 0.999" if value == 1 else "< 0.001" if value == 0 else fraction(value)


def _inside(value: float, text: str) -> str:
    """Words of an end for what rounds to it, the end itself as a whole number."""
    if not math.isfinite(value):
        return DASH
    if value in (0, 1):
        return f"{value:.0f}"
    return {"0.000": "< 0.001", "-0.000": "< 0.001", "1.000": "> 0.999"}.get(text, text)


def count(value: float) -> str:
    """A whole number, with thin spaces from ten thousand on."""
    if not math.isfinite(value):
        return DASH
    text = f"{value:,.0f}"
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}") if abs(value) >= 1e4 else text.replace(",", "")


def seconds(value: float) -> str:
    """A duration in seconds to two or three digits."""
    if not math.isfinite(value):
        return DASH
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def counted(number: float, noun: str, plural: str = "") -> str:
    """`1 row`, `3 rows`."""
    return f"{count(number)} {noun if number == 1 else plural or noun + 's'}"
