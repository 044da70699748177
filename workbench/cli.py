"""The command line: the only module that prints. Nothing heavy is imported before a command is known."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.experiment.config import Experiment
    from workbench.experiment.events import Event

DONE, SOME_FAILED, INVALID, INTERRUPTED = 0, 1, 2, 130
FIFTHS = 5
"""How often a calibration's progress is told in plain lines."""
COMPILING = "compiling"
"""The stage that is told at once, as it may take long without a word."""
QUIET = 15.0
"""Seconds after which a fit that has said nothing says where it is, outside of a terminal."""
LATER = ("compare", "export")
"""Commands that are planned: refused with a word of their own, listed nowhere."""
DESCRIPTION = """\
Compare inference for mixture models: EM beside variational and Monte-Carlo fits
of the same model and prior, every difference in nats."""
EPILOG = """\
exit codes: 0 all done; 1 some fit failed, the rest is there; 2 the config or the data
is invalid; 130 interrupted (a second run goes on from there)

a first run:  workbench run configs/old_faithful.yaml
your data:    workbench new mine --data my.csv && workbench run mine.yaml"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words and words[0] in LATER:
        return _refuse(f"`workbench {words[0]}` is not there yet; it comes with a later version")
    options = _parser().parse_args(words)
    try:
        if (fault := _plugged(getattr(options, "plugin", []))) is not None:
            return _refuse(fault)
        return int(options.command(options))
    except KeyboardInterrupt:
        _complain("interrupted; what was finished is kept, and the same command goes on from there")
        exec("")  # CPython keeps in mind an interrupt within exec(text), as of a dataclass, until the next: it would end by the signal
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="workbench", description=DESCRIPTION, epilog=EPILOG, formatter_class=form, allow_abbrev=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, function: Callable[[Any], int], about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".", allow_abbrev=False)
        sub.set_defaults(command=function)
        return sub

    run = command("run", _run, "run configs: fits, tables and a report each; what is there already is kept")
    run.add_argument("configs", nargs="+", metavar="CONFIG")
    run.add_argument("--out", metavar="DIR", help="the run's folder; with several configs DIR/NAME (default: reports/NAME)")
    run.add_argument("--jobs", type=_count, metavar="N", help="processes side by side (default: the cores)")
    run.add_argument("--force", action="store_true", help="compute every fit again")
    run.add_argument("--quiet", action="store_true", help="print nothing but errors")
    check = command("check", _check, "read configs and their data, name every mistake, compute nothing")
    check.add_argument("configs", nargs="+", metavar="CONFIG")
    for sub in (run, check):
        sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a dotted key, as methods.em.restarts=5")
    report = command("report", _report, "write a run's tables and pages again from its fits")
    report.add_argument("folder", metavar="RUN_DIR")
    report.add_argument("--open", action="store_true", help="open the page in the browser")
    predict = command("predict", _predict, "say for rows of a file which component each is of, and how likely it is, from a run's fits")
    predict.add_argument("folder", metavar="RUN_DIR")
    predict.add_argument("file", metavar="FILE", help="a CSV, Parquet, NPY or NPZ file with the columns that were fitted")
    predict.add_argument("--method", metavar="LABEL", help="one method, or one fit of a sweep by its whole name (default: all)")
    predict.add_argument("--out", metavar="FILE", help="a .csv or .parquet file to write (default: CSV to the standard output)")
    listing = command("list", _list, "list what a config can name, and the options of each with their defaults")
    listing.add_argument("what", nargs="?", choices=("data", "families", "methods"), help="all three by default")
    listing.add_argument("name", nargs="?", metavar="NAME", help="the page of one family or method: options, formulas, sources")
    listing.add_argument("--pages", metavar="DIR", help="write the pages of all families and methods as Markdown")
    command("schema", _schema, "print the JSON schema of a config, for editors")
    new = command("new", _new, "write a commented starter config, NAME.yaml")
    new.add_argument("name", metavar="NAME")
    new.add_argument("--data", metavar="FILE", help="a CSV, Parquet, NPY or NPZ file; the config fits its columns")
    new.add_argument("--counts", metavar="COLUMN", help="the column of FILE that says how often each row was seen")
    keeps = command("check-method", _check_method, "hold a method to what every method keeps, on small data of every family")
    keeps.add_argument("name", metavar="NAME")
    for sub in (run, check, report, listing, keeps):
        sub.add_argument("--plugin", action="append", default=[], metavar="FILE", help="a Python file that defines methods")
    command("doctor", _doctor, "show versions, cores, and what is missing")
    return parser


def _plugged(files: Sequence[str]) -> str | None:
    """Load plugin files; what is wrong with one, or None."""
    if files:
        from workbench.inference.plugins import PluginError, load_plugin

        try:
            for file in files:
                load_plugin(file)
        except PluginError as error:
            return str(error)
    return None


def _check_method(options: Any) -> int:
    import dataclasses

    from workbench.data.spelling import advice
    from workbench.experiment.contract import check_method, sentence
    from workbench.inference import METHODS
    from workbench.inference.plugins import PluginError, discover

    try:
        if options.name not in METHODS:
            discover()
    except PluginError as error:
        return _refuse(str(error))
    if options.name not in METHODS:
        return _refuse(
            f"there is no method {options.name!r}; {advice(options.name, METHODS)}, or give the file that defines it by --plugin"
        )
    if needed := [
        field.name for field in dataclasses.fields(METHODS[options.name]) if dataclasses.MISSING is field.default is field.default_factory
    ]:
        return _refuse(
            f"{options.name} cannot be checked, as it needs {' and '.join(needed)}; only methods whose options have defaults can"
        )
    verdicts = []
    for checked in check_method(options.name):
        print(sentence(checked), flush=True)
        verdicts.append(checked.verdict)
    return SOME_FAILED if "broken" in verdicts or set(verdicts) == {"refused"} else DONE


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes; give 1 or more")
    return int(text)


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _complain(text: str) -> None:
    print(text, file=sys.stderr)


def _refuse(text: str) -> int:
    _complain(text)
    return INVALID


def _loaded(options: Any) -> list[Experiment] | None:
    """All configs, or None after naming every mistake of all of them."""
    from workbench.experiment.config import load
    from workbench.experiment.mistakes import ConfigError

    found, wrong = [], False
    for path in options.configs:
        try:
            found.append(load(path, options.set))
        except ConfigError as error:
            _complain(str(error))
            wrong = True
    return None if wrong else found


def _run(options: Any) -> int:
    experiments = _loaded(options)
    if experiments is None:
        return INVALID
    from workbench.experiment.lock import FolderBusy
    from workbench.runs import run

    names = [experiment.name for experiment in experiments]
    if len(set(names)) < len(names):
        return _refuse(f"two configs are named {next(n for n in names if names.count(n) > 1)}; give each its own `name`")
    code = DONE
    for experiment in experiments:
        out = options.out if options.out is None or len(experiments) == 1 else os.path.join(options.out, experiment.name)
        try:
            with _display(options.quiet) as reporter:
                result = run(experiment, out, jobs=options.jobs, force=options.force, reporter=reporter)
        except (FolderBusy, OSError) as error:
            return _refuse(str(error))
        if result.failures:
            code = SOME_FAILED
            for name, reason in result.failures.items():
                _complain(f"{name} failed: {reason}")
    return code


def _check(options: Any) -> int:
    experiments = _loaded(options)
    if experiments is None:
        return INVALID
    for experiment in experiments:
        cells = experiment.cells()
        fits = sum(len(cell.methods) for cell in cells)
        data = cells[0].problem.data
        held_out = cells[0].held_out
        other = "" if held_out is None else f", {_many(held_out.n_rows, 'row')} held out"
        size = f"{_many(data.n_rows, 'row')} x {_many(data.n_features, 'feature')}"
        print(f"{experiment.source}: valid; {_many(fits, 'fit')} of {size} ({data.name}){other}")
        if (check := cells[0].check) is not None:
            out = ", ".join(label for label in cells[0].methods if label not in (check.methods or ()))
            methods = ", ".join(check.methods or ()) + (f" (without {out})" if out else "")
            print(
                f"  a calibration of {methods}: {_many(check.replicates, 'replicate')} of each{' in every cell' if len(cells) > 1 else ''}"
            )
        for note in data.notes:
            print(f"  {note}")
    return DONE


def _report(options: Any) -> int:
    from workbench.experiment.lock import FolderBusy
    from workbench.experiment.mistakes import ConfigError
    from workbench.runs import Run

    try:
        page = Run.open(options.folder).report()
    except (FolderBusy, OSError, ConfigError) as error:
        return _refuse(str(error))
    print(page)
    if options.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    return DONE


def _predict(options: Any) -> int:
    from pathlib import Path

    from workbench.data import DataError
    from workbench.runs import Run, write_rows

    out = None if options.out is None else Path(options.out)
    if out is not None and out.suffix not in (".csv", ".parquet"):
        return _refuse(f"--out {out}: predictions are written as .csv or .parquet; name such a file")
    try:
        table, silent = Run.open(options.folder).predictions(options.file, options.method)
        if out is not None:
            write_rows(table, out)
    except (DataError, ValueError, OSError) as error:
        return _refuse(str(error))
    if out is None:
        print(table.to_csv(index=False, lineterminator="\n"), end="")
    else:
        print(f"{_many(len(table), 'row')} in {out}")
    for name, impossible in table["label"].isna().groupby(table["method"], sort=False).sum().items():
        if impossible:
            _complain(f"{_many(impossible, 'row')} without a label: under {name} they are impossible, with a density of 0")
    for line in silent:
        _complain(line)
    return SOME_FAILED if silent else DONE


def _list(options: Any) -> int:
    if options.pages:
        from pathlib import Path

        from workbench.experiment.pages import write_pages

        print(f"{len(write_pages(Path(options.pages)))} pages in {options.pages}")
        return DONE
    if options.name:
        return _page(options.what, options.name)
    return _listing(options)


def _page(kind: str, name: str) -> int:
    """The page of one family or method."""
    from workbench.data.spelling import advice
    from workbench.experiment.pages import KINDS, page

    if kind not in KINDS:
        return _refuse(f"list {kind}: there is a page for families and methods; leave {name} out")
    if name not in KINDS[kind]:
        return _refuse(f"list {kind}: there is no {name!r}; {advice(name, KINDS[kind])}")
    print(page(kind, name), end="")
    return DONE


def _listing(options: Any) -> int:
    import dataclasses

    from workbench.data.builtin import BUILT_IN
    from workbench.inference import METHODS
    from workbench.models import FAMILIES

    def about(thing: Any) -> str:
        options = [
            f"{field.name}: {'(required)' if field.default is dataclasses.MISSING else _yaml(field.default)}"
            for field in dataclasses.fields(thing)
        ]
        first = (thing.__doc__ or "").strip().partition("\n")[0].replace("``", "")
        return first + (f"\n{{{', '.join(options)}}}" if options else "")

    tables = {
        "data": [
            (name, f"{each.n_rows} rows, {_many(len(each.columns), 'feature')}. {each.description}") for name, each in BUILT_IN.items()
        ],
        "families": [(name, about(family)) for name, family in FAMILIES.items()],
        "methods": [(name, about(method)) for name, method in METHODS.items()],
    }
    for title, rows in tables.items():
        if options.what in (None, title):
            print(f"{title}:")
            width = max(len(name) for name, _ in rows)
            for name, text in rows:
                print(f"  {name:<{width}}  {text.replace(chr(10), chr(10) + ' ' * (width + 4))}")
    return DONE


def _yaml(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _schema(options: Any) -> int:
    import json

    from workbench.experiment.schema import schema

    print(json.dumps(schema(), indent=2))
    return DONE


def _new(options: Any) -> int:
    from pathlib import Path

    from workbench.data import DataError
    from workbench.experiment.starter import starter

    path = Path(f"{options.name.removesuffix('.yaml')}.yaml")
    if not path.parent.is_dir():
        return _refuse(f"there is no folder {path.parent}; make it first, or choose another name")
    if path.exists():
        return _refuse(f"{path} is there already; choose another name")
    file = None if options.data is None else Path(options.data)
    if file is None and options.counts is not None:
        return _refuse("--counts names a column of a file; give --data FILE too")
    if file is not None and not file.is_absolute():
        file = Path(os.path.relpath(file, path.parent))
    try:
        text = starter(path.stem, file, path.parent, schema=(path.parent / "schema.json").is_file(), counts=options.counts)
        path.write_text(text, encoding="utf-8")
    except (DataError, OSError) as error:
        return _refuse(str(error))
    print(f"{path} is written; next: workbench run {path}")
    return DONE


def _doctor(options: Any) -> int:
    import importlib.metadata
    import platform

    from workbench.runs import VERSIONS

    print(f"python     {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    for name in VERSIONS:
        try:
            print(f"{name:<10} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"{name:<10} is missing; run `uv sync`")
    print(f"flags      PYTENSOR_FLAGS={os.environ.get('PYTENSOR_FLAGS', '')}")
    return DONE


def _display(quiet: bool) -> Any:
    """A context manager that gives a reporter: silent, bars on a terminal, plain lines elsewhere."""
    import contextlib

    if quiet:
        return contextlib.nullcontext(lambda event: None)
    if sys.stdout.isatty():
        return _Bars()
    return contextlib.nullcontext(_Lines().report)


class _Lines:
    """Plain lines: what begins and ends, what is compiled, and of a fit that takes long now and then where it is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}

    def report(self, event: Event) -> None:
        from workbench.experiment import events

        text, name, now = _sentence(event), getattr(event, "name", ""), self._clock()
        if isinstance(event, events.Started):
            self._told[name] = now
        elif isinstance(event, events.Progress) and (event.stage == COMPILING or now - self._told.get(name, now) >= QUIET):
            self._told[name] = now
            far = "" if event.fraction != event.fraction else f", {event.fraction:.0%} done"
            text = f"{name}: {event.stage}{far}"
        if text is not None:
            print(text, flush=True)


