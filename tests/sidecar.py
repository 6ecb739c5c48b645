"""The real sidecar as a process of its own, in a pod's surroundings: a configuration file, a Secret's folder, a port.

What it logs are the events that tests wait for. It is ended by its pid at the end of the block.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from notifychannel_sidecar import config as configs
from tests import leaks
from tests.process import WITHOUT_AUTHORITIES

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

    from notifychannel_sidecar.config import Config

PATIENCE_S = 60.0
ASK_AGAIN_S = 0.05


@dataclass(kw_only=True)
class SidecarProcess:
    """`async with SidecarProcess(config=…, uri=…) as sidecar:`; without one of the two the file is missing."""

    config: Config | None = None
    uri: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = field(init=False)
    logged: list[str] = field(default_factory=list)
    port: int = 0
    process: asyncio.subprocess.Process = field(init=False, repr=False)
    _reading: asyncio.Task[None] = field(init=False, repr=False)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="notifychannel-test-sidecar-"))
        (self.folder / "secret").mkdir()
        if self.config is not None:
            self.configure(self.config)
        if self.uri is not None:
            self.write("secret/uri", self.uri)
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "notifychannel_sidecar",
            env={
                **os.environ,
                **WITHOUT_AUTHORITIES,
                "NOTIFYCHANNEL_CONFIG": str(self.folder / "config.json"),
                "NOTIFYCHANNEL_SECRET": str(self.folder / "secret"),
                "NOTIFYCHANNEL_STATUS_HOST": "127.0.0.1",
                "NOTIFYCHANNEL_STATUS_PORT": "0",
                "NOTIFYCHANNEL_LOCAL_PORT": "0",
                "NOTIFYCHANNEL_POD": "api-7f9c",
                **self.environment,
            },
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        try:
            serving = await self.logs("serving /livez")
            self.port = int(serving.rsplit(" ", 1)[1])
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading
        shutil.rmtree(self.folder, ignore_errors=True)

    def configure(self, config: Config) -> None:
        """Another configuration, swapped in at once."""
        self.write("config.json", configs.dump(config))

    def write(self, name: str, content: str) -> None:
        """Another content of a file, swapped in at once as the kubelet does."""
        fresh = self.folder / "fresh"
        fresh.write_text(content)
        fresh.replace(self.folder / name)

    def signal(self, number: signal.Signals) -> None:
        """Send it."""
        self.process.send_signal(number)

    async def ends(self) -> int:
        """The exit code."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    async def logs(self, words: str, *, after: int = 0) -> str:
        """Wait for a message with these words among those past `after`; the message."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (found := [line for line in self.logged[after:] if words in line]):
                    assert not self._reading.done(), f"the sidecar ended, code {self.process.returncode}: {self.logged}"
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"never said {words!r}: {self.logged}") from None
        return found[0]

    async def local_port(self) -> int:
        """Of streams and claims, once it is open."""
        return int((await self.logs("serving streams and claims at")).rsplit(":", 1)[1])

    async def get(self, path: str) -> str:
        """The body of a path of the status port."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://127.0.0.1:{self.port}{path}") as answer,
        ):
            assert answer.status == 200
            return await answer.text()

    async def status(self) -> dict[str, Any]:
        """/status."""
        return dict(json.loads(await self.get("/status")))

    async def says(self, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Ask /status until it holds."""
        said: dict[str, Any] = {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition(said := await self.status()):  # noqa: ASYNC110 - the other process can only be asked
                    await asyncio.sleep(ASK_AGAIN_S)
        except TimeoutError:
            raise AssertionError(f"never said: {said}; logged {self.logged}") from None
        return said

    async def listens(self) -> dict[str, Any]:
        """Wait until it is proven."""
        return await self.says(lambda status: status["state"] == "LISTENING")

    async def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        lines = (line for line in (await self.get("/metrics")).splitlines() if line.split("{")[0].split(" ")[0] == name)
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    async def _read(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            text = line.decode().rstrip()
            leaks.look(text)
            try:
                self.logged.append(json.loads(text)["message"])
            except ValueError:
                self.logged.append(text)
            self._more.set()
        self._more.set()
