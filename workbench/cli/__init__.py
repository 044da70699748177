"""The command line: the only room that prints. Nothing heavy is imported before a command is known."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from workbench.cli.running import check_command, predict_command, report_command, run_command
from workbench.cli.telling import check_method_command, doctor_command, list_command, new_command, schema_command
from workbench.cli.words import DONE, INTERRUPTED, complain, refuse

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
        return refuse(f"`workbench {words[0]}` is not there yet; it comes with a later version")
    options = parser().parse_args(words)
    try:
        if (fault := _plugged(getattr(options, "plugin", []))) is not None:
            return refuse(fault)
        return int(options.command(options))
    except KeyboardInterrupt:
        complain("interrupted; what was finished is kept, and the same command goes on from there")
        exec("")  # CPython keeps in mind an interrupt within exec(text), as of a dataclass, until the next: it would end by the signal
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    form = argparse.RawDescriptionHelpFormatter
    whole = argparse.ArgumentParser(prog="workbench", description=DESCRIPTION, epilog=EPILOG, formatter_class=form, allow_abbrev=False)
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, function: Callable[[Any], int], about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".", allow_abbrev=False)
        sub.set_defaults(command=function)
        return sub

    run = command("run", run_command, "run configs: fits, tables and a report each; what is there already is kept")
    run.add_argument("configs", nargs="+", metavar="CONFIG")
    run.add_argument("--out", metavar="DIR", help="the run's folder; with several configs DIR/NAME (default: reports/NAME)")
    run.add_argument("--jobs", type=_count, metavar="N", help="processes side by side (default: the cores)")
    run.add_argument("--force", action="store_true", help="compute every fit again")
    run.add_argument("--quiet", action="store_true", help="print nothing but errors")
    check = command("check", check_command, "read configs and their data, name every mistake, compute nothing")
    check.add_argument("configs", nargs="+", metavar="CONFIG")
    for sub in (run, check):
        sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a dotted key, as methods.em.restarts=5")
    report = command("report", report_command, "write a run's tables and pages again from its fits")
    report.add_argument("folder", metavar="RUN_DIR")
    report.add_argument("--open", action="store_true", help="open the page in the browser")
    predict = command(
        "predict", predict_command, "say for rows of a file which component each is of, and how likely it is, from a run's fits"
    )
    predict.add_argument("folder", metavar="RUN_DIR")
    predict.add_argument("file", metavar="FILE", help="a CSV, Parquet, NPY or NPZ file with the columns that were fitted")
    predict.add_argument("--method", metavar="LABEL", help="one method, or one fit of a sweep by its whole name (default: all)")
    predict.add_argument("--out", metavar="FILE", help="a .csv or .parquet file to write (default: CSV to the standard output)")
    listing = command("list", list_command, "list what a config can name, and the options of each with their defaults")
    listing.add_argument("what", nargs="?", choices=("data", "families", "methods"), help="all three by default")
    listing.add_argument("name", nargs="?", metavar="NAME", help="the page of one family or method: options, formulas, sources")
    listing.add_argument("--pages", metavar="DIR", help="write the pages of all families and methods as Markdown")
    command("schema", schema_command, "print the JSON schema of a config, for editors")
    new = command("new", new_command, "write a commented starter config, NAME.yaml")
    new.add_argument("name", metavar="NAME")
    new.add_argument("--data", metavar="FILE", help="a CSV, Parquet, NPY or NPZ file; the config fits its columns")
    new.add_argument("--counts", metavar="COLUMN", help="the column of FILE that says how often each row was seen")
    keeps = command("check-method", check_method_command, "hold a method to what every method keeps, on small data of every family")
    keeps.add_argument("name", metavar="NAME")
    for sub in (run, check, report, listing, keeps):
        sub.add_argument("--plugin", action="append", default=[], metavar="FILE", help="a Python file that defines methods")
    command("doctor", doctor_command, "show versions, cores, and what is missing")
    return whole


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


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes; give 1 or more")
    return int(text)
