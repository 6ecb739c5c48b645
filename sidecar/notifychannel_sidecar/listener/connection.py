"""A connection to the first host that will do, closed without ever hanging; and how long we wait for what.

Refuses to retry: who wants it does.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from notifychannel_sidecar.events import Event
from notifychannel_sidecar.listener.failures import label

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

log = logging.getLogger(__name__)

NEXT_HOST = (OSError, TimeoutError, asyncpg.TargetServerAttributeNotMatched, asyncpg.CannotConnectNowError)
"""How a host fails that leaves the next one to be tried, as in libpq: nobody there, the wrong one, one that starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How long the listener waits for what, in seconds."""

    connect_timeout_s: float = 10.0
    statement_timeout_s: float = 10.0
    round_trip_interval_s: float = 10.0
    round_trip_timeout_s: float = 5.0
    relay_interval_s: float = 4.0
    """Between two looks at the relay, where there is an outbox."""
    close_timeout_s: float = 2.0


@asynccontextmanager
async def connection(arguments: Mapping[str, Any], timings: Timings) -> AsyncIterator[asyncpg.Connection]:
    """Connect to the first host that will do; leaving closes politely, then hard, and never hangs."""
    opened = await _first(_each_host(arguments), timings)
    try:
        yield opened
    except BaseException:
        opened.terminate()
        raise
    try:
        await opened.close(timeout=timings.close_timeout_s)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        log.debug("the connection did not close (%s); it was cut", label(error), extra=Event.CONNECTION_CUT.tag)


async def _first(hosts: Sequence[Mapping[str, Any]], timings: Timings) -> asyncpg.Connection:
    """The hosts in their order, each with a timeout of its own: asyncpg's is over all, so a dead one eats it up.

    `prefer-standby` prefers nothing here, for a standby refuses LISTEN. Raises what the last host did.
    """
    *others, last = hosts
    for each in others:
        with suppress(*NEXT_HOST):
            return await _connect(each, timings)
    return await _connect(last, timings)


async def _connect(arguments: Mapping[str, Any], timings: Timings) -> asyncpg.Connection:
    # No prepared statements are kept: a pooler may hand the next transaction to another server connection.
    return await asyncpg.connect(**{**arguments, "statement_cache_size": 0, "timeout": timings.connect_timeout_s})


def _each_host(arguments: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The same arguments once for each host that they name."""
    hosts, ports = arguments.get("host"), arguments.get("port")
    if not isinstance(hosts, list) or not isinstance(ports, list):
        return [arguments]
    return [{**arguments, "host": [host], "port": [port]} for host, port in zip(hosts, ports, strict=True)]
