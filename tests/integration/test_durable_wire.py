"""AtLeastOnce, when something between sidecar, queue and application breaks: killed, frozen, cut, restarted.

No key is lost, and none is in two POSTs at once, whoever else has taken over meanwhile. Whether a sidecar that was
frozen POSTs what others have long delivered is seen by its path, for each pod has its own.
"""

from __future__ import annotations

import asyncio
import signal

import pytest

from notifychannel_cli.embedded import Server
from notifychannel_sidecar.durable.hold import FRESH_S
from tests import queueing
from tests.application import Application, Hang, Work
from tests.durably import Queue, claims, own, told
from tests.wire import Wire

pytestmark = pytest.mark.timeout(180)
KEYS = range(60)
HARD = {"max_hints": 1}
"""One key a POST: then many claims wait in the sidecar while a few are in flight."""
AT_ONCE = 4
"""POSTs of one sidecar."""


@pytest.fixture(scope="session")
def server(newest):
    """What differs between versions is in SQL, and that has its own tests."""
    return newest


@pytest.fixture
async def application():
    """It works half a second on each POST."""
    async with Application() as app:
        app.behaviour = Work(seconds=0.5)
        yield app


@pytest.fixture
def template(server):
    return queueing.template(server)


@pytest.fixture
async def queue(database):
    return await Queue.on(database)


def over(wire, database):
    return database.dsn().replace(f":{database.server.port}/", f":{wire.port}/")


def by(application, path):
    return [post for post in application.posts if post.path == path]


async def until_posts(application, path, number):
    await application.until(lambda _: len(by(application, path)) >= number)


async def all_hang(application, queue, path):
    """The application works on as many POSTs as a sidecar makes at once: none is about to begin until one ends."""
    application.behaviour = Hang()
    await queue.change(*KEYS)
    await until_posts(application, path, AT_ONCE)


def go_on(application):
    """It answers those, and quickly all that come."""
    application.behaviour = Work(seconds=0.05)
    application.release()


def posted_late(application, path, before):
    """How many of the first keys were POSTed to that path after its first so many."""
    return sum(post.hint["key"]["id"] in KEYS for post in by(application, path)[before:])


def all_told_and_none_twice_at_once(application, keys=KEYS):
    assert set(told(application)) == set(keys)
    assert application.overlaps == []


async def test_what_a_killed_sidecar_had_claimed_is_delivered_by_another_though_it_was_the_relay(queue, application):
    """Mutants: the relay reclaims nothing; reclaims when the lock is gone, without the time of a POST."""
    async with queue.sidecar(application, "a", path="/a", **HARD) as one:
        await one.logs("is the relay of the database")
        async with queue.sidecar(application, "b", path="/b", **HARD) as other:
            await claims(one)
            await claims(other)
            await queue.change(*KEYS)
            await until_posts(application, "/a", 6)
            one.process.kill()
            application.behaviour = Work(seconds=0.05)
            await queue.is_done()
    all_told_and_none_twice_at_once(application)


@pytest.mark.parametrize("wire_is", ["whole", "frozen"])
async def test_a_sidecar_that_was_stopped_for_longer_than_its_claims_live_posts_none_of_them_when_it_goes_on(
    application, database, wire_is
):
    """Where the wire is whole it hears at once that its session was ended; where it is not, only the time tells.

    Mutant: `Hold._may_start` without the time (frozen).
    """
    queue = await Queue.on(database, timeout=3.0)
    async with Wire(target=database.server.port) as wire, queue.sidecar(application, "b", path="/b", **HARD) as other:
        await claims(other)
        async with queue.sidecar(application, "a", uri=over(wire, database), path="/a", **HARD) as one:
            await claims(one)
            await all_hang(application, queue, "/a")
            if wire_is == "frozen":
                wire.freeze()
            one.signal(signal.SIGSTOP)
            go_on(application)
            await queue.is_done()
            before = len(by(application, "/a"))
            one.signal(signal.SIGCONT)
            await one.logs("not claiming")
            wire.thaw()
            await claims(one)
            other.signal(signal.SIGTERM)
            await other.ends()
            await queue.change(1000)
            await queue.is_done()
    assert posted_late(application, "/a", before) == 0
    all_told_and_none_twice_at_once(application, [*KEYS, 1000])


