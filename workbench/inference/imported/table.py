"""Draws from a table, one number a row: chain, draw, parameter, component, feature, feature_2, level, value; in any order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workbench.data import DataError
from workbench.data.readers import read_table
from workbench.data.table import Table
from workbench.inference.imported.draws import Draws, DrawsError, shapes
from workbench.models.families.family import Address
from workbench.problem import Problem

NEEDED = ("chain", "draw", "parameter", "value")
NAMES = ("component", "feature", "feature_2", "level")
"""Columns that may be left out where no parameter needs them."""

Key = tuple[str, str, str, str, str]


def read(path: Path, problem: Problem) -> Draws:
    """Read a file.

    Raises
    ------
    DrawsError
        Naming the line and the column, if it does not hold every number of every draw once.
    """
    try:
        table = read_table(path, path.name)
    except DataError as error:
        raise DrawsError(str(error)) from None
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        raise DrawsError(f"{path.name}: there is no column {missing[0]}; give the columns {', '.join((*NEEDED[:3], *NAMES, 'value'))}")
    addresses = problem.family.addresses(problem.data, problem.n_components)
    at = _addresses(table, addresses)
    chain, chains = _counted(table, "chain")
    draw, numbers = _positions(table, chain, chains)
    grid = _filled(table, (chain, draw, at), (chains.size, numbers.shape[1], len(addresses)), addresses, (chains, numbers))
    parameters = {name: np.zeros((chains.size, numbers.shape[1], *shape)) for name, shape in shapes(problem).items()}
    for i, address in enumerate(addresses):
        values = parameters[address.parameter].reshape(*grid.shape[:2], -1)
        values[..., np.ravel_multi_index(address.index, parameters[address.parameter].shape[2:])] = grid[..., i]
    return Draws(path.name, parameters, chains, numbers)


def _numbers(table: Table, name: str) -> np.ndarray:
    """A column of numbers, none of them missing."""
    column = table.columns[name]
    numbers, _ = column.parsed
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise DrawsError(f"{table.place(int(bad[0]))}: {name}: {_cell(table, name, int(bad[0]))!r} is no number; give one in every row")
    return numbers


def _cell(table: Table, name: str, row: int) -> str:
    return str(table.columns[name].cells[row])


def _counted(table: Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers as positions in their order, and what they are."""
    numbers = _numbers(table, name)
    bad = np.flatnonzero(numbers != np.round(numbers))
    if bad.size:
        raise DrawsError(f"{table.place(int(bad[0]))}: {name}: {_cell(table, name, int(bad[0]))} is no whole number; number them from 0")
    known, position = np.unique(numbers.astype(np.int64), return_inverse=True)
    return position.ravel(), known


def _positions(table: Table, chain: np.ndarray, chains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's draw as a position within its chain, and the draws' own numbers (chain, draw)."""
    number, known = _counted(table, "draw")
    position, lists = np.zeros(chain.size, np.int64), []
    for c in range(chains.size):
        own, where = np.unique(number[chain == c], return_inverse=True)
        position[chain == c] = where.ravel()
        lists.append(known[own])
    sizes = [each.size for each in lists]
    if min(sizes) < max(sizes):
        short, long = int(np.argmin(sizes)), int(np.argmax(sizes))
        raise DrawsError(
            f"{table.name}: draw: chain {chains[short]} has {sizes[short]} draws and chain {chains[long]} has {sizes[long]}; "
            "give chains of one length"
        )
    return position, np.stack(lists)


def _addresses(table: Table, addresses: Sequence[Address]) -> np.ndarray:
    """Which number of a mixture each row holds."""
    known = {_key(address): i for i, address in enumerate(addresses)}
    blank = ("",) * table.n_rows
    columns = {name: table.columns[name].texts if name in table.columns else blank for name in ("parameter", *NAMES)}
    columns["component"] = tuple(map(_whole, columns["component"]))
    keys: list[Key] = list(zip(*columns.values(), strict=True))
    found = np.array([known.get(key, -1) for key in keys])
    bad = np.flatnonzero(found < 0)
    if bad.size:
        raise DrawsError(f"{table.place(int(bad[0]))}: {_unknown(keys[int(bad[0])], list(known))}")
    return found


def _whole(text: str) -> str:
    """A component's number without the ``.0`` that other programs write where a column has empty cells too."""
    return text.removesuffix(".0")


def _key(address: Address) -> Key:
    component = "" if address.component is None else str(address.component)
    return (address.parameter, component, address.feature or "", address.feature_2 or "", address.level or "")


def _unknown(key: Key, known: list[Key]) -> str:
    """The first column of a row that goes with none of the problem's numbers, those before it being right."""
    for i, name in enumerate(("parameter", *NAMES)):
        possible = list(dict.fromkeys(other[i] for other in known if other[:i] == key[:i]))
        if key[i] not in possible:
            wanted = "leave it empty" if possible == [""] else f"here it is one of {', '.join(filter(None, possible[:20]))}"
            return f"{name}: {key[i] or 'nothing'} does not go with {', '.join(filter(None, key[:i])) or 'the family'}; {wanted}"
    raise AssertionError("a key that is unknown differs somewhere")


def _filled(
    table: Table,
    places: tuple[np.ndarray, np.ndarray, np.ndarray],
    shape: tuple[int, int, int],
    addresses: Sequence[Address],
    named: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """The values (chain, draw, number), each given once."""
    flat = np.ravel_multi_index(places, shape)
    times = np.bincount(flat, minlength=int(np.prod(shape)))
    if (times > 1).any():
        first, second = np.flatnonzero(flat == int(np.argmax(times > 1)))[:2]
        raise DrawsError(f"{table.place(int(second))}: gives the same number as {table.place(int(first))}; leave out one")
    if (times == 0).any():
        chain, draw, number = (int(i) for i in np.unravel_index(int(np.argmax(times == 0)), shape))
        lacking = ", ".join(filter(None, _key(addresses[number])))
        raise DrawsError(
            f"{table.name}: chain {named[0][chain]}, draw {named[1][chain, draw]} has no {lacking}; give every number of every draw"
        )
    grid = np.empty(flat.size)
    grid[flat] = _numbers(table, "value")
    return grid.reshape(shape)
