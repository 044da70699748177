"""YAML text as plain values, with the line and column of every key and value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from workbench.experiment.mistakes import Fault, Mistake, Path

TAG = "tag:yaml.org,2002:"
MOST_NODES = 100_000
"""Values of one config, aliases written out; more is a mistake (or a bomb of aliases)."""


class Dialect:
    """Scalars as YAML 1.2 reads them: ``1e-8`` is a number; ``yes``, ``on`` and dates are words."""

    rules = (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+.0123456789"),
        ("null", r"~|null|Null|NULL|", "~nN\0"),
        ("merge", r"<<", "<"),
    )

    @classmethod
    def resolvers(cls) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
        """Return PyYAML's table: first character -> rules."""
        table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        for name, pattern, first in cls.rules:
            for character in first:
                table.setdefault(character.strip("\0"), []).append((TAG + name, re.compile(rf"(?:{pattern})\Z")))
        return table


class Reader(yaml.SafeLoader):
    """PyYAML's parser with the dialect's scalars."""

    yaml_implicit_resolvers = Dialect.resolvers()


@dataclass(frozen=True)
class Mark:
    """A place in a file, counted from 1."""

    line: int
    column: int

    @classmethod
    def of(cls, mark: yaml.Mark) -> Mark:
        return cls(mark.line + 1, mark.column + 1)


START = Mark(1, 1)


@dataclass
class Document:
    """A config's values and where they stand.

    Attributes
    ----------
    file : what messages call it
    value : plain values; None if the text could not be parsed
    keys, values : path -> place
    faults : what is wrong with the text itself
    given : path -> override that put a value there
    placed : whether there are lines and columns to speak of
    """

    file: str
    value: Any = None
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    faults: list[tuple[Mark, Fault]] = field(default_factory=list)
    given: dict[Path, str] = field(default_factory=dict)
    placed: bool = True

    def mark(self, path: Path, *, on_key: bool = False) -> Mark:
        """Return where a key (or its value) stands, or else what contains it."""
        if on_key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, START)

    def mistake(self, fault: Fault, shown: str, mark: Mark) -> Mistake:
        """Give a fault its place: where it stands, or the override that brought it."""
        for path, override in self.given.items():
            new = fault.path not in self.values and path[: len(fault.path)] == fault.path
            if new or fault.path[: len(path)] == path:
                return Mistake(override, shown, fault.message)
        return Mistake(f"{self.file}:{mark.line}:{mark.column}" if self.placed else self.file, shown, fault.message)


def parse(text: str, file: str) -> Document:
    """Parse YAML; whatever is wrong with it stands in the document's faults."""
    document = Document(file)
    try:
        node = yaml.compose(text, Loader=Reader)
    except yaml.MarkedYAMLError as error:
        mark = Mark.of(error.problem_mark) if error.problem_mark else START
        document.faults.append((mark, Fault((), _explained(error))))
        return document
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
        document.faults.append((mark, Fault((), f"holds a character that YAML forbids (#x{ord(text[error.position]):04x}); remove it")))
        return document
    if node is not None:
        document.value = _Builder(document).build(node, (), ())
    return document


def _explained(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "'\\t'" in problem:
        return "a tab where YAML wants spaces; indent with spaces"
    if "single document" in problem or "but found another document" in problem:
        return "there is a second document; keep one experiment a file"
    if "undefined alias" in problem:
        return f"{problem.replace('found ', '')}; define it with & before it is used"
    context = f" {error.context}" if error.context else ""
    problem = problem.replace("'<stream end>'", "the end of the file")
    return f"is not YAML: {problem}{context}; check indentation, colons, quotes and brackets"


class _Builder:
    """Turns nodes into values, noting places and faults in a document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.seen = 0

    def build(self, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Any:
        self.document.values[path] = Mark.of(node.start_mark)
        self.seen += 1
        if any(node is other for other in above):
            return self._fault(node, path, "an alias refers to itself; write the value out")
        if self.seen > MOST_NODES:
            return self._fault(node, path, f"more than {MOST_NODES} values; shorten the config") if self.seen == MOST_NODES + 1 else None
        if not isinstance(node, yaml.ScalarNode) and node.tag not in (f"{TAG}map", f"{TAG}seq"):
            return self._fault(node, path, f"the tag {node.tag.replace(TAG, '!!')} is not understood; write a plain value")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index), (*above, node)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _fault(self, node: yaml.Node, path: Path, message: str) -> None:
        self.document.faults.append((Mark.of(node.start_mark), Fault(path, message)))

    def _mapping(self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node, merged in self._pairs(node, path, above):
            inner = (*path, str(key_node.value))
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, path, "a key is not a word; write NAME: VALUE, with a space after the colon")
            elif key_node.value not in values:
                self.document.keys[inner] = Mark.of(key_node.start_mark)
                values[key_node.value] = self.build(value_node, inner, above)
            elif not merged:
                self._fault(key_node, inner, f"is there twice (first in line {self.document.keys[inner].line}); keep one")
        return values

    def _pairs(self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]) -> list[tuple[yaml.Node, yaml.Node, bool]]:
        """Return (key, value, merged): the mapping's own pairs, then those that ``<<: *other`` brings."""
        own = [(key, value, False) for key, value in node.value if key.tag != f"{TAG}merge"]
        brought = [value for key, value in node.value if key.tag == f"{TAG}merge"]
        others = [other for value in brought for other in (value.value if isinstance(value, yaml.SequenceNode) else [value])]
        for other in others:
            if not isinstance(other, yaml.MappingNode) or any(other is outer for outer in above):
                self._fault(other, path, "<< takes another mapping; write <<: *NAME")
            else:
                own += [(key, value, True) for key, value, _ in self._pairs(other, path, (*above, other))]
        return own

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text = str(node.value)
        match node.tag.removeprefix(TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text)
            case "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            case "str" | "merge":
                return text
            case _:
                return self._fault(node, path, f"the tag {node.tag.replace(TAG, '!!')} is not understood; write a plain value")
