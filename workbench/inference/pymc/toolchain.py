"""PyTensor and PyMC as this package needs them: the same bits from any code cache, and nothing on the screen."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("pymc", "pytensor", "nutpie")
FASTMATH = "numba__fastmath"


def prepare() -> None:
    """Switch PyTensor's fast-math off, before it is imported if that is still possible; a user's own flag stays.

    With it, code that is compiled afresh is fused across functions and differs from cached code in the last bits, so the same
    seed would give other draws from an empty cache than from a warm one.
    """
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    if FASTMATH in flags:
        return
    os.environ["PYTENSOR_FLAGS"] = f"{flags},{FASTMATH}=False".lstrip(",")
    if "pytensor" in sys.modules:
        sys.modules["pytensor"].config.numba__fastmath = False


class _Collector(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.name}: {record.getMessage()}")


@contextmanager
def captured() -> Iterator[list[str]]:
    """Collect the libraries' warnings and log records in a list, instead of letting them print."""
    messages: list[str] = []
    collector = _Collector(messages)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    with warnings.catch_warnings(record=True) as caught:
        for logger in loggers:
            logger.handlers, logger.propagate = [collector], False
        try:
            yield messages
        finally:
            for logger, (handlers, propagate) in zip(loggers, before, strict=True):
                logger.handlers, logger.propagate = handlers, propagate
            messages.extend(dict.fromkeys(f"{warning.category.__name__}: {warning.message}" for warning in caught))
