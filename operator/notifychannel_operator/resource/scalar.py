"""A single value of a document as text, whole number or truth; says what to write where YAML took it for another."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, TypeVar

from notifychannel_operator.resource import duration
from notifychannel_operator.resource.document import Kind, Mapping, Scalar, Sequence
from notifychannel_operator.resource.report import SHOWN_CHARACTERS, printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import Enum

    from notifychannel_operator.resource.document import Node

    E = TypeVar("E", bound=Enum)

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
TRUTHS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
"""YAML 1.1: https://yaml.org/type/bool.html"""


class WrongError(Exception):
    """A value is not what the field takes; the message says what to write."""


def what(node: Node) -> str:
    """The node in a word or as it is written."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(kind=Kind.NULL):
            return "nothing"
        case Scalar(kind=Kind.LOOP):
            return Kind.LOOP.value
        case Scalar(text=text):
            return f'"{printable(text)}"'


def is_null(node: Node) -> bool:
    """The node is `null`, `~` or nothing at all."""
    return isinstance(node, Scalar) and node.kind is Kind.NULL


def text_of(node: Node) -> str:
    """A text; what YAML takes for something else has to be quoted. Raises WrongError."""
    if not isinstance(node, Scalar) or node.kind in {Kind.NULL, Kind.LOOP}:
        raise WrongError(f"{what(node)} stands here; write a text")
    if node.kind is not Kind.TEXT:
        shown = printable(node.text)
        raise WrongError(f'{shown} without quotes is {node.kind.value} in YAML; write "{shown}"')
    return node.text


def whole_of(node: Node, *, least: int, most: int) -> int:
    """A whole number within bounds, written in plain decimal digits. Raises WrongError."""
    remedy = f"write a whole number from {least} to {most}"
    if not isinstance(node, Scalar) or node.kind is not Kind.WHOLE or not _WHOLE.fullmatch(node.text):
        quoted = isinstance(node, Scalar) and node.kind is Kind.TEXT and _WHOLE.fullmatch(node.text)
        raise WrongError(f"{what(node)} stands here; {remedy}{' without quotes' if quoted else ''}")
    if not least <= (number := int(node.text)) <= most:
        raise WrongError(f"{number} is out of bounds; {remedy}")
    return number


def truth_of(node: Node) -> bool:
    """True or false, in any of YAML 1.1's spellings. Raises WrongError."""
    if not isinstance(node, Scalar) or node.kind is not Kind.TRUTH:
        raise WrongError(f"{what(node)} stands here; write true or false")
    return TRUTHS[node.text.lower()]


def member_of(node: Node, kind: type[E]) -> E:
    """The member of an Enum whose value is the text. Raises WrongError, with the one that may be meant."""
    names = [str(member.value) for member in kind]
    text = node.text if isinstance(node, Scalar) else ""
    if text not in names:
        raise WrongError(f"{what(node)} is not known; {suggestion(text, names, otherwise=f'write {one_of(names)}')}")
    return kind(text)


def seconds_of(node: Node, *, least: float, most: float) -> float:
    """A duration within bounds, in seconds. Raises WrongError."""
    if not isinstance(node, Scalar) or node.kind in {Kind.NULL, Kind.LOOP}:
        raise WrongError(f'{what(node)} stands here; write a duration, for example "2s"')
    try:
        seconds = duration.parse(node.text)
    except ValueError as error:
        raise WrongError(f"{what(node)} is {error}") from None
    if not least <= seconds <= most:
        bounds = f"from {duration.write(least)} to {duration.write(most)}"
        raise WrongError(f"{printable(node.text)} is out of bounds; write a duration {bounds}")
    return seconds


def suggestion(text: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """`did you mean "window"?` for a slip of the pen; else what is known."""
    names = list(known)
    meant = meaning(text, names)
    return f'did you mean "{meant}"?' if meant else otherwise or f"known here: {', '.join(names)}"


def meaning(text: str, known: Iterable[str]) -> str | None:
    """The name that a slip of the pen may stand for."""
    lowered = {name.lower(): name for name in known}
    close = difflib.get_close_matches(text[:SHOWN_CHARACTERS].lower(), lowered, n=1, cutoff=0.7)
    return lowered[close[0]] if close else None


def one_of(names: list[str]) -> str:
    """`A, B or C`."""
    return f"{', '.join(names[:-1])} or {names[-1]}"
