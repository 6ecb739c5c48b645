"""PostgreSQL servers for tests to which power cuts don't matter: in memory where there is room, without fsync.

Of a test's quarter of a second the files of its fresh database would cost most. What is tested is the same server; what
kills servers or measures commits makes its own (`Server(...)`), on the disk and with fsync.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from notifychannel_cli.embedded import Server

MEMORY = Path("/dev/shm")
ROOM_BYTES = 4_000_000_000
OLD_S = 3600.0
WITHOUT_FSYNC = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "'256MB'"}


def quick(version: int, settings: dict[str, str] | None = None) -> Server:
    """A server that is not started yet."""
    return Server(version=version, settings=WITHOUT_FSYNC | (settings or {}), within=_memory())


def _memory() -> Path | None:
    """Where a folder is in memory; None where there is too little of it."""
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK)):
        return None
    for left in MEMORY.glob("notifychannel-pg-*"):
        if _is_dead(left):
            shutil.rmtree(left, ignore_errors=True)
    room = os.statvfs(MEMORY)
    return MEMORY if room.f_bavail * room.f_frsize >= ROOM_BYTES else None


def _is_dead(folder: Path) -> bool:
    """Its server has ended long ago without removing it: somebody killed the tests."""
    try:
        pid = int((folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        if pid < 0 or time.time() - folder.stat().st_mtime < OLD_S:  # initdb's own server has its number negated
            return False
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):  # it is just being made, or removed
        return False
    return False
