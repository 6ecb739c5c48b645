"""A living session follows its configuration; the NOTIFY queue that was too full is made up for."""

from __future__ import annotations

import asyncio

import pytest

from notifychannel_sidecar.hints import timestamp
from tests.listening import Listening, channel, target

SKIPPED = """
CREATE SCHEMA notifychannel;
CREATE SEQUENCE notifychannel.skips;
CREATE TABLE notifychannel.t (id int);
CREATE FUNCTION notifychannel.skipped() RETURNS bigint LANGUAGE sql SECURITY DEFINER
    AS 'SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM notifychannel.skips';
"""
"""What the installer makes, as far as the listener reads it."""
ONE_SKIPPED = "INSERT INTO notifychannel.t VALUES (1); SELECT nextval('notifychannel.skips')"


@pytest.fixture(scope="session")
def server(newest):
    """Versions make no difference to a session that listens; test_listener.py listens on each."""
    return newest


def pids(admin, database):
    return admin.fetch("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'nch/%' AND datname = $1",
                       database.name)  # fmt: skip


async def test_a_new_channel_is_heard_on_the_same_connection_and_starts_with_a_resync(database):
    """Mutant: `_follow` without `_resync_changed`: what changed before the LISTEN is never looked at."""
    admin = await database.connect()
    async with Listening(target=target(database.dsn())) as listening:
        await listening.listens()
        before = await pids(admin, database)
        listening.listener.aim(target(database.dsn(), channel("orders"), channel("items")))
        await listening.until(lambda: len(listening.resyncs) == 2)
        await admin.execute("NOTIFY items, 'x'")
        await listening.until(lambda: ("items", "x") in listening.puts)
        assert listening.resyncs[-1] == {"name": "items", "reason": "start", "since": None, "delay": 0.0}
        assert await pids(admin, database) == before
        assert listening.seen == ["CONNECTING", "LISTENING"]


async def test_a_channel_that_went_away_is_heard_no_more_and_the_others_go_on(database):
    """Mutant: `unlisten` of all old channels instead of those that went away."""
    admin = await database.connect()
    async with Listening(target=target(database.dsn(), channel("orders"), channel("items"))) as listening:
        await listening.listens()
        listening.listener.aim(target(database.dsn(), channel("items")))
        trips = len(listening.trips)
        await listening.until(lambda: len(listening.trips) > trips + 1)
        await admin.execute("NOTIFY orders, 'x'")
        await admin.execute("NOTIFY items, 'marker'")
        await listening.until(lambda: ("items", "marker") in listening.puts)
        assert ("orders", "x") not in listening.puts
        assert len(listening.resyncs) == 2


async def test_a_channel_that_moves_to_another_postgresql_channel_is_resynced_as_changed(database):
    admin = await database.connect()
    async with Listening(target=target(database.dsn())) as listening:
        await listening.listens()
        listening.listener.aim(target(database.dsn(), channel("orders", pg_channel="elsewhere")))
        await listening.until(lambda: len(listening.resyncs) == 2)
        assert listening.resyncs[-1]["reason"] == "rules"
        assert listening.resyncs[-1]["since"] is not None
        await admin.execute("NOTIFY elsewhere, 'x'")
        await listening.until(lambda: listening.puts == [("orders", "x")])


async def test_a_configuration_that_changes_and_changes_back_before_it_is_followed_is_followed(database):
    """What `orders` had pending went with it, so it has to be looked at, though the target is the one of before.

    Mutant: `_listen` compares targets (`self._target != target`) instead of how often it was aimed.
    """
    both = target(database.dsn(), channel("orders"), channel("items"))
    async with Listening(target=both) as listening:
        await listening.listens()
        listening.listener.aim(target(database.dsn(), channel("items")))
        listening.listener.aim(both)
        await listening.until(lambda: len(listening.resyncs) == 3)
        await listening.more_trips()
        assert listening.resyncs[2:] == [{"name": "orders", "reason": "start", "since": None, "delay": 0.0}]
        assert listening.seen == ["CONNECTING", "LISTENING"]


