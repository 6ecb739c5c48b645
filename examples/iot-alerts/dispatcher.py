"""Makes a delivery job of each alert for each recipient of its tenant. To do it twice changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service import serve

if TYPE_CHECKING:
    import asyncpg

DISPATCH = """
INSERT INTO delivery_jobs (tenant_id, alert_id, phone)
SELECT a.tenant_id, a.id, r.phone FROM fleet_alert a JOIN recipients r USING (tenant_id)
WHERE ($1::bigint[] IS NULL OR a.id = ANY ($1)) AND NOT EXISTS (SELECT FROM delivery_jobs j WHERE j.alert_id = a.id)
ON CONFLICT DO NOTHING
"""


async def work(database: asyncpg.Pool, keys: list[dict] | None) -> None:
    await database.execute(DISPATCH, keys and [key["alert_id"] for key in keys])


if __name__ == "__main__":
    serve(work)
