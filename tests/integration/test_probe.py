"""/status over HTTP: a sidecar or nothing, whatever answers there."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from aiohttp import web

from notifychannel_cli.embedded import free_port
from notifychannel_operator.passes.probe import MAX_BYTES, Probe
from notifychannel_operator.passes.sidecar import Sidecar

GOOD = {"state": "LISTENING", "reason": None, "channels": {}}


class Served:
    """A server whose answer is `answer(request)`."""

    def __init__(self, answer):
        self._answer = answer
        self.asked = []

    async def __aenter__(self):
        async def handle(request):
            self.asked.append(request.path)
            return await self._answer(request)

        application = web.Application()
        application.router.add_get("/{path:.*}", handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()


async def asked(answer, **options):
    async with Served(answer) as served, Probe(**{"timeout_s": 5.0, **options}) as probe:
        return await probe.read("127.0.0.1", served.port), served.asked


def says(text, **options):
    async def answer(_request):
        return web.Response(text=text, **options)

    return answer


async def test_a_sidecar_is_understood():
    found, paths = await asked(says(json.dumps(GOOD)))
    assert found == Sidecar(is_listening=True)
    assert paths == ["/status"]


@pytest.mark.parametrize(
    "answer",
    [
        says(json.dumps(GOOD), status=404),
        says(json.dumps(GOOD), status=500),
        says("not JSON"),
        says("[" * 100_000),
        says("\ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
        says("[]"),
        says("{}"),
        says(json.dumps({**GOOD, "padding": "x" * MAX_BYTES})),
    ],
)
async def test_what_is_no_sidecar_is_nothing(answer):
    """Mutant: `_get` without the limit; `read` without RecursionError."""
    found, _ = await asked(answer)
    assert found is None


async def test_a_redirect_is_not_followed():
    """It would lead the operator wherever a pod likes. Mutant: allow_redirects."""

    async def answer(request):
        if request.path == "/status":
            raise web.HTTPFound("/elsewhere")
        return web.Response(text=json.dumps(GOOD))

    found, paths = await asked(answer)
    assert found is None
    assert paths == ["/status"]


async def test_an_endless_answer_ends_with_the_time_limit_or_the_size():
    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(b" " * 65_536)
        return response

    found, _ = await asked(answer)
    assert found is None


async def test_who_accepts_and_says_nothing_costs_the_time_limit():
    """Mutant: `read` without the timeout."""
    silent = asyncio.Event()

    async def hold(_reader, writer):
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started = time.monotonic()
    async with Probe(timeout_s=0.3) as probe:
        assert await probe.read("127.0.0.1", port) is None
    assert time.monotonic() - started < 10
    silent.set()
    server.close()
    await server.wait_closed()


async def test_nobody_there_is_nothing():
    async with Probe() as probe:
        assert await probe.read("127.0.0.1", free_port()) is None
