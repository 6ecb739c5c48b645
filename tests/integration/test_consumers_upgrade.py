"""Objects that an older version has made, with rows that wait in them, are brought up and nothing is lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from notifychannel_operator.names import pg_channel
from notifychannel_operator.spec import Audit, Capture, Consumer, Delivery, Endpoint
from notifychannel_operator.step import Kind
from tests.premises import OWNER, build, channel, source

DUMP = Path(__file__).parent / "dumps" / "outbox_1.sql"
BY_OUTBOX = channel(source(), capture=Capture.OUTBOX)
JOBS = channel(
    source(),
    capture=Capture.OUTBOX,
    consumers=(Consumer(group="app", endpoint=Endpoint(port=1, path="/"), delivery=Delivery.AT_LEAST_ONCE),),
)
AUDITED = replace(JOBS, audit=Audit(enabled=True))
DRAIN = "SELECT * FROM notifychannel.drain('0', '{}', 1000)"
ROWS = "SELECT key, state, version, count, attempts FROM notifychannel.queue ORDER BY key"


@pytest.fixture
async def site(database):
    return await build(database)


async def _restore(site, wanted):
    await site.grant(wanted)
    site.psql(f'DROP SCHEMA notifychannel CASCADE; CREATE SCHEMA notifychannel AUTHORIZATION "{site.installer}"')
    site.psql(DUMP.read_text(encoding="utf-8"), role=site.installer)
    await site.admin.execute(f"""
        REVOKE ALL ON FUNCTION notifychannel.skipped() FROM PUBLIC;
        GRANT USAGE ON SCHEMA notifychannel TO "{site.listener}";
        GRANT EXECUTE ON FUNCTION notifychannel.skipped() TO "{site.listener}";
    """)


async def _hearing(site):
    listener, heard = await site.session(site.listener), asyncio.Queue()
    await listener.add_listener(pg_channel(OWNER), lambda *args: heard.put_nowait(args[3]))
    return listener, heard


async def _keys(heard, wanted):
    """Until these keys were heard, or nothing comes."""
    found = set()
    async with asyncio.timeout(30):
        while not found >= wanted:
            payload = await heard.get()
            found |= {line[line.index("[") :] for line in payload.splitlines()[1:]}
    return found


async def test_an_outbox_of_the_version_before_is_brought_up_with_rows_in_both_tables(site):
    """Mutant: $outdated$ in 020_outbox.sql that drops a table whose functions are older."""
    await _restore(site, BY_OUTBOX)
    listener, heard = await _hearing(site)
    result = await site.step(BY_OUTBOX)
    assert result.done[0].sentence.startswith("put right the outbox")
    await site.app.execute("INSERT INTO orders VALUES (4)")
    assert (await listener.fetchrow(DRAIN))["taken"] == 4
    assert await _keys(heard, {"[1]", "[2]", "[3]", "[4]"}) == {"[1]", "[2]", "[3]", "[4]"}


async def test_the_same_becomes_a_channel_of_jobs_and_what_waited_is_told_to_who_listens_and_to_the_queue(site):
    """A writer is in its transaction all the while. Mutants: `arriving` behind the triggers; `put_consumer` without its
    resync, and merge that takes payloads of other rules for nothing.
    """
    await _restore(site, JOBS)
    writer = await site.database.connect(site.app_role)
    await writer.execute("BEGIN; INSERT INTO orders VALUES (4)")
    listener, heard = await _hearing(site)
    result = await site.step(JOBS)
    assert [step.kind for step in result.done] == [Kind.SCHEMA, Kind.SCHEMA, Kind.REGISTER, Kind.CHANGE]
    await site.admin.execute("DELETE FROM notifychannel.queue")  # what the steps themselves have asked for
    await writer.execute("COMMIT")
    await site.app.execute("INSERT INTO orders VALUES (5)")
    assert (await listener.fetchrow(DRAIN))["taken"] == 5
    assert await _keys(heard, {"[1]", "[2]", "[3]", "[4]", "[5]"}) == {"[1]", "[2]", "[3]", "[4]", "[5]"}
    rows = {row["key"]: row["state"] for row in await site.admin.fetch(ROWS)}
    assert rows == {"": "pending", "[5]": "pending"}


async def test_a_queue_of_an_older_text_is_brought_up_with_rows_and_claims_in_it(site):
    """Functions of another shape, some missing, a table that came later: rows, versions and claims stay.

    Mutants: $outdated$ in 031_claims.sql left out; a DROP TABLE anywhere in 030_queue.sql.
    """
    await site.install(JOBS)
    await site.admin.execute("DELETE FROM notifychannel.queue")
    await site.app.execute("INSERT INTO orders VALUES (1), (2), (3)")
    sidecar = await site.database.connect(site.listener)
    await sidecar.fetchrow(DRAIN)
    me = await sidecar.fetchval("SELECT notifychannel.enter('test', 'shop', 'orders', 'app', 'x')")
    await site.admin.execute("UPDATE notifychannel.queue SET due_at = now() - interval '1 s', not_before = due_at")
    claimed = await sidecar.fetch("SELECT key, version FROM notifychannel.claim($1, 1)", me)
    assert len(claimed) == 1
    await site.app.execute("INSERT INTO orders VALUES (4)")
    before = await site.admin.fetch(ROWS)
    await (await site.session()).execute("""
        DROP FUNCTION notifychannel.settle CASCADE;
        DROP FUNCTION notifychannel.beat;
        CREATE FUNCTION notifychannel.beat(me integer) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
        DROP FUNCTION notifychannel.rules_settled();
        DROP TABLE notifychannel.fence;
        COMMENT ON FUNCTION notifychannel.claimers_look() IS 'made by NotifyChannel, 00000000 00';
    """)
    result = await site.step(JOBS)
    assert result.done[0].sentence.startswith("put right the queue")
    assert await site.admin.fetch(ROWS) == before
    assert await sidecar.fetchval("SELECT notifychannel.beat($1)", me) is not None
    settled = await sidecar.fetchval(
        "SELECT notifychannel.settle($1, $2, $3, $4, $5, $6)",
        me, [claimed[0]["key"]], [claimed[0]["version"]], ["done"], [None], [None],
    )  # fmt: skip
    assert settled == 1
    await sidecar.fetchrow(DRAIN)
    rows = [row["key"] for row in await site.admin.fetch(ROWS) if row["state"] != "resting"]
    assert sorted(rows) == sorted({"[1]", "[2]", "[3]", "[4]"} - {claimed[0]["key"]})


OLDER = """
ALTER TABLE notifychannel.consumer DROP COLUMN low, ADD COLUMN escalated_after double precision;
ALTER TABLE notifychannel.claimer
    DROP COLUMN timeout, ADD COLUMN full_look_at timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE notifychannel.queue DROP COLUMN escalations;
