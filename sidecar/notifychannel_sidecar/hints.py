"""What travels through the sidecar: notifications as our triggers write them, and why a resync is due.

A payload of ours is a header line and one key per line, so that receiving costs two string operations:

    1 5f3a9c02 I 1767225600000000      version (1), hash of the rules (8 hex), event, statement time (16 digits,
    [7,42]                             microseconds since 1970); written without the spaces shown here
    [7,43]                             each key a JSON array in the order of the channel's key names

The relay, which merges what many statements have appended to the outbox, writes version 2: the first and the last
statement time, and before each key how many statements named it:

    2 5f3a9c02 U 1767225600000000 1767225600250000
    3[7,42]

Event is I, U, D or T (Insert, Update, Delete, Truncate). A payload without keys is a resync (`bulk`).
JSON escapes line breaks in strings, so a line break always ends a key. Refuses to judge: who sent it is unknown,
and nothing in it is trusted beyond "look again".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache

HEADER_LENGTH = 26
NO_RULES = "00000000"
"""The hash in the resync that the operator sends after it has put triggers right: nobody knows what was not heard."""
VERSION = "1"
RELAYED_VERSION = "2"
RELAYED_HEADER_LENGTH = 42


class Reason(Enum):
    """Why the application is asked to look."""

    CHANGE = "change"
    START = "start"
    RECONNECT = "reconnect"
    BULK = "bulk"
    OVERFLOW = "overflow"
    RULES = "rules"
    SKIPPED = "skipped"
    POLL = "poll"


class Mode(Enum):
    """What the application is told about where its hints come from."""

    LISTENING = "Listening"
    POLLING = "Polling"


EVENTS = {"I": "insert", "U": "update", "D": "delete", "T": "truncate", "N": "notify"}
"""Letter in the header → word in the POST; N is what others NOTIFY (`Text`, `Json`)."""

STRENGTH = (
    Reason.START,
    Reason.RULES,
    Reason.RECONNECT,
    Reason.SKIPPED,
    Reason.OVERFLOW,
    Reason.BULK,
    Reason.POLL,
)
"""Resyncs that merge keep the reason that stands first here: the more of the channel was unheard, the stronger."""

_HEADER = re.compile(
    r"(?:1(?=.{25}(?:\n|$))|2(?=.{25}[0-9]{16}(?:\n|$)))(?P<rules>[0-9a-f]{8})(?P<event>[IUDT])(?P<at_us>[0-9]{16})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a payload of ours."""

    rules: str
    at_us: int
    """Statement time (of a relayed payload, the first), microseconds since 1970 by the database's clock."""


def header(payload: str) -> Header | None:
    """Read the first line with care; None when it is not one of ours. The hot path slices instead (`box.py`)."""
    found = _HEADER.match(payload)
    return None if found is None else Header(rules=found["rules"], at_us=int(found["at_us"]))


def digits(at_us: int) -> str:
    """Microseconds since 1970 as a payload writes them: 16 digits, so that texts compare like times."""
    return f"{at_us:0{_DIGITS}d}"


def microseconds(at: str) -> int | None:
    """Read such digits back; None when somebody else's payload had something else in their place."""
    return int(at) if len(at) == _DIGITS and at.isascii() and at.isdigit() else None


def timestamp(at_us: int) -> str:
    """RFC 3339 in UTC with microseconds: `2026-01-01T00:00:00.000000Z`."""
    seconds, rest_us = divmod(at_us, 1_000_000)
    return f"{_second(seconds)}.{rest_us:06d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """The same for nearly all hints of a batch."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat(timespec="seconds")[:-6]


def parse_timestamp(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 text; without an offset it is UTC. ValueError when it is none."""
    parsed = datetime.fromisoformat(text)
    return (parsed.replace(tzinfo=parsed.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1)


def earlier(one_us: int | None, other_us: int | None) -> int | None:
    """The earlier of two database times; unknown wins."""
    return None if one_us is None or other_us is None else min(one_us, other_us)


def stronger(one: Reason, other: Reason) -> Reason:
    """The reason that two merged resyncs keep."""
    return min(one, other, key=STRENGTH.index)
