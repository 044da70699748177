"""The command line in fresh interpreters: what it prints, its exit codes, and what it does not import."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.cli.display import Lines
from workbench.experiment.events import Line, Progress, Started
from workbench.experiment.schema import schema

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
HEAVY = ("pymc", "pytensor", "nutpie", "numba", "arviz", "xarray", "pandas", "matplotlib")
SMALL = "name: small\ndata: galaxies\nmodel: {n_components: 2}\nmethods: {em: {restarts: 3}}\nreport: false\n"


def workbench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments], capture_output=True, text=True, cwd=folder, timeout=120, check=False
    )


def test_a_long_fit_says_now_and_then_where_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Outside of a terminal: at most one line in so many seconds, and what begins and ends at once."""
    seconds = iter([0.0, 3.0, 17.0, 20.0, 32.0, 33.0])
    lines = Lines(clock=lambda: next(seconds))
    lines.report(Started("nuts"))
    for event in (Progress("nuts", "compiling", math.nan), Progress("nuts", "sampling", 0.1), Progress("nuts", "sampling", 0.2)):
        lines.report(event)
    lines.report(Progress("nuts", "sampling", 0.5))
    lines.report(Line("writing tables"))
    assert capsys.readouterr().out.splitlines() == ["nuts: started", "nuts: compiling", "nuts: sampling, 20% done", "writing tables"]


