"""docs/quick-start.md followed to the letter on this machine; tests/e2e/test_readme_cluster.py does its cluster."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from notifychannel_cli.embedded import Server, free_port
from tests.pages import ROOT, as_shown, as_typed, blocks
from tests.process import Program

BLOCKS = blocks((ROOT / "docs" / "quick-start.md").read_text())
SERVER, TABLE, CHANNEL, LOOK, INSERT, APPLICATION, LEAD, UPDATE = (
    it.text for it in BLOCKS if it.marker == "run by test_the_page_leads_from_a_table_to_a_hint_in_an_application"
)
FOUR_FILES, ROW = (it.text for it in BLOCKS if it.marker == "run by test_four_files_are_a_project_of_ones_own")
(SAID,) = (it.text for it in BLOCKS if it.language == "text")


class Terminal(Program):
    """A block that a person has typed into a terminal."""

    async def shows(self, *patterns: str) -> str:
        """Lines of all these forms, in any order; the last of them."""
        wanted, found = set(patterns), ""
        while wanted:
            found = await self.line()
            wanted -= {each for each in wanted if re.search(each, found)}
        return found

    def interrupt(self) -> None:
        """Ctrl-C reaches all that the terminal runs in front."""
        os.killpg(self.process.pid, signal.SIGINT)


@asynccontextmanager
async def terminal(typed: str, folder: Path):
    """Whatever still runs at the end is interrupted, and waited for."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "env", "--default-signal=INT",  # which who began the tests in the background may have told all to ignore
        "bash", "-euc", typed, cwd=folder, env={**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "200"},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    own = Terminal(process=process)
    try:
        yield own
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):  # it has just ended by itself
                own.interrupt()
            await own.ends()


@pytest.mark.slow
async def test_the_page_leads_from_a_table_to_a_hint_in_an_application(tmp_path):
    """Mutants: another key, group or port in the page's tasks.yaml; no `not` in its application."""
    port = free_port()
    async with AsyncExitStack() as stack:

        async def begun(block: str) -> tuple[Terminal, list[str]]:
            commands, shown = as_typed(block.replace("8080", str(port)))
            return await stack.enter_async_context(terminal(exported + commands, tmp_path)), shown

        async def done(block: str) -> None:
            own, shown = await begun(block)
            await own.shows(*shown)
            assert await own.ends() == 0, own.printed

        exported = ""
        server, (shown,) = await begun(SERVER)
        exported = await server.shows(shown) + "\n"
        await done(TABLE)
        await done(CHANNEL)
        dev, shown = await begun(LOOK)
        await dev.shows(*shown)
        await done(INSERT)
        await dev.shows(as_shown(SAID))
        dev.interrupt()
        await dev.shows("^Removed what was installed.$")
        application, (first, second) = await begun(APPLICATION)
        dev, (start, change) = await begun(LEAD)
        await dev.shows(start, "^Listening as tasks-api")
        await application.shows(first)
        await done(UPDATE)
        await application.shows(second)
        await dev.shows(change)
        dev.interrupt()
        assert await dev.ends() == 0
        server.process.stdin.write(b"\n")
        assert await server.ends() == 0, server.printed


async def test_four_files_are_a_project_of_ones_own(tmp_path):
    """Mutants: another group in services.yaml; a table of another name in schema.sql."""
    (channel, _), (application, _) = as_typed(CHANNEL), as_typed(APPLICATION)
    files = channel.rpartition("notifychannel lint")[0] + application.rpartition("python application.py")[0]
    typed, shown = as_typed(FOUR_FILES)
    async with terminal((files + typed).replace("8080", str(free_port())), tmp_path) as dev:
        await dev.shows(*shown, "export DATABASE_URL=")  # the first resync may come behind it
        (exported,) = [line.partition("#")[0] for line in dev.printed if "export DATABASE_URL=" in line]
        typed, shown = as_typed(ROW)
        async with terminal(f"{exported}\nPATH={Server().binary('')}:$PATH\n{typed}", tmp_path) as other:
            await other.shows(*shown)
            assert await other.ends() == 0
        await dev.shows(as_shown("tasks | look at task 1"))
        dev.interrupt()
        await dev.ends()
