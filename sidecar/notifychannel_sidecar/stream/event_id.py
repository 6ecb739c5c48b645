"""The id of an event on the stream, `<boot>-<seq>`: which run of the sidecar, and how far one was told. Pure."""

from __future__ import annotations

import re

_ID = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})", re.ASCII)


def written(boot: str, seq: int) -> str:
    """`boot`: 8 hex digits."""
    return f"{boot}-{seq}"


def seen(text: str | None, *, boot: str, newest: int) -> int:
    """Up to where a reader that shows this id was told everything; 0 for one of another run, or of nobody's."""
    found = _ID.fullmatch(text or "")
    if found is None or found[1] != boot or int(found[2]) > newest:
        return 0
    return int(found[2])
