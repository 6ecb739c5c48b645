"""PostgreSQL servers for tests to which power cuts don't matter: in memory where there is room, without fsync.

Of a test's tenth of a second its fresh database and its sessions cost most, and that is what the settings are about.
What is tested is the same server; what kills servers or measures commits makes its own (`Server(...)`), on the disk
and with fsync.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from notifychannel_cli.embedded import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = Path("/dev/shm")
ROOM_BYTES = 4_000_000_000
OLD_S = 3600.0
QUICK = {
    "fsync": "off", "full_page_writes": "off", "max_wal_size": "'256MB'", "autovacuum": "off",
    "shared_preload_libraries": "'plpgsql'",  # sessions live for a moment, and would each load it
    "scram_iterations": "1",
    "max_prepared_transactions": "2",
}  # fmt: skip


@contextmanager
def quick(version: int, settings: dict[str, str] | None = None) -> Iterator[Server]:
    """A running server.

    Somebody has been in its template, which leaves the cache of catalogs there that else the first session of each
    database would make for itself (`CREATE DATABASE … STRATEGY FILE_COPY` takes it along); and its superuser's password
    is hashed as cheaply as those that are made on it.
    """
    with Server(version=version, settings=QUICK | (settings or {}), within=_memory()) as running:
        again = f"ALTER ROLE postgres PASSWORD '{running.password}'"
        running.run("psql", running.dsn("template1"), "-X", "-q", "-c", again)
        yield running


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
