"""The product's programs as processes of their own, as a person starts them: their lines are events to wait for."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests import leaks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_S = 60.0
WITHOUT_AUTHORITIES = {"SSL_CERT_FILE": os.devnull}
"""Nobody here talks to strangers, and to read the machine's certificates is a fifth of a program's start."""


@dataclass(kw_only=True)
class Program:
    """A running program; `printed` grows with what it says on standard output and standard error."""

    process: asyncio.subprocess.Process = field(repr=False)
    printed: list[str] = field(default_factory=list)
    mark: str = ""
    """Stands in the environment of all that it starts."""

    async def line(self, *words: str, timeout_s: float = PATIENCE_S) -> str:
        """The next line that holds all these words; fails with all that was printed when none comes."""
        async with asyncio.timeout(timeout_s):
            while raw := await self.process.stdout.readline():
                text = raw.decode(errors="replace").rstrip("\n")
                self._note(text)
                if all(word in text for word in words):
                    return text
        raise AssertionError(f"no line with {words} in:\n" + "\n".join(self.printed))

    async def ends(self, timeout_s: float = PATIENCE_S) -> int:
        """Its exit code."""
        async with asyncio.timeout(timeout_s):
            for text in (await self.process.stdout.read()).decode(errors="replace").splitlines():
                self._note(text)
            return await self.process.wait()

    def _note(self, text: str) -> None:
        leaks.look(text)
        self.printed.append(text)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def hang_up(self) -> None:
        """The terminal is closed."""
        self.process.send_signal(signal.SIGHUP)

    async def everybody_ends(self, pids: list[int], timeout_s: float = PATIENCE_S) -> None:
        """Returns when these processes, none of them our own child, are gone."""
        async with asyncio.timeout(timeout_s):
            for pid in pids:
                await _gone(pid)

    def left(self) -> list[str]:
        """Command lines of what still runs of all that this program has started, in whatever session."""
        return [_command_line(pid) for pid in _marked(self.mark)]

    def children(self, word: str) -> list[int]:
        """Process ids of its descendants whose command line holds that word."""
        return [pid for pid in _descendants(self.process.pid) if word in _command_line(pid)]


@asynccontextmanager
async def notifychannel(*args: str, **environment: str) -> AsyncIterator[Program]:
    """`notifychannel args …`; killed at the end of the block if it still runs."""
    mark = f"NOTIFYCHANNEL_TEST={secrets.token_hex(8)}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "notifychannel_cli", *args,
        env={
            **os.environ, **WITHOUT_AUTHORITIES, "NO_COLOR": "1", "COLUMNS": "200",
            **dict([mark.split("=")]), **environment,
        },
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        limit=1024 * 1024, start_new_session=True,
    )  # fmt: skip
    try:
        yield Program(process=process, mark=mark)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


async def _gone(pid: int) -> None:
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(watched, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)


def _marked(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:  # it has ended, or is somebody else's
            continue
    return found
