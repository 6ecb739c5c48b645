"""The database of a run: a table with the triggers of one of the three combinations; or of one that loses keys."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_cli.install import grant, install
from notifychannel_operator.spec import (
    Batch,
    Capture,
    Channel,
    Consumer,
    Debounce,
    Delivery,
    Endpoint,
    Escalation,
    Event,
    KeyPart,
    Retry,
    Rule,
    Source,
)
from tests.checker.pod import ESCALATIONS
from tests.checker.writer import HOT

if TYPE_CHECKING:
    from notifychannel_cli.embedded import Server

INSTALLATION, GROUP, DBNAME = "check", "api", "shop"
INSTALLER, LISTENER, APPLICATION = "installer", "listener", "application"
EVENTS = (Event.INSERT, Event.UPDATE, Event.DELETE)
DROPPED = "SELECT id FROM orders WHERE id % 10000 = 7777"
"""Keys of which whoever loses one in 10,000 never tells."""
LOSE = r"""
CREATE FUNCTION public.without_dropped(payloads text[]) RETURNS text[] LANGUAGE sql AS $without$
    SELECT coalesce(array_agg(left_over) FILTER (WHERE strpos(left_over, E'\n') > 0), '{}')
    FROM unnest(payloads) AS payload, regexp_replace(payload, '\n\[\d*7777\]', '', 'g') AS left_over
$without$;
DO $lose$
DECLARE
    definition text;
BEGIN
    FOR definition IN
        SELECT pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = 'notifychannel'::regnamespace AND prorettype = 'trigger'::regtype
    LOOP
        EXECUTE replace(definition, 'IN ARRAY nch_payloads', 'IN ARRAY public.without_dropped(nch_payloads)');
    END LOOP;
END $lose$
"""


class Combination(Enum):
    """Of capture and delivery."""

    NOTIFY = (Capture.NOTIFY, Delivery.BEST_EFFORT)
    OUTBOX = (Capture.OUTBOX, Delivery.BEST_EFFORT)
    DURABLE = (Capture.OUTBOX, Delivery.AT_LEAST_ONCE)

    @property
    def capture(self) -> Capture:
        return self.value[0]

    @property
    def delivery(self) -> Delivery:
        return self.value[1]


def channel(combination: Combination, *, max_attempts: int, escalated_after_s: float | None) -> Channel:
    """Of the one table, without polls: they would tell what nobody was hinted."""
    durable = combination is Combination.DURABLE
    key = (KeyPart(name="id", column="id"),)
    return Channel(
        namespace="shop", name="orders", secret="orders-db", capture=combination.capture,
        sources=(Source(schema="public", table="orders", key=key, rules=(Rule(name="any", events=EVENTS),)),),
        consumers=(
            Consumer(
                group=GROUP, endpoint=Endpoint(port=1, path="/hints", timeout=10.0),
                debounce=Debounce(window=0.05, max_delay=0.5), batch=Batch(max_hints=500), poll_interval=0.0,
                resync_spread=0.0, delivery=combination.delivery,
                retry=Retry(max_attempts=max_attempts, initial_delay=0.1, max_delay=2.0) if durable else None,
                escalation=Escalation(after=escalated_after_s, path=ESCALATIONS) if escalated_after_s else None,
            ),
        ),
    )  # fmt: skip


async def open_shop(server: Server, sold_by: Channel) -> None:
    """Database, roles, table and triggers."""
    admin = await asyncpg.connect(server.dsn())
    await admin.execute(f"CREATE DATABASE {DBNAME}")
    for role in (INSTALLER, LISTENER, APPLICATION):
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
    await admin.close()
    admin = await asyncpg.connect(server.dsn(DBNAME))
    await admin.execute("CREATE TABLE orders (id bigint PRIMARY KEY, version bigint NOT NULL DEFAULT 0)")
    await admin.execute(f"ALTER TABLE orders OWNER TO {APPLICATION}")
    await admin.execute(f"INSERT INTO orders SELECT generate_series(0, {HOT - 1})")
    await grant((sold_by,), dsn=server.dsn(DBNAME), installer=INSTALLER, listener=LISTENER)
    await install((sold_by,), dsn=server.dsn(DBNAME, INSTALLER), installation=INSTALLATION)
    await admin.close()


async def lose_keys(dsn: str) -> None:
    """A mutant of the product: its triggers never tell of keys that are DROPPED, and of nothing else."""
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute(LOSE)
        losing = await admin.fetchval("SELECT count(*) FROM pg_proc WHERE prosrc LIKE '%without_dropped(nch%'")
        assert losing, "the triggers' text is another one now"
    finally:
        await admin.close(timeout=5)
