#!/usr/bin/env python3
"""The same without a server: `notifychannel dev --exec ./script.py` runs it for each batch, JSON on standard input."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import asyncpg
from micro_etl import process


async def main() -> int:
    body = json.load(sys.stdin)
    database = await asyncpg.connect(os.environ["DATABASE_URL"])
    failed = await process(database, [hint["key"]["id"] for hint in body["hints"]] or None, "script")
    await database.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
