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
INSERT INTO device_state (tenant_id, device_id, state, celsius, evaluations) VALUES ($1, $2, $3, $4, 1)
ON CONFLICT (tenant_id, device_id) DO UPDATE SET
    state = excluded.state, celsius = excluded.celsius, evaluations = device_state.evaluations + 1, changed_at = now()
"""
RAISE = """
INSERT INTO fleet_alert (tenant_id, device_id, telemetry_id, message) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
CLEAR = "UPDATE fleet_alert SET cleared_at = now() WHERE tenant_id = $1 AND device_id = $2 AND cleared_at IS NULL"


async def work(database: asyncpg.Pool, keys: list[dict] | None) -> None:
    for key in await database.fetch(WAITING) if keys is None else keys:
        async with database.acquire() as connection, connection.transaction():
            await evaluate(connection, key["tenant_id"], key["device_id"])


async def evaluate(connection: asyncpg.Connection, tenant: int, device: str) -> None:
    """In one transaction: whoever comes second, another pod or a repeated hint, finds no rows that are new."""
    rows = await connection.fetch(TAKE, tenant, device)
    if not rows:
        return
    newest, hottest = max(rows, key=lambda row: row["id"]), max(rows, key=lambda row: row["celsius"])
    is_hot = newest["celsius"] > TOO_HOT_C
    await connection.execute(STATE, tenant, device, "too hot" if is_hot else "normal", newest["celsius"])
    if hottest["celsius"] > TOO_HOT_C:
        message = f"{device} is at {hottest['celsius']:.0f} °C"
        await connection.execute(RAISE, tenant, device, hottest["id"], message)
    if not is_hot:
        await connection.execute(CLEAR, tenant, device)


if __name__ == "__main__":
    serve(work)
