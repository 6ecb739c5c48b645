"""One mapping of a document being read: takes its fields one by one, says what is wrong with each, and goes on.

Whatever can't be read comes back as a stand-in, never as an exception; the report decides at the end. Stand-ins
are of the right type and mean nothing: who compares two fields asks `sound` first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from notifychannel_operator.resource.document import Mapping, Node, Scalar, Sequence
from notifychannel_operator.resource.report import Report, printable
from notifychannel_operator.resource.scalar import (
    WrongError,
    is_null,
    meaning,
    member_of,
    seconds_of,
    suggestion,
    text_of,
    truth_of,
    what,
    whole_of,
)
from notifychannel_operator.resource.shape import fields_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from enum import Enum

    Check = Callable[[str], str | None]
    E = TypeVar("E", bound=Enum)

T = TypeVar("T")
_STEPS = re.compile(r"[^.\[\]]+")
REQUIRED = "is required; "


@dataclass(slots=True, kw_only=True)
class Fields:
    """The fields of one mapping, and where they stand."""

    mapping: Mapping
    path: str
    report: Report
    prefix: str = ""
    """Where the document stands inside a List: `items[3]`."""
    stand_in: bool = False
    """Nothing is there, or the wrong thing: every field is absent, and complaints go nowhere."""

    @classmethod
    def of(cls, node: Node | None, *, path: str, report: Report, line: int = 0, prefix: str = "") -> Fields:
        """The fields of a node; of no node or a wrong one, none at all, and nothing below it is complained about."""
        if isinstance(node, Mapping):
            fields = cls(mapping=node, path=path, report=report, prefix=prefix)
            fields.refuse_strange()
            return fields
        if node is not None:
            message = f"{what(node)} stands here; write fields, each as name: value"
            report.say(line=node.line, path=_join(prefix, path), message=message)
        void = Report(file=report.file)
        return cls(mapping=Mapping(line, {}), path=path, report=void, prefix=prefix, stand_in=True)

    def at(self, name: str) -> str:
        """The path of a field, as messages write it."""
        return _join(_join(self.prefix, self.path), name)

    def has(self, name: str) -> bool:
        """The field is there and not null."""
        return self._node(name) is not None

    def sound(self, *names: str) -> bool:
        """None of these fields, nor anything below them, has been complained about; false for a stand-in, and for one
        that is there by a name with a slip of the pen.
        """
        is_written = not self.stand_in and self._misspelt.isdisjoint(names)
        return is_written and all(self.report.sound(self.at(name)) for name in names)

    def say(self, name: str, message: str) -> None:
        """Note what is wrong with a field (`capture`, `consumers[0].delivery`), at its line or its mapping's."""
        node: Node = self.mapping
        for step in _STEPS.findall(name):
            node = _step(node, step)
        self._say(node.line, self.at(name), message)

    def require(self, name: str, remedy: str) -> None:
        """Complain that a field is missing, but where a misspelt one has been complained about that stands for it."""
        if name not in self._misspelt:
            self.say(name, REQUIRED + remedy)

    def refuse_strange(self) -> None:
        """Complain about each field that the shape doesn't have, with the one that may be meant, and about faults."""
        self._say_faults(self.mapping, self.at(""))
        known = fields_at(self.path)
        for name, (key, _) in self.mapping.entries.items():
            if name not in known:
                self._say(key.line, self.at(""), f'unknown field "{printable(name)}"; {suggestion(name, known)}')

    def child(self, name: str, *, remedy: str = "") -> Fields:
        """The mapping in a field; with a remedy the field is required."""
        node = self._node(name)
        if node is None and remedy:
            self.require(name, remedy)
        path = _join(self.path, name)
        return Fields.of(node, path=path, report=self.report, line=self.mapping.line, prefix=self.prefix)

    def children(self, name: str, *, most: int, remedy: str = "") -> list[Fields]:
        """The mappings in a list of at most so many; with a remedy there must be one at least."""
        path = _join(self.path, name)
        return [
            Fields.of(item, path=f"{path}[{index}]", report=self.report, prefix=self.prefix)
            for index, item in enumerate(self._items(name, most=most, remedy=remedy))
        ]

    def text(self, name: str, check: Check, *, remedy: str = "", default: str = "") -> str:
        """A text that the check has nothing to say about; with a remedy it is required."""
        return self._scalar(name, lambda node: _checked(text_of(node), check), remedy=remedy, default=default)

    def texts(self, name: str, check: Check, *, most: int, remedy: str = "") -> tuple[str, ...]:
        """A list of texts, each checked; with a remedy there must be one at least."""
        items = self._items(name, most=most, remedy=remedy)
        return tuple(self._each(name, items, lambda node: _checked(text_of(node), check)))

    def pairs(self, name: str, check: Check, *, remedy: str) -> tuple[tuple[str, str], ...]:
        """A mapping of free names to texts, both checked; with a remedy there must be one pair at least."""
        node = self._node(name)
        if node is not None and not isinstance(node, Mapping):
            self.say(name, f"{what(node)} stands here; {remedy or 'write fields, each as name: value'}")
            return ()
        if remedy and (node is None or not node.entries):
            self.require(name, remedy)
        if node is None:
            return ()
        self._say_faults(node, self.at(name))
        return tuple(self._pair(name, key, value, check) for key, value in node.entries.values())

    def choice(self, name: str, kind: type[E], *, default: E) -> E:
        """One of an Enum's values, by its exact name."""
        return self._scalar(name, lambda node: member_of(node, kind), default=default)

    def choices(self, name: str, kind: type[E], *, remedy: str) -> tuple[E, ...]:
        """A required list of different members of an Enum."""
        items = self._items(name, most=len(kind), remedy=remedy)
        return tuple(self._each(name, items, lambda node: member_of(node, kind)))

    def whole(self, name: str, *, least: int, most: int, default: int = 0, remedy: str = "") -> int:
        """A whole number within bounds; with a remedy it is required."""
        return self._scalar(name, lambda node: whole_of(node, least=least, most=most), default=default, remedy=remedy)

    def seconds(self, name: str, *, least: float, most: float, default: float = 0.0, remedy: str = "") -> float:
        """A duration within bounds, in seconds."""
        return self._scalar(name, lambda node: seconds_of(node, least=least, most=most), default=default, remedy=remedy)

    def truth(self, name: str, *, default: bool) -> bool:
        """True or false."""
        return self._scalar(name, truth_of, default=default)

    @property
    def _misspelt(self) -> set[str | None]:
        """Fields that are missing, and may be meant by a name that is unknown here."""
        known, there = fields_at(self.path), self.mapping.entries
        return {meaning(name, known) for name in there if name not in known} - there.keys() if there else set()

    def _scalar(self, name: str, read: Callable[[Node], T], *, default: T, remedy: str = "") -> T:
        node = self._node(name)
        if node is None:
            if remedy:
                self.require(name, remedy)
            return default
        try:
            return read(node)
        except WrongError as wrong:
            self.say(name, str(wrong))
            return default

    def _each(self, name: str, items: tuple[Node, ...], read: Callable[[Node], T]) -> Iterator[T]:
        seen: set[T] = set()
        for index, node in enumerate(items):
            try:
                value = read(node)
            except WrongError as wrong:
                self._say(node.line, f"{self.at(name)}[{index}]", str(wrong))
                continue
            if value in seen:
                self._say(node.line, f"{self.at(name)}[{index}]", "stands here a second time; remove one of them")
            seen.add(value)
            yield value

    def _pair(self, name: str, key: Scalar, value: Node, check: Check) -> tuple[str, str]:
        path = f"{self.at(name)}.{printable(key.text)}"
        for node in (key, value):
            try:
                _checked(text_of(node), check)
            except WrongError as wrong:
                self._say(node.line, path, str(wrong))
        return key.text, value.text if isinstance(value, Scalar) else ""

    def _items(self, name: str, *, most: int, remedy: str) -> tuple[Node, ...]:
        node = self._node(name)
        if node is not None and not isinstance(node, Sequence):
            self.say(name, f"{what(node)} stands here; write a list")
            return ()
        items = node.items if isinstance(node, Sequence) else ()
        if remedy and not items:
            self.require(name, remedy)
        if len(items) > most:
            self.say(name, f"has {len(items)} entries; {most} is the most")
        return items[:most]

    def _say(self, line: int, path: str, message: str) -> None:
        self.report.say(line=line, path=path, message=message)

    def _say_faults(self, mapping: Mapping, path: str) -> None:
        for line, message in mapping.faults:
            self._say(line, path, message)

    def _node(self, name: str) -> Node | None:
        entry = self.mapping.entries.get(name)
        # Kubernetes treats null as "not given": https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
        return None if entry is None or is_null(entry[1]) else entry[1]


def _checked(text: str, check: Check) -> str:
    complaint = check(text)
    if complaint:
        raise WrongError(complaint)
    return text


def _step(node: Node, step: str) -> Node:
    """One step down the document; where there is nothing, the node itself."""
    if isinstance(node, Mapping):
        return node.entries[step][1] if step in node.entries else node
    if isinstance(node, Sequence):
        return node.items[int(step)]
    return node


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name
