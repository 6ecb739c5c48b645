"""One program of `notifychannel dev --services` as a process: its lines with its name before them, and its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Never, Self

from notifychannel_cli.console import complaints
from notifychannel_cli.exits import WrongError
from notifychannel_cli.tether import tethered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from notifychannel_cli.dev.services import Service

STOP_TIMEOUT_S = 5.0
LAST_LINES_S = 1.0
RESTART_PAUSE_S = 1.0
LONGEST_LINE = 1024 * 1024
ASK_AGAIN_S = 0.05


class EndedError(WrongError):
    """A service has ended by itself; it is said when it does, for what ends with it may take a while."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Nothing, at the end of the program."""


@dataclass(slots=True, kw_only=True)
class ServiceProcess:
    """`async with` it: started on entering, ended on leaving (SIGTERM, after five seconds SIGKILL)."""

    service: Service
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    """Over that of this program; PORT is added."""
    out: Console
    _process: asyncio.subprocess.Process = field(init=False)
    _reading: asyncio.Task[None] = field(init=False)

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def _start(self) -> None:
        port = {} if self.service.port is None else {"PORT": str(self.service.port)}
        self._process = await asyncio.create_subprocess_exec(
            *tethered(program(self.service, self.folder), *self.service.command[1:], to_get=signal.SIGTERM),
            env={**os.environ, "PATH": _path(), "PYTHONUNBUFFERED": "1", **self.environment, **port},
            cwd=self.folder, limit=LONGEST_LINE,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us: its sidecar finishes first
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
            except (TimeoutError, asyncio.CancelledError):  # cancelled: whoever waits for us is in a hurry
                self._signal(signal.SIGKILL)
                await self._process.wait()
        self._reading.cancel()

    async def serves(self) -> None:
        """Return when its port accepts; at once where it has none. Whoever calls watches whether it ends before."""
        while self.service.port is not None and not _accepts(self.service.port):  # noqa: ASYNC110 - it can only be asked
            await asyncio.sleep(ASK_AGAIN_S)

    async def ends(self) -> Never:
        """Wait for its end, which is one of the whole and told at once: raises EndedError. One with `restart` begins
        anew instead, for ever.
        """
        while True:
            code = await self._process.wait()
            await asyncio.wait({self._reading}, timeout=LAST_LINES_S)  # one that it has started may hold the pipe
            self._reading.cancel()
            said = f"the service {self.service.name} {ended(code)}"
            if not self.service.restart:
                complaints().print(f"Error: {said}; the others are ended ...", markup=False, style="red")
                raise EndedError(said)
            self.out.print(
                f"{said}; it is started again in {RESTART_PAUSE_S:.0f} s", markup=False, highlight=False, style="yellow"
            )
            await asyncio.sleep(RESTART_PAUSE_S)
            await self._start()

    def _signal(self, number: signal.Signals) -> None:
        """To it and to what it has started, as a terminal does."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:
                line = f"(a line of more than {LONGEST_LINE} bytes)\n".encode()
            if not line:
                return
            text = line.decode(errors="replace").rstrip("\n")
            self.out.print(f"{self.service.name} | {text}", markup=False, highlight=False)


def ended(code: int) -> str:
    """What a return code says, which is the negative of a signal that killed it."""
    return f"was killed (signal {-code})" if code < 0 else f"ended with exit code {code}; its lines above say why"


def program(service: Service, folder: Path) -> str:
    """The path of what it runs: with a slash it is one from the folder, and `python` runs us too. Raises WrongError."""
    name = service.command[0]
    found = shutil.which(folder / name if "/" in name else name, path=_path())
    if found is None:
        raise WrongError(f"service {service.name}: there is no program {service.command[0]}")
    return str(found)


def check_port(port: int, whose: str) -> None:
    """Raises WrongError where somebody else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what only rests after its last user is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise WrongError(
                f"the port {port} of {whose} can't be had ({error.strerror}): end the program that has it, "
                "or write another one into the file of --services"
            ) from None


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _path() -> str:
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
