"""Makes a delivery job of each alert for each recipient of its tenant. To do it twice changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service import serve

if TYPE_CHECKING:
    import asyncpg

DISPATCH = """
WITH a AS (
    UPDATE fleet_alert SET dispatched = true WHERE NOT dispatched AND ($1::bigint[] IS NULL OR id = ANY ($1))
    RETURNING id, tenant_id)
INSERT INTO delivery_jobs (tenant_id, alert_id, phone)
SELECT tenant_id, a.id, phone FROM a JOIN recipients USING (tenant_id)
"""


async def work(database: asyncpg.Pool, keys: list[dict] | None) -> None:
    await database.execute(DISPATCH, keys and [key["alert_id"] for key in keys])


if __name__ == "__main__":
    serve(work)
