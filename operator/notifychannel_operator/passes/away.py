"""Databases at the end of a release: who is away is not waited for by each of its channels, and not for ever.

Sessions are kept between channels, as in service. From `give_up` on, a Secret through which nobody got lately fails at
once with what was said then, and after LAST_S more no connection is opened at all: a hook has five minutes.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notifychannel_operator.passes.conditions import Reason
from notifychannel_operator.passes.connect import LIMIT_S, Failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    import asyncpg

    from notifychannel_sidecar.credentials import Credentials

    Connection = asyncpg.Connection[asyncpg.Record]

LAST_S = 20.0
"""For the last round: some rounds of connecting to hosts that do not answer, each of them in a Secret of its own."""


@dataclass(slots=True, kw_only=True)
class Away:
    """`connected` in place of `connect`, for one run."""

    connect: Callable[[Credentials, float], AbstractAsyncContextManager[Connection]]
    """The float: for how many seconds, as `limit_s` of `connect.connected`."""
    _failed: dict[str, Failed] = field(default_factory=dict, repr=False)
    """By fingerprint of the Secret: how the last connection through it ended."""
    _gave_up_s: float | None = None
    """The event loop's time."""

    def give_up(self) -> None:
        """From now on nobody is tried again; may be called again."""
        if self._gave_up_s is None:
            self._gave_up_s = asyncio.get_running_loop().time()

    @asynccontextmanager
    async def connected(self, credentials: Credentials, *, ends_s: float = math.inf) -> AsyncIterator[Connection]:
        """As `connect.connected`, and cut at `ends_s` (the event loop's time) at the latest."""
        fingerprint = credentials.fingerprint()
        if (failure := self._refused(fingerprint)) is not None:
            raise Failed(failure.reason, str(failure))
        try:
            limit_s = min(LIMIT_S, ends_s - asyncio.get_running_loop().time())
            async with self.connect(credentials, limit_s) as connection:
                yield connection
        except Failed as error:
            self._failed[fingerprint] = error
            raise
        self._failed.pop(fingerprint, None)

    def _refused(self, fingerprint: str) -> Failed | None:
        if self._gave_up_s is None:
            return None
        if asyncio.get_running_loop().time() > self._gave_up_s + LAST_S:
            return self._failed.get(fingerprint) or Failed(Reason.UNREACHABLE, "there was no time left to connect")
        return self._failed.get(fingerprint)
