"""Statements that may fail by themselves: tried again later, and never for longer than a drain can wait.

What the server would not do keeps neither the drain nor anything else from being done. Refuses to judge what was asked.
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from notifychannel_sidecar.events import Event
from notifychannel_sidecar.listener import failures
from notifychannel_sidecar.listener.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from collections.abc import Set as AbstractSet

    from notifychannel_sidecar.relay.session import Session

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_ROWS = 5000
AGAIN_S, AGAIN_AT_MOST_S = 1.0, 60.0
"""After a failure, doubling."""
WITHIN_S, WITHIN_AT_MOST_S = 0.25, 1.0
"""What a statement may take, and what it may when it was tried in vain: then it is tried seldom. A sweep may not: it
does not come to its end while somebody keeps the dead rows, and each drain waits for it.
"""


class Task(Enum):
    """What may fail by itself."""

    FIND = "to find the queue"
    LOOK = "to look at claimers"
    SET_CLOCK = "to set the clock"
    MEND_CLOCK = "to mend the clock"
    END = "to end a claimer"
    RECLAIM = "to give rows to others"
    SETTLE_RULES = "to settle rules"
    TRIM = "to trim the queue"
    NOTE = "to note how far it came"
    SWEEP = "to look at all of the outbox"


@dataclass(slots=True, kw_only=True)
class _Tries:
    """Of one task, or of what it does with one claimer."""

    again_s: float = -math.inf
    within_s: float = field(default_factory=lambda: WITHIN_S)
    rows: int = field(default_factory=lambda: BATCH_ROWS)
    backoff: Backoff = field(
        default_factory=lambda: Backoff(initial_s=AGAIN_S, maximum_s=AGAIN_AT_MOST_S, jitter=lambda _, full: full)
    )
    said: set[str] = field(default_factory=set)
    """Kinds of failure that the log has."""


class Attempts:
    """Of one holder of the role."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tries: defaultdict[tuple[Task, int | None], _Tries] = defaultdict(_Tries)
        self.is_missing = False
        """A function or a table was not there."""

    def rows(self, task: Task) -> int:
        """How many to ask for: fewer where the server was too slow for more."""
        return self._tries[task, None].rows

    def forget_all_but(self, claimers: AbstractSet[int]) -> None:
        """The others are gone, and their numbers will not come again."""
        for task, claimer in list(self._tries):
            if claimer is not None and claimer not in claimers:
                del self._tries[task, claimer]

    async def at(self, task: Task, call: Callable[[], Awaitable[T]], *, claimer: int | None = None) -> T | None:
        """What it answers; None when the server would not, and for a while after that: where it is about a claimer,
        for that one. Raises what the session raises when it is lost.
        """
        tries = self._tries[task, claimer]
        if time.monotonic() < tries.again_s:
            return None
        try:
            async with self._session.bounded(tries.within_s):
                answer = await call()
        except (asyncpg.UndefinedFunctionError, asyncpg.UndefinedTableError):  # it was dropped a moment ago
            self.is_missing = True
            return None
        except asyncpg.PostgresError as error:
            if self._session.lost:
                raise
            self._rest(task, tries, error)
            return None
        tries.backoff.lived(math.inf)
        tries.rows, tries.within_s = min(BATCH_ROWS, 2 * tries.rows), WITHIN_S
        return answer

    def _rest(self, task: Task, tries: _Tries, error: asyncpg.PostgresError) -> None:
        label = failures.label(error)
        wait_s = tries.backoff.next_s()
        tries.again_s = time.monotonic() + wait_s
        if isinstance(error, asyncpg.QueryCanceledError):
            tries.rows = max(1, tries.rows // 8)
            tries.within_s = WITHIN_S if task is Task.SWEEP else WITHIN_AT_MOST_S
        if label not in tries.said:
            tries.said.add(label)
            log.warning(
                "the relay failed %s (%s); trying again in %.1f s",
                task.value,
                label,
                wait_s,
                extra=Event.RELAY_FAILED.tag,
            )
