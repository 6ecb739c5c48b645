"""A real PostgreSQL 13, older than what NotifyChannel works with; tests/install-postgresql-13 fetches its binaries."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from notifychannel_cli.embedded import Server


@functools.cache
def folder() -> Path:
    """With `postgres`, `initdb` …; fetches it once when it is missing."""
    script = Path(__file__).parent / "install-postgresql-13"
    return Path(subprocess.run([script], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())


class OldServer(Server):
    """`with OldServer() as server:`, on a free port of 127.0.0.1."""

    def binary(self, name: str) -> str:
        """Of version 13, the server's own; a client's program of the newest."""
        own = folder() / name
        return str(own) if own.exists() else super().binary(name)