async def test_a_reload_amid_traffic_loses_nothing(database):
    """Mutant: `unlisten` before `listen` in `_follow`, or a reconnection: notifications fall through the gap."""
    admin = await database.connect()
    async with Listening(target=target(database.dsn())) as listening:
        await listening.listens()

        async def write() -> None:
            for number in range(2000):
                await admin.execute(f"NOTIFY orders, '{number}'")

        writing = asyncio.create_task(write())
        turn = 0
        while not writing.done():
            turn += 1
            trips = len(listening.trips)
            listening.listener.aim(target(database.dsn(), channel("orders"), channel(f"other{turn}")))
            await listening.until(lambda trips=trips: len(listening.trips) > trips)
        await writing
        await listening.until(lambda: len(listening.puts) == 2000)
        assert turn > 5
        assert [payload for _, payload in listening.puts] == [str(number) for number in range(2000)]


async def test_another_database_in_the_configuration_is_another_connection(database):
    """Mutant: `_recognise` that does not tell the sink: it would wait for transaction ids of before."""
    async with Listening(target=target(database.dsn())) as listening:
        await listening.listens()
        listening.listener.aim(target(database.server.dsn(), dbname="postgres", fingerprint="2"))
        await listening.until(lambda: len(listening.resyncs) == 2)
        assert listening.resyncs[-1]["since"] is None
        await listening.until(lambda: listening.seen == ["CONNECTING", "LISTENING"] * 2)
        assert listening.servers == 2


async def test_a_skipped_notify_is_a_resync_of_the_channels_with_sources_since_the_look_before(database):
    """Mutant: `_whole_us` set before `look`: `since` is the time at which the skip was found, not before it."""
    admin = await database.connect()
    await admin.execute(SKIPPED)
    ours = target(database.dsn(), channel("orders", sources=True), channel("foreign"))
    async with Listening(target=ours) as listening:
        await listening.until(lambda: len(listening.trips) > 1)
        await admin.execute(ONE_SKIPPED)
        await listening.until(lambda: len(listening.resyncs) > 3)
        found = next(number for number, trip in enumerate(listening.trips) if trip.skipped)
        before = timestamp(listening.trips[found - 1].at_us)
        assert listening.resyncs[2:] == [{"name": "orders", "reason": "skipped", "since": before, "delay": 0.0}] * 2
        trips = len(listening.trips)
        await listening.until(lambda: len(listening.trips) > trips + 2)
        assert len(listening.resyncs) == 4


async def test_a_skipped_change_that_commits_after_the_resync_gets_another_one(database):
    """Mutant: the snapshot's xmax for pg_current_xact_id() in round_trip.sql, or no second resync at all."""
    admin = await database.connect()
    await admin.execute(SKIPPED)
    async with Listening(target=target(database.dsn(), channel("orders", sources=True))) as listening:
        await listening.listens()
        writer = await database.connect()
        await writer.execute("BEGIN; " + ONE_SKIPPED)
        await listening.until(lambda: len(listening.resyncs) == 2)
        trips = len(listening.trips)
        await listening.until(lambda: len(listening.trips) > trips + 2)
        assert len(listening.resyncs) == 2
        await writer.execute("COMMIT")
        await listening.until(lambda: len(listening.resyncs) == 3)
        assert listening.resyncs[2] == listening.resyncs[1]


@pytest.mark.parametrize("missing", ["schema", "usage", "execute"])
async def test_where_skipped_is_missing_or_forbidden_the_listener_listens_all_the_same(database, missing):
    """Mutant: `_skipped` calls without looking first."""
    admin = await database.connect()
    role = await database.role("listener")
    if missing != "schema":
        await admin.execute(SKIPPED + "REVOKE EXECUTE ON FUNCTION notifychannel.skipped() FROM PUBLIC;")
    if missing == "execute":
        await admin.execute(f'GRANT USAGE ON SCHEMA notifychannel TO "{role}"')
    if missing == "usage":
        await admin.execute(f'GRANT EXECUTE ON FUNCTION notifychannel.skipped() TO "{role}"')
    async with Listening(target=target(database.dsn(role), channel("orders", sources=True))) as listening:
        await listening.until(lambda: len(listening.trips) > 2)
        assert listening.trips[-1].skipped is None
        assert listening.seen == ["CONNECTING", "LISTENING"]


async def test_a_function_of_somebody_else_s_that_counts_nothing_ends_nothing(database):
    """Mutant: `int(...)` of what `skipped()` answers."""
    admin = await database.connect()
    await admin.execute("CREATE SCHEMA notifychannel; CREATE FUNCTION notifychannel.skipped() RETURNS bigint"
                        " LANGUAGE sql AS 'SELECT NULL::bigint'")  # fmt: skip
    async with Listening(target=target(database.dsn())) as listening:
        await listening.until(lambda: len(listening.trips) > 1)
        assert listening.trips[-1].skipped is None
