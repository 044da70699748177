"""What stands side by side in a register: the components of one fit, or eight fits; both add in the same order."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from workbench.fast.lanes import DOUBLE, DOUBLES, WIDTH, WORD, Lanes, Writer


def _largest(lanes: Lanes) -> Lanes:
    """The largest of the lanes, in every lane."""
    b, width = lanes.builder, WIDTH
    while width > 1:
        width //= 2
        mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [i ^ width for i in range(WIDTH)])
        other = Lanes(b, b.shuffle_vector(lanes.value, ir.Constant(DOUBLES, ir.Undefined), mask))
        lanes = lanes.where(lanes.compared(">", other), other)
    return lanes


class Across:
    """Components side by side: a row has one number, which is a sum over lanes."""

    @staticmethod
    def largest(lanes: Lanes) -> Lanes:
        return _largest(lanes)

    @staticmethod
    def keep(code: Writer, lanes: Lanes, array: Any, row: Any) -> None:
        code.builder.store(code.builder.extract_element(lanes.value, ir.Constant(ir.IntType(32), 0)), code.at(array, row))

    @staticmethod
    def kept(code: Writer, array: Any, row: Any) -> Lanes:
        return code.spread(array, row)

    @staticmethod
    def totals(code: Writer, width: Any, terms: Any, n_terms: int) -> list[Lanes]:
        """Sums over components of the ``n_terms`` numbers that ``terms`` gives for each register of a row."""
        sums = [code.sum() for _ in range(n_terms)]
        with code.loop(width) as vector:
            for each, term in zip(sums, terms(vector), strict=True):
                each.add(term)
        return [code.spread_scalar(each.value.total()) for each in sums]


class Along:
    """Fits side by side: a row has a number for each."""

    @staticmethod
    def largest(lanes: Lanes) -> Lanes:
        return lanes

    @staticmethod
    def keep(code: Writer, lanes: Lanes, array: Any, row: Any) -> None:
        code.store(lanes, array, code.product(row, WIDTH))

    @staticmethod
    def kept(code: Writer, array: Any, row: Any) -> Lanes:
        return code.load(array, code.product(row, WIDTH))

    @staticmethod
    def totals(code: Writer, width: Any, terms: Any, n_terms: int) -> list[Lanes]:
        """The same, in the order in which ``Across`` adds: component k to sum k modulo 8, then in halves."""
        sums = cgutils.alloca_once(code.builder, ir.ArrayType(DOUBLES, WIDTH * n_terms))
        place = code.builder.bitcast(sums, DOUBLE.as_pointer())
        for i in range(WIDTH * n_terms):
            code.store(code.lanes(0.0), place, i * WIDTH)
        with code.loop(width) as vector:
            at = code.product(code.builder.and_(vector, ir.Constant(WORD, WIDTH - 1)), WIDTH)
            for i, term in enumerate(terms(vector)):
                own = code.plus(at, i * WIDTH * WIDTH)
                code.store(code.load(place, own) + term, place, own)
        return [_halved([code.load(place, (i * WIDTH + j) * WIDTH) for j in range(WIDTH)]) for i in range(n_terms)]


def _halved(parts: list[Lanes]) -> Lanes:
    while len(parts) > 1:
        half = len(parts) // 2
        parts = [parts[i] + parts[i + half] for i in range(half)]
    return parts[0]


def side(across: int) -> Any:
    """What is asked for by the length of a tuple: (0,) for across, () for along."""
    return Across if across else Along
