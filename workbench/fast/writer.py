"""Vector code written by hand: what a kernel is, and the memory, loops and accumulators that it writes.

A kernel is a Python function that *writes* code: it computes with :class:`workbench.fast.lanes.Lanes` as if they were numbers,
and loops of Python are unrolled. :func:`kernel` makes it callable from ``numba.njit`` functions.
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

from workbench.fast.lanes import DOUBLE, DOUBLES, WIDTH, WORD, Lanes


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
