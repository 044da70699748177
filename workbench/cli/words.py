"""What the command line says in one way: counts of things, complaints, and the exit codes."""

from __future__ import annotations

import sys

DONE, SOME_FAILED, INVALID, INTERRUPTED = 0, 1, 2, 130


def many(number: int, noun: str) -> str:
    """`1 fit`, `3 fits`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def complain(text: str) -> None:
    """To the terminal, not to what a pipe reads."""
    print(text, file=sys.stderr)


def refuse(text: str) -> int:
    """One line of what is wrong and what to do; the exit code."""
    complain(text)
    return INVALID
