"""Whoever connects to a status port and asks nothing, or never ends asking, is sent away; others are answered."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest

from notifychannel_operator import health as operator_health
from notifychannel_sidecar import health as sidecar_health

PARTS = [b"", b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ", b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"]


@contextlib.asynccontextmanager
async def serving(module):
    options = {"status": dict} if module is sidecar_health else {"illness": lambda: None, "unready": lambda: None}
    async with module.serve(host="127.0.0.1", port=0, metrics=bytes, **options) as port:
        yield port


@pytest.mark.parametrize("module", [operator_health, sidecar_health], ids=["operator", "sidecar"])
async def test_a_connection_that_asks_nothing_is_closed_after_a_while_and_keeps_nobody_waiting(module, monkeypatch):
    """Mutant: no `keepalive_timeout`: it lives for an hour."""
    monkeypatch.setattr(module, "KEEP_ALIVE_S", 0.2)
    async with serving(module) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in PARTS]
        for (_, writer), part in zip(held, PARTS, strict=True):
            writer.write(part)
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/livez") as livez:
            assert livez.status == 200
        for reader, writer in held:
            await asyncio.wait_for(reader.read(), 30)  # to its end
            writer.close()
            await writer.wait_closed()
