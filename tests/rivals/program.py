"""A rival that is a program: PROGRAM DSN prepare, once; PROGRAM DSN URL tells the application until it is killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from notifychannel_cli.bench.rig import PATH, Rig
from notifychannel_cli.tether import tethered
from tests.rivals.rival import TABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROGRAMS = Path(__file__).parent
PREPARE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`command` without the DSN; its first word is a path."""

    name: str
    version: str
    command: tuple[str, ...]
    obstacle: str | None = None

    async def prepare(self, rig: Rig) -> None:
        """The table, and what the program makes in the database."""
        await rig.table(TABLE)
        process = await self._start(rig.dsn(), "prepare")
        if await asyncio.wait_for(process.wait(), PREPARE_TIMEOUT_S):
            raise RuntimeError(f"{self.name} could not prepare the database")

    @asynccontextmanager
    async def running(self, rig: Rig, port: int) -> AsyncIterator[int]:
        """Killed at the end of the block."""
        process = await self._start(rig.dsn(), f"http://127.0.0.1:{port}{PATH}")
        try:
            yield process.pid
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _start(self, *args: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *tethered(*self.command, *args, to_get=signal.SIGKILL), stdin=asyncio.subprocess.DEVNULL
        )


POLL = Program(name="a poll every 5 s", version="", command=(sys.executable, str(PROGRAMS / "poll.py")))
