"""Starts and ends the floor program, and reads what a process weighs."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START_TIMEOUT_S = 30.0
PROGRAM = Path(__file__).with_name("bare.py")
"""Started by its path: as a module it would import this package, and weigh what the command line weighs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """A floor program that listens; `port` is that of its /metrics."""

    pid: int
    port: int


@asynccontextmanager
async def listening(*args: str) -> AsyncIterator[Bare]:
    """Run `bare.py` with those arguments from its `ready PORT` on; killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), *args,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        if process.stdout is None:
            raise RuntimeError("the floor program's standard output is not ours")
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
        if not line.startswith(b"ready "):
            raise RuntimeError(f"the floor program did not start: {line!r}")
        yield Bare(pid=process.pid, port=int(line.split()[1]))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def rss_mib(pid: int) -> float:
    """Resident memory, MiB (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no memory: it has ended")
