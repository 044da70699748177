"""Files: written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

MANIFEST = "manifest.json"
"""What stands in a run's folder and says what is there."""
PART = ".part"
"""Suffix of a file that is being written."""


def part_of(path: Path) -> Path:
    """Return a temporary name in the same folder."""
    return path.with_name(f".{secrets.token_hex(6)}{PART}")


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; it becomes ``path`` once the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        yield part
        settle(part, path)
    finally:
        part.unlink(missing_ok=True)


def settle(part: Path, path: Path) -> None:
    """Make a finished temporary file ``path``, on the disk itself."""
    flush(part)
    os.replace(part, path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Wait until a file, or a folder's names, are on the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write text so that a reader sees all of the old or all of the new."""
    with replaced(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def checksum(path: Path) -> str:
    """Return the hex sha256 of a file's bytes; empty if there is none."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def sweep_parts(folder: Path) -> None:
    """Remove what a killed run left half written."""
    for part in folder.glob(f".*{PART}"):
        part.unlink(missing_ok=True)