def test_a_report_says_on_standard_error_what_it_does_and_on_standard_output_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    assert main(["run", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    assert main(["report", str(tmp_path / "run")]) == 0
    assert capsys.readouterr() == (f"{tmp_path / 'run' / 'report.html'}\n", "writing tables and pages\n")


@pytest.mark.parametrize("command", [["--help"], ["check", str(ROOT / "configs" / "old_faithful.yaml")], ["list"]])
def test_light_commands_import_nothing_heavy(command: list[str]) -> None:
    allowed = ("numpy",) if command != ["--help"] else ()
    script = f"import sys\nfrom workbench.cli import main\ntry:\n    main({command!r})\nexcept SystemExit:\n    pass\n"
    script += f"print('LOADED', [name for name in {(*HEAVY, 'numpy')!r} if name in sys.modules and name not in {allowed!r}])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_configs_are_valid(config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = main(["check", str(config)])
    said = capsys.readouterr()
    assert done == 0, said.err
    assert "valid" in said.out


def test_schema_is_committed_and_true() -> None:
    assert json.loads((ROOT / "configs" / "schema.json").read_text(encoding="utf-8")) == json.loads(json.dumps(schema()))
    assert all(config.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n") for config in CONFIGS)


def test_run_then_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    first = workbench("run", "small.yaml", folder=tmp_path)
    second = workbench("run", "small.yaml", folder=tmp_path)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert "1 fit computed" in first.stdout
    assert "nothing to compute" in second.stdout
    assert (tmp_path / "reports" / "small" / "tables" / "likelihoods.csv").is_file()
    assert not (tmp_path / "reports" / "small" / "report.html").exists()


def test_quiet_is_silent_and_set_overrides(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    done = workbench("run", "small.yaml", "--quiet", "--out", "there", "--set", "methods.em.restarts=2", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len((tmp_path / "there" / "tables" / "restarts.csv").read_text().splitlines()) == 3


def test_invalid_is_two_with_every_mistake_and_nothing_computed(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("data: galaxy\nmodel: {n_components: 0}\nmethods: [em]\n")
    done = workbench("run", "bad.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert [line.rsplit(": ", 2)[0].split(":")[:3] for line in done.stderr.splitlines()] == [
        ["bad.yaml", "1", "7"],
        ["bad.yaml", "2", "23"],
    ]
    assert not (tmp_path / "reports").exists()


def test_new_writes_a_config_that_is_valid(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("a,b,kind\n1,2,x\n2,3,y\n4,1,x\n3,3,y\n")
    assert workbench("new", "mine", "--data", "my.csv", folder=tmp_path).returncode == 0
    done = workbench("check", "mine.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    again = workbench("new", "mine", folder=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_new_says_why_a_column_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("a,b,c\n1,2,5\n2,n/a?,5\n4,1,5\n3,3,5\n")
    assert workbench("new", "mine", "--data", "my.csv", folder=tmp_path).returncode == 0
    text = (tmp_path / "mine.yaml").read_text()
    assert "columns: [a]" in text
    assert '# b was left out: "n/a?" is not a number; mend or empty the cells' in text
    assert "# c was left out: the same in every row" in text
    (tmp_path / "words.csv").write_text("a,kind\n1.5,u\n2.5,v\n4,u\n3,v\n")
    assert workbench("new", "words", "--data", "words.csv", folder=tmp_path).returncode == 0
    assert "# kind was left out: it may be known classes, see below; to fit it, add it" in (tmp_path / "words.yaml").read_text()
    missing = workbench("new", "no/such", folder=tmp_path)
    assert (missing.returncode, missing.stderr) == (2, "there is no folder no; make it first, or choose another name\n")


MIXED = """length,colour,class,wings,eggs,note,frequency
1.2,red,x,0,3,,2
2.5,green,x,1,0,,1
0.7,green,y,1,1,,4
9.9,red,y,0,,,3
8.1,blue,x,1,7,,0
"""


def test_new_gives_mixed_columns_a_family_each(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(MIXED)
    assert workbench("new", "mine", "--data", "my.csv", folder=tmp_path).returncode == 0
    text = (tmp_path / "mine.yaml").read_text()
    blocks = {"gaussian": "length", "poisson": "eggs", "bernoulli": "wings", "categorical": "colour"}
    assert "  blocks:\n" + "".join(f"    {family}: [{column}]\n" for family, column in blocks.items()) in text
    assert "  counts: frequency " in text
    assert "  # classes: class " in text
    assert "  # note was left out: empty" in text
    done = workbench("check", "mine.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "valid; 4 fits of 4 rows x 4 features" in done.stdout
    assert "4 rows stand for 10 (counts in frequency)" in done.stdout
    prior = text.replace("  # prior:", "  prior:")
    assert prior != text
    (tmp_path / "prior.yaml").write_text(prior)
    assert workbench("check", "prior.yaml", folder=tmp_path).returncode == 0


def test_new_fits_numbers_that_might_count_rows_where_there_are_no_others(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("deaths,count\n0,162\n1,267\n2,271\n")
    assert workbench("new", "mine", "--data", "my.csv", folder=tmp_path).returncode == 0
    text = (tmp_path / "mine.yaml").read_text()
    assert "columns: [deaths]" in text
    assert "  counts: count " in text
    assert "family: poisson" in text
    assert workbench("check", "mine.yaml", folder=tmp_path).returncode == 0


def test_new_takes_a_column_of_counts(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("deaths,days,rate\n0,162,0.5\n1,267,0.25\n2,271,0.5\n")
    assert workbench("new", "mine", "--data", "my.csv", "--counts", "days", folder=tmp_path).returncode == 0
    assert "  counts: days " in (tmp_path / "mine.yaml").read_text()
    done = workbench("check", "mine.yaml", folder=tmp_path)
    assert "3 rows stand for 700 (counts in days)" in done.stdout
    for column, fault in (("rate", "'0.5' is no count"), ("day", "days")):
        wrong = workbench("new", "other", "--data", "my.csv", "--counts", column, folder=tmp_path)
        assert wrong.returncode == 2
        assert fault in wrong.stderr
        assert not (tmp_path / "other.yaml").exists()
    assert (
        workbench("new", "other", "--counts", "days", folder=tmp_path).stderr == "--counts names a column of a file; give --data FILE too\n"
    )


def test_list_names_the_options_with_their_defaults(tmp_path: Path) -> None:
    text = workbench("list", "methods", folder=tmp_path).stdout
    assert "{restarts: 100, init: mixed, tol: 1e-08" in text
    assert "``" not in text


def test_check_counts_the_held_out_rows(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    done = workbench("check", "small.yaml", "--set", "data={name: galaxies, held_out: 0.25}", folder=tmp_path)
    assert done.stdout == "small.yaml: valid; 1 fit of 62 rows x 1 feature (galaxies), 20 rows held out\n"


@pytest.mark.parametrize("command", [["compare", "a", "b"], ["export", "--help"]])
def test_what_is_not_there_yet_says_so(command: list[str], tmp_path: Path) -> None:
    done = workbench(*command, folder=tmp_path)
    assert done.returncode == 2
    assert "not there yet" in done.stderr


def test_no_run_in_a_folder(tmp_path: Path) -> None:
    done = workbench("report", ".", folder=tmp_path)
    assert done.returncode == 2
    assert "holds no run" in done.stderr
    assert "Traceback" not in done.stderr
