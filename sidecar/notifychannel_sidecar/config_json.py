"""What may stand in each field of the sidecar's configuration: takes a JSON value and its path, gives the value back.

Raises ConfigError with path, what is wrong and what belongs there. Tolerates fields it does not know: an operator
may be newer than the sidecar.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Check = Callable[[object, str], Any]

MAX_PORT = 65_535
MAX_SECONDS = 366 * 86_400.0
MAX_KEY_NAMES = 8
MAX_CHANNELS = 1_000
MAX_HINTS = 10_000
_PATH = re.compile(r"/[!-~]*", re.ASCII)
_PATH_OR_NONE = re.compile(r"(/[!-~]*)?", re.ASCII)
_RULES = re.compile(r"([0-9a-f]{8})?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)


class ConfigError(Exception):
    """The document can't be used; the message names the path in it and what to write instead."""


def fields(document: object, path: str, checks: Mapping[str, Check], required: frozenset[str]) -> dict[str, Any]:
    """The checked fields of an object; fields without a check are left out."""
    if not isinstance(document, dict):
        raise wrong(path, "an object")
    for name in checks:
        if name in required and name not in document:
            raise ConfigError(f"{_join(path, name)}: is missing; have the configuration written anew")
    return {name: check(document[name], _join(path, name)) for name, check in checks.items() if name in document}


def items(value: object, path: str, check: Check, *, most: int) -> tuple[Any, ...]:
    """A list of at most so many."""
    if not isinstance(value, list) or len(value) > most:
        raise wrong(path, f"a list of at most {most}")
    return tuple(check(item, f"{path}[{index}]") for index, item in enumerate(value))


def text(*, most_bytes: int = 253, pattern: re.Pattern[str] | None = None, what: str = "") -> Check:
    """A text of 1 to so many bytes without NUL, or one that a pattern describes."""

    def check(value: object, path: str) -> str:
        if not isinstance(value, str) or not _fits(value, pattern, most_bytes):
            raise wrong(path, what or f"a text of 1 to {most_bytes} bytes")
        return value

    return check


def optional(check: Check) -> Check:
    """The same, or null."""
    return lambda value, path: None if value is None else check(value, path)


def one_of(*names: str) -> Check:
    """One of these texts."""

    def check(value: object, path: str) -> str:
        if not isinstance(value, str) or value not in names:
            raise wrong(path, f"one of {', '.join(names)}")
        return value

    return check


def whole(*, least: int, most: int) -> Check:
    """A whole number within bounds."""

    def check(value: object, path: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise wrong(path, f"a whole number from {least} to {most}")
        return value

    return check


def seconds(*, positive: bool = False) -> Check:
    """A number of seconds, not below zero."""

    def fits(value: float) -> bool:
        return (value > 0 if positive else value >= 0) and value <= MAX_SECONDS  # so NaN does not fit

    def check(value: object, path: str) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not fits(value):
            raise wrong(path, f"a number of seconds {'above' if positive else 'from'} 0 and at most {MAX_SECONDS:.0f}")
        return float(value)

    return check


def truth(value: object, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(path, "true or false")
    return value


def names(value: object, path: str) -> tuple[str, ...]:
    """Key names, each once."""
    found = items(value, path, text(most_bytes=63), most=MAX_KEY_NAMES)
    if len(set(found)) < len(found):
        raise wrong(path, "names that differ")
    return found


url_path_or_none = text(
    most_bytes=1024, pattern=_PATH_OR_NONE, what='a path that starts with "/", of printable ASCII, or nothing'
)
url_path = text(most_bytes=1024, pattern=_PATH, what='a path that starts with "/", of printable ASCII')
rules_hash = text(pattern=_RULES, what="8 hex digits, or nothing")
system_identifier = text(pattern=_NUMBER, what="up to 20 decimal digits in quotes")


def wrong(path: str, expected: str) -> ConfigError:
    """The error for a value that is not what belongs there; the value itself is not shown."""
    return ConfigError(f"{path or 'the document'}: has to be {expected}")


def _fits(value: str, pattern: re.Pattern[str] | None, most_bytes: int) -> bool:
    if pattern is not None:
        return len(value) <= most_bytes and pattern.fullmatch(value) is not None
    try:
        return 1 <= len(value.encode()) <= most_bytes and "\0" not in value
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
