"""/status over HTTP: a sidecar or nothing, whatever answers there."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from aiohttp import web

from notifychannel_cli.embedded import free_port
from notifychannel_operator.passes import silence
from notifychannel_operator.passes.probe import MAX_BYTES, MAX_SILENT_AT_ONCE, SHARED_S, Probe, ask
from notifychannel_operator.passes.sidecar import Sidecar
from notifychannel_operator.passes.workload import Seat

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


class Silent:
    """Takes connections and says nothing; counts them."""

    async def __aenter__(self):
        self._over = asyncio.Event()
        self.connections = 0

        async def hold(_reader, writer):
            self.connections += 1
            await self._over.wait()
            writer.close()

        self._server = await asyncio.start_server(hold, "0.0.0.0", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._over.set()
        self._server.close()
        await self._server.wait_closed()


async def test_who_accepts_and_says_nothing_costs_the_time_limit_once_and_is_then_left_alone():
    """Mutants: `read` without the timeout; without `silence.holds`."""
    started = time.monotonic()
    async with Silent() as silent, Probe(timeout_s=0.3) as probe:
        for _ in range(100):
            assert await probe.read("127.0.0.1", silent.port) is None
        assert silent.connections == 1
    assert time.monotonic() - started < 20


async def test_channels_that_look_at_a_pod_at_the_same_time_share_its_answer():
    """Two hundred channels of one group. Mutants: `read` without its turn; without `_answers`."""
    async with Served(says(json.dumps(GOOD))) as served, Probe(timeout_s=20.0) as probe:
        found = await asyncio.gather(*(probe.read("127.0.0.1", served.port) for _ in range(20)))
    assert found == [Sidecar(is_listening=True)] * 20
    assert served.asked == ["/status"]


async def test_what_a_sidecar_says_now_is_heard_a_moment_later():
    """Mutant: `_keep` that keeps the time of the first answer, or SHARED_S of an hour."""
    says_now = [json.dumps(GOOD)]

    async def answer(_request):
        return web.Response(text=says_now[0])

    async with Served(answer) as served, Probe(timeout_s=20.0) as probe:
        assert (await probe.read("127.0.0.1", served.port)).is_listening
        says_now[0] = json.dumps({**GOOD, "state": "WAITING"})
        async with asyncio.timeout(30):
            while (await probe.read("127.0.0.1", served.port)).is_listening:  # noqa: ASYNC110 it is asked over HTTP
                await asyncio.sleep(0.05)


def seats(*ports):
    return [Seat(group="app", pod=f"app-{port}", address="127.0.0.1", port=port) for port in ports]


async def test_all_questions_of_a_pass_end_with_its_limit_and_who_answered_is_known():
    """Mutant: `ask` without its timeout: this waits for the probe's own 60 s."""
    async with Silent() as silent, Served(says(json.dumps(GOOD))) as served, Probe(timeout_s=60.0) as probe:
        nobody = Seat(group="app", pod="nowhere", address=None, port=1)
        found = await ask(probe.read, [*seats(silent.port, served.port), nobody], limit_s=2.0)
        assert found == {f"app-{served.port}": Sidecar(is_listening=True)}


def policed(silent, count):
    """Pods behind a network policy that drops packets."""
    return [
        Seat(group="app", pod=f"silent-{number}", address=f"127.0.1.{number + 1}", port=silent.port)
        for number in range(count)
    ]


async def test_hundreds_of_silent_pods_are_waited_for_twice_and_then_by_the_minute(monkeypatch):
    """Here the second question needs no pause, so that it comes at all.

    Mutants: `_ask` without `unheard`, or AT_FIRST_S always: each pass waits for all of them; AGAIN_S always: nobody is
    waited for twice.
    """
    monkeypatch.setattr(silence, "AT_FIRST_S", 0.0)
    async with Silent() as silent, Probe(timeout_s=0.4) as probe:
        pods = policed(silent, 200)

        async def looked():
            found = await ask(probe.read, pods, limit_s=60.0)
            assert found == dict.fromkeys((seat.pod for seat in pods), None)

        await looked()
        assert silent.connections == len(pods)
        async with asyncio.timeout(30):
            while silent.connections < 2 * len(pods):  # an answer is shared for a second
                await asyncio.sleep(0.1)
                await looked()
        for _ in range(3):
            await asyncio.sleep(SHARED_S / 2)
            await looked()
        assert silent.connections == 2 * len(pods)


async def test_pods_that_are_known_to_be_silent_keep_no_healthy_one_waiting(monkeypatch):
    """As many as there are places for all. Mutants: `is_known` that says False; the silent in `_slots` too."""
    monkeypatch.setattr(silence, "AT_FIRST_S", 0.0)
    monkeypatch.setattr(silence, "AGAIN_S", 0.01)
    places = 2 * MAX_SILENT_AT_ONCE
    async with (
        Silent() as silent,
        Served(says(json.dumps(GOOD))) as served,
        Probe(timeout_s=2.0, at_once=places) as probe,
    ):
        pods = policed(silent, places)
        while silent.connections < 2 * len(pods):
            await ask(probe.read, pods, limit_s=60.0)
            await asyncio.sleep(SHARED_S)
        asked_before = silent.connections
        again = [asyncio.create_task(probe.read(seat.address, seat.port)) for seat in pods]
        while silent.connections == asked_before:  # noqa: ASYNC110 they are being asked
            await asyncio.sleep(0)
        assert await probe.read("127.0.0.1", served.port) == Sidecar(is_listening=True)
        done = sum(task.done() for task in again)
        for task in again:
            task.cancel()
        await asyncio.wait(again)
    assert done <= MAX_SILENT_AT_ONCE


async def test_nobody_there_is_nothing():
    async with Probe() as probe:
        assert await probe.read("127.0.0.1", free_port()) is None
