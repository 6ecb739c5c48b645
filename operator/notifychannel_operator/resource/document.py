"""YAML text as a tree that knows its lines: mappings, sequences and scalars, with what YAML 1.1 takes a scalar for.

Keeps what YAML would swallow for whoever reads the fields: duplicate keys, odd keys, an alias inside itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import yaml

from notifychannel_operator.resource.report import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notifychannel_operator.resource.report import Report

TAG = "tag:yaml.org,2002:"
# Go's YAML, which kubectl uses, takes 1e3 for a number; PyYAML takes it for text.
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_HINTS = {
    "'\\t'": "indent with spaces instead of tabs",
    "mapping values are not allowed here": "mend the indentation, or quote a text that holds a colon",
    "found undefined alias": "define it with & above, or quote a text that starts with *",
    "found unexpected end of stream": "close the quote or bracket",
    "<stream end>": "close the quote or bracket",
    "expected ',' or": "quote a text with special characters, or close the bracket",
    "expected <block end>": "mend the indentation",
    "could not find expected ':'": "write it as name: value",
    "found character": "quote the text",
}


class Kind(Enum):
    """What YAML 1.1 takes a scalar for."""

    TEXT = "text"
    WHOLE = "a number"
    DECIMAL = "a decimal number"
    TRUTH = "true or false"
    NULL = "nothing"
    DATE = "a date"
    LOOP = "an alias of what it stands in"
    OTHER = "something special"


KINDS = {
    "str": Kind.TEXT,
    "int": Kind.WHOLE,
    "float": Kind.DECIMAL,
    "bool": Kind.TRUTH,
    "null": Kind.NULL,
    "timestamp": Kind.DATE,
}


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A single value as it is written, without its quotes."""

    line: int
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A list."""

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """Fields in the order of the text; each key once."""

    line: int
    entries: dict[str, tuple[Scalar, Node]]
    faults: tuple[tuple[int, str], ...] = ()
    """Line and message of each entry that had to be left out."""


Node = Scalar | Sequence | Mapping


def read(text: str, *, report: Report) -> Iterator[Node]:
    """Each document of the text; a syntax error goes to the report.

    It ends the reading: what stands after it can't be told.
    """
    try:
        for root in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if root is not None:
                yield _Tree().node(root)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        report.say(line=line, path="", message="this is not YAML: it holds a control character; remove it")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        report.say(line=mark.line + 1 if mark else 0, path="", message=_sentence(error))
    except RecursionError:
        report.say(line=0, path="", message="this is nested too deeply; a NotifyChannel needs ten levels")
    except (ValueError, OverflowError):  # PyYAML lets them through: "\UFFFFFFFF", a version with 5,000 digits
        message = "this is not YAML: an escape or directive holds a number that is too large; mend it"
        report.say(line=0, path="", message=message)


def _sentence(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "something is wrong here"
    remedy = next((remedy for sign, remedy in _HINTS.items() if sign in problem), "mend the line")
    return f"this is not YAML: {problem}; {remedy}"


@dataclass(slots=True, kw_only=True)
class _Tree:
    """Turns what PyYAML composed into our tree; a node that aliases share is turned once."""

    done: dict[int, Node] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def node(self, node: yaml.Node) -> Node:
        if id(node) in self.done:
            return self.done[id(node)]
        if id(node) in self.open:
            return Scalar(node.start_mark.line + 1, Kind.LOOP, "")
        self.open.add(id(node))
        made = self.done[id(node)] = self._make(node)
        return made

    def _make(self, node: yaml.Node) -> Node:
        line = node.start_mark.line + 1
        match node:
            case yaml.MappingNode():
                return self._mapping(node, line)
            case yaml.SequenceNode():
                return Sequence(line, tuple(self.node(item) for item in node.value))
            case _:
                return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, line: int) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        merged: list[Mapping] = []
        faults: list[tuple[int, str]] = []
        for key_node, value_node in node.value:
            key = _scalar(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                faults.append((key.line, "a field's name is a list or a mapping; write a text"))
            elif key_node.tag == f"{TAG}merge":
                merged += _mappings(self.node(value_node))
            elif key.text in entries:
                faults.append((key.line, f'"{printable(key.text)}" stands here a second time; remove one of them'))
            else:
                entries[key.text] = (key, self.node(value_node))
        for mapping in merged:
            entries = {**mapping.entries, **entries}
        return Mapping(line, entries, tuple(faults))


def _mappings(node: Node) -> list[Mapping]:
    """What `<<:` names: one mapping or several, of which the first one wins."""
    nodes = node.items if isinstance(node, Sequence) else (node,)
    return [each for each in nodes if isinstance(each, Mapping)]


def _scalar(node: yaml.Node) -> Scalar:
    text = _whole_characters(node.value) if isinstance(node, yaml.ScalarNode) else ""
    kind = KINDS.get(node.tag.removeprefix(TAG), Kind.OTHER)
    if kind is Kind.TEXT and isinstance(node, yaml.ScalarNode) and node.style is None and _NUMBER.fullmatch(text):
        kind = Kind.DECIMAL
    return Scalar(node.start_mark.line + 1, kind, text)


def _whole_characters(text: str) -> str:
    """JSON writes a character past U+FFFF as two escapes (RFC 8259, section 7), which PyYAML leaves apart."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
