"""Lock: one run at a time in a folder. The system lets go of it when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

FILE = ".lock"


class FolderBusy(RuntimeError):
    """Another run is writing to the folder; one line: who, and what to do."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock.

    Raises
    ------
    FolderBusy
        If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a+", encoding="utf-8") as handle:
        if not _taken(handle):
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            raise FolderBusy(f"{folder}: {holder} is writing to this folder; wait until it ends, or name another folder with --out")
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}")
        handle.flush()
        yield


def _taken(handle: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: a file that is open for writing cannot be replaced there, which protects enough
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
