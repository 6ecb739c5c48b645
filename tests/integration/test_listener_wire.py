"""The listener on a wire that is cut, frozen at every phase, thawed and delayed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from notifychannel_sidecar.credentials import from_mapping
from notifychannel_sidecar.hints import timestamp
from tests.listening import QUICK, Listening, target
from tests.wire import Wire


@pytest.fixture(scope="session")
def server(newest):
    """The wire fails, whatever is behind it; test_listener.py listens on each version."""
    return newest


def over(wire: Wire, database) -> str:
    return database.dsn().replace(f":{database.server.port}/", f":{wire.port}/")


@pytest.fixture
async def wire(database):
    async with Wire(target=database.server.port) as made:
        yield made


async def test_a_frozen_wire_is_found_by_the_round_trip_and_left(database, wire):
    """Mutant: `_look` returns on TimeoutError instead of raising Refused(HALF_OPEN)."""
    admin = await database.connect()
    async with Listening(target=target(over(wire, database))) as listening:
        await listening.listens()
        wire.freeze()
        count = await listening.says("HalfOpen")
        await admin.execute("NOTIFY orders, 'unheard'")
        wire.thaw()
        await listening.listens_after(count)
        assert listening.resyncs[-1]["reason"] == "reconnect"
        await admin.execute("NOTIFY orders, 'heard'")
        await listening.until(lambda: ("orders", "heard") in listening.puts)


async def test_a_wire_that_is_frozen_while_connecting_is_given_up_and_tried_again(database, wire):
    """Mutant: `connection` passes no timeout to asyncpg.connect (its own default is a minute)."""
    wire.freeze()
    async with Listening(target=target(over(wire, database))) as listening:
        count = await listening.says("Unreachable")
        wire.thaw()
        await listening.listens_after(count)
        assert [resync["reason"] for resync in listening.resyncs] == ["start"]


@pytest.mark.parametrize("session", ["any", "primary", "read-write"])
async def test_a_first_host_that_accepts_and_never_answers_does_not_hide_the_second(database, wire, session):
    """Mutant: asyncpg.connect with all hosts at once, whose one timeout the dead host eats up each time."""
    wire.freeze()
    hosts = f"127.0.0.1:{wire.port},127.0.0.1:{database.server.port}"
    uri = database.dsn().replace(f"127.0.0.1:{database.server.port}", hosts)
    ways = from_mapping({"uri": f"{uri}?target_session_attrs={session}".encode()}).connect_arguments()
    async with Listening(target=replace(target(uri), arguments=ways)) as listening:
        await listening.listens()
        assert listening.seen == ["CONNECTING", "LISTENING"]
        assert wire.connections > 0


async def test_where_no_host_will_do_it_is_what_the_last_one_said(database, wire):
    await wire.refuse()
    hosts = f"127.0.0.1:{database.server.port},127.0.0.1:{wire.port}"
    uri = database.dsn().replace(f"127.0.0.1:{database.server.port}", hosts)
    ways = from_mapping({"uri": f"{uri}?target_session_attrs=standby".encode()}).connect_arguments()
    async with Listening(target=replace(target(uri), arguments=ways)) as listening:
        await listening.says("Unreachable")


@pytest.mark.parametrize(
    "sent", [b"pg_is_in_recovery", b"LISTEN", b"pg_notification_queue_usage", b"application_name', $1"]
)
async def test_a_wire_that_freezes_at_any_step_of_the_subscription_is_given_up_and_tried_again(database, wire, sent):
    """Mutant: `listen` without asyncio.timeout; or `_in_one_transaction` as `async with connection.transaction()`."""
    wire.freeze_at(sent)
    async with Listening(target=target(over(wire, database))) as listening:
        await wire.frozen()
        assert "LISTENING" not in listening.seen
        await listening.until(lambda: len(listening.seen) > 1)
        wire.thaw()
        count = len(listening.seen)
        await listening.listens_after(count)
        assert [resync["reason"] for resync in listening.resyncs] == ["start"]


async def test_a_wire_that_is_cut_is_noticed_at_once_and_replaced(database, wire):
    """Mutant: `on_loss` not called: the cut is noticed only by the next round trip, a minute later here."""
    slow = Listening(
        target=target(over(wire, database)),
        timings=type(QUICK)(round_trip_interval_s=600.0),
    )
    async with slow as listening:
        await listening.listens()
        wire.cut()
        count = await listening.says("Unreachable")
        await listening.listens_after(count)
        assert listening.resyncs[-1]["reason"] == "reconnect"
        assert listening.resyncs[-1]["since"] == timestamp(listening.trips[0].at_us)
        assert 0 <= listening.resyncs[-1]["delay"] <= 0.5


async def test_a_server_that_refuses_connections_for_a_while_is_tried_until_it_takes_them(database, wire):
    async with Listening(target=target(over(wire, database))) as listening:
        await listening.listens()
        await wire.refuse()
        wire.cut()
        count = await listening.says("Unreachable")
        count = await listening.says("Unreachable", after=count)
        await wire.accept()
        await listening.listens_after(count)


async def test_a_slow_wire_is_no_reason_to_reconnect(database, wire):
    """Mutant: a round trip counted lost after 0.05 s."""
    wire.delay_s = 0.05
    timings = type(QUICK)(round_trip_interval_s=0.1)
    async with Listening(target=target(over(wire, database)), timings=timings) as listening:
        await listening.until(lambda: len(listening.trips) > 3)
        assert listening.seen == ["CONNECTING", "LISTENING"]
        assert wire.connections == 1
        assert all(trip.trip_s >= 0.1 for trip in listening.trips)


async def test_a_session_ends_in_bounded_time_on_a_frozen_wire(database, wire):
    """Mutant: leaving `connection` awaits close() without a timeout."""
    async with Listening(target=target(over(wire, database))) as listening:
        await listening.listens()
        wire.freeze()
    assert not wire._open.is_set()
