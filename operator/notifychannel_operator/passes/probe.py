"""Asks a pod's sidecar for its /status: two seconds, no redirect, a size limit, and an answer out of closed sets.

Whatever is there instead of a sidecar, the answer is None. Who was silent is left alone for a while (`silence.py`) and
then asked from a few places of its own; channels that look at one pod at the same time share its answer. Refuses to
know which pods may be asked: `workload.py` does.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import aiohttp
from yarl import URL

from notifychannel_operator.passes import sidecar
from notifychannel_operator.passes.memory import Turns
from notifychannel_operator.passes.silence import Silence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from notifychannel_operator.passes.sidecar import Sidecar
    from notifychannel_operator.passes.silence import Address
    from notifychannel_operator.passes.workload import Seat

TIMEOUT_S = 2.0
MAX_BYTES = 1 << 20
MAX_AT_ONCE = 40
MAX_SILENT_AT_ONCE = 10
"""Beside the others: five of them a second, so that hundreds behind a network policy keep no healthy pod waiting."""
HTTP_OK = 200
SHARED_S = 1.0
"""Less than the soonest second look at a channel (`settling.py`), which wants to see something new."""
PASS_S = 10.0
"""For all questions of one pass, which has 120 s: hundreds of pods behind a network policy must not cost it more."""


class Probe:
    """`async with Probe() as probe: await probe.read("10.0.0.7", 9789)`; one for the process."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, at_once: int = MAX_AT_ONCE) -> None:
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(at_once)
        self._slots_of_the_silent = asyncio.Semaphore(MAX_SILENT_AT_ONCE)
        self._turns = Turns()
        self._silence = Silence()
        self._answers: dict[Address, tuple[float, Sidecar | None]] = {}
        """Of the last second, the oldest first."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(  # it wants a running loop
            connector=aiohttp.TCPConnector(force_close=True, limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def read(self, host: str, port: int) -> Sidecar | None:
        """What the sidecar says of itself; None when nothing that is one answers in time, or was silent just now."""
        address = host, port
        async with self._turns.of(address):
            now_s = asyncio.get_running_loop().time()
            if self._silence.holds(address, now_s):
                return None
            answered_s, answer = self._answers.get(address, (-SHARED_S, None))
            if now_s < answered_s + SHARED_S:
                return answer
            async with self._slots_of_the_silent if self._silence.is_known(address) else self._slots:
                answer = await self._ask(address)
            self._keep(address, answer)
            return answer

    def _keep(self, address: Address, answer: Sidecar | None) -> None:
        now_s = asyncio.get_running_loop().time()
        self._answers.pop(address, None)
        self._answers[address] = now_s, answer
        while self._answers[oldest := next(iter(self._answers))][0] < now_s - SHARED_S:
            del self._answers[oldest]

    async def _ask(self, address: Address) -> Sidecar | None:
        host, port = address
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await self._get(URL.build(scheme="http", host=host, port=port, path="/status"))
        except TimeoutError:
            self._silence.unheard(address, asyncio.get_running_loop().time())
            return None
        except (OSError, aiohttp.ClientError):
            body = None
        self._silence.heard(address)
        return _parsed(body)

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


async def ask(
    read: Callable[[str, int], Awaitable[Sidecar | None]], seats: Iterable[Seat], *, limit_s: float = PASS_S
) -> dict[str, Sidecar | None]:
    """Pod → its answer, of those that have an address; whose turn has not come when the time is over is left out."""
    answers: dict[str, Sidecar | None] = {}

    async def one(pod: str, host: str, port: int) -> None:
        answers[pod] = await read(host, port)

    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as questions:
            for seat in seats:
                if seat.address is not None:
                    questions.create_task(one(seat.pod, seat.address, seat.port))
    return answers


def _parsed(body: bytes | None) -> Sidecar | None:
    try:
        return None if body is None else sidecar.parse(json.loads(body))
    except (ValueError, RecursionError):
        return None
