"""What is wrong with a config: where, which key, what, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys and list positions from the top of a config down."""


def dotted(path: Path) -> str:
    """Write a path as ``data.columns[1]``; "config" is the whole."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text or "config"


@dataclass(frozen=True)
class Fault:
    """A mistake in a config's values, before it is known where they stand.

    Attributes
    ----------
    path : the key
    message : what is wrong; what to do
    on_key : whether the key itself is at fault, not its value
    """

    path: Path
    message: str
    on_key: bool = False


@dataclass(frozen=True)
class Mistake:
    """A mistake with its place.

    Attributes
    ----------
    place : FILE:LINE:COLUMN, or what was given in place of a file
    path : dotted key
    message : what is wrong; what to do
    """

    place: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.path}: {self.message}"


class ConfigError(ValueError):
    """A config with mistakes: all of them, in the order of the file; one a line as text."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes: Sequence[Mistake] = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))
