"""A contender that is a program of its own: one of `bare_queue.py`, `rival_pgqueuer.py`, `rival_graphile.cjs`.

PROGRAM DSN prepare | enqueue COUNT AT_A_TIME | forget | pace COUNT PER_SECOND | work COUNT eager|prompt.
`enqueue` prints seconds, `pace` prints [[number, time], ...] of what it made, `work` prints a line `ready` and, when
all came, the same.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notifychannel_cli.exits import WrongError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifychannel_cli.bench.contender import Handled

PATIENCE_S = 600.0
TOLD_CHARS = 1500


class ContenderError(WrongError):
    """The program failed; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`command` is how it is started, before the DSN."""

    name: str
    command: tuple[str, ...]
    dsn: str = field(repr=False)

    async def prepare(self) -> None:
        """Make its tables."""
        await self._run("prepare")

    async def enqueue(self, count: int, *, at_a_time: int) -> float:
        """Seconds that it took, without those of the program's start."""
        return float(await self._run("enqueue", str(count), str(at_a_time)))

    async def forget(self) -> None:
        """Empty its tables."""
        await self._run("forget")

    async def paced(self, count: int, *, per_second: int) -> dict[int, float]:
        """Number → just before it was made."""
        return dict(await self._run("pace", str(count), str(per_second)))

    @asynccontextmanager
    async def working(self, count: int, *, eager: bool) -> AsyncIterator[Handled]:
        """Number → when it was handled."""
        process = await self._start("work", str(count), "eager" if eager else "prompt")
        try:
            if process.stdout is None:
                raise ContenderError("the program's standard output is not ours")
            if (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).strip() != b"ready":
                await self._ended(process)
                raise ContenderError(f"{self.name} was not ready")
            yield lambda: self._handled(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _handled(self, process: asyncio.subprocess.Process) -> dict[int, float]:
        return dict(await self._ended(process))

    async def _run(self, *args: str) -> Any:
        return await self._ended(await self._start(*args))

    async def _start(self, *args: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *self.command, self.dsn, *args, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )

    async def _ended(self, process: asyncio.subprocess.Process) -> Any:
        printed, told = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        if process.returncode:
            raise ContenderError(f"{self.name} failed: {told.decode(errors='replace')[-TOLD_CHARS:].strip()}")
        return json.loads(printed or b"null")
