"""The queue does not take what is for it, for somebody has locked rows of it: tried again less and less often.

Each attempt waits for the lock and writes in vain, and all other channels' hints wait with it. Refuses to drain.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from notifychannel_sidecar.listener.backoff import Backoff

if TYPE_CHECKING:
    from notifychannel_sidecar.relay.position import Drained

log = logging.getLogger(__name__)

AGAIN_S, AGAIN_AT_MOST_S = 0.05, 1.0


class Blockade:
    """As one holder of the role sees it."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._again_s = -math.inf
        self._backoff = Backoff(initial_s=AGAIN_S, maximum_s=AGAIN_AT_MOST_S, jitter=lambda _, full: full)

    @property
    def may_be_over(self) -> bool:
        """Whether the next drain is to try the queue."""
        return time.monotonic() >= self._again_s

    def look(self, drained: Drained, *, tried: bool) -> None:
        """After a drain, which has tried the queue or not."""
        if drained.blocked and self._since_s is None:
            self._since_s = time.monotonic()
            log.warning(
                "rows wait in the outbox, for the queue does not take them: somebody has locked rows of"
                " notifychannel.queue or notifychannel.consumer, or their functions are being replaced"
            )
        if drained.blocked and tried:
            self._again_s = time.monotonic() + self._backoff.next_s()
        if not drained.blocked and not drained.held and self._since_s is not None:
            log.warning("the queue takes rows again, after %.1f s", time.monotonic() - self._since_s)
            self._since_s, self._again_s = None, -math.inf
            self._backoff.lived(math.inf)
