"""`bench admission`: what a pod waits for the injector over TLS at 50 pods/s, beside a bare aiohttp server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from notifychannel_cli.bench.figure import Figure, Floor
from notifychannel_cli.embedded import free_port
from notifychannel_cli.tether import tethered
from notifychannel_operator import certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifychannel_cli.bench.rig import Rig

PODS_PER_S = 50
SECONDS = 16
START_TIMEOUT_S = 30.0
ASK_AGAIN_S = 0.05
GOAL_P99_MS = 10.0
NAME = "injector.bench.svc"
BARE = Path(__file__).with_name("bare_webhook.py")


async def measure(rig: Rig) -> list[Figure]:
    """Both are asked at that rate in turn; a time runs from when its pod was due, so that waiting counts too."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="notifychannel-bench-")))
        context = _certificate(folder)
        connector = aiohttp.TCPConnector(ssl=context)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        ports = [await stack.enter_async_context(_injector(folder)), await stack.enter_async_context(_bare(folder))]
        pods = PODS_PER_S * rig.rounds(SECONDS, least=2)
        milliseconds: tuple[list[float], list[float]] = ([], [])
        async with asyncio.TaskGroup() as group:
            for times, port, start_s in zip(milliseconds, ports, (0.0, 0.5 / PODS_PER_S), strict=True):
                group.create_task(_stream(session, port, times, pods=pods, start_s=start_s))
    (p50, p99), (floor50, floor99) = (_percentiles(times) for times in milliseconds)
    floors = Floor(floor50, "ms, bare aiohttp over TLS"), Floor(floor99, "ms, bare aiohttp over TLS")
    return [
        Figure(name=f"admission at {PODS_PER_S} pods/s, p50", value=p50, unit="ms", floor=floors[0]),
        Figure(name=f"admission at {PODS_PER_S} pods/s, p99", value=p99, unit="ms", floor=floors[1], goal=GOAL_P99_MS),
    ]


async def _stream(session: aiohttp.ClientSession, port: int, times: list[float], *, pods: int, start_s: float) -> None:
    """One pod every 1/PODS_PER_S seconds, whether or not the last one is answered."""
    body = json.dumps(_review()).encode()
    for _ in range(5):  # connections and caches, as a server has them that is not just born
        await _ask(session, port, body)
    loop = asyncio.get_running_loop()
    began = loop.time() + start_s

    async def one(due: float) -> None:
        await _ask(session, port, body)
        times.append((loop.time() - due) * 1000)

    async with asyncio.TaskGroup() as group:
        for number in range(pods):
            due = began + number / PODS_PER_S
            await asyncio.sleep(due - loop.time())
            group.create_task(one(due))


async def _ask(session: aiohttp.ClientSession, port: int, body: bytes) -> None:
    url, headers = f"https://127.0.0.1:{port}/inject", {"Content-Type": "application/json"}
    async with session.post(url, data=body, headers=headers, server_hostname=NAME) as answer:
        found = await answer.json()
    if not found["response"]["allowed"]:
        raise RuntimeError("an admission was refused")


@asynccontextmanager
async def _injector(folder: Path) -> AsyncIterator[int]:
    port, http_port = free_port(), free_port()
    settings = {
        "NOTIFYCHANNEL_TLS_DIR": str(folder), "NOTIFYCHANNEL_SIDECAR_IMAGE": "notifychannel/sidecar:bench",
        "NOTIFYCHANNEL_HOST": "127.0.0.1", "NOTIFYCHANNEL_PORT": str(port), "NOTIFYCHANNEL_HTTP_PORT": str(http_port),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *tethered(sys.executable, "-m", "notifychannel_operator.injector", to_get=signal.SIGKILL),
        env={**os.environ, **settings},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with _killed(process):
        await _until_ready(process, http_port)
        yield port


async def _until_ready(process: asyncio.subprocess.Process, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline and process.returncode is None:
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.ok:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(ASK_AGAIN_S)
    raise RuntimeError("the injector did not start")


@asynccontextmanager
async def _bare(folder: Path) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        *tethered(sys.executable, str(BARE), str(folder / "tls.crt"), str(folder / "tls.key"), to_get=signal.SIGKILL),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with _killed(process):
        if process.stdout is None:
            raise RuntimeError("the floor program's standard output is not ours")
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
        if not line.startswith(b"ready "):
            raise RuntimeError(f"the floor program did not start: {line!r}")
        yield int(line.split()[1])


@asynccontextmanager
async def _killed(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _certificate(folder: Path) -> ssl.SSLContext:
    """Writes tls.crt and tls.key; gives what a client trusts."""
    now = datetime.now(UTC)
    ca = certificates.make_ca(now)
    leaf = certificates.make_leaf(ca, [NAME], now)
    (folder / "tls.crt").write_bytes(leaf.certificate_pem)
    (folder / "tls.key").touch(mode=0o600)
    (folder / "tls.key").write_bytes(leaf.key_pem)
    return ssl.create_default_context(cadata=ca.certificate_pem.decode())


def _review() -> dict[str, Any]:
    """Of a pod as large as they come in practice: six containers, forty variables each."""
    variables = [{"name": f"SETTING_{number}", "value": f"value of setting {number}"} for number in range(40)]
    containers = [{"name": f"app-{number}", "image": "shop/orders:1", "env": variables} for number in range(6)]
    labels = {"app": "orders", "notifychannel.io/inject": "orders"}
    pod = {"metadata": {"generateName": "orders-", "labels": labels}, "spec": {"containers": containers}}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE", "namespace": "shop", "object": pod,
        "resource": {"group": "", "version": "v1", "resource": "pods"},
    }  # fmt: skip
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def _percentiles(milliseconds: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(milliseconds, n=100)
    return cuts[49], cuts[98]
