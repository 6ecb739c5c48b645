"""Durations as the resource writes them: "250ms", "2s", "1h30m", "7d", "0s"; inside the programs they are seconds."""

from __future__ import annotations

import re

UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""From the longest to the shortest, which is also the order in which they are written."""
_PARTS = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
MAX_CHARACTERS = 32


def parse(text: str) -> float:
    """Seconds of a duration; raises ValueError for anything but whole numbers with units, each unit once, falling."""
    parts = _PARTS.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if parts is None:
        msg = 'not a duration; write for example "250ms", "2s", "1h30m" or "7d"'
        raise ValueError(msg)
    return sum(int(part or 0) * unit_ms for part, unit_ms in zip(parts.groups(), UNITS_MS.values(), strict=True)) / 1000


def write(seconds: float) -> str:
    """The shortest way to write so many seconds (whole milliseconds); `parse` reads it back."""
    rest_ms = round(seconds * 1000)
    text = ""
    for unit, unit_ms in UNITS_MS.items():
        count, rest_ms = divmod(rest_ms, unit_ms)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
