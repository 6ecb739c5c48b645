"""Kills what can be killed, at random but each kind in its turn: backends, sidecars, the relay, the server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from tests.checker.writer import AGAIN, LOST

if TYPE_CHECKING:
    from random import Random

    from notifychannel_cli.embedded import Server
    from tests.checker.ledger import Ledger
    from tests.checker.pod import Pod

DECK = ("backend",) * 5 + ("sidecar", "relay", "relay backend", "server")
SESSIONS = """
SELECT pid, application_name FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid
"""
RELAY = "nch-relay/"


@dataclass(kw_only=True)
class Killer:
    """Until it is cancelled, between two kills."""

    server: Server
    dsn: str
    pods: list[Pod]
    ledger: Ledger
    random: Random
    every_s: float
    _current: asyncio.Future[None] | None = None

    async def ends(self) -> None:
        """Wait until what was killed last is back."""
        if self._current is not None:
            await self._current

    async def run(self) -> None:
        """A deck of kills, shuffled; and again."""
        while True:
            for what in self.random.sample(DECK, len(DECK)):
                await asyncio.sleep(self.random.uniform(0.5, 1.5) * self.every_s)
                self._current = asyncio.ensure_future(self._kill(what))
                await asyncio.shield(self._current)

    async def _kill(self, what: str) -> None:
        self.ledger.killed(what)
        self.ledger.disturbed(asyncio.get_running_loop().time())
        if what == "server":
            await asyncio.to_thread(self.server.restart, "immediate")
        elif what == "sidecar":
            await self.random.choice(self.pods).kill()
        else:
            await self._kill_session(what)
        self.ledger.disturbed(asyncio.get_running_loop().time())

    async def _kill_session(self, what: str) -> None:
        try:
            connection = await asyncpg.connect(self.dsn, timeout=5)
        except (*LOST, *AGAIN):
            return
        try:
            sessions = await connection.fetch(SESSIONS)
            relays = [row for row in sessions if row["application_name"].startswith(RELAY)]
            victim = self.random.choice(sessions if what == "backend" or not relays else relays)
            if what != "relay":
                await connection.execute("SELECT pg_terminate_backend($1)", victim["pid"])
        finally:
            await connection.close(timeout=5)
        if what == "relay":
            tail = victim["application_name"].removeprefix(RELAY)
            await next((pod for pod in self.pods if pod.name == tail), self.pods[0]).kill()
