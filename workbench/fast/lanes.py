"""Vector code written by hand: eight rows a register, the same instructions on every machine and in every process.

A kernel is a Python function that *writes* code: it computes with :class:`Lanes` as if they were numbers, and loops of Python
are unrolled. :func:`kernel` makes it callable from ``numba.njit`` functions. Nothing is left to an auto-vectoriser or to fast
maths, so bits depend neither on inlining nor on whether a code cache was warm. LLVM splits the vectors where a machine's
registers are shorter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

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


@dataclass(frozen=True, eq=False)
class Writer:
    """Where a kernel writes its code: memory, loops and accumulators. Offsets count doubles."""

    builder: Any

    def at(self, pointer: Any, offset: Any) -> Any:
        """The address ``offset`` doubles further on; offsets are Python's or the machine's integers."""
        return self.builder.gep(pointer, [self.whole(offset)])

    def whole(self, number: Any) -> Any:
        return ir.Constant(WORD, number) if isinstance(number, int) else number

    def product(self, *numbers: Any) -> Any:
        """Of whole numbers."""
        result = self.whole(numbers[0])
        for number in numbers[1:]:
            result = self.builder.mul(result, self.whole(number))
        return result

    def plus(self, *numbers: Any) -> Any:
        """Sum of whole numbers."""
        result = self.whole(numbers[0])
        for number in numbers[1:]:
            result = self.builder.add(result, self.whole(number))
        return result

    def lanes(self, number: float) -> Lanes:
        return Lanes(self.builder, ir.Constant(DOUBLES, [float(number)] * WIDTH))

    def number(self, whole: Any) -> Lanes:
        """A whole number in every lane."""
        return self.spread_scalar(self.builder.sitofp(whole, DOUBLE))

    def load(self, pointer: Any, offset: Any = 0) -> Lanes:
        """Eight doubles one after the other."""
        where = self.builder.bitcast(self.at(pointer, offset), DOUBLES.as_pointer())
        return Lanes(self.builder, self.builder.load(where, align=8))

    def store(self, lanes: Lanes, pointer: Any, offset: Any = 0) -> None:
        where = self.builder.bitcast(self.at(pointer, offset), DOUBLES.as_pointer())
        self.builder.store(lanes.value, where, align=8)

    def spread(self, pointer: Any, offset: Any = 0) -> Lanes:
        """One double from memory in every lane."""
        return self.spread_scalar(self.builder.load(self.at(pointer, offset)))

    def spread_scalar(self, scalar: Any) -> Lanes:
        b = self.builder
        first = b.insert_element(ir.Constant(DOUBLES, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return Lanes(b, b.shuffle_vector(first, ir.Constant(DOUBLES, ir.Undefined), zeros))

    def picked(self, lanes: Sequence[Lanes], numbers: Sequence[int]) -> Lanes:
        """Eight of the numbers that stand in ``lanes`` one after the other, by place: shuffles of two registers at a time."""
        value = lanes[0].value
        for part in range(max(1, len(lanes) - 1)):
            other = lanes[min(part + 1, len(lanes) - 1)].value
            place = [self._place(number, part, lane) for lane, number in enumerate(numbers)]
            mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), place)
            value = self.builder.shuffle_vector(value, other, mask)
        return Lanes(self.builder, value)

    @staticmethod
    def _place(number: int, part: int, lane: int) -> int:
        """Where to find a number when registers 0 .. part are already picked from: a lane of what is there, or of the next."""
        if number < WIDTH:
            return number if part == 0 else lane
        return number - WIDTH * part if number // WIDTH == part + 1 else lane

    def add_to(self, pointer: Any, offset: Any, scalar: Any) -> None:
        """Add a scalar to a number in memory."""
        where = self.at(pointer, offset)
        self.builder.store(self.builder.fadd(self.builder.load(where), scalar), where)

    @contextmanager
    def loop(self, stop: Any, start: Any = 0, step: int = 1) -> Iterator[Any]:
        """Run what is written inside for start, start + step, ... below stop."""
        with cgutils.for_range_slice(self.builder, self.whole(start), self.whole(stop), ir.Constant(WORD, step), intp=WORD) as (index, _):
            yield index

    def sum(self, start: float = 0.0) -> Sum:
        """A register to add to inside a loop."""
        place = cgutils.alloca_once(self.builder, DOUBLES)
        self.builder.store(self.lanes(start).value, place)
        return Sum(self.builder, place)

    def counter(self, start: Any) -> Counter:
        """A whole number that changes inside a loop."""
        place = cgutils.alloca_once(self.builder, WORD)
        self.builder.store(self.whole(start), place)
        return Counter(self.builder, place)

    def sum_from(self, pointer: Any, offset: Any) -> Sum:
        """A register to add to that begins with what is in memory."""
        result = self.sum()
        result.set(self.load(pointer, offset))
        return result


@dataclass(frozen=True, eq=False)
class Sum:
    """A register that changes: LLVM keeps it out of memory where there is room."""

    builder: Any
    place: Any

    @property
    def value(self) -> Lanes:
        return Lanes(self.builder, self.builder.load(self.place))

    def set(self, lanes: Lanes) -> None:
        self.builder.store(lanes.value, self.place)

    def add(self, lanes: Lanes) -> None:
        self.set(self.value + lanes)

    def add_product(self, a: Lanes, b: Lanes) -> None:
        self.set(a.times_plus(b, self.value))


@dataclass(frozen=True, eq=False)
class Counter:
    """A whole number that changes."""

    builder: Any
    place: Any

    @property
    def value(self) -> Any:
        return self.builder.load(self.place)

    def advance(self, by: int) -> None:
        self.builder.store(self.builder.add(self.value, ir.Constant(WORD, by)), self.place)


def kernel(write: Callable[..., None]) -> Any:
    """Make ``write(code, *arguments) -> None`` callable from njit functions.

    Of what the call passes, arrays (float64, C order) arrive as pointers to their first number, integers as the machine's,
    floats as :class:`Lanes`, and a tuple of n integers as Python's n: known when the code is written (D as ``(0,) * D``).
    """

    names = ", ".join(list(inspect.signature(write).parameters)[1:])

    def typed(*arguments: Any) -> Any:
        return numba.types.void(*map(numba.types.unliteral, arguments)), generate

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = Writer(builder)
        write(code, *(_argument(context, code, t, value) for t, value in zip(signature.args, arguments, strict=True)))
        return context.get_dummy_value()

    scope: dict[str, Any] = {"typed": typed}
    exec(f"def {write.__name__}(typing, {names}): return typed({names})", scope)  # numba reads the number of arguments off it
    return intrinsic(scope[write.__name__])


def _argument(context: Any, code: Writer, of_type: Any, value: Any) -> Any:
    if isinstance(of_type, numba.types.Array):
        if of_type.layout != "C" or of_type.dtype != numba.types.float64:
            raise TypeError(f"a kernel takes arrays of float64 in C order, not {of_type}")
        return context.make_array(of_type)(context, code.builder, value).data
    if isinstance(of_type, numba.types.BaseTuple):
        return len(of_type)
    if isinstance(of_type, numba.types.Integer):
        return context.cast(code.builder, value, of_type, numba.types.int64)
    return code.spread_scalar(value)
