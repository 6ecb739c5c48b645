"""The loop that the shipped sidecar turns."""

from __future__ import annotations

from pathlib import Path

from tests.listening import config
from tests.sidecar import SidecarProcess


async def test_the_process_runs_on_uvloop_where_it_is_installed():
    """Mutant: `asyncio.run` in `__main__` instead of uvloop's → its library is in no map of the process."""
    async with SidecarProcess(config=config()) as sidecar:
        await sidecar.says(lambda said: said["state"] == "WAITING")
        assert "uvloop" in _maps(sidecar.process.pid)


def _maps(pid: int) -> str:
    """Libraries that are loaded (https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html)."""
    return Path(f"/proc/{pid}/maps").read_text()
