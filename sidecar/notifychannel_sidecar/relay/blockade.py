"""The queue does not take what is for it, for somebody has locked rows of it: tried again less and less often.

Each attempt waits for the lock and writes in vain, and all other channels' hints wait with it. Refuses to drain.
"""

from __future__ import annotations

import logging
import math
import time

from notifychannel_sidecar.events import Event
from notifychannel_sidecar.listener.backoff import Backoff

log = logging.getLogger(__name__)

AGAIN_S, AGAIN_AT_MOST_S = 0.05, 1.0
SAID_AFTER_S = 2.0
"""A deliverer that waits for its disk has rows locked too, for a moment."""


class Blockade:
    """As one holder of the role sees it."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._said = False
        self._again_s = -math.inf
        self._backoff = Backoff(initial_s=AGAIN_S, maximum_s=AGAIN_AT_MOST_S, jitter=lambda _, full: full)

    @property
    def may_be_over(self) -> bool:
        """Whether the next drain is to try the queue."""
        return time.monotonic() >= self._again_s

    def look(self, *, blocked: bool, tried: bool) -> None:
        """After a drain, which has tried the queue or not: whether rows for it are left."""
        if not tried:
            return
        if not blocked:
            self._end()
            return
        now_s = time.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        self._again_s = now_s + self._backoff.next_s()
        if now_s - self._since_s >= SAID_AFTER_S and not self._said:
            self._said = True
            log.warning(
                "rows wait in the outbox, for the queue does not take them: somebody has locked rows of"
                " notifychannel.queue or notifychannel.consumer, or their functions are being replaced",
                extra=Event.QUEUE_BLOCKED.tag,
            )

    def _end(self) -> None:
        if self._said and self._since_s is not None:
            waited_s = time.monotonic() - self._since_s
            log.warning("no rows wait for the queue any more, after %.1f s", waited_s, extra=Event.QUEUE_OPEN.tag)
        self._since_s, self._said, self._again_s = None, False, -math.inf
        self._backoff.lived(math.inf)
