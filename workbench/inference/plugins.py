"""Plugins: methods from outside the package, by a file (``--plugin FILE.py``), an installed distribution's entry points, or an object
in ``workbench.run(experiment, methods={...})``.

A plugin file is Python that defines methods as this package does: frozen dataclasses with ``kind``, ``estimate``, ``refuses`` and
``fit``. Loading it adds a row a method to ``METHODS``; configs, messages, schema and tables follow from there. Code is never named
inside a config.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import inspect
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.inference import METHODS

GROUP = "workbench.methods"
"""Entry points of installed distributions that name methods."""
ESTIMATES = ("point", "approximation", "sample")
MODULE = "workbench_plugin_"
"""How the modules of plugin files are called."""
_LOADED: dict[Path, list[str]] = {}


class PluginError(ValueError):
    """A plugin that cannot be used; one line: which file, what is wrong, what to do."""


def load_plugin(path: str | Path) -> list[str]:
    """Run a plugin file, once a process, and register its methods.

    Returns
    -------
    kinds : of the methods it defines

    Raises
    ------
    PluginError
        If the file cannot be run, defines no method, or one that is not as a method has to be; then none of it is registered.
    """
    place = Path(path).resolve()
    if place not in _LOADED:
        with _all_or_nothing():
            module, digest = _module(place)
            found = [value for value in vars(module).values() if _is_method(value, module.__name__)]
            if not found:
                raise PluginError(f"{path}: defines no method; give a frozen dataclass with `kind`, `estimate`, `refuses` and `fit`")
            for method in found:
                register(method, str(path))
                method.source_digest = digest
        _LOADED[place] = [method.kind for method in found]
    return _LOADED[place]


@contextlib.contextmanager
def _all_or_nothing() -> Iterator[None]:
    """METHODS, and the modules that Python knows, as they were if anything fails."""
    methods, modules = dict(METHODS), set(sys.modules)
    try:
        yield
    except BaseException:
        METHODS.clear()
        METHODS.update(methods)
        for name in set(sys.modules) - modules:
            if name.startswith(MODULE):
                del sys.modules[name]
        raise


def loaded() -> tuple[str, ...]:
    """The plugin files of this process, for others to load."""
    return tuple(map(str, _LOADED))


def discover() -> list[str]:
    """Register the methods that installed distributions offer; those that are known stay.

    Raises
    ------
    PluginError
        If one cannot be imported, has another kind than its entry point's name, or is not as a method has to be.
    """
    found = []
    for entry in importlib.metadata.entry_points(group=GROUP):
        if entry.name not in METHODS:
            origin = f"{entry.value} (entry point {entry.name})"
            try:
                method = entry.load()
            except Exception as error:  # whatever a stranger's code does
                raise PluginError(f"{origin}: {type(error).__name__}: {error}; mend or uninstall its distribution") from error
            if (kind := getattr(method, "kind", entry.name)) != entry.name:
                raise PluginError(f"{origin}: has kind {kind!r}; give the entry point that name")
            register(method, origin)
            found.append(entry.name)
    return found


def register(method: Any, origin: str) -> None:
    """Add a method's row.

    Raises
    ------
    PluginError
        If it is not as a method has to be, or its kind is taken.
    """
    if (fault := fault_of(method)) is not None:
        raise PluginError(f"{origin}: {fault}")
    METHODS[method.kind] = method


def register_class(method: type[Any]) -> None:
    """Add the row of a class that was defined in Python, in whatever place; one that is known stays.

    The text of its module is part of its fits' keys, as a plugin's is. A class defined anew under its name, as in a notebook, takes
    its own place.

    Raises
    ------
    PluginError
        If it is not as a method has to be, or another class has its kind.
    """
    known = METHODS.get(getattr(method, "kind", ""))
    if known is method:
        return
    with _all_or_nothing():
        if known is not None and (known.__module__, known.__qualname__) == (method.__module__, method.__qualname__):
            del METHODS[known.kind]
        if (fault := fault_of(method)) is not None:
            raise PluginError(f"is no method: {fault}")
        METHODS[method.kind] = method
    if "source_digest" not in vars(method) and (digest := _text_of(method)) is not None:
        method.source_digest = digest


def fault_of(method: Any) -> str | None:
    """What keeps a class from being a method of its own kind, and what to do; None if nothing does."""
    if (fault := next(_faults(method), None)) is not None:
        return f"{getattr(method, '__name__', method)} {fault}"
    if METHODS.get(method.kind, method) is not method:
        return f"there is a method {method.kind!r} already; give `kind` another value"
    return None


def travels(method: type[Any]) -> bool:
    """Whether another process finds the class by its name: not one of a script, a notebook or a function."""
    package = method.__module__.partition(".")[0]
    if package == "__main__" or "<locals>" in method.__qualname__:
        return False
    if package.startswith(MODULE) or package == __name__.partition(".")[0]:
        return True
    spec, here = importlib.machinery.PathFinder.find_spec(package), sys.modules.get(package)
    return spec is not None and here is not None and spec.origin == getattr(here, "__file__", None)


def _text_of(method: type[Any]) -> str | None:
    """The digest of the file that a class stands in, else of its own text, else None: then `revision` alone tells texts apart."""
    with contextlib.suppress(OSError, TypeError):
        file = inspect.getsourcefile(method)
        if file is not None and Path(file).is_file():
            return hashlib.sha256(Path(file).read_bytes()).hexdigest()
        return hashlib.sha256(inspect.getsource(method).encode()).hexdigest()
    return None


def _faults(method: Any) -> Iterator[str]:
    """What is missing of a method, in words; each with what to do."""
    if not (isinstance(method, type) and dataclasses.is_dataclass(method) and method.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        yield "is no frozen dataclass; write @dataclass(frozen=True) above it"
        return
    kind = vars(method).get("kind")
    if not isinstance(kind, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", kind):
        yield f'has kind {kind!r}; give lower-case letters, digits and _, as in `kind: ClassVar[str] = "mine"`'
    if getattr(method, "estimate", None) not in ESTIMATES:
        yield f"has no estimate; give one of {', '.join(ESTIMATES)} as a ClassVar"
    for name, what in (("revision", int), ("packages", tuple), ("compiles", bool)):
        if not isinstance(getattr(method, name, None), what):
            yield f"has no {name}; give a ClassVar of type {what.__name__}"
    for name in ("refuses", "fit"):
        if not callable(getattr(method, name, None)):
            yield f"has no method {name}; see workbench.Method"
    for field in dataclasses.fields(method):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            yield f"has an option {field.name} without a default; give one"


def _module(place: Path) -> tuple[types.ModuleType, str]:
    """The file as a module of a name of its own, that other processes give it too, and the digest of its text."""
    try:
        source = place.read_bytes()
    except OSError as error:
        raise PluginError(f"{place}: cannot be read ({error.strerror}); give the path of a Python file") from None
    digest = hashlib.sha256(source).hexdigest()
    name = f"{MODULE}{re.sub(r'\W', '_', place.stem)}_{digest[:8]}"
    spec = importlib.util.spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise PluginError(f"{place}: is no Python file; give one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look here
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a stranger's code does
        at = f":{error.lineno}" if isinstance(error, SyntaxError) else _line(error, place)
        raise PluginError(f"{place}{at}: {type(error).__name__}: {error}; mend the plugin") from error
    return module, digest


def _line(error: BaseException, place: Path) -> str:
    """``:LINE`` of the plugin where its code failed."""
    frames, found = error.__traceback__, ""
    while frames is not None:
        if frames.tb_frame.f_code.co_filename == str(place):
            found = f":{frames.tb_lineno}"
        frames = frames.tb_next
    return found


def _is_method(value: Any, module: str) -> bool:
    return isinstance(value, type) and value.__module__ == module and "kind" in vars(value)
