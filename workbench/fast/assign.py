"""From a block of log joints to shares: responsibilities times counts, for every family alike.

How a family plugs in. Its E step is an njit function over (fits, chunks of rows) that :func:`workbench.fast.chunks.run` calls,
and for every block of at most ``BLOCK`` rows (padded to a multiple of eight) of every fit it

1. writes log p(x_n, z_n = k) to ``joint`` (K, BLOCK), row k at offset k * BLOCK (the family's own kernel);
2. calls ``assign(joint, K, rows, counts, once, how, fit, first, totals, at)``: ``joint`` now holds the shares, and the block's log
   likelihood, E_q log p(x, z) and entropy have been added to ``totals[at : at + 3]``;
3. adds the shares' statistics to its partial sums (the family's own kernel).

Rows of padding have count 0. Partial sums are by (fit, chunk) and merged in that order: bits depend on no number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from workbench.fast.arrays import owned
from workbench.fast.chunks import BLOCK
from workbench.fast.compiled import compiled
from workbench.fast.labels import draw, uniforms
from workbench.fast.lanes import NOTHING, WIDTH, Lanes, turned
from workbench.fast.writer import Writer, kernel

RULES = {"soft": 0, "hard": 1, "power": 2, "draw": 3}
UNSEEDED = np.zeros(1, np.uint64)


class Assignment(NamedTuple):
    """How q is restricted, in numbers that compiled code takes.

    Attributes
    ----------
    rule : a number of ``RULES``
    beta : the power to which p(z | x) is raised, 1 where it is not
    seeds : (fit,), uint64, what labels are drawn by; of other rules one that nobody looks at
    """

    rule: int
    beta: float = 1.0
    seeds: np.ndarray = UNSEEDED

    def of(self, which: Any) -> Assignment:
        """That of some of the fits."""
        return Assignment(self.rule, self.beta, owned(self.seeds[which])) if self.rule == RULES["draw"] else self


@compiled
def softly() -> Assignment:
    """q is p(z | x), as compiled code says it."""
    return Assignment(0, 1.0, np.zeros(1, np.uint64))


def _top(code: Writer, joint: Any, n_components: Any, row: Any) -> tuple[Lanes, Lanes]:
    """The largest log joint of each row and the first component that has it."""
    top, first = code.sum(float("-inf")), code.sum(0.0)
    with code.loop(n_components) as k:
        value = code.load(joint, code.plus(code.product(k, BLOCK), row))
        better = value.compared(">", top.value)
        top.set(value.where(better, top.value))
        first.set(code.number(k).where(better, first.value))
    return top.value, first.value


def _add(code: Writer, totals: Any, at: Any, row: Any, sums: list[Any], counts: Lanes, values: list[Lanes]) -> None:
    """A row that is not there counts for nothing, whatever its density."""
    used = counts.compared("!=", 0.0)
    for place, value in zip(sums, values, strict=True):
        place.add((counts * value).where(used, 0.0))


def _soft(code: Writer, joint: Any, n_components: Any, rows: Any, counts: Any, totals: Any, at: Any) -> None:
    """r_nk = exp(log joint) / sum_j exp(log joint) (Bishop 2006, eq. 9.13), anchored at the largest."""
    sums = [code.sum() for _ in range(3)]
    with code.loop(rows, step=WIDTH) as row:
        anchor, mass, mean, count = _shared(code, joint, n_components, row, counts)
        log_mass, possible = mass.log(), mass.compared("!=", 0.0)
        complete, entropy = (anchor + mean).where(possible, 0.0), (log_mass - mean).where(possible, 0.0)
        _add(code, totals, at, row, sums, count, [anchor + log_mass, complete, entropy])
    for i, place in enumerate(sums):
        code.add_to(totals, code.plus(at, i), place.value.total())


def _soft_once(code: Writer, joint: Any, n_components: Any, rows: Any, counts: Any, totals: Any, at: Any) -> None:
    """The same where every row counts once, or not at all: of the product of the rows' masses one logarithm is enough.

    A mass lies between 1 and K, or is 0, so that a block's product is a number as long as K is below 1e19.
    """
    product, anchors, means = code.sum(1.0), code.sum(), code.sum()
    with code.loop(rows, step=WIDTH) as row:
        anchor, mass, mean, count = _shared(code, joint, n_components, row, counts)
        there, possible = count.compared("!=", 0.0), mass.compared("!=", 0.0)
        product.set(product.value * mass.where(there, 1.0))
        anchors.add(anchor.where(there, 0.0))
        means.add(mean.where(code.builder.and_(there, possible), 0.0))
    log_mass, anchor, mean = product.value.log().total(), anchors.value.total(), means.value.total()
    b = code.builder
    for i, value in enumerate((b.fadd(anchor, log_mass), b.fadd(anchor, mean), b.fsub(log_mass, mean))):
        code.add_to(totals, code.plus(at, i), value)


def _shared(code: Writer, joint: Any, n_components: Any, row: Any, counts: Any) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Write the shares of eight rows; their anchor, mass = sum_k exp(log joint - anchor), mean log joint - anchor and count."""
    top, _ = _top(code, joint, n_components, row)
    anchor = code.lanes(0.0).where(top.compared("==", float("-inf")), top)
    mass, moment = code.sum(), code.sum()
    with code.loop(n_components) as k:
        place = code.plus(code.product(k, BLOCK), row)
        below = (code.load(joint, place) - anchor).at_least(NOTHING)
        density = below.decay()
        code.store(density, joint, place)
        mass.add(density)
        moment.add_product(density, below)
    inverse, count = 1.0 / mass.value, code.load(counts, row)
    share = (count * inverse).where(count.compared("!=", 0.0), 0.0)
    with code.loop(n_components) as k:
        place = code.plus(code.product(k, BLOCK), row)
        code.store(code.load(joint, place) * share, joint, place)
    return anchor, mass.value, moment.value * inverse, count


