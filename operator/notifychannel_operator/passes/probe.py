"""Asks a pod's sidecar for its /status: two seconds, no redirect, a size limit, and an answer out of closed sets.

Whatever is there instead of a sidecar, the answer is None. Refuses to know which pods may be asked: `workload.py` does.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Self

import aiohttp
from yarl import URL

from notifychannel_operator.passes import sidecar

if TYPE_CHECKING:
    from notifychannel_operator.passes.sidecar import Sidecar

TIMEOUT_S = 2.0
MAX_BYTES = 1 << 20
MAX_AT_ONCE = 50
HTTP_OK = 200


class Probe:
    """`async with Probe() as probe: await probe.read("10.0.0.7", 9789)`; one for the process."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, at_once: int = MAX_AT_ONCE) -> None:
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(at_once)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(  # it wants a running loop
            connector=aiohttp.TCPConnector(force_close=True, limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def read(self, host: str, port: int) -> Sidecar | None:
        """What the sidecar says of itself; None when nothing that is one answers in time."""
        async with self._slots:
            try:
                async with asyncio.timeout(self._timeout_s):
                    body = await self._get(URL.build(scheme="http", host=host, port=port, path="/status"))
                return None if body is None else sidecar.parse(json.loads(body))
            except (OSError, TimeoutError, aiohttp.ClientError, ValueError, RecursionError):
                return None

    async def _get(self, url: URL) -> bytes | None:
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != HTTP_OK:
                return None
            body = b""
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > MAX_BYTES:
                    return None
            return body
