"""Progress of a run: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.cli.words import many

if TYPE_CHECKING:
    from workbench.experiment.events import Event

FIFTHS = 5
"""How often the progress of what is told as a whole is told in plain lines."""
COMPILING = "compiling"
"""The stage that is told at once, as it may take long without a word."""
QUIET = 15.0
"""Seconds after which a fit that has said nothing says where it is, outside of a terminal."""


def display(quiet: bool, *, aside: bool = False) -> Any:
    """A context manager that gives a reporter: silent, bars on a terminal, plain lines elsewhere; ``aside`` on standard error."""
    import contextlib

    if quiet:
        return contextlib.nullcontext(lambda event: None)
    if (sys.stderr if aside else sys.stdout).isatty():
        return Bars(aside=aside)
    return contextlib.nullcontext(Lines(aside=aside).report)


class Lines:
    """Plain lines: what begins and ends, what is compiled, and of a fit that takes long now and then where it is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, aside: bool = False) -> None:
        self._clock, self._aside = clock, aside
        self._told: dict[str, float] = {}

    def report(self, event: Event) -> None:
        from workbench.experiment import events

        text, name, now = sentence(event), getattr(event, "name", ""), self._clock()
        if isinstance(event, events.Started):
            self._told[name] = now
        elif isinstance(event, events.Progress) and (event.stage == COMPILING or now - self._told.get(name, now) >= QUIET):
            self._told[name] = now
            far = "" if event.fraction != event.fraction else f", {event.fraction:.0%} done"
            text = f"{name}: {event.stage}{far}"
        if text is not None:
            print(text, flush=True, file=sys.stderr if self._aside else sys.stdout)


def sentence(event: Event) -> str | None:
    """What an event says when it is over; None for what a line would tell too often."""
    from workbench.experiment import events

    match event:
        case events.Planned(folder, fits, kept, replicates, replicates_kept):
            check = f"; a calibration of {many(replicates, 'replicate')}, {replicates_kept} of them there already" if replicates else ""
            return f"{folder}: {many(fits, 'fit')}, {kept} of them there already{check}"
        case events.Started(name, part):
            return None if part else f"{name}: started"
        case events.Checked(_, method, done, wanted, size, seconds):
            told = f"{method}: {done} of {wanted} replicates ({seconds:.{1 if seconds >= 1 else 2}f} s each)"
            return told if _told_now(done, wanted, size) else None
        case events.Finished(name, status, seconds):
            return f"{name}: {status} ({seconds:.1f} s)"
        case events.Failed(name, reason, seconds):
            return f"{name}: failed after {seconds:.1f} s: {reason}"
        case events.Line(text):
            return text
        case events.Measured(_, done, wanted):
            return f"{done} of {wanted} looked at" if _told_now(done, wanted, 1) else None
        case events.Ended(folder, computed, _, failed, seconds, pages, replicates, measures):
            more = {"replicate": replicates, "log evidence": 0 if computed or replicates else measures}
            what = " and ".join([many(computed, "fit"), *(many(number, noun) for noun, number in more.items() if number)])
            what = f"{what} computed, {failed} failed" if computed or failed or any(more.values()) else "nothing to compute"
            place = os.path.join(folder, pages[0]) if pages else os.path.join(folder, "tables")
            return f"{what} in {seconds:.1f} s; see {place}"
    return None


def _told_now(done: int, wanted: int, size: int) -> bool:
    """Whether the last ``size`` of what is done have completed another fifth, or all."""
    return done == wanted or done * FIFTHS // wanted > (done - size) * FIFTHS // wanted


class Bars:
    """Progress bars, one a task, below the lines of what is finished."""

    def __init__(self, *, aside: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.fields[label]:<24}"), BarColumn(bar_width=30), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bars = Progress(*columns, transient=True, console=Console(stderr=aside))
        self._rows: dict[str, Any] = {}

    def __enter__(self) -> Callable[[Event], None]:
        self._bars.start()
        return self._report

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def _report(self, event: Event) -> None:
        from workbench.experiment import events

        if isinstance(event, events.Started):
            self._rows[event.name] = self._bars.add_task("starting", total=None, label=event.name)
        elif isinstance(event, events.Progress) and event.name in self._rows:
            known = event.fraction == event.fraction
            self._bars.update(
                self._rows[event.name], description=event.stage, total=1.0 if known else None, completed=event.fraction if known else 0
            )
        else:
            if (row := self._rows.pop(getattr(event, "name", ""), None)) is not None:
                self._bars.remove_task(row)
            if (text := sentence(event)) is not None:
                self._bars.console.print(text, markup=False, highlight=False)
