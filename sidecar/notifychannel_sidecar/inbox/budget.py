"""How many keys the sidecar may hold in memory, over all channels. Counts; what to give up is the inbox's decision."""

from __future__ import annotations

from dataclasses import dataclass

_FREE_LENGTH = 256
"""A key of an ordinary table is far shorter; what others NOTIFY may be 8,000 bytes, and that is memory too."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """Keys pending, in flight and remembered."""

    limit: int
    used: int = 0


def cost(key: str) -> int:
    """What a key counts: 1, and 1 more for each further 256 characters."""
    return 1 + len(key) // _FREE_LENGTH
