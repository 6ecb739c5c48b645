"""The commands of a page, run as a reader runs them: its own text, in a shell, by the server's own programs."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from tests.pages import ROOT, blocks

if TYPE_CHECKING:
    from notifychannel_cli.embedded import Server

PATIENCE_S = 60


def of(page: str, test: str) -> list[str]:
    """The blocks of docs/howto/<page> that say that this test runs them, in the page's order."""
    found = blocks((ROOT / "docs" / "howto" / page).read_text())
    return [dedent(it.text) for it in found if it.marker == f"run by {test}"]


async def run(script: str, folder: Path, server: Server, **environment: str) -> str:
    """All of it has to succeed; what it printed."""
    path = f"{Path(sys.executable).parent}:{Path(server.binary('psql')).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script, cwd=folder, env={**os.environ, "PATH": path, **environment},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()
