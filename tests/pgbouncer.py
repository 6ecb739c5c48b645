"""A real PgBouncer in front of an embedded server, on a free port of 127.0.0.1.

The binary is the one of NOTIFYCHANNEL_PGBOUNCER, of the PATH, or what tests/install-pgbouncer fetches. It refuses
to run as root, so for root it runs as `nobody`.
"""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from notifychannel_cli.embedded import free_port

if TYPE_CHECKING:
    from notifychannel_cli.embedded import Server

START_TIMEOUT_S = 20.0


@functools.cache
def binary() -> str:
    """Where PgBouncer is; fetches it once when it is missing."""
    if given := os.environ.get("NOTIFYCHANNEL_PGBOUNCER"):
        return given
    script = Path(__file__).parent / "install-pgbouncer"
    return subprocess.run([script], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@dataclass(kw_only=True)
class PgBouncer:
    """`with PgBouncer(server=server, pool_mode="transaction") as bouncer:` for every database of the server."""

    server: Server
    pool_mode: str
    pool_size: int = 5
    users: tuple[str, ...] = ("postgres",)
    """Who may come, all with the superuser's password."""
    port: int = field(default_factory=free_port)
    directory: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="notifychannel-pgbouncer-"))
        self._write("users", "".join(f'"{user}" "{self.server.password}"\n' for user in self.users))
        self._write(
            "ini",
            f"""[databases]
* = host=127.0.0.1 port={self.server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {self.directory}/users
pool_mode = {self.pool_mode}
default_pool_size = {self.pool_size}
""",
        )
        if os.geteuid() == 0:
            shutil.chown(self.directory, user="nobody")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def dsn(self, dbname: str) -> str:
        """The superuser's libpq URI through the pooler."""
        return f"postgresql://postgres:{self.server.password}@127.0.0.1:{self.port}/{dbname}"

    def start(self) -> None:
        """Start and wait until the port answers."""
        drop = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary(), "-q", str(self.directory / "ini")], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                user=drop.pw_uid if drop else None, group=drop.pw_gid if drop else None,
                extra_groups=[] if drop else None, cwd="/", start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < deadline, "PgBouncer does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it at once; clients see a closed connection."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def _write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.write_text(text)
        if os.geteuid() == 0:
            shutil.chown(path, user="nobody")

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
