"""Experiment: what a config asks for, checked whole before anything is computed."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.compare.relabelling import Relabelling
from workbench.data.readers import READERS
from workbench.experiment.files import MANIFEST
from workbench.experiment.mistakes import ConfigError, Fault, Mistake, dotted
from workbench.experiment.mistakes import Path as KeyPath
from workbench.experiment.objects import with_objects
from workbench.experiment.positions import Document, Mark, parse
from workbench.experiment.rewriting import Config, from_python, in_memory, split_key, with_value, written_out
from workbench.experiment.sections import SECTIONS, Top
from workbench.experiment.setting import Setting
from workbench.experiment.sources import Sources
from workbench.experiment.sweeping import settle_all
from workbench.experiment.validation import build, shown
from workbench.experiment.words import unknown_key
from workbench.inference.method import Method

SMALLEST = "the smallest config is `data: old_faithful`, `model: {n_components: 2}`, `methods: [em]`"
FOLDER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]*")


@dataclass(frozen=True, eq=False)
class Experiment:
    """A valid config: data, model, methods, and the sweep over them.

    Attributes
    ----------
    name : name of the run's folder
    description : a sentence for the report
    config : the config as plain values, short forms written out and overrides applied
    sweep : dotted key -> values
    seed : of all randomness; a sweep over ``seed`` has each cell's own
    report : whether to write the pages
    relabelling : how labels of draws are aligned in tables
    folder : what file paths are relative to
    source : the config's file, or what messages call it
    """

    name: str
    description: str
    config: Mapping[str, Any]
    sweep: Mapping[str, tuple[Any, ...]]
    seed: int
    report: bool
    relabelling: Relabelling
    folder: Path
    source: str
    settings: tuple[Setting, ...] = field(repr=False)

    def cells(self) -> tuple[Setting, ...]:
        """One setting for each combination of the sweep's values, the first key varying slowest; one without a sweep."""
        return self.settings

    @property
    def methods(self) -> Mapping[str, Method]:
        """The methods by label; in a sweep over their options, the first cell's."""
        return self.settings[0].methods


def load(
    source: str | Path | Mapping[str, Any] | Experiment, overrides: Sequence[str] = (), methods: Mapping[str, Method] | None = None
) -> Experiment:
    """Read and check a config.

    Parameters
    ----------
    source : a YAML file, or the same as a dict (whose ``data`` may be a DataFrame, an array or a Dataset), or an Experiment
    overrides : "dotted.key=VALUE", VALUE as in YAML; as ``--set``
    methods : label -> method, an object of a built-in class or of one's own, beside the config's (or in place of one of that label)

    Raises
    ------
    ConfigError
        With every mistake of the config, each with its place.
    """
    if isinstance(source, Experiment):
        document, folder, stem = Document(source.source, dict(source.config), placed=False), source.folder, source.name
    elif isinstance(source, Mapping):
        document, folder, stem = Document("dict", from_python(source), placed=False), Path(), "experiment"
    else:
        path = Path(source)
        document, folder, stem = _read(path, str(source)), path.parent, path.stem
    if document.faults and document.value is None:
        raise ConfigError(_mistakes(document, []))
    if not isinstance(document.value, dict):
        what = "is empty" if document.value is None else f"is {shown(document.value)}, not a mapping"
        raise ConfigError(_mistakes(document, [Fault((), f"{what}; {SMALLEST}")]))
    return _checked(document, overrides, methods or {}, folder, stem)


