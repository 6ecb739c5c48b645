"""Runs passes: one per key at a time, bounded, limited in time, again after every interval, and whatever happens.

Three functions: `run` waits and starts, `_pass` keeps one key's pass, `_judged` names its end. A pass that breaks is
logged by its type and place (its text could quote a Secret), counted, and tried again with backoff.
Refuses to know what a pass does.
"""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from notifychannel_operator.events import Event
from notifychannel_operator.kube_error import KubeError
from notifychannel_operator.work.schedule import Key, Lane, Schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

PER_LANE = 4
"""Passes at once on one Secret: each is a connection to the users' database, and mostly waits for it."""
PASS_LIMIT_S = 120.0
"""Hard. A pass that is longer than two intervals helps nobody; what it waits for is asked anew."""
JITTER = 0.1
"""Of the interval, both ways: a thousand channels that came at once drift apart."""
FIRST_RETRY_S = 1.0


class Ending(Enum):
    """How a pass ended, for the metrics."""

    DONE = "done"
    GONE = "gone"
    KUBE_ERROR = "kube-error"
    """The cluster's API said no, or nothing."""
    TIMEOUT = "timeout"
    BUG = "bug"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a pass that came to its end wants next."""

    next_in_s: float | None = None
    """Sooner than the interval."""
    is_gone: bool = False
    wake: frozenset[tuple[str, str]] = frozenset()
    """Other keys to look at now."""


Work: TypeAlias = "Callable[[Key], Awaitable[Verdict]]"
"""One pass. What it raises is counted and tried again."""

EARLY_S = 0.001
"""A loop runs a timer up to its clock's resolution early, when what it was set for is not due by that clock yet."""


class WorkQueue:
    """`add` at any time; `await run()` once, in the task that leads."""

    def __init__(
        self,
        *,
        interval_s: float,
        most: int,
        most_in_lane: int = PER_LANE,
        limit_s: float = PASS_LIMIT_S,
        on_pass: Callable[[Ending, float], None] = lambda _ending, _seconds: None,
    ) -> None:
        self._interval_s = interval_s
        self._limit_s = limit_s
        self._on_pass = on_pass
        self._schedule = Schedule(most=most, most_in_lane=min(most_in_lane, most))
        self._failures: dict[tuple[str, str], int] = {}
        self._started_s: dict[Key, float] = {}
        self._is_draining = False
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def keys(self) -> int:
        """Known."""
        return len(self._schedule)

    @property
    def waiting(self) -> int:
        """Due, without a place to run."""
        return self._schedule.waiting

    @property
    def running(self) -> int:
        """Passes under way."""
        return self._schedule.running

    def add(self, key: tuple[str, str], *, lane: Lane | None = None, in_s: float = 0.0) -> None:
        """Look at it, at the latest then. While it runs, it runs once more afterwards, however often this is called."""
        self._schedule.add(key, at_s=self._now_s() + in_s, lane=lane)
        self._wake.set()

    async def drain(self, limit_s: float) -> None:
        """Start nothing more, and wait for the passes under way, but not longer than that."""
        self._is_draining = True
        async with asyncio.timeout(limit_s):
            while self.running:
                self._ended.clear()
                await self._ended.wait()

    def oldest_s(self) -> float:
        """How long the longest pass under way has been running; 0 when there is none."""
        return self._now_s() - min(self._started_s.values(), default=self._now_s())

    async def run(self, work: Work) -> None:
        """Until cancelled, which cancels the passes under way and waits for their end."""
        async with asyncio.TaskGroup() as passes:
            while True:
                self._wake.clear()
                for key in () if self._is_draining else self._schedule.take(self._now_s() + EARLY_S):
                    passes.create_task(self._pass(work, Key(*key)), name=f"pass {key[0]}/{key[1]}")
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout_at(None if self._is_draining else self._schedule.next_s()):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _pass(self, work: Work, key: Key) -> None:
        started_s = self._started_s[key] = self._now_s()
        try:
            ending, verdict = await self._judged(work, key)
        finally:
            del self._started_s[key]
        self._on_pass(ending, self._now_s() - started_s)
        if verdict.is_gone:
            self._failures.pop(key, None)
            self._schedule.gone(key)
        else:
            self._schedule.done(key, next_at_s=self._now_s() + self._pause_s(key, ending, verdict))
        for other in verdict.wake - {key}:
            self._schedule.add(other, at_s=self._now_s())
        self._wake.set()
        self._ended.set()

    async def _judged(self, work: Work, key: Key) -> tuple[Ending, Verdict]:
        limit = asyncio.timeout(self._limit_s)
        try:
            async with limit:
                verdict = await work(key)
        except KubeError as error:
            log.warning("pass %s/%s: %s; trying again soon", *key, error, extra=Event.PASS_FAILED.tag)
            return Ending.KUBE_ERROR, Verdict()
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            log.error("pass %s/%s: cancelled from inside; trying again soon", *key, extra=Event.PASS_CANCELLED.tag)  # noqa: TRY400
            return Ending.BUG, Verdict()
        except Exception as error:  # noqa: BLE001 one broken pass never stops the others
            if limit.expired():
                log.warning(
                    "pass %s/%s: given up after %.0f s; trying again soon",
                    *key,
                    self._limit_s,
                    extra=Event.PASS_GIVEN_UP.tag,
                )
                return Ending.TIMEOUT, Verdict()
            log.error(  # noqa: TRY400
                "pass %s/%s: unexpected %s at %s; trying again soon",
                *key,
                type(error).__name__,
                _place(error),
                extra=Event.PASS_UNEXPECTED.tag,
            )
            return Ending.BUG, Verdict()
        return (Ending.GONE if verdict.is_gone else Ending.DONE), verdict

    def _pause_s(self, key: Key, ending: Ending, verdict: Verdict) -> float:
        jittered_s = self._interval_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 no secret depends on it
        if ending is Ending.DONE:
            self._failures.pop(key, None)
            return jittered_s if verdict.next_in_s is None else min(verdict.next_in_s, jittered_s)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return min(FIRST_RETRY_S * 2.0 ** min(failures - 1, 10), jittered_s)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
