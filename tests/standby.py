"""A hot standby of an embedded server, made by pg_basebackup, on its own port."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from notifychannel_cli.embedded import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def standby(primary: Server) -> Iterator[Server]:
    """Copy a running server and follow it; `pg_promote()` makes it a primary."""
    made = Server(version=primary.version, password=primary.password)
    made.directory = Path(tempfile.mkdtemp(prefix="notifychannel-standby-"))
    if os.geteuid() == 0:
        shutil.chown(made.directory, user="nobody")
    made.port = free_port()
    try:
        made.run("pg_basebackup", "-d", primary.dsn(), "-D", str(made.data), "-R", "-X", "stream", "-c", "fast")
        made.configure({"max_prepared_transactions": "2"})  # it may have no less than its primary
        made.start()
        yield made
    finally:
        made.remove()
