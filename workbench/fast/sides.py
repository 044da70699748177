"""What stands side by side in a register: one, two, four or eight fits, and as many of their components as find room.

Number k of fit f stands at place ``k * fits + f`` of a row. Whatever stands side by side, sums over components are added in the same
order: component k to sum k modulo 8, then these in halves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from workbench.fast.lanes import DOUBLE, WIDTH, Lanes
from workbench.fast.writer import Sum, Writer

TILE = 4
"""Registers compared at a time, in pairs."""


@dataclass(frozen=True)
class Side:
    """So many ``fits`` side by side."""

    fits: int

    def largest(self, code: Writer, width: Any, load: Callable[[Any], Lanes]) -> Lanes:
        """The largest of the registers of a row and of their components, in every lane of its fit."""
        best = code.sum(float("-inf"))
        tiled = code.product(code.builder.sdiv(code.whole(width), code.whole(TILE)), TILE)
        with code.loop(tiled, step=TILE) as vector:
            one, two, three, four = (load(code.plus(vector, i)) for i in range(TILE))
            best.set(_larger(_larger(_larger(one, two), _larger(three, four)), best.value))
        with code.loop(width, start=tiled) as vector:
            best.set(_larger(load(vector), best.value))
        return self._over_lanes(best.value, _larger)

    def totals(self, code: Writer, width: Any, add: Callable[[Any, list[Sum]], None], n_terms: int) -> list[Lanes]:
        """Sums over components, in every lane of their fit: ``add`` adds each register's ``n_terms`` numbers to the sums it is given."""
        b = code.builder
        sums = [[code.sum() for _ in range(n_terms)] for _ in range(self.fits)]
        whole = code.product(b.sdiv(code.whole(width), code.whole(self.fits)), self.fits)
        with code.loop(whole, step=self.fits) as vector:
            for i, own in enumerate(sums):
                add(code.plus(vector, i), own)
        for i, own in enumerate(sums[:-1]):
            with b.if_then(b.icmp_signed("<", code.plus(whole, i), code.whole(width))):
                add(code.plus(whole, i), own)
        while len(sums) > 1:
            half = len(sums) // 2
            for own, other in zip(sums[:half], sums[half:], strict=True):
                for mine, his in zip(own, other, strict=True):
                    mine.add(his.value)
            sums = sums[:half]
        return [self._over_lanes(each.value, lambda mine, his: mine + his) for each in sums[0]]

    def _over_lanes(self, lanes: Lanes, join: Callable[[Lanes, Lanes], Lanes]) -> Lanes:
        width = WIDTH
        while width > self.fits:
            width //= 2
            lanes = join(lanes, _shuffled(lanes.builder, lanes.value, [i ^ width for i in range(WIDTH)]))
        return lanes

    def keep(self, code: Writer, lanes: Lanes, array: Any, row: Any) -> None:
        """Store a number for each fit, the row's."""
        where = code.at(array, code.product(row, self.fits))
        if self.fits == 1:
            code.builder.store(code.builder.extract_element(lanes.value, ir.Constant(ir.IntType(32), 0)), where)
        else:
            first = _shuffled(code.builder, lanes.value, list(range(self.fits))).value
            code.builder.store(first, code.builder.bitcast(where, self._numbers.as_pointer()), align=8)

    def kept(self, code: Writer, array: Any, row: Any) -> Lanes:
        """The row's number for each fit, in all of its lanes."""
        where = code.at(array, code.product(row, self.fits))
        if self.fits == 1:
            return code.spread_scalar(code.builder.load(where))
        value = code.builder.load(code.builder.bitcast(where, self._numbers.as_pointer()), align=8)
        return _shuffled(code.builder, value, [i % self.fits for i in range(WIDTH)])

    @property
    def _numbers(self) -> Any:
        return ir.VectorType(DOUBLE, self.fits)


def _larger(one: Lanes, other: Lanes) -> Lanes:
    return one.where(one.compared(">", other), other)


def _shuffled(builder: Any, value: Any, places: list[int]) -> Lanes:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)
    return Lanes(builder, builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask))
