"""Commands that work on configs and on runs: run, check, report, predict."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from workbench.cli.display import display
from workbench.cli.words import DONE, INVALID, SOME_FAILED, complain, many, refuse

if TYPE_CHECKING:
    from workbench.experiment.config import Experiment


def _loaded(options: Any) -> list[Experiment] | None:
    """All configs, or None after naming every mistake of all of them."""
    from workbench.experiment.config import load
    from workbench.experiment.mistakes import ConfigError

    found, wrong = [], False
    for path in options.configs:
        try:
            found.append(load(path, options.set))
        except ConfigError as error:
            complain(str(error))
            wrong = True
    return None if wrong else found


def run_command(options: Any) -> int:
    experiments = _loaded(options)
    if experiments is None:
        return INVALID
    from workbench.experiment.lock import FolderBusy
    from workbench.runs import run

    names = [experiment.name for experiment in experiments]
    if len(set(names)) < len(names):
        return refuse(f"two configs are named {next(n for n in names if names.count(n) > 1)}; give each its own `name`")
    code = DONE
    for experiment in experiments:
        out = options.out if options.out is None or len(experiments) == 1 else os.path.join(options.out, experiment.name)
        try:
            with display(options.quiet) as reporter:
                result = run(experiment, out, jobs=options.jobs, force=options.force, reporter=reporter)
        except (FolderBusy, OSError) as error:
            return refuse(str(error))
        if result.failures:
            code = SOME_FAILED
            for name, reason in result.failures.items():
                complain(f"{name} failed: {reason}")
    return code


def check_command(options: Any) -> int:
    experiments = _loaded(options)
    if experiments is None:
        return INVALID
    for experiment in experiments:
        cells = experiment.cells()
        fits = sum(len(cell.methods) for cell in cells)
        data = cells[0].problem.data
        held_out = cells[0].held_out
        other = "" if held_out is None else f", {many(held_out.n_rows, 'row')} held out"
        size = f"{many(data.n_rows, 'row')} x {many(data.n_features, 'feature')}"
        print(f"{experiment.source}: valid; {many(fits, 'fit')} of {size} ({data.name}){other}")
        if (check := cells[0].check) is not None:
            out = ", ".join(label for label in cells[0].methods if label not in (check.methods or ()))
            methods = ", ".join(check.methods or ()) + (f" (without {out})" if out else "")
            print(
                f"  a calibration of {methods}: {many(check.replicates, 'replicate')} of each{' in every cell' if len(cells) > 1 else ''}"
            )
        for note in data.notes:
            print(f"  {note}")
    return DONE


def report_command(options: Any) -> int:
    from workbench.experiment.lock import FolderBusy
    from workbench.experiment.mistakes import ConfigError
    from workbench.runs import Run

    try:
        run = Run.open(options.folder)
        with display(quiet=False, aside=True) as reporter:  # scripts read the page's path
            page = run.report(reporter)
    except (FolderBusy, OSError, ConfigError) as error:
        return refuse(str(error))
    print(page)
    if options.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    return DONE


def predict_command(options: Any) -> int:
    from pathlib import Path

    from workbench.data import DataError
    from workbench.runs import Run
    from workbench.runs.files import write_rows

    out = None if options.out is None else Path(options.out)
    if out is not None and out.suffix not in (".csv", ".parquet"):
        return refuse(f"--out {out}: predictions are written as .csv or .parquet; name such a file")
    try:
        table, silent = Run.open(options.folder).predictions(options.file, options.method)
        if out is not None:
            write_rows(table, out)
    except (DataError, ValueError, OSError) as error:
        return refuse(str(error))
    if out is None:
        print(table.to_csv(index=False, lineterminator="\n"), end="")
    else:
        print(f"{many(len(table), 'row')} in {out}")
    for name, impossible in table["label"].isna().groupby(table["method"], sort=False).sum().items():
        if impossible:
            complain(f"{many(impossible, 'row')} without a label: under {name} they are impossible, with a density of 0")
    for line in silent:
        complain(line)
    return SOME_FAILED if silent else DONE
