"""Numbers as text."""

from __future__ import annotations

import math

import pytest

from workbench.inference.advice import listed
from workbench.report import numerals


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (numerals.nats(-1130.26396), "-1130.264"),
        (numerals.nats(-812345.1234), "-812345.1"),
        (numerals.nats(math.nan), "–"),
        (numerals.difference(5.096), "5.1"),
        (numerals.difference(156.5), "156.5"),
        (numerals.difference(0.00412), "0.0041"),
        (numerals.estimated(-1183.2134, 0.0412), "-1183.213 ± 0.041"),
        (numerals.estimated(-1183.2134, math.nan), "-1183.213"),
        (numerals.estimated(-1183.2134, 3.1), "-1183.2 ± 3.1"),
        (numerals.amount(0.35589), "0.3559"),
        (numerals.amount(1234567.0), "1.235e+06"),
        (numerals.amount(79.968), "79.97"),
        (numerals.amount(3.0), "3"),
        (numerals.amount(2.5e-7), "2.500e-07"),
        (numerals.fraction(0.0), "0"),
        (numerals.fraction(1e-5), "< 0.001"),
        (numerals.fraction(0.00042), "< 0.001"),
        (numerals.fraction(0.00062), "0.001"),
        (numerals.fraction(-1e-18), "< 0.001"),
        (numerals.fraction(0.99999), "> 0.999"),
        (numerals.fraction(0.9993), "0.999"),
        (numerals.fraction(1.0), "1"),
        (numerals.chance(0.56472), "0.5647"),
        (numerals.chance(0.99951), "> 0.999"),
        (numerals.chance(2.6e-43), "< 0.001"),
        (numerals.chance(1.0), "1"),
        (numerals.chance(math.nan), "–"),
        (numerals.responsibility(1.0), "> 0.999"),
        (numerals.responsibility(0.0), "< 0.001"),
        (numerals.responsibility(0.8494), "0.849"),
        (numerals.count(272), "272"),
        (numerals.count(200000), "200\N{NARROW NO-BREAK SPACE}000"),
        (numerals.seconds(0.0812), "0.08 s"),
        (numerals.seconds(107.3), "107 s"),
        (numerals.counted(1, "row"), "1 row"),
        (listed(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_numbers(text: str, wanted: str) -> None:
    assert text == wanted
