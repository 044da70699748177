"""A register of eight doubles with the arithmetic of numbers: the same instructions on every machine and in every process.

Nothing is left to an auto-vectoriser or to fast maths, so bits depend neither on inlining nor on whether a code cache was warm.
LLVM splits the vectors where a machine's registers are shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba.core import cgutils

WIDTH = 8
"""Rows in a register."""
DOUBLE, WORD = ir.DoubleType(), ir.IntType(64)
DOUBLES, WORDS = ir.VectorType(DOUBLE, WIDTH), ir.VectorType(WORD, WIDTH)

EXP = (
    0.5000000000000001, 0.16666666666666669, 0.04166666666662413, 0.008333333333330062, 0.0013888888917213717,
    0.00019841269863053618, 2.4801521295954376e-05, 2.7557268459997064e-06, 2.7620088445409746e-07, 2.510038549551032e-08,
)  # fmt: skip
"""(exp r - 1 - r) / r^2 for |r| <= log(2) / 2, lowest power first: Chebyshev's polynomial, relative error of exp 1.3e-17."""
LOG = (
    0.666666666666667, 0.39999999999899444, 0.2857142862600327, 0.22222211130259878, 0.18182889455674947, 0.15331710618210773,
    0.14616585424888623,
)  # fmt: skip
"""(2 artanh(s) - 2 s) / s^3 in powers of s^2 for |s| <= 3 - 2 sqrt 2, as above; error 1e-17."""
LOG2_E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 0.6931471805582987, 1.6465949582897082e-12
"""log 2 in two parts: an exponent times the first is exact."""
WHOLE = 1.5 * 2.0**52
"""A number of moderate size plus this has been rounded to a whole one, which stands in its last bits."""
EXPONENT = 1.5 * 2.0**52 + 1023.0
"""A whole number plus this has, in its last bits, the exponent field of 2 to that number."""
NOTHING = -750.0
"""exp of this is 0."""


@dataclass(frozen=True, eq=False)
class Lanes:
    """A register: eight doubles, with the arithmetic of numbers."""

    builder: Any
    value: Any

    def _other(self, other: Lanes | float) -> Any:
        return other.value if isinstance(other, Lanes) else ir.Constant(DOUBLES, [float(other)] * WIDTH)

    def _lanes(self, value: Any) -> Lanes:
        return Lanes(self.builder, value)

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._lanes(self.builder.fadd(self.value, self._other(other)))

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._lanes(self.builder.fsub(self.value, self._other(other)))

    def __rsub__(self, other: float) -> Lanes:
        return self._lanes(self.builder.fsub(self._other(other), self.value))

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._lanes(self.builder.fmul(self.value, self._other(other)))

    def __rtruediv__(self, other: float) -> Lanes:
        return self._lanes(self.builder.fdiv(self._other(other), self.value))

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._lanes(self.builder.fdiv(self.value, self._other(other)))

    __radd__, __rmul__ = __add__, __mul__

    def times_plus(self, factor: Lanes | float, addend: Lanes | float) -> Lanes:
        """self * factor + addend, in one instruction with one rounding where the machine has it."""
        function = _declared(self.builder, "llvm.fmuladd.v8f64", DOUBLES, [DOUBLES] * 3)
        return self._lanes(self.builder.call(function, [self.value, self._other(factor), self._other(addend)]))

    def minus_product(self, a: Lanes, b: Lanes | float) -> Lanes:
        """self - a * b, in one instruction."""
        return self._lanes(self.builder.fneg(a.value)).times_plus(b, self)

    def compared(self, how: str, other: Lanes | float) -> Any:
        """A mask; where a lane is nan, false."""
        return self.builder.fcmp_ordered(how, self.value, self._other(other))

    def where(self, mask: Any, other: Lanes | float) -> Lanes:
        """self where the mask holds, else other."""
        return self._lanes(self.builder.select(mask, self.value, self._other(other)))

    def total(self) -> Any:
        """The sum of the lanes, a scalar: always in the same order."""
        value, width = self.value, WIDTH
        undefined = ir.Constant(DOUBLES, ir.Undefined)
        while width > 1:
            width //= 2
            mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [i + width if i < width else i for i in range(WIDTH)])
            value = self.builder.fadd(value, self.builder.shuffle_vector(value, undefined, mask))
        return self.builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    def at_least(self, bound: float) -> Lanes:
        """The larger of lane and bound; nan stays."""
        return self._lanes(self._other(bound)).where(self.compared("<", bound), self)

    def exp(self) -> Lanes:
        """e to the power of each lane, to about an ulp over the whole range; exp(-inf) = 0, exp(nan) = nan."""
        x = self.at_least(NOTHING)
        x = self._lanes(self._other(720.0)).where(x.compared(">", 720.0), x)
        shifted = x.times_plus(LOG2_E, EXPONENT)
        n = shifted - EXPONENT
        half = (n * 0.5 + EXPONENT) - EXPONENT
        return x._exp_of_rest(n) * _power_of_two(half + EXPONENT) * _power_of_two(n - half + EXPONENT)

    def decay(self) -> Lanes:
        """exp of lanes that are 0 or below, somewhat quicker; what is smaller than 1e-307 is 0, whatever the steps before make of it."""
        b = self.builder
        shifted = self.times_plus(LOG2_E, WHOLE)
        result = self._exp_of_rest(shifted - WHOLE)
        exponent = b.shl(b.bitcast(shifted.value, WORDS), _words(52))
        scaled = self._lanes(b.bitcast(b.add(b.bitcast(result.value, WORDS), exponent), DOUBLES))  # times 2 ** n
        return self._lanes(self._other(0.0)).where(self.compared("<", -707.0), scaled)

    def _exp_of_rest(self, n: Lanes) -> Lanes:
        """exp(self - n log 2), n the nearest whole number of log 2."""
        r = self.minus_product(n, LN2_HIGH).minus_product(n, LN2_LOW)
        return (r * r).times_plus(polynomial(r, EXP), r) + 1.0

    def log(self) -> Lanes:
        """Natural logarithm to about an ulp; log 0 = -inf, log inf = inf, nan below 0."""
        b = self.builder
        tiny = self.compared("<", 2.0**-1022)
        x = (self * 2.0**54).where(tiny, self)
        bits = b.bitcast(x.value, WORDS)
        shifted = b.sub(bits, _words(0x3FE6A09E00000000))  # the bits of sqrt(1/2), nearly: mantissas of 0.707 .. 1.414
        exponent = b.ashr(shifted, _words(52))
        mantissa = self._lanes(b.bitcast(b.sub(bits, b.shl(exponent, _words(52))), DOUBLES))
        n = self._lanes(b.sitofp(exponent, DOUBLES)) - self._lanes(self._other(54.0)).where(tiny, 0.0)
        f = mantissa - 1.0
        s = f / (f + 2.0)
        z = s * s
        half_square = f * f * 0.5
        tail = s.times_plus(z.times_plus(polynomial(z, LOG), half_square), n * LN2_LOW)  # log(1 + f) = f - f^2/2 + s (f^2/2 + R)
        result = n * LN2_HIGH - ((half_square - tail) - f)
        result = result.where(self.compared("<", float("inf")), self)  # inf and nan are their own
        result = result.where(b.not_(self.compared("<", 0.0)), float("nan"))
        return result.where(b.not_(self.compared("==", 0.0)), float("-inf"))


