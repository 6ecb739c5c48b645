"""Looks at what devices have newly measured, says how each is, and raises an alert for one that is too hot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service import serve

if TYPE_CHECKING:
    import asyncpg

TOO_HOT_C = 80
WAITING = "SELECT DISTINCT tenant_id, device_id FROM telemetry WHERE NOT evaluated"
TAKE = """
UPDATE telemetry SET evaluated = true WHERE tenant_id = $1 AND device_id = $2 AND NOT evaluated RETURNING id, celsius
"""
STATE = """
INSERT INTO device_state AS it (tenant_id, device_id, state, celsius, telemetry_id, evaluations)
VALUES ($1, $2, $3, $4, $5, 1) ON CONFLICT (tenant_id, device_id) DO UPDATE SET
    state = excluded.state, celsius = excluded.celsius, telemetry_id = excluded.telemetry_id,
    evaluations = it.evaluations + 1, changed_at = now()
WHERE it.telemetry_id < excluded.telemetry_id
"""
RAISE = """
INSERT INTO fleet_alert (tenant_id, device_id, telemetry_id, message) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
CLEAR = """
UPDATE fleet_alert SET cleared_at = clock_timestamp() WHERE tenant_id = $1 AND device_id = $2 AND cleared_at IS NULL
AND EXISTS (SELECT FROM device_state WHERE tenant_id = $1 AND device_id = $2 AND state = 'normal')
"""


async def work(database: asyncpg.Pool, keys: list[dict] | None) -> None:
    for key in await database.fetch(WAITING) if keys is None else keys:
        async with database.acquire() as connection, connection.transaction():
            await evaluate(connection, key["tenant_id"], key["device_id"])


async def evaluate(connection: asyncpg.Connection, tenant: int, device: str) -> None:
    """In one transaction: whoever comes second, another pod or a repeated hint, waits, and finds no rows that are new.

    Rows that are committed late, behind newer ones, may have been an alert; the device's state stays the newest's.
    """
    rows = await connection.fetch(TAKE, tenant, device)
    if not rows:
        return
    newest, hottest = max(rows, key=lambda row: row["id"]), max(rows, key=lambda row: row["celsius"])
    state = "too hot" if newest["celsius"] > TOO_HOT_C else "normal"
    await connection.execute(STATE, tenant, device, state, newest["celsius"], newest["id"])
    if hottest["celsius"] > TOO_HOT_C:
        message = f"{device} is at {hottest['celsius']:.0f} °C"
        await connection.execute(RAISE, tenant, device, hottest["id"], message)
    await connection.execute(CLEAR, tenant, device)


if __name__ == "__main__":
    serve(work)
