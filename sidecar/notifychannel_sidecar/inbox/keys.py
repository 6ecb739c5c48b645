"""A key as text: what it is merged by, and what the application reads. Parsed only when it is delivered.

Ours and those of `Json` are a JSON array of scalars in the order of the key's names; a key of `Text` is the payload
itself. Values go through as they were written: a number is never read into a float on its way.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NoReturn

MAX_EXACT = 2**53
"""Past it a JSON number is not exact in most applications (RFC 8259, section 6), so it becomes a string."""
_MAX_DIGITS = 17
"""Longer than any integer up to MAX_EXACT with its sign; int() of thousands of digits would raise."""


class MalformedKeyError(ValueError):
    """The text is not a key of this channel; it never says what was in it."""


def _refuse(_constant: str) -> NoReturn:
    raise MalformedKeyError


class _Number(str):
    """A number's text as it was written, to be told from a string."""

    __slots__ = ()


def _integer(text: str) -> str:
    return text if len(text) > _MAX_DIGITS or abs(int(text)) > MAX_EXACT else _Number(text)


def _decimal(text: str) -> str:
    return text if abs(float(text)) > MAX_EXACT else _Number(text)


_ELEMENT = json.JSONDecoder(parse_constant=_refuse)
_FOREIGN = json.JSONDecoder(parse_constant=_refuse, parse_int=_integer, parse_float=_decimal)


def elements(array: str) -> list[str]:
    """The JSON texts of the scalars in a JSON array, untouched. MalformedKeyError when it is anything else."""
    found: list[str] = []
    rest = array.strip().removeprefix("[")
    if len(rest) == len(array.strip()):
        raise MalformedKeyError
    while True:
        rest = rest.lstrip()
        try:
            value, end = _ELEMENT.raw_decode(rest)
        except (ValueError, RecursionError):
            raise MalformedKeyError from None
        if isinstance(value, dict | list):
            raise MalformedKeyError
        found.append(rest[:end])
        rest = rest[end:].lstrip()
        if rest == "]":
            return found
        if not rest.startswith(","):
            raise MalformedKeyError
        rest = rest[1:]


def from_array(names: tuple[str, ...], array: str) -> str:
    """The key as a JSON object, `{"tenant_id": 7, "order_id": 42}`, from our array of its values."""
    values = elements(array)
    if len(values) != len(names):
        raise MalformedKeyError
    pairs = zip(_labels(names), values, strict=True)
    return "{" + ", ".join([label + value for label, value in pairs]) + "}"


@lru_cache(maxsize=64)
def _labels(names: tuple[str, ...]) -> tuple[str, ...]:
    """Of each channel the same every time."""
    return tuple(f"{json.dumps(name)}: " for name in names)


def from_text(payload: str) -> str:
    """The key of a channel with `format: Text`, as a JSON object."""
    return json.dumps({"payload": payload})


def array_of_fields(fields: tuple[str, ...], payload: str) -> str:
    """What a `Json` payload is merged by: an array of the fields' values; numbers past 2^53 become strings.

    MalformedKeyError when it is no object, or a field is missing or is not a scalar.
    """
    try:
        document = _FOREIGN.decode(payload)
    except (ValueError, RecursionError):
        raise MalformedKeyError from None
    if not isinstance(document, dict):
        raise MalformedKeyError
    values = [document.get(field, document) for field in fields]  # the document stands for "missing": no scalar
    if any(isinstance(value, dict | list) for value in values):
        raise MalformedKeyError
    return "[" + ", ".join(value if isinstance(value, _Number) else json.dumps(value) for value in values) + "]"