def _checked(document: Document, overrides: Sequence[str], methods: Mapping[str, Method], folder: Path, stem: str) -> Experiment:
    config, unfit = with_objects(written_out(document.value), methods, document.given)
    config, faults = _overridden(config, overrides, document)
    faults += unfit
    faults += [Fault((key,), unknown_key("config", key, SECTIONS), True) for key in config if key not in SECTIONS]
    own: Config = {key: config[key] for key in ("name", "description", "report", "relabelling") if key in config}
    top, wrong = build(Top, own, (), "config")
    faults += wrong + _name_faults(config.get("name")) + _page_faults(config.get("report"))
    data = config.get("data")
    frame = data.get("frame") if isinstance(data, Mapping) else None
    if frame is not None and not in_memory(frame):
        faults.append(Fault(("data", "frame"), unknown_key("data", "frame", ("name", "file", "synthetic")), True))
    settings, wrong = settle_all(config, Sources(folder, frame))
    mistakes = _mistakes(document, faults + wrong)
    if mistakes or top is None:
        raise ConfigError(mistakes)
    return Experiment(
        name=top.name or stem,
        description=top.description,
        config=config,
        sweep={key: tuple(values) for key, values in config.get("sweep", {}).items()},
        seed=settings[0].seed,
        report=top.report,
        relabelling=top.relabelling,
        folder=folder,
        source=document.file,
        settings=tuple(settings),
    )


def _read(path: Path, shown_as: str) -> Document:
    """Parse a file; what keeps it from being read is a fault at its start."""
    try:
        if not (message := _no_config(path)):
            return parse(path.read_bytes().decode("utf-8-sig"), shown_as)
    except FileNotFoundError:
        near = sorted(path.parent.glob(f"{glob.escape(path.stem)}*.y*ml")) if path.parent.is_dir() else []
        message = "there is no such file; " + (
            f"did you mean {near[0]}?" if near else "give a config's path, or make one by `workbench new`"
        )
    except UnicodeDecodeError:
        message = "is not UTF-8 text; save it as UTF-8"
    except OSError as error:
        message = f"cannot be read ({error.strerror}); give a YAML file"
    document = Document(shown_as)
    document.faults.append((Mark(1, 1), Fault((), message)))
    return document


def _no_config(path: Path) -> str:
    """What a path is that is no config, and what opens it; empty if it may be one."""
    if path.is_dir():
        own = path / "config.yaml"
        whole = f"is a run's folder; `workbench.Run.open` gives its fits and tables, and {own} is its config"
        return whole if (path / MANIFEST).is_file() and own.is_file() else "is a folder; give a config in it"
    if not path.is_file():
        return ""
    if path.suffix == ".nc":
        return "is a fit, not a config; `workbench.from_tree(xarray.open_datatree(PATH))` reads it, and so does `arviz.from_netcdf`"
    if path.name == MANIFEST:
        return "is a run's manifest, not a config; `workbench.Run.open` takes the folder that it is in"
    return f"is data, not a config; `workbench new NAME --data {path}` writes one for it" if path.suffix.lower() in READERS else ""


def _overridden(config: Config, overrides: Sequence[str], document: Document) -> tuple[Config, list[Fault]]:
    faults: list[Fault] = []
    for override in overrides:
        key, equals, text = override.partition("=")
        path: KeyPath = split_key(key.strip())
        document.given[path] = f"--set {override}"
        value = parse(text, "--set")
        if not equals or not all(path):
            faults.append(Fault(path, "is no assignment; write --set dotted.key=VALUE"))
        elif value.faults:
            faults.append(Fault(path, value.faults[0][1].message))
        else:
            try:
                config = written_out(with_value(config, path, value.value))
            except KeyError as error:
                faults.append(Fault(path, f"{error.args[0]} is not a section; set it whole"))
    return config, faults


def _name_faults(name: Any) -> list[Fault]:
    if isinstance(name, str) and not FOLDER_NAME.fullmatch(name):
        return [Fault(("name",), f"{shown(name)} cannot name a folder; use letters, digits, _, - and .")]
    return []


def _page_faults(report: Any) -> list[Fault]:
    """Answer options of the pages, of which there are none yet."""
    options = report if isinstance(report, Mapping) else {}
    return [Fault(("report", key), unknown_key("report", key, ()), True) for key in options]


def _mistakes(document: Document, faults: Sequence[Fault]) -> list[Mistake]:
    """Give every fault its place, in the order of the file, each once."""
    placed = [(mark, fault) for mark, fault in document.faults]
    placed += [(document.mark(fault.path, on_key=fault.on_key), fault) for fault in faults]
    placed.sort(key=lambda pair: (pair[0].line, pair[0].column))
    return list(dict.fromkeys(document.mistake(fault, dotted(fault.path), mark) for mark, fault in placed))
