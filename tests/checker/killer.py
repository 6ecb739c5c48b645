"""Kills what can be killed: backends, sidecars, the relay, the server; and says whose it was."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from tests.checker.kills import Kill

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from notifychannel_cli.embedded import Server
    from tests.checker.kills import Kills
    from tests.checker.pod import Pod

DECK = (*("backend",) * 4, *("sidecar backend",) * 2, "sidecar", "server")
"""What is killed, shuffled; and again."""
RELAYS = ("relay", "relay backend")
"""Where there is one."""
SESSIONS = """
SELECT pid, application_name AS name, usename = $1 AS is_ours FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid
"""
LISTENS, CLAIMS, RELAYS_AS = "nch/", "nch-claim/", "nch-relay/"
"""What names of sidecars' sessions begin with; they end with the pod's."""


@dataclass(kw_only=True)
class Killer:
    """One kill at a time."""

    server: Server
    dsn: str
    listener: str
    """The role of the sidecars."""
    pods: list[Pod]
    kills: Kills
    random: Random

    async def kill(self, what: str) -> None:
        """One of what can be killed; returns when it is back, but for what comes back by itself."""
        match what:
            case "server":
                kill = self.kills.add(Kill(began_s=_now_s(), resync="reconnect", claims=True), what)
                await self._restart()
                kill.ended_s = _now_s()
            case "sidecar":
                await self.random.choice(self.pods).kill(what)
            case _:
                await self._kill_session(what)

    async def _restart(self) -> None:
        """To its end, even where we are cancelled: whoever removes the server must not meet one that starts."""
        restart = asyncio.create_task(asyncio.to_thread(self.server.restart, "immediate"))
        try:
            await asyncio.shield(restart)
        finally:
            await asyncio.wait([restart])

    async def _kill_session(self, what: str) -> None:
        connection = await asyncpg.connect(self.dsn, timeout=30)
        try:
            sessions = await connection.fetch(SESSIONS, self.listener)
            victim = self._victim(what, sessions)
            if what != "relay":
                self._note(what, victim)
                await connection.execute("SELECT pg_terminate_backend($1)", victim["pid"])
        finally:
            await connection.close(timeout=5)
        if what == "relay":
            pod = victim["name"].rpartition("/")[2]
            await next((it for it in self.pods if it.name == pod), self.pods[0]).kill(what)

    def _victim(self, what: str, sessions: Sequence[Any]) -> Any:
        relays = [it for it in sessions if it["name"].startswith(RELAYS_AS)]
        ours = [it for it in sessions if it["is_ours"]]
        of_kind = {"relay": relays, "relay backend": relays, "sidecar backend": ours}.get(what)
        return self.random.choice(of_kind or sessions)

    def _note(self, what: str, victim: Any) -> None:
        """A session that has no name yet is about to be one or the other, of whichever pod."""
        name, now_s = victim["name"], _now_s()
        pod = name.rpartition("/")[2] or None
        listens, claims = name.startswith(LISTENS), name.startswith(CLAIMS)
        if victim["is_ours"] and pod is None:
            listens = claims = True
        resync = "reconnect" if listens else None
        self.kills.add(Kill(began_s=now_s, ended_s=now_s, pod=pod, resync=resync, claims=claims), what)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
