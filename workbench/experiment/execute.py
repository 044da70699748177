"""Execute: tasks side by side in spawned processes, or here where none is heavy."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from workbench.experiment.events import Progress, Reporter, Started
from workbench.experiment.perform import LOG, Outcome, perform
from workbench.experiment.task import AnyTask
from workbench.inference.plugins import load_plugin, loaded

Group = tuple[AnyTask, ...]
"""Tasks of one key: computed once."""
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def execute(groups: Sequence[Group], folder: Path, jobs: int, reporter: Reporter) -> Iterator[tuple[Group, Outcome]]:
    """Yield every group with its outcome, as they end.

    Parts (replicates) after whole tasks; tasks that compile go first and to a process that has compiled their graph; a process that dies takes
    its task with it and no other. Tasks that no other process can do, as none finds their method's class, are done here, after the
    others. Closing the iterator, or an interrupt, ends the processes.
    """
    away = [group for group in groups if group[0].travels]
    if not any(group[0].heavy for group in away):
        yield from _here(groups, folder, jobs, reporter)
        return
    crew = _Crew(folder, sorted(away, key=lambda group: group[0].graph is None), reporter)
    try:
        yield from crew.work(min(jobs, len(away)))
    finally:
        crew.dismiss()
    yield from _here([group for group in groups if group not in away], folder, jobs, reporter)


def _here(groups: Sequence[Group], folder: Path, jobs: int, reporter: Reporter) -> Iterator[tuple[Group, Outcome]]:
    """One after the other in this process, parts last."""
    for group in sorted(groups, key=lambda group: group[0].part):
        reporter(Started(group[0].name, group[0].part))
        yield group, perform(group, folder, _progress(reporter, group[0].name), jobs)


def _progress(reporter: Reporter, name: str) -> Any:
    return lambda stage, fraction: reporter(Progress(name, stage, fraction))


@dataclass(eq=False)
class _Worker:
    """A spawned process and what it is doing."""

    process: Any
    connection: Connection
    graphs: set[object] = field(default_factory=set)
    group: Group | None = None


@dataclass(eq=False)
class _Crew:
    """The processes of a run; this is the one place that changes as it goes."""

    folder: Path
    waiting: list[Group]
    reporter: Reporter
    workers: list[_Worker] = field(default_factory=list)

    def work(self, jobs: int) -> Iterator[tuple[Group, Outcome]]:
        for _ in range(jobs):
            self._hire()
        while any(worker.group for worker in self.workers):
            for ready in wait([worker.connection for worker in self.workers if worker.group]):
                worker = next(each for each in self.workers if each.connection is ready)
                yield from self._heard(worker)

    def dismiss(self) -> None:
        for worker in self.workers:
            worker.process.terminate()  # before its connection closes, of which it would complain in the log
        for worker in self.workers:
            worker.connection.close()
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()

    def _hire(self) -> None:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_labour, args=(theirs, str(self.folder), loaded()), daemon=True)
        worker = _Worker(process, ours)
        with _interrupts_kept_from_children(), _world_of_a_child():
            process.start()
            self.workers.append(worker)
        theirs.close()
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """The next task: one whose graph is there, else one whose graph nobody else is compiling, else the first."""
        worker.group = None
        if not self.waiting:
            return
        elsewhere = {graph for each in self.workers if each is not worker for graph in each.graphs}

        def reluctance(group: Group) -> tuple[bool, int]:
            graph = group[0].graph
            return group[0].part, 0 if graph in worker.graphs else 3 if graph is None else 2 if graph in elsewhere else 1

        worker.group = min(self.waiting, key=reluctance)
        self.waiting.remove(worker.group)
        if worker.group[0].graph is not None:
            worker.graphs.add(worker.group[0].graph)
        self.reporter(Started(worker.group[0].name, worker.group[0].part))
        with contextlib.suppress(OSError):  # it has died since: `_heard` finds out
            worker.connection.send(worker.group)

    def _heard(self, worker: _Worker) -> Iterator[tuple[Group, Outcome]]:
        group = worker.group
        if group is None:
            return
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            self.workers.remove(worker)
            status = f"its process died (exit code {worker.process.exitcode}), perhaps for lack of memory; see {LOG}"
            yield group, Outcome(status, 0.0, failed=True)
            if self.waiting:
                self._hire()
            return
        if isinstance(message, Outcome):
            yield group, message
            self._give(worker)
        else:
            self.reporter(Progress(group[0].name, *message))


@contextlib.contextmanager
def _world_of_a_child() -> Iterator[None]:
    """One BLAS thread, and no script to import again: a spawned process needs nothing of the caller's ``__main__``.

    So a script may call ``workbench.run`` without a guard on its name.
    """
    before = {name: os.environ.get(name) for name in THREADS}
    script = sys.modules["__main__"]
    os.environ.update(dict.fromkeys(THREADS, "1"))
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextlib.contextmanager
def _interrupts_kept_from_children() -> Iterator[None]:
    """A process started meanwhile never sees an interrupt, not even while it still imports; ours comes at the end.

    The mask is what a child inherits; it does not do for us, as the system may hand a signal to another thread.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield  # Windows, or a thread that no interrupt reaches
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its start would lift the mask
    received: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, signal.default_int_handler if handler is None else handler)
        if received:
            signal.raise_signal(signal.SIGINT)


def _end_with_parent() -> None:
    """Wait for the end of the process that started this one, however it ended; then nobody takes what is made here."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _labour(connection: Connection, folder: str, plugins: Sequence[str]) -> None:
    """What a spawned process does: tasks until nobody gives any; all that it prints goes to the log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = os.open(Path(folder) / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for plugin in plugins:
        load_plugin(plugin)
    while True:
        try:
            group = connection.recv()
        except EOFError:
            return
        outcome = perform(group, Path(folder), lambda stage, fraction: connection.send((stage, fraction)))
        connection.send(Outcome(outcome.status, outcome.seconds, outcome.failed))