def _hard(code: Writer, joint: Any, n_components: Any, rows: Any, counts: Any, totals: Any, at: Any) -> None:
    """All on the likeliest label, of several the first (Celeux & Govaert 1992)."""
    sums = [code.sum() for _ in range(2)]
    with code.loop(rows, step=WIDTH) as row:
        top, first = _top(code, joint, n_components, row)
        anchor = code.lanes(0.0).where(top.compared("==", float("-inf")), top)
        mass, count = code.sum(), code.load(counts, row)
        with code.loop(n_components) as k:
            place = code.plus(code.product(k, BLOCK), row)
            mass.add((code.load(joint, place) - anchor).decay())
            code.store(count.where(first.compared("==", code.number(k)), 0.0), joint, place)
        _add(code, totals, at, row, sums, count, [anchor + mass.value.log(), top])
    for i, place in enumerate(sums):
        code.add_to(totals, code.plus(at, i), place.value.total())


def _power(code: Writer, joint: Any, n_components: Any, rows: Any, counts: Any, beta: Lanes, totals: Any, at: Any) -> None:
    """q proportional to p(z | x) ** beta (Ueda & Nakano 1998)."""
    sums = [code.sum() for _ in range(3)]
    with code.loop(rows, step=WIDTH) as row:
        top, _ = _top(code, joint, n_components, row)
        anchor = code.lanes(0.0).where(top.compared("==", float("-inf")), top)
        mass, flat, moment = code.sum(), code.sum(), code.sum()
        with code.loop(n_components) as k:
            place = code.plus(code.product(k, BLOCK), row)
            full = code.load(joint, place) - anchor
            mass.add(full.decay())
            density = (full * beta).exp()
            code.store(density, joint, place)
            flat.add(density)
            moment.add_product(density, full.at_least(-1e300))
        count = code.load(counts, row)
        share, mean = (count / flat.value).where(count.compared("!=", 0.0), 0.0), moment.value / flat.value
        with code.loop(n_components) as k:
            place = code.plus(code.product(k, BLOCK), row)
            code.store(code.load(joint, place) * share, joint, place)
        entropy = flat.value.log() - mean * beta
        _add(code, totals, at, row, sums, count, [anchor + mass.value.log(), anchor + mean, entropy])
    for i, place in enumerate(sums):
        code.add_to(totals, code.plus(at, i), place.value.total())


write_soft, write_soft_once, _write_hard, _write_power = kernel(_soft), kernel(_soft_once), kernel(_hard), kernel(_power)


def _draw_once(code: Writer, joint: Any, n_components: Any, rows: Any, numbers: Any) -> None:
    """Where every row counts once, or not at all: all on the component in whose share the row's uniform number falls.

    It is the last one with a share that begins at or below the number: rounding never takes one without a share.
    """
    with code.loop(rows, step=WIDTH) as row:
        left, label, mass = code.sum(), code.sum(-1.0), code.sum()
        with code.loop(n_components) as k:
            mass.add(code.load(joint, code.plus(code.product(k, BLOCK), row)))
        left.set(code.load(numbers, row) * mass.value)
        with code.loop(n_components) as k:
            share = code.load(joint, code.plus(code.product(k, BLOCK), row))
            begun = code.builder.and_(left.value.compared(">=", 0.0), share.compared(">", 0.0))
            label.set(code.number(k).where(begun, label.value))
            left.set(left.value - share)
        with code.loop(n_components) as k:
            code.store(
                code.lanes(1.0).where(label.value.compared("==", code.number(k)), 0.0), joint, code.plus(code.product(k, BLOCK), row)
            )


_write_labels = kernel(_draw_once)


