"""Runs that are interrupted, killed or met by another: what is finished stays, and a second run does the rest."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc")

NUTS = """\
name: small
data: galaxies
model: {n_components: 2}
methods: {em: {restarts: 3}, nuts: {chains: 1, draws: 50, tune: 100}}
report: false
"""
MANY = "name: many\nreport: false\ndata: galaxies\nmodel: {n_components: 2}\nmethods:\n" + "".join(
    f"  em_{i}: {{kind: em, restarts: {i + 2}, objective: {'posterior' if i % 2 else 'likelihood'}}}\n" for i in range(6)
)
LATE = 60.0


@contextlib.contextmanager
def started(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A run of ``config.yaml`` as a session of its own, of which nothing is left in the end."""
    command = [sys.executable, "-m", "workbench", "run", "config.yaml", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            for member in session(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)


@pytest.fixture(autouse=True)
def interrupts_are_heard() -> Iterator[None]:
    """A background job of a shell ignores them, and what it starts inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def session(leader: int) -> list[int]:
    """Living processes of a session; those of a run are its own, its workers and Python's resource tracker."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, _, _, number = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(number) == leader and state != "Z":
                found.append(int(entry.name))
    return found


def workers(leader: int) -> list[int]:
    found = []
    for member in session(leader):
        with contextlib.suppress(OSError):
            if b"spawn_main" in (Path("/proc") / str(member) / "cmdline").read_bytes():
                found.append(member)
    return found


def wait_for_line(process: subprocess.Popen[str], words: str) -> list[str]:
    """Read the run's lines until one holds ``words``."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"no line with {words!r} in {lines}")


def wait_until_gone(leader: int) -> None:
    end = time.monotonic() + 10.0
    while session(leader):
        assert time.monotonic() < end, f"left: {session(leader)}"
        time.sleep(0.02)


def run_whole(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workbench", "run", "config.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LATE, check=False)


def interrupted(process: subprocess.Popen[str]) -> str:
    """Interrupt a run as Ctrl-C does, all its processes at once; return what it said."""
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=LATE)
    assert process.returncode == 130
    assert "Traceback" not in said
    wait_until_gone(process.pid)
    return said


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(text)
    return folder


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Tables by name, seconds aside."""
    found = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("reports/*/tables/*.csv"))}
    return {name: table.drop(columns=[key for key in table.columns if key.startswith("seconds")]) for name, table in found.items()}


def no_log_of_errors(folder: Path) -> bool:
    return not any("Traceback" in log.read_text() for log in folder.glob("reports/*/run.log"))


def test_an_interrupt_ends_all_processes_and_keeps_what_is_finished(tmp_path: Path) -> None:
    write(tmp_path, NUTS)
    with started(tmp_path, "--jobs", "2") as process:
        wait_for_line(process, "em: converged")
        assert workers(process.pid)
        said = interrupted(process)
    assert said == "interrupted; what was finished is kept, and the same command goes on from there\n"
    assert no_log_of_errors(tmp_path)
    with started(tmp_path, "--jobs", "2") as process:
        assert "2 fits, 1 of them there already" in wait_for_line(process, "nuts: started")[0]
        interrupted(process)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("delay", [0.0, 0.08, 0.3])
def test_an_interrupt_while_processes_start_is_silent(delay: float, tmp_path: Path) -> None:
    write(tmp_path, NUTS)
    with started(tmp_path) as process:
        wait_for_line(process, "nuts: started")
        time.sleep(delay)
        interrupted(process)
    assert no_log_of_errors(tmp_path)


def test_workers_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    write(tmp_path, NUTS)
    with started(tmp_path) as process:
        wait_for_line(process, "nuts: started")
        time.sleep(0.5)
        assert workers(process.pid)
        process.kill()
        process.communicate(timeout=LATE)
        wait_until_gone(process.pid)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_is_finished_by_a_second(tmp_path: Path) -> None:
    undisturbed, disturbed = write(tmp_path / "undisturbed", MANY), write(tmp_path / "disturbed", MANY)
    began = time.monotonic()
    assert run_whole(undisturbed).returncode == 0
    longest = time.monotonic() - began
    for moment in np.random.default_rng(7).uniform(0.2, 1.0, size=3):
        with started(disturbed) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=moment * longest)
            process.kill()
    done = run_whole(disturbed)
    assert (done.returncode, done.stderr) == (0, "")
    expected, found = tables(undisturbed), tables(disturbed)
    assert list(expected) == list(found)
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True, obj=name)
    again = run_whole(disturbed)
    assert "6 fits, 6 of them there already" in again.stdout
    assert "nothing to compute" in again.stdout
    assert not list(disturbed.rglob("*.part"))


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    write(tmp_path, NUTS)
    with started(tmp_path, "--jobs", "2") as process:
        wait_for_line(process, "em: converged")
        second = run_whole(tmp_path)
        report = [sys.executable, "-m", "workbench", "report", "reports/small"]
        part = tmp_path / "reports" / "small" / "fits" / ".of_the_first.part"
        part.touch()
        shown = subprocess.run(report, cwd=tmp_path, capture_output=True, text=True, timeout=LATE, check=False)
        assert part.exists()
        interrupted(process)
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr.startswith(f"reports/small: process {process.pid} on ")
    assert "is writing to this folder; wait until it ends, or name another folder with --out" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert shown.returncode == 2
    assert "Traceback" not in shown.stderr


def test_a_worker_that_dies_takes_its_own_fit_alone(tmp_path: Path) -> None:
    write(tmp_path, NUTS)
    with started(tmp_path, "--jobs", "1") as process:
        wait_for_line(process, "nuts: started")
        time.sleep(1.0)
        (worker,) = workers(process.pid)
        os.kill(worker, signal.SIGKILL)
        said, complaint = process.communicate(timeout=LATE)
        wait_until_gone(process.pid)
    assert process.returncode == 1
    assert complaint.startswith("nuts failed: its process died (exit code -9)")
    assert "em: converged" in said
    rows = tables(tmp_path)["likelihoods"].set_index("method")
    assert rows.loc["nuts", "status"].startswith("its process died (exit code -9), perhaps for lack of memory")
    assert rows.loc["em", "status"] == "converged"
    assert (tmp_path / "reports" / "small" / "fits" / "em.nc").is_file()
    assert not (tmp_path / "reports" / "small" / "fits" / "nuts.nc").exists()


@pytest.mark.slow(seconds=28)
def test_an_interrupted_run_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    undisturbed, disturbed = write(tmp_path / "undisturbed", NUTS), write(tmp_path / "disturbed", NUTS)
    assert run_whole(undisturbed).returncode == 0
    for delay in (0.5, 2.0, 4.0):
        with started(disturbed) as process:
            wait_for_line(process, "nuts: started")
            time.sleep(delay)
            interrupted(process)
    assert run_whole(disturbed).returncode == 0
    expected, found = tables(undisturbed), tables(disturbed)
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True, obj=name)


def test_the_exit_code_is_130_wherever_the_interrupt_comes(tmp_path: Path) -> None:
    """Within ``exec`` of a text, as at the import of a dataclass, CPython would end by the signal instead."""
    script = 'import sys\nfrom workbench import cli\ncli.list_command = lambda _: exec("raise KeyboardInterrupt")\nsys.exit(cli.main(["list"]))\n'
    (tmp_path / "interrupted.py").write_text(script)
    done = subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, capture_output=True, text=True, timeout=LATE, check=False)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
