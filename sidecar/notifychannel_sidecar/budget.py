"""How many keys the sidecar may hold in memory, over all channels. Counts; what to give up is the inbox's decision."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Budget:
    """Keys pending, in flight and remembered."""

    limit: int
    used: int = 0