@compiled
def _draw(joint: np.ndarray, n_components: int, rows: int, counts: np.ndarray, once: bool, seed: int, first: int) -> None:
    """Shares become whole numbers of each row's units."""
    if once:
        numbers = np.empty(BLOCK)
        uniforms(seed, first, rows, numbers)
        _write_labels(joint, n_components, rows, numbers)
        return
    own = np.empty(n_components)
    for row in range(rows):
        if counts[row] > 0.0:
            for k in range(n_components):
                own[k] = joint[k * BLOCK + row]
            draw(own, counts[row], seed, first + row)
            for k in range(n_components):
                joint[k * BLOCK + row] = own[k]


@compiled
def assign(
    joint: np.ndarray,
    n_components: int,
    rows: int,
    counts: np.ndarray,
    once: bool,
    how: Assignment,
    fit: int,
    first: int,
    totals: np.ndarray,
    at: int,
) -> None:
    """Turn log joints (K, BLOCK) into shares; add log likelihood, E_q log p(x, z) and entropy to ``totals[at : at + 3]``.

    ``once``: the counts are 0 or 1, as :func:`weighed` says. ``fit`` and ``first`` are the numbers of the fit and of the block's first
    row. Where labels are drawn the totals are those of the responsibilities that they are drawn by.
    """
    if how.rule == 1:
        _write_hard(joint, n_components, rows, counts, totals, at)
    elif how.rule == 2:
        _write_power(joint, n_components, rows, counts, how.beta, totals, at)
    elif once:
        write_soft_once(joint, n_components, rows, counts, totals, at)
    else:
        write_soft(joint, n_components, rows, counts, totals, at)
    if how.rule == 3:
        _draw(joint, n_components, rows, counts, once, how.seeds[fit], first)


def _columns(code: Writer, size: int, x: Any, first: Any, rows: Any, out: Any) -> None:
    """Rows first .. first + rows of x (N, D) as columns (D, BLOCK), eight rows at a time: D loads, shuffled."""
    if not 0 < size < WIDTH:
        return
    with code.loop(rows, step=WIDTH) as row:
        start = code.product(code.plus(first, row), size)
        loaded = [code.load(x, code.plus(start, part * WIDTH)) for part in range(size)]
        for d in range(size):
            code.store(code.picked(loaded, [e * size + d for e in range(WIDTH)]), out, code.plus(row, d * BLOCK))


def _many_columns(code: Writer, size: Any, x: Any, first: Any, rows: Any, out: Any) -> None:
    """The same for eight features or more, eight by eight; the last eight features overlap those before."""
    b = code.builder
    last = code.plus(size, -WIDTH)
    with code.loop(rows, step=WIDTH) as row, code.loop(size, step=WIDTH) as begin:
        feature = b.select(b.icmp_signed("<", begin, last), begin, last)
        start = code.plus(code.product(code.plus(first, row), size), feature)
        for d, column in enumerate(turned([code.load(x, code.plus(start, code.product(size, i))) for i in range(WIDTH)])):
            code.store(column, out, code.plus(code.product(code.plus(feature, d), BLOCK), row))


_write_columns, _write_many = kernel(_columns), kernel(_many_columns)


@compiled
def columns(size: tuple[int, ...], x: np.ndarray, first: int, last: int, out: np.ndarray) -> int:
    """Copy rows first .. last of x (N, D) to ``out`` (D, BLOCK), features first; the number of rows with padding.

    Padding repeats the last row. ``size`` is a tuple of D zeros where D is small, else empty.
    """
    rows = last - first
    whole = 0
    if x.shape[1] >= WIDTH:
        whole = rows // WIDTH * WIDTH
        _write_many(x.shape[1], x, first, whole, out)
    elif len(size):
        whole = rows // WIDTH * WIDTH
        _write_columns(size, x, first, whole, out)
    padded = (rows + WIDTH - 1) // WIDTH * WIDTH
    for d in range(x.shape[1]):
        for i in range(whole, rows):
            out[d * BLOCK + i] = x[first + i, d]
        for i in range(rows, padded):
            out[d * BLOCK + i] = x[last - 1, d]
    return padded


@compiled
def weighed(counts: np.ndarray, fit: int, first: int, last: int, out: np.ndarray) -> bool:
    """Copy the counts of a block's rows, one row of counts for all fits or one each; padding counts 0. Whether all are 0 or 1."""
    own = fit if counts.shape[0] > 1 else 0
    other = 0
    for i in range(last - first):
        count = counts[own, first + i]
        out[i] = count
        other += (count != 0.0) & (count != 1.0)
    for i in range(last - first, (last - first + WIDTH - 1) // WIDTH * WIDTH):
        out[i] = 0.0
    return other == 0


@compiled
def scratch(numbers: int) -> np.ndarray:
    """Memory that begins with a cache line, all zero."""
    memory = np.zeros(numbers + WIDTH)
    start = (-memory.ctypes.data // 8) % WIDTH
    return memory[start : start + numbers]
