"""The check section: which methods are calibrated, and why one cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from workbench.data.spelling import advice
from workbench.experiment.mistakes import Fault
from workbench.experiment.rewriting import Config
from workbench.experiment.sections import Check
from workbench.experiment.validation import build, shown
from workbench.inference.method import Method
from workbench.problem import Problem

FIXED = ("imported",)
"""Kinds whose draws come from elsewhere: they cannot be fitted again."""


def choose_check(config: Config, methods: Mapping[str, Method]) -> tuple[Check | None, list[Fault]]:
    """Check the section, and name the methods where it does not; None without one."""
    section = config.get("check")
    if section is None:
        return None, []
    if not isinstance(section, Mapping):
        return None, [Fault(("check",), f"is {shown(section)}; give sbc, or a mapping, as in {{kind: sbc, replicates: 200}}")]
    check, faults = build(Check, section, ("check",), "check")
    if check is None or not methods:  # methods that cannot be made have been told
        return None, faults
    if check.methods is None:
        able = tuple(label for label, method in methods.items() if not unfit(method))
        none = f"no method can be checked: {'; '.join(f'{label} {unfit(method)}' for label, method in methods.items())}"
        return (replace(check, methods=able), []) if able else (None, [Fault(("check",), f"{none}; name another method, or leave it out")])
    return check, _label_faults(check.methods, config, methods)


def _label_faults(labels: tuple[str, ...], config: Config, methods: Mapping[str, Method]) -> list[Fault]:
    faults = []
    for i, label in enumerate(labels):
        path = ("check", "methods", i)
        if label in labels[:i]:
            faults.append(Fault(path, f"{label} is there twice; leave out one"))
        elif label not in config["methods"]:
            faults.append(Fault(path, f"no method is labelled {label}; {advice(label, methods)}"))
        elif label in methods and (reason := unfit(methods[label])):
            faults.append(Fault(path, f"{label} {reason}; leave it out"))
    return faults


def unfit(method: Method) -> str:
    """Why a method cannot be checked, after its name; empty if it can."""
    if method.kind in FIXED:
        return "cannot be fitted to other data"
    if method.estimate == "point" and not getattr(method, "has_errors", True):
        return "has neither draws nor standard errors"
    return ""


def unchecked(check: Check | None, problem: Problem) -> list[Fault]:
    """A calibration draws from the prior."""
    if check is None or problem.prior is not None:
        return []
    return [Fault(("check",), f"draws data from the prior, and there is none: {problem.no_prior}")]
