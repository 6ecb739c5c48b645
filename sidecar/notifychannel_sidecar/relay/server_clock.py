"""Whether somebody has set the server's clock, as seen from a clock that nobody can set. Pure."""

from __future__ import annotations

JUMP_S = 2.0
"""Less is how clocks are corrected all the time."""


class ServerClock:
    """What one relay has seen of it."""

    def __init__(self) -> None:
        self._ahead: tuple[float, float] | None = None

    def jumped_s(self, server_s: float, *, began_s: float, ended_s: float) -> float:
        """Seconds by which it was set since the last look, 0 for less than two: it showed `server_s` at some moment
        between these two (time.monotonic()).
        """
        now = (server_s - ended_s, server_s - began_s)
        before, self._ahead = self._ahead, now
        if before is None or (now[0] - before[1] <= JUMP_S and before[0] - now[1] <= JUMP_S):
            return 0.0
        return (sum(now) - sum(before)) / 2
