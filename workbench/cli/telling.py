"""Commands that tell or write what the house has: list, schema, new, doctor, check-method."""

from __future__ import annotations

import os
from typing import Any

from workbench.cli.words import DONE, SOME_FAILED, many, refuse


def list_command(options: Any) -> int:
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
        return refuse(f"list {kind}: there is a page for families and methods; leave {name} out")
    if name not in KINDS[kind]:
        return refuse(f"list {kind}: there is no {name!r}; {advice(name, KINDS[kind])}")
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
            (name, f"{each.n_rows} rows, {many(len(each.columns), 'feature')}. {each.description}") for name, each in BUILT_IN.items()
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


def schema_command(options: Any) -> int:
    import json

    from workbench.experiment.schema import schema

    print(json.dumps(schema(), indent=2))
    return DONE


def new_command(options: Any) -> int:
    from pathlib import Path

    from workbench.data import DataError
    from workbench.experiment.starter import starter

    path = Path(f"{options.name.removesuffix('.yaml')}.yaml")
    if not path.parent.is_dir():
        return refuse(f"there is no folder {path.parent}; make it first, or choose another name")
    if path.exists():
        return refuse(f"{path} is there already; choose another name")
    file = None if options.data is None else Path(options.data)
    if file is None and options.counts is not None:
        return refuse("--counts names a column of a file; give --data FILE too")
    if file is not None and not file.is_absolute():
        file = Path(os.path.relpath(file, path.parent))
    try:
        text = starter(path.stem, file, path.parent, schema=(path.parent / "schema.json").is_file(), counts=options.counts)
        path.write_text(text, encoding="utf-8")
    except (DataError, OSError) as error:
        return refuse(str(error))
    print(f"{path} is written; next: workbench run {path}")
    return DONE


def doctor_command(options: Any) -> int:
    import importlib.metadata
    import platform

    from workbench.runs.provenance import VERSIONS

    print(f"python     {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    for name in VERSIONS:
        try:
            print(f"{name:<10} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"{name:<10} is missing; run `uv sync`")
    print(f"flags      PYTENSOR_FLAGS={os.environ.get('PYTENSOR_FLAGS', '')}")
    return DONE


def check_method_command(options: Any) -> int:
    import dataclasses

    from workbench.data.spelling import advice
    from workbench.experiment.contract import check_method, sentence
    from workbench.inference import METHODS
    from workbench.inference.plugins import PluginError, discover

    try:
        if options.name not in METHODS:
            discover()
    except PluginError as error:
        return refuse(str(error))
    if options.name not in METHODS:
        return refuse(f"there is no method {options.name!r}; {advice(options.name, METHODS)}, or give the file that defines it by --plugin")
    if needed := [
        field.name for field in dataclasses.fields(METHODS[options.name]) if dataclasses.MISSING is field.default is field.default_factory
    ]:
        return refuse(f"{options.name} cannot be checked, as it needs {' and '.join(needed)}; only methods whose options have defaults can")
    verdicts = []
    for checked in check_method(options.name):
        print(sentence(checked), flush=True)
        verdicts.append(checked.verdict)
    return SOME_FAILED if "broken" in verdicts or set(verdicts) == {"refused"} else DONE
