"""What a fault is: a name, how it is made ready, and a context that breaks something and mends it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.checker.shop import Combination

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.faults.place import Place

    Deed = Callable[[Place], AbstractAsyncContextManager[str | None]]


@asynccontextmanager
async def nothing(_place: Place) -> AsyncIterator[None]:
    """There is nothing to make ready."""
    yield None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Of the twelve, or a way of one."""

    name: str
    """As in the table and on docs/faults.md."""
    broken: Deed
    """Broken when it is entered, mended when it is left; what there is to say of how it was done here, or None."""
    prepared: Deed = nothing
    """What has to stand before it can be broken; entered while all is well."""
    lasts: bool = True
    """Somebody has to mend it. Else it is over at once, and what recovers does so by itself."""
    obstacle: Callable[[Place], str | None] = lambda _: None
    """Why it can't be tried here, and what to do about it."""
    best_effort: Combination = Combination.NOTIFY
    """How changes are captured for the one delivery; for the other there is but one way."""

    def combinations(self) -> tuple[Combination, Combination]:
        """Both deliveries."""
        return self.best_effort, Combination.DURABLE
