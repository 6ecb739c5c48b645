"""Whether LISTEN hears, by the sidecar's own proof; and who the server itself says holds the NOTIFY queue.

Both NOTIFY on a channel of their own that nobody else listens to; that is all that the doctor ever sends.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import asyncpg

from notifychannel_cli.doctor.finding import Unseen
from notifychannel_cli.doctor.server import Proof
from notifychannel_cli.identity import reason
from notifychannel_operator import sqlfile
from notifychannel_sidecar.listener import failures
from notifychannel_sidecar.listener.connection import Timings, connection
from notifychannel_sidecar.listener.failures import Refused
from notifychannel_sidecar.listener.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMINGS = Timings()
WARNED_AGAIN_S = 5.1
"""The server warns every five seconds at most (async.c, QUEUE_FULL_WARN_INTERVAL), and somebody else may have heard."""
FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
_PID = re.compile(r"\b[0-9]{1,10}\b", re.ASCII)


async def prove(arguments: Mapping[str, Any]) -> Proof | Unseen:
    """As a sidecar proves that it hears; `arguments` as asyncpg.connect has them."""
    try:
        async with connection(arguments, TIMINGS) as opened:
            session = Session(opened, arguments, TIMINGS)
            await session.identify()
            await session.listen(frozenset(), lambda *_: None)  # to its own channel
            await session.prove()
    except Refused as refused:
        return Proof(why=refused.why)
    except FAILURES as error:
        if failures.STATEMENT_POOLING in str(error):
            return Proof(why=failures.why(error))
        return Unseen(why=f"the round trip failed: {reason(error)}")
    return Proof(why=None)


async def queue_holder(arguments: Mapping[str, Any]) -> int | None:
    """The process that the server names to who NOTIFYs into a queue more than half full; None where it does not."""
    named: list[int] = []

    def heard(_: object, message: asyncpg.PostgresLogMessage) -> None:
        found = _PID.search(getattr(message, "detail", None) or "")
        if found:
            named.append(int(found[0]))

    with suppress(*FAILURES):
        async with connection(arguments, TIMINGS) as opened:
            opened.add_log_listener(heard)
            for pause_s in (WARNED_AGAIN_S, 0.0):
                with suppress(asyncpg.ProgramLimitExceededError):  # it is full: the warning comes before
                    await opened.fetch(sqlfile.read("doctor/ring.sql"), f"nch_{secrets.token_hex(16)}")
                if named:
                    break
                await asyncio.sleep(pause_s)
    return named[0] if named else None
