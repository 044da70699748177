"""A method from outside: registered by its file, run beside the others, held to the contract, and told what is wrong with it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from workbench.cli import main
from workbench.experiment.config import load
from workbench.experiment.contract import check_method, every_family, sentence
from workbench.experiment.plan import plan
from workbench.inference import EM, METHODS
from workbench.inference import plugins as module
from workbench.inference.plugins import PluginError, load_plugin, register
from workbench.models import Gaussian

PLUGIN = Path(__file__).parents[2] / "configs" / "plugins" / "laplace_normal.py"
CONFIG = PLUGIN.with_suffix(".yaml")


@pytest.fixture(autouse=True)
def _unplugged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """METHODS as they were."""
    before = dict(METHODS)
    monkeypatch.setattr(module, "_LOADED", {})
    yield
    METHODS.clear()
    METHODS.update(before)


def test_the_example_keeps_the_contract() -> None:
    assert load_plugin(PLUGIN) == ["laplace_normal"]
    verdicts = list(check_method("laplace_normal", every_family()[::3]))
    assert [(each.verdict, each.warned) for each in verdicts] == [("kept", ())] * 3, verdicts


def test_the_example_runs_beside_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", str(CONFIG), "--out", str(tmp_path / "run"), "--set", "report=false", "--quiet"]
    assert main(words) == 2
    assert "laplace_normal" in capsys.readouterr().err  # unknown without its file
    assert main([*words, "--plugin", str(PLUGIN)]) == 0
    evidence = (tmp_path / "run" / "tables" / "evidence.csv").read_text()
    assert "laplace_normal,elbo_symmetrised" in evidence
    assert main(["check-method", "nope"]) == 2
    assert "there is no method 'nope'" in capsys.readouterr().err


@pytest.mark.slow
def test_other_processes_load_it_too(tmp_path: Path) -> None:
    """A method that says it compiles is given to a spawned process."""
    file = tmp_path / "spawned.py"
    file.write_text(PLUGIN.read_text().replace("compiles: ClassVar[bool] = False", "compiles: ClassVar[bool] = True"))
    words = ["run", str(CONFIG), "--out", str(tmp_path / "run"), "--set", "report=false", "--quiet", "--plugin", str(file)]
    assert main(words) == 0


def test_the_text_of_a_plugin_is_part_of_the_key(tmp_path: Path) -> None:
    """Another text is another method, whatever `revision` says."""
    keys = []
    for i, text in enumerate((PLUGIN.read_text(), PLUGIN.read_text() + "# changed\n")):
        METHODS.pop("laplace_normal", None)
        file = tmp_path / f"plugin{i}.py"
        file.write_text(text)
        load_plugin(file)
        keys.append({task.label: task.key for task in plan(load(CONFIG))})
    assert keys[0]["laplace_normal"] != keys[1]["laplace_normal"]
    assert keys[0]["vbem"] == keys[1]["vbem"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "defines no method; give a frozen dataclass"),
        ("x = 1\ny = 1 / 0\n", ":2: ZeroDivisionError: division by zero; mend the plugin"),
        ("def f(:\n", ":1: SyntaxError"),
        ("class A:\n    kind = 'a'\n", "A is no frozen dataclass; write @dataclass(frozen=True) above it"),
        (
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A:\n    kind = 'A b'\n",
            "A has kind 'A b'; give lower-case letters",
        ),
    ],
)
def test_what_is_wrong_with_a_plugin_is_one_line(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(PluginError) as error:
        load_plugin(file)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert main(["check", str(CONFIG), "--plugin", str(file)]) == 2
    assert message in capsys.readouterr().err
    with pytest.raises(PluginError, match="cannot be read"):
        load_plugin(tmp_path / "nothing.py")


def test_a_plugin_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    """Neither its first method, where the second is none, nor what its own code put into the table, nor its module."""
    before, modules = dict(METHODS), set(sys.modules)
    second = "\n@dataclass(frozen=True)\nclass Second:\n    kind: ClassVar[str] = 'second'\n"
    meddles = "\nfrom workbench.inference import METHODS\nMETHODS['mine'] = LaplaceNormal\nraise SystemExit(3)\n"
    for i, more in enumerate((second, meddles)):
        file = tmp_path / f"half{i}.py"
        file.write_text(PLUGIN.read_text() + more)
        with pytest.raises(PluginError, match="Second has no estimate" if more is second else "SystemExit: 3; mend the plugin"):
            load_plugin(file)
        assert before == METHODS
        assert {name for name in set(sys.modules) - modules if name.startswith(module.MODULE)} == set()
        file.write_text(PLUGIN.read_text())  # mended
        assert load_plugin(file) == ["laplace_normal"]
        del METHODS["laplace_normal"]
        modules = set(sys.modules)


def test_a_kind_that_is_taken_is_refused() -> None:
    with pytest.raises(PluginError, match="there is a method 'em' already"):
        register(dataclasses.make_dataclass("Other", [], bases=(EM,), namespace={"kind": "em"}, frozen=True), "other.py")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_distribution:Mine", "ModuleNotFoundError: No module named 'no_such_distribution'; mend or uninstall its distribution"),
        ("workbench.inference:EM", "has kind 'em'; give the entry point that name"),
    ],
)
def test_what_is_wrong_with_an_entry_point_is_one_line(
    value: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = importlib.metadata.EntryPoint("mine", value, module.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [entry])
    assert main(["check-method", "mine"]) == 2
    assert f"{value} (entry point mine): {message}" in capsys.readouterr().err


def test_a_method_that_needs_an_option_cannot_be_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-method", "imported"]) == 2
    assert "imported cannot be checked, as it needs file; only methods whose options have defaults can" in capsys.readouterr().err


CALLS: list[int] = []


@dataclasses.dataclass(frozen=True)
class Broken(EM):
    """EM with something wrong."""

    kind: ClassVar[str] = "broken"
    wrong: str = ""

    def fit(self, problem: Any, context: Any = None) -> Any:
        fit = dataclasses.replace(super().fit(problem, context), kind="broken")
        if self.wrong == "density":
            return dataclasses.replace(fit, log_likelihood=fit.log_likelihood + 1.0)
        if self.wrong == "seeds":
            CALLS.append(0)
            return dataclasses.replace(fit, draws=fit.draws.relabelled(np.roll([0, 1], len(CALLS))))  # type: ignore[union-attr]
        if self.wrong == "estimate":
            return dataclasses.replace(fit, estimate="sample")
        if self.wrong == "warns":
            warnings.warn("a  step was\nhalved", RuntimeWarning, stacklevel=1)
        return fit


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("density", "log_likelihood is not that of the draws: off by up to 1 nats"),
        ("estimate", "the fit says it is broken, sample, the method broken, point"),
        ("seeds", "two fits with the same seeds differ; draw all randomness from context.start_seed(i) and context.noise_seed(i)"),
        ("", ""),
    ],
)
def test_the_contract_notices_what_is_broken(wrong: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "broken", lambda: Broken(restarts=2, wrong=wrong))  # type: ignore[arg-type]
    (checked,) = check_method("broken", [Gaussian()])
    assert (checked.verdict, checked.reason, checked.warned) == ("broken" if reason else "kept", reason, ())


def test_what_a_method_warns_of_stands_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "broken", lambda: Broken(restarts=2, wrong="warns"))  # type: ignore[arg-type]
    (checked,) = check_method("broken", [Gaussian()])
    assert sentence(checked) == "gaussian full: kept; it warned: RuntimeWarning: a step was halved"
