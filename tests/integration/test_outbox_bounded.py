"""An outbox where no relay lives: passes keep it bounded, lose nothing, and leave a relay that lives alone."""

from __future__ import annotations

import asyncio
import json

import pytest

from notifychannel_operator.names import pg_channel
from notifychannel_operator.passes import outbox
from notifychannel_operator.passes.identity import identify
from notifychannel_operator.passes.outbox import Outbox
from notifychannel_operator.passes.whereabouts import Identity
from notifychannel_operator.spec import Capture
from tests.operating import operating, resource
from tests.premises import OWNER, build, channel, source

WANTED = channel(source(), capture=Capture.OUTBOX)
LONG_AGO = Outbox(size_bytes=0, rows=0, looked_s=-1000.0, idle_since_s=-1000.0)
ROWS = 300


@pytest.fixture
async def site(database):
    made = await build(database)
    await made.install(WANTED)
    return made


async def listening(site):
    session, heard = await site.session(site.listener), asyncio.Queue()
    await session.add_listener(pg_channel(OWNER), lambda *args: heard.put_nowait(args[3]))
    return heard


async def told(site, heard):
    """What was NOTIFYed before a marker."""
    await site.app.execute("SELECT pg_notify($1, 'marker')", pg_channel(OWNER))
    found = []
    while (payload := await asyncio.wait_for(heard.get(), 30)) != "marker":
        found.append(payload)
    return found


async def write(site, first=0):
    for number in range(first, first + ROWS):
        await site.app.execute("INSERT INTO orders VALUES ($1, 'x')", number)


async def waiting(site):
    return await site.admin.fetchval("SELECT count(*) FROM notifychannel.outbox")


def keys(payloads):
    lines = [line for payload in payloads for line in payload.split("\n")[1:]]
    return sorted(json.loads(line.lstrip("0123456789"))[0] for line in lines)


async def test_without_a_relay_a_pass_drains_and_every_key_is_heard(site):
    """Mutant: `DELETE` without the pg_notify of drain; `_trim` that does nothing."""
    heard = await listening(site)
    await write(site)
    found = await outbox.look_after(await site.session(), LONG_AGO)
    assert (await waiting(site), found.is_behind) == (0, False)
    assert keys(await told(site, heard)) == list(range(ROWS))


async def test_past_the_cap_what_waits_is_one_resync_per_channel_and_batch(site, monkeypatch):
    """Mutants: `collapse` that does not NOTIFY; one that looks at the cap in each batch and so leaves some."""
    monkeypatch.setattr(outbox, "DRAIN_S", 0.0)
    monkeypatch.setattr(outbox, "BATCH_ROWS", 100)
    heard = await listening(site)
    await write(site)
    found = await outbox.look_after(await site.session(), LONG_AGO, cap_bytes=20_000)
    assert (await waiting(site), found.is_behind) == (0, False)
    payloads = await told(site, heard)
    assert 0 < len(payloads) <= ROWS / 100 + 1
    assert {len(payload) for payload in payloads} == {26}


async def test_below_the_cap_what_there_was_no_time_for_stays_and_the_pass_comes_back(site, monkeypatch):
    """Mutant: `collapse` without the look at the cap."""
    monkeypatch.setattr(outbox, "DRAIN_S", 0.0)
    await write(site)
    found = await outbox.look_after(await site.session(), LONG_AGO, cap_bytes=100_000)
    assert (await waiting(site), found.is_behind) == (ROWS, True)
    monkeypatch.undo()
    again = await outbox.look_after(await site.session(), found)
    assert (await waiting(site), again.is_behind) == (0, False)


async def test_with_a_small_cap_the_outbox_stays_bounded_however_much_is_written(site, monkeypatch):
    """Nobody listens and no sidecar lives. Mutant: `look_after` without `_trim`."""
    monkeypatch.setattr(outbox, "DRAIN_S", 0.0)
    sizes = []
    for round_ in range(6):
        await write(site, first=round_ * ROWS)
        sizes.append((await outbox.look_after(await site.session(), LONG_AGO, cap_bytes=10_000)).size_bytes)
        await site.admin.execute("VACUUM notifychannel.outbox")  # what autovacuum does in its time
    assert await waiting(site) == 0
    assert max(sizes[2:]) <= sizes[1]


async def test_a_relay_that_lives_is_left_alone(site):
    """Mutant: take_role.sql that answers true."""
    relay = await site.database.connect(site.listener)
    await relay.fetchval("SELECT pg_try_advisory_lock(1852008556, 1)")
    await write(site)
    found = await outbox.look_after(await site.session(), LONG_AGO)
    assert (await waiting(site), found.idle_since_s, found.is_behind) == (ROWS, None, False)
    session = await site.session()
    assert await outbox._as_relay(session, site.installer, "drain", 0, 10) is None


async def test_a_pass_waits_for_half_a_minute_before_it_does_a_sidecars_work(site):
    """Mutant: `GRACE_S` of 0: each pass competes with the sidecars that start."""
    await write(site)
    first = await outbox.look_after(await site.session(), None)
    assert (await waiting(site), first.is_behind) == (ROWS, False)
    assert first.idle_since_s is not None
    assert await outbox.look_after(await site.session(), first) is first


async def test_a_member_of_the_owner_without_its_rights_does_it_as_the_owner(site):
    """Mutant: `_acting` without act_as.sql."""
    rotated = await site.database.role("rotated")
    inherits = "" if site.database.server.version < 16 else " WITH INHERIT FALSE"
    await site.admin.execute(f'GRANT "{site.installer}" TO "{rotated}"{inherits}')
    await site.admin.execute(f'GRANT CONNECT ON DATABASE "{site.database.name}" TO "{rotated}"')
    await write(site)
    await outbox.look_after(await site.session(rotated), LONG_AGO)
    assert await waiting(site) == 0


async def test_a_database_without_an_outbox_has_none_to_look_after(site):
    await site.admin.execute("DROP TABLE notifychannel.outbox")
    assert await outbox.look_after(await site.session(), None) is None


async def test_a_pass_of_any_channel_looks_after_the_outbox_and_says_how_large_it_is(site):
    """Mutant: Visit.run without `_look_after_outbox`."""
    operator = operating()
    operator.secret(site.database.dsn(site.installer))
    identity = await identify(site.admin)
    operator.edges.memory.outboxes[identity] = LONG_AGO
    await write(site)
    operator.apply(resource(capture="Outbox"))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")
    assert await waiting(site) == 0
    assert operator.edges.memory.known_outboxes()[identity].size_bytes > 0
    operator.edges.memory.outboxes[Identity("1", "gone")] = LONG_AGO
    assert set(operator.edges.memory.known_outboxes()) == {identity}
    assert operator.config().channels[0].capture == "Outbox"


async def test_damage_that_the_pass_does_not_mend_breaks_no_other_channel(site):
    """Mutant: `_look_after_outbox` without its except."""
    operator = operating()
    operator.secret(site.database.dsn(site.installer))
    await site.admin.execute("DROP FUNCTION notifychannel.outbox_size()")
    operator.apply(resource())
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")
    assert operator.edges.memory.known_outboxes() == {}