ALTER TABLE notifychannel.queue_clock DROP COLUMN walks_consumer, DROP COLUMN walks_key;
ALTER TABLE notifychannel.audit DROP COLUMN source;
ALTER TABLE notifychannel.audited DROP COLUMN key_names;
ALTER TABLE notifychannel.outbox_logged DROP COLUMN source;
DROP INDEX notifychannel.queue_dead;
DROP SEQUENCE notifychannel.upkept;
COMMENT ON FUNCTION notifychannel.claimers_look() IS 'made by NotifyChannel, 00000000 00'
"""


async def test_tables_of_the_version_before_are_brought_up_with_rows_and_claims_in_them(site):
    """Under a claimer, who goes on. Mutants: $outdated$ in 020_outbox.sql or 030_queue.sql without its ALTERs."""
    await site.install(AUDITED)
    await site.admin.execute("DELETE FROM notifychannel.queue")
    await site.app.execute("INSERT INTO orders VALUES (1), (2)")
    sidecar = await site.database.connect(site.listener)
    await sidecar.fetchrow(DRAIN)
    me = await sidecar.fetchval("SELECT notifychannel.enter('test', 'shop', 'orders', 'app', 'x')")
    await site.admin.execute("UPDATE notifychannel.queue SET due_at = now() - interval '1 s', not_before = due_at")
    assert len(await sidecar.fetch("SELECT key FROM notifychannel.claim($1, 1)", me)) == 1
    before = await site.admin.fetch(ROWS)
    await site.app.execute("INSERT INTO orders VALUES (3)")
    await (await site.session()).execute(OLDER)
    result = await site.step(AUDITED)
    assert [step.sentence.split(":")[0] for step in result.done] == [
        "put right the outbox", "put right the queue", f"audit {pg_channel(OWNER)}",
    ]  # fmt: skip
    assert await site.admin.fetch(ROWS) == before
    assert len(await sidecar.fetch("SELECT key FROM notifychannel.claim($1, 9)", me)) == 1
    assert (await sidecar.fetchrow(DRAIN))["merged"] == 1
    assert (await site.plan(AUDITED)).steps == ()
