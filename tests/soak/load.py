"""How much the loads of examples write (`make soak ONLY=example`), and how long that has to be waited for."""

from __future__ import annotations

import asyncio
import os

CHANGES = int(os.environ.get("SOAK_CHANGES", "1000000"))
STEADY_S, STEADY_RATE = 60.0, 100


async def none_is_left(admin, query, *arguments):
    """For longer than `until_row` would wait."""
    while await admin.fetchval(query, *arguments):  # noqa: ASYNC110 - the server can only be asked
        await asyncio.sleep(0.2)
