"""What a durable queue has to do to be measured by `bench durable`: ours, one made by hand, and the rivals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

Handled = Callable[[], Awaitable[dict[int, float]]]
"""Waits for all changes: number → when it was handled."""


class Contender(Protocol):
    """Changes (jobs) are numbers; times are those of time.monotonic, which is one clock for all processes."""

    @property
    def name(self) -> str:
        """As it is called in figures."""

    async def prepare(self) -> None:
        """Make its tables; once."""

    async def enqueue(self, count: int, *, at_a_time: int) -> float:
        """Make so many changes, each `at_a_time` of them in a statement and a transaction of its own; seconds."""

    async def forget(self) -> None:
        """Empty its tables."""

    async def paced(self, count: int, *, per_second: int) -> dict[int, float]:
        """Make so many changes at that rate: number → when, just before it was made."""

    def working(self, count: int, *, eager: bool) -> AbstractAsyncContextManager[Handled]:
        """Work off so many changes from the entry of the block on.

        `eager`: there is a backlog, and it is as wide as makes it fast; otherwise it is ready at the entry of the
        block, and as narrow as makes it prompt.
        """
