"""Pods whose application claims its hints, and workers that do it, over the real local port."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from tests.listening import config
from tests.sidecar import PATIENCE_S, SidecarProcess

if TYPE_CHECKING:
    from notifychannel_sidecar.config import ChannelConfig
    from tests.durably import Queue

NOBODY = SimpleNamespace(port=0)
"""Instead of an application that is POSTed to."""
SERVES = "serving streams and claims at 127.0.0.1:"


def jobs(queue: Queue, **changes: Any) -> ChannelConfig:
    """The channel as it is claimed."""
    return queue.orders(NOBODY, **{"port": 0, "path": "", **changes})


def pod(queue: Queue, name: str = "a", *, uri: str | None = None, **changes: Any) -> SidecarProcess:
    """A sidecar of which `orders` is claimed."""
    return SidecarProcess(
        config=config(jobs(queue, **changes)), uri=uri or queue.database.dsn(),
        environment={"NOTIFYCHANNEL_POD": name, "NOTIFYCHANNEL_LOCAL_PORT": "0"},
    )  # fmt: skip


async def local_port(sidecar: SidecarProcess, *, after: int = 0) -> int:
    """Where it serves claims, by what it logged last."""
    await sidecar.logs(SERVES, after=after)
    return int([line for line in sidecar.logged if SERVES in line][-1].rpartition(":")[2])


@dataclass(kw_only=True)
class Worker:
    """`async with Worker(port=…) as worker:`; what it was given, in order."""

    port: int
    got: list[dict[str, Any]] = field(default_factory=list)
    http: aiohttp.ClientSession = field(init=False)

    @classmethod
    async def beside(cls, sidecar: SidecarProcess) -> Self:
        """On that sidecar's port."""
        return cls(port=await local_port(sidecar))

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S + 70)
        self.http = aiohttp.ClientSession(f"http://127.0.0.1:{self.port}", timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def ask(self, path: str, body: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, JSON and headers."""
        how = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
        async with self.http.post(path, **how) as answer:
            assert answer.content_type == "application/json"
            return answer.status, await answer.json(), dict(answer.headers)

    async def claim(self, *, most: int = 1, wait: float = 20.0) -> list[dict[str, Any]]:
        """Of `orders`."""
        status, said, _ = await self.ask("/v1/claim", {"channel": "orders", "max": most, "wait": wait})
        assert status == 200, said
        self.got += said["claims"]
        return list(said["claims"])

    async def ack(self, **what: Any) -> dict[str, Any]:
        """`done=[…]` and so on, of claims as they were given."""
        body = {name: [it["claim"] for it in them] if isinstance(them, list) else them for name, them in what.items()}
        status, said, _ = await self.ask("/v1/ack", body)
        assert status == 200, said
        return said

    async def work(self, *, most: int = 1, wait: float = 1.0, seconds: float = 0.0) -> None:
        """Claim and acknowledge until cancelled."""
        while True:
            if claims := await self.claim(most=most, wait=wait):
                await asyncio.sleep(seconds)
                assert (await self.ack(done=claims))["gone"] == []


def ids(claims: list[dict[str, Any]]) -> list[int]:
    """The keys of claims, in order; of a resync nothing."""
    return [hint["key"]["id"] for claim in claims for hint in claim["hints"]]


def versions(claims: list[dict[str, Any]], key: int) -> list[str]:
    """The ids of one key's hints."""
    return [hint["id"] for claim in claims for hint in claim["hints"] if hint["key"]["id"] == key]
