"""Objects that an older version has made, with rows that wait in them, are brought up and nothing is lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from notifychannel_operator import database as edge
from notifychannel_operator.names import pg_channel
from notifychannel_operator.spec import Audit, Capture, Consumer, Delivery, Endpoint
from notifychannel_operator.step import Kind
from tests.pages import blocks
from tests.premises import OWNER, build, channel, source

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "upgrade.md"
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


def _back():
    """The page's statements that lead back to the tables of the version before."""
    (back,) = [it.text for it in blocks(PAGE.read_text(encoding="utf-8")) if it.language == "sql"]
    return back


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


MERGE = "SELECT pg_get_functiondef('notifychannel.merge(text[], text[], text[])'::regprocedure)"
WITHOUT_SOURCES = (
    (", sources text[] DEFAULT NULL::text[]", ""), ("channel, at, source, key", "channel, at, key"),
    ("clock_timestamp(), o.source, k.key", "clock_timestamp(), k.key"), ("GROUP BY a.id, o.source", "GROUP BY a.id"),
    ("unnest(channels, payloads, sources) AS o (channel, payload, source)",
     "unnest(channels, payloads) AS o (channel, payload)"),
)  # fmt: skip
"""Of `merge`: how the version before had it."""


async def test_in_the_middle_of_an_upgrade_behind_a_reader_of_the_history_changes_are_claimed(site):
    """The outbox is of this version, the queue waits. Mutant: drain that wants the `merge` of this version."""
    await site.install(AUDITED)
    older = await site.admin.fetchval(MERGE)
    for ours, theirs in WITHOUT_SOURCES:
        assert ours in older
        older = older.replace(ours, theirs)
    owner = await site.session()
    site.psql(_back(), role=site.installer)
    await owner.execute(older)
    reader = await site.database.connect()
    await reader.execute("BEGIN; SELECT FROM notifychannel.audit")
    result = await edge.apply(owner, await site.plan(AUDITED))
    assert result.gave_up
    assert [step.sentence.split(":")[0] for step in result.done] == ["put right the outbox"]

    await site.admin.execute("DELETE FROM notifychannel.queue")
    await site.app.execute("INSERT INTO orders VALUES (1)")
    sidecar = await site.database.connect(site.listener)
    assert (await sidecar.fetchrow(DRAIN))["merged"] == 1
    me = await sidecar.fetchval("SELECT notifychannel.enter('test', 'shop', 'orders', 'app', 'x')")
    await site.admin.execute("UPDATE notifychannel.queue SET due_at = now() - interval '1 s', not_before = due_at")
    assert [row["key"] for row in await sidecar.fetch("SELECT key FROM notifychannel.claim($1, 9)", me)] == ["[1]"]

    await reader.execute("COMMIT")
    await site.step(AUDITED)
    await site.app.execute("INSERT INTO orders VALUES (2)")
    assert (await sidecar.fetchrow(DRAIN))["merged"] == 1
    steps = await site.admin.fetch("SELECT key, source FROM notifychannel.audit WHERE step = 'captured' ORDER BY at")
    assert [tuple(step) for step in steps] == [("[1]", None), ("[2]", "public.orders")]


COMPARED = ("outbox", "outbox_logged", "consumer", "queue", "claimer", "audited", "audit", "queue_clock", "passed_over")


async def test_a_later_version_may_have_added_columns_that_may_be_null_and_is_rolled_back(site):
    """With a default and without, on each table."""
    await site.install(AUDITED)
    for table in COMPARED:
        await (await site.session()).execute(
            f"ALTER TABLE notifychannel.{table} ADD COLUMN later text, ADD COLUMN latest int DEFAULT 7"
        )
    await site.admin.execute("DELETE FROM notifychannel.queue")
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await site.admin.execute(
        "INSERT INTO notifychannel.outbox SELECT xid, 'other', payload FROM notifychannel.outbox_logged"
    )
    result = await site.step(AUDITED)
    assert [step.sentence.split(":")[0] for step in result.done] == ["put right the outbox", "put right the queue"]
    sidecar = await site.database.connect(site.listener)
    drained = await sidecar.fetchrow(DRAIN)
    assert (drained["taken"], drained["merged"]) == (2, 1)
    me = await sidecar.fetchval("SELECT notifychannel.enter('test', 'shop', 'orders', 'app', 'x')")
    await site.admin.execute("UPDATE notifychannel.queue SET due_at = now() - interval '1 s', not_before = due_at")
    assert [row["key"] for row in await sidecar.fetch("SELECT key FROM notifychannel.claim($1, 9)", me)] == ["[1]"]


COLUMNS = """
SELECT c.relname::text, string_agg(a.attname, ' ' ORDER BY a.attnum)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'notifychannel'::regnamespace AND c.relname IN ('outbox_logged', 'audit', 'audited')
GROUP BY c.relname
"""


async def test_the_statements_of_the_page_lead_back_to_the_tables_of_the_version_before_and_no_writer_fails(site):
    """Twice, for one may have to repeat them; then forward again."""
    await site.install(AUDITED)
    for _ in range(2):
        site.psql(_back(), role=site.installer)
    assert dict(map(tuple, await site.admin.fetch(COLUMNS))) == {
        "outbox_logged": "xid channel payload",
        "audit": "channel at group key step events count error",
        "audited": "id installation namespace channel pg_channel retention",
    }
    await site.admin.execute("DELETE FROM notifychannel.queue")
    await site.app.execute("INSERT INTO orders VALUES (1)")
    sidecar = await site.database.connect(site.listener)
    assert (await sidecar.fetchrow(DRAIN))["blocked"]
    await site.step(AUDITED)
    assert (await sidecar.fetchrow(DRAIN))["merged"] == 1
