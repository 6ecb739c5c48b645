"""The database's clock as the listener last measured it, so that the inbox can tell database time from loop time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _wall_us() -> int:
    return time.time_ns() // 1000


@dataclass(slots=True, kw_only=True)
class Clock:
    """Microseconds since 1970 at a loop time in seconds."""

    wall_us: Callable[[], int] = _wall_us
    """This machine's clock: stands in for a time that is only shown (`first_at` of what others NOTIFY)."""
    _offset_us: int | None = field(init=False, default=None)

    def measured(self, *, now: float, database_us: int) -> None:
        """At loop time `now` the database's clock showed (at least) `database_us`."""
        self._offset_us = database_us - round(now * 1e6)

    def database_us(self, now: float) -> int | None:
        """The database's time; None until it was measured, for `since` must not be a guess."""
        return None if self._offset_us is None else self._offset_us + round(now * 1e6)

    def arrival_us(self, now: float) -> int:
        """The best time there is for something that carries none."""
        return self.wall_us() if self._offset_us is None else self._offset_us + round(now * 1e6)