def turned(lanes: Sequence[Lanes]) -> list[Lanes]:
    """Eight registers as a matrix, transposed."""
    values, half, b = [each.value for each in lanes], WIDTH, lanes[0].builder
    while half > 1:
        half //= 2
        upper = [lane if not lane & half else lane - half + WIDTH for lane in range(WIDTH)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [i + shift for i in upper]) for shift in (0, half)]
        for i in range(WIDTH):
            if not i & half:
                pair = values[i], values[i + half]
                values[i], values[i + half] = (b.shuffle_vector(*pair, mask) for mask in masks)
    return [Lanes(b, value) for value in values]


def totals(lanes: Sequence[Lanes]) -> Lanes:
    """The sums of eight registers, one a lane; always in the same order."""
    values, half, b = [each.value for each in lanes], WIDTH, lanes[0].builder
    while half > 1:
        half //= 2
        low = [lane - lane % (2 * half) + lane % half + (WIDTH if lane % (2 * half) >= half else 0) for lane in range(WIDTH)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [i + shift for i in low]) for shift in (0, half)]
        pairs = zip(values[: len(values) // 2], values[len(values) // 2 :], strict=True)
        values = [b.fadd(*(b.shuffle_vector(first, second, mask) for mask in masks)) for first, second in pairs]
    return Lanes(b, values[0])


def polynomial(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    """Estrin's scheme, lowest power first: neighbours in pairs, in powers of x, x^2, x^4 ..., so that no chain is long."""
    terms: list[Lanes | float] = list(coefficients)
    while len(terms) > 1:
        pairs: list[Lanes | float] = [x.times_plus(high, low) for low, high in zip(terms[::2], terms[1::2], strict=False)]
        terms, x = pairs + terms[2 * len(pairs) :], x * x
    result = terms[0]
    assert isinstance(result, Lanes)
    return result


def _power_of_two(shifted: Lanes) -> Lanes:
    """2 ** n of n + EXPONENT, n whole and from -1022 to 1023."""
    bits = shifted.builder.bitcast(shifted.value, WORDS)
    return Lanes(shifted.builder, shifted.builder.bitcast(shifted.builder.shl(bits, _words(52)), DOUBLES))


def _words(number: int) -> Any:
    return ir.Constant(WORDS, [number] * WIDTH)


def _declared(builder: Any, name: str, result: Any, arguments: Sequence[Any]) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)
