"""The NOTIFY queue above half full: statements and COMMITs succeed, and the sequence says that something was skipped.

Only PostgreSQL 18 has a queue that is small enough to fill here (max_notify_queue_pages).
"""

from __future__ import annotations

import asyncpg
import pytest

from notifychannel_operator.spec import Capture, Event, Source
from tests.integration.hints.stage import BY_EACH_CAPTURE, key, rule
from tests.servers import quick

pytestmark = BY_EACH_CAPTURE

QUEUE_PAGES = 64


@pytest.fixture(scope="module")
def server():
    with quick(18, {"max_notify_queue_pages": str(QUEUE_PAGES)}) as running:
        yield running


class Queue:
    """Held by a listener that is idle in a transaction, in a database of its own: a queue is one for all."""

    def __init__(self, sleeper, filler):
        self.sleeper = sleeper
        self.filler = filler

    async def usage(self):
        return await self.filler.fetchval("SELECT pg_notification_queue_usage()")

    async def fill(self, up_to):
        while await self.usage() < up_to:
            await self.filler.execute("SELECT pg_notify('other', $1)", "x" * 7000)

    async def release(self):
        await self.sleeper.execute("ROLLBACK; UNLISTEN *")


@pytest.fixture
async def queue(stage):
    sleeper, filler = (
        await asyncpg.connect(stage.database.server.dsn()),
        await asyncpg.connect(stage.database.server.dsn()),
    )
    await sleeper.execute("LISTEN other")
    await sleeper.execute("BEGIN; SELECT 1")
    await stage.tables("""
        CREATE TABLE t (id int);
        CREATE TABLE p (id int) PARTITION BY RANGE (id);
        CREATE TABLE p0 PARTITION OF p DEFAULT;
    """)
    for_each = rule(Event.INSERT, Event.TRUNCATE)
    await stage.install(*(Source(schema="public", table=name, key=key("id"), rules=(for_each,)) for name in "tp"))
    yield Queue(sleeper, filler)
    await sleeper.close()
    await filler.close()


async def skips(stage):
    return await stage.installer.fetchval("SELECT notifychannel.skipped()")


async def test_above_half_full_statements_succeed_unsaid_and_each_moves_the_sequence(stage, queue):
    """Mutant: `> 0.5` → `> 0.9` in body.sql."""
    await queue.fill(0.51)
    for number, statement in enumerate(("INSERT INTO t VALUES (1)", "INSERT INTO p VALUES (1)", "TRUNCATE t"), 1):
        before = await queue.usage()
        await stage.app.execute(statement)
        assert (await skips(stage), await queue.usage()) == (number, before)
    await stage.app.execute("INSERT INTO t SELECT 1 WHERE false")
    assert await skips(stage) == 3
    await queue.release()
    heard = await stage.hear("INSERT INTO t VALUES (2)")
    assert heard[-1] == ("insert", [[2]])
    assert len(heard) == (1 if stage.capture is Capture.NOTIFY else 4)  # what waits in an outbox is not skipped


async def test_a_rolled_back_statement_moves_the_sequence_all_the_same(stage, queue):
    await queue.fill(0.51)
    await stage.app.execute("BEGIN; INSERT INTO t VALUES (1); ROLLBACK")
    assert await skips(stage) == 1


async def test_a_skip_gives_the_subtransaction_no_id_of_its_own(stage, queue):
    await queue.fill(0.51)
    await stage.app.execute("BEGIN; INSERT INTO t VALUES (1)")
    count = await stage.admin.fetchval("""
        SELECT s.subxact_count FROM pg_stat_get_backend_idset() AS id,
            pg_stat_get_backend_subxact(id) AS s (subxact_count, overflowed)
        WHERE pg_stat_get_backend_pid(id) = $1
    """, stage.app.get_server_pid())  # fmt: skip
    assert count == 0
    await stage.app.execute("COMMIT")


async def test_a_key_that_fails_while_the_queue_is_full_is_skipped_too(stage, queue):
    """Mutant: pg_notify without asking for the usage in the handler of body.sql."""
    await queue.fill(0.51)
    await stage.tables("ALTER TABLE t RENAME COLUMN id TO other")
    before = await queue.usage()
    await stage.app.execute("INSERT INTO t VALUES (1)")
    assert (await skips(stage), await queue.usage()) == (1, before)


async def test_without_the_sequence_a_full_queue_still_fails_nothing(stage, queue):
    await queue.fill(0.51)
    await stage.admin.execute("DROP SEQUENCE notifychannel.skips CASCADE")
    before = await queue.usage()
    await stage.app.execute("INSERT INTO t VALUES (1)")
    assert await queue.usage() == before


async def test_a_queue_that_fills_between_the_check_and_the_commit_fails_the_commit(stage, queue):
    """A documented exception (docs/database.md): nothing can be caught at COMMIT."""
    await stage.app.execute("BEGIN; INSERT INTO t VALUES (1)")
    with pytest.raises(asyncpg.ProgramLimitExceededError, match="too many notifications"):
        await queue.fill(1.1)
    with pytest.raises(asyncpg.ProgramLimitExceededError, match="too many notifications"):
        await stage.app.execute("COMMIT")