def _sentence(event: Event) -> str | None:
    from workbench.experiment import events

    match event:
        case events.Planned(folder, fits, kept, replicates, replicates_kept):
            check = f"; a calibration of {_many(replicates, 'replicate')}, {replicates_kept} of them there already" if replicates else ""
            return f"{folder}: {_many(fits, 'fit')}, {kept} of them there already{check}"
        case events.Started(name, replicates):
            return None if replicates else f"{name}: started"
        case events.Checked(_, method, done, wanted, size, seconds):
            said = done == wanted or done * FIFTHS // wanted > (done - size) * FIFTHS // wanted
            return f"{method}: {done} of {wanted} replicates ({seconds:.{1 if seconds >= 1 else 2}f} s each)" if said else None
        case events.Finished(name, status, seconds):
            return f"{name}: {status} ({seconds:.1f} s)"
        case events.Failed(name, reason, seconds):
            return f"{name}: failed after {seconds:.1f} s: {reason}"
        case events.Line(text):
            return text
        case events.Ended(folder, computed, _, failed, seconds, pages, replicates):
            what = _many(computed, "fit") + (f" and {_many(replicates, 'replicate')}" if replicates else "")
            what = f"{what} computed, {failed} failed" if computed or failed or replicates else "nothing to compute"
            place = os.path.join(folder, pages[0]) if pages else os.path.join(folder, "tables")
            return f"{what} in {seconds:.1f} s; see {place}"
    return None


class _Bars:
    """Progress bars, one a fit, above the lines of what is finished."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.fields[label]:<24}"), BarColumn(bar_width=30), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bars = Progress(*columns, transient=True)
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
            if (text := _sentence(event)) is not None:
                self._bars.console.print(text, markup=False, highlight=False)
