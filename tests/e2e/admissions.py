"""A stream of admissions: dry-run creations of pods that ask for the sidecar, each answer looked at.

The webhook's policy is Ignore, so a failed call to the injector is a pod that was created as it was sent: `missed`.
Sent in fours, more than the API server keeps connections for, so that new TLS handshakes go on all the time.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from tests.e2e.release import labelled_pod, sidecars

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.e2e.kubectl import Kubectl

AT_ONCE = 4
EVERY_S = 0.4
"""Ten a second in all."""


@dataclass(kw_only=True)
class Admissions:
    """What came of them; times are of `time.time()`."""

    injected: int = 0
    missed: list[float] = field(default_factory=list)
    """When a pod came back without the sidecar."""
    refused: list[str] = field(default_factory=list)
    """When the API server took no pod at all, and its words."""
    slowest_s: float = 0.0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __str__(self) -> str:
        return (
            f"{self.injected} injected, {len(self.missed)} not injected, {len(self.refused)} refused"
            f" (goal 0 and 0), slowest {self.slowest_s:.2f} s"
        )

    async def further(self, count: int) -> None:
        """Wait until so many more have been injected; a stream in which none is ends in the test's own time limit."""
        wanted = self.injected + count
        async with self._changed:
            await self._changed.wait_for(lambda: self.injected >= wanted)

    async def one(self, http: aiohttp.ClientSession, url: str) -> None:
        began_s, at = time.monotonic(), time.time()
        async with http.post(url, json=labelled_pod()) as answer:
            body = await answer.json()
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
        if answer.status != HTTPStatus.CREATED:
            self.refused.append(f"{at}: {body.get('message')}")
        elif sidecars(body):
            async with self._changed:
                self.injected += 1
                self._changed.notify_all()
        else:
            self.missed.append(at)


@asynccontextmanager
async def admitting(kubectl: Kubectl, namespace: str) -> AsyncIterator[Admissions]:
    """The stream goes on while the block does; what is under way at its end is waited for."""
    seen = Admissions()
    async with _proxied(kubectl) as origin, aiohttp.ClientSession() as http:
        url = f"{origin}/api/v1/namespaces/{namespace}/pods?dryRun=All"
        done = asyncio.Event()
        stream = asyncio.create_task(_stream(seen, http, url, done))
        try:
            yield seen
        finally:
            done.set()
            await stream


async def _stream(seen: Admissions, http: aiohttp.ClientSession, url: str, done: asyncio.Event) -> None:
    """On its own clock, however long the answers take."""
    async with asyncio.TaskGroup() as group:
        while not done.is_set():
            for _ in range(AT_ONCE):
                group.create_task(seen.one(http, url))
            await asyncio.sleep(EVERY_S)


@asynccontextmanager
async def _proxied(kubectl: Kubectl) -> AsyncIterator[str]:
    """The API server's address without its TLS and login, on a free port of 127.0.0.1."""
    process = await asyncio.create_subprocess_exec(
        kubectl.program, "proxy", "--port=0", env=kubectl.environment(), stdout=asyncio.subprocess.PIPE
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        yield f"http://{line.decode().split()[-1]}"
    finally:
        process.kill()
        await process.wait()
