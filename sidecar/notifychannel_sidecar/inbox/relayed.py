"""A payload of the relay's, taken apart: many statements' keys, each with how often it was named. Pure.

Anyone may NOTIFY, so what can't be read is None: a reason to look at every key.
"""

from __future__ import annotations

from dataclasses import dataclass

from notifychannel_sidecar.hints import RELAYED_HEADER_LENGTH, microseconds

_SINCE, _TILL = slice(10, 26), slice(26, RELAYED_HEADER_LENGTH)
MOST = 1_000_000_000
"""Statements that one line may stand for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """Between the first statement and the last, by the database's clock, these keys were named so often."""

    since: str
    till: str
    """Statement times as 16 digits."""
    keys: tuple[tuple[int, str], ...]


def read(payload: str) -> Relayed | None:
    """Of a payload whose first ten characters are known; None when the rest of it is not what the relay writes."""
    since, till = payload[_SINCE], payload[_TILL]
    if microseconds(since) is None or microseconds(till) is None or payload[RELAYED_HEADER_LENGTH:][:1] != "\n":
        return None
    keys = []
    for line in payload[RELAYED_HEADER_LENGTH + 1 :].split("\n"):
        times, bracket, rest = line.partition("[")
        if not bracket or not times.isascii() or not times.isdigit() or not 0 < (count := int(times)) <= MOST:
            return None
        keys.append((count, bracket + rest))
    return Relayed(since=since, till=till, keys=tuple(keys))