async def test_behind_a_frozen_wire_no_post_starts_later_than_the_relay_counts_on(database, application):
    """Mutants: `Hold._may_start` without the time; `proven_s` is the end of a call."""
    queue = await Queue.on(database, timeout=3.0)
    application.behaviour = Work(seconds=2.5)
    async with Wire(target=database.server.port) as wire, queue.sidecar(application, "b", path="/b", **HARD) as other:
        await claims(other)
        async with queue.sidecar(application, "a", uri=over(wire, database), path="/a", **HARD) as one:
            await claims(one)
            await queue.change(*KEYS)
            await until_posts(application, "/a", 5)
            wire.freeze()
            frozen_at = asyncio.get_running_loop().time()
            await one.logs("not claiming")
            application.behaviour = Work(seconds=0.05)
            await queue.is_done()
            last_at = by(application, "/a")[-1].at
    assert last_at - frozen_at <= FRESH_S + 0.5
    all_told_and_none_twice_at_once(application)


async def test_the_relay_that_is_stopped_with_claims_is_replaced_and_its_claims_are_delivered(queue, application):
    """Mutant: relay_waiting() asks for rows of the outbox alone."""
    async with queue.sidecar(application, "a", path="/a", **HARD) as one:
        await one.logs("is the relay of the database")
        async with queue.sidecar(application, "b", path="/b", **HARD) as other:
            await claims(one)
            await claims(other)
            await queue.change(*KEYS)
            await until_posts(application, "/a", 6)
            one.signal(signal.SIGSTOP)
            await queue.is_done()
            one.signal(signal.SIGCONT)
    all_told_and_none_twice_at_once(application)


async def test_claims_behind_a_cut_wire_are_delivered_by_another_and_not_by_us_when_it_is_mended(application, database):
    """Mutant: `lose` keeps what is ready."""
    queue = await Queue.on(database, timeout=3.0)
    async with Wire(target=database.server.port) as wire, queue.sidecar(application, "b", path="/b", **HARD) as other:
        await claims(other)
        async with queue.sidecar(application, "a", uri=over(wire, database), path="/a", **HARD) as one:
            await claims(one)
            await all_hang(application, queue, "/a")
            await wire.refuse()
            wire.cut()
            await one.logs("not claiming")
            before = len(by(application, "/a"))
            go_on(application)
            await queue.is_done()
            await wire.accept()
            await claims(one)
            other.signal(signal.SIGTERM)
            await other.ends()
            await queue.change(1000)
            await queue.is_done()
    assert posted_late(application, "/a", before) == 0
    all_told_and_none_twice_at_once(application, [*KEYS, 1000])


async def test_a_sidecar_alone_goes_on_where_it_was_when_the_wire_is_thawed(queue, application, database):
    """It is its own relay, so its claims come back by itself. Mutant: `_wait` never ends."""
    async with (
        Wire(target=database.server.port) as wire,
        queue.sidecar(application, uri=over(wire, database), **HARD) as one,
    ):
        await claims(one)
        await queue.change(*KEYS)
        await until_posts(application, "/hints", 6)
        wire.freeze()
        await one.logs("not claiming")
        wire.thaw()
        await queue.is_done()
    all_told_and_none_twice_at_once(application)


async def test_nothing_is_lost_when_postgresql_is_killed_and_starts_again(application):
    """Mutant: the queue is an unlogged table ."""
    with Server(version=18) as server:
        async with own(server) as database:
            queue = await Queue.on(database)
            async with queue.sidecar(application, **HARD) as one:
                await claims(one)
                await queue.change(*KEYS)
                await until_posts(application, "/hints", 6)
                await asyncio.to_thread(server.restart, "immediate")
                queue.admin = await database.connect()
                await queue.change(1000)
                await queue.is_done()
            all_told_and_none_twice_at_once(application, [*KEYS, 1000])
