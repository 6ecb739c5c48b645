"""How values look to a person: columns that are aligned, spans of time, sizes, keys with their names. Pure."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

EVENTS = {"I": "insert", "U": "update", "D": "delete", "T": "truncate"}
RESYNC = "every key"
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
MEBIBYTE = 1024 * 1024


def columns(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Lines; numbers stand to the right, as their headings do. None is a dash."""
    cells = [["-" if each is None else str(each) for each in row] for row in rows]
    widths = [max(len(line[i]) for line in (head, *cells)) for i in range(len(head))]
    right = [bool(rows) and all(isinstance(row[i], int | None) for row in rows) for i in range(len(head))]
    for line in (head, *cells):
        aligned = (
            f"{each:>{width}}" if to_right else f"{each:<{width}}"
            for each, width, to_right in zip(line, widths, right, strict=True)
        )
        yield "  ".join(aligned).rstrip()


def span(seconds: float | None) -> str | None:
    """`2h 5m`: the two largest units; None stays None."""
    if seconds is None:
        return None
    left = int(seconds)
    parts: list[str] = []
    for unit, size in UNITS:
        number, left = divmod(left, size)
        if number or parts or unit == "s":
            parts.append(f"{number}{unit}")
    return " ".join(parts[:2])


def size(number_bytes: int) -> str:
    """Mebibytes with one digit behind the point."""
    return f"{number_bytes / MEBIBYTE:,.1f} MiB"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 key`, `2,000 keys`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def time(at: datetime | None) -> str | None:
    """In UTC with milliseconds, as it can be sorted and pasted."""
    return None if at is None else at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds")[:23] + "Z"


def events(letters: str | None) -> str | None:
    """`insert, update` for `IU`."""
    return ", ".join(EVENTS.get(letter, letter) for letter in letters) if letters else None


def key(text: str, names: Sequence[str] | None) -> str:
    """On one line, as a POST has it: the values by name; as it is where the names are other ones."""
    return inert(json.dumps(key_value(text, names), ensure_ascii=False, separators=(",", ":"))) if text else RESYNC


def inert(text: str) -> str:
    """JSON text that no terminal obeys: anyone may NOTIFY, and a control character within quotes moves the cursor."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def key_value(text: str, names: Sequence[str] | None) -> object:
    """For JSON: by name, or in order where the names are unknown or of another time; None for a resync."""
    if not text:
        return None
    values = json.loads(text)
    if names is None or not isinstance(values, list) or len(names) != len(values):
        return values
    return dict(zip(names, values, strict=True))
