"""The operator as a process on this machine, logged in by a kubeconfig, perhaps through a wire that can be frozen."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import yaml

from notifychannel_operator.kube import Kube
from notifychannel_operator.kube_login import Place, login
from tests import leaks
from tests.wire import Wire

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator

FULLNAME = "nc"
PATIENCE_S = 120.0


@dataclass(kw_only=True)
class CountingWire(Wire):
    """A wire that knows how much the client sent, and can strand the connections that there are."""

    sent_bytes: int = 0

    async def _pump(self, reader, writer, *, from_client):
        if from_client:
            reader = _Counted(reader, self)
        await super()._pump(reader, writer, from_client=from_client)

    def strand(self) -> None:
        """What is connected now hears nothing and is heard by nobody, for ever; new connections work."""
        for writer in list(self._writers):
            writer.transport.pause_reading()


@dataclass
class _Counted:
    reader: asyncio.StreamReader
    wire: CountingWire

    async def read(self, most):
        chunk = await self.reader.read(most)
        self.wire.sent_bytes += len(chunk)
        return chunk


@dataclass(kw_only=True)
class OperatorProcess:
    """A running operator."""

    process: asyncio.subprocess.Process = field(repr=False)
    port: int
    lines: list[str] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def line(self, *words: str, timeout_s: float = PATIENCE_S) -> str:
        """The first line, said already or not, with all these words."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for line in self.lines:
                        if all(word in line for word in words):
                            return line
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"no line with {words} in:\n" + "\n".join(self.lines)) from None

    async def ends(self, timeout_s: float = PATIENCE_S) -> int:
        """Its exit code."""
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the health server."""
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.status, await answer.text()

    async def metric(self, name: str) -> float:
        """One sample, by its name with labels."""
        _, text = await self.get("/metrics")
        return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.rpartition(" ")[0] == name)

    def rss_mib(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu_s(self) -> float:
        """Seconds of CPU so far; what a pass costs on any machine, however busy."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def read(self) -> None:
        while raw := await self.process.stdout.readline():
            self.lines.append(raw.decode(errors="replace").rstrip("\n"))
            leaks.look(self.lines[-1])
            self._changed.set()


@asynccontextmanager
async def operator(
    *arguments: str, kubeconfig: Path, namespace: str, pod: str = "a", watched: str | None = None, **environment: str
) -> AsyncIterator[OperatorProcess]:
    """`notifychannel-operator arguments …`, watching its own namespace; killed at the end if it still runs."""
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "notifychannel_operator", *arguments,
        env={
            **os.environ, "KUBECONFIG": str(kubeconfig), "NOTIFYCHANNEL_NAMESPACE": namespace,
            "NOTIFYCHANNEL_FULLNAME": FULLNAME, "NOTIFYCHANNEL_POD": pod, "NOTIFYCHANNEL_LOG": "text",
            "NOTIFYCHANNEL_WATCH_NAMESPACES": watched or namespace, "NOTIFYCHANNEL_HTTP_HOST": "127.0.0.1",
            "NOTIFYCHANNEL_HTTP_PORT": str(port), "NOTIFYCHANNEL_SIDECAR_IMAGE": "notifychannel/sidecar:e2e",
            "PYTHONWARNINGS": "default", **environment,
        },
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    running = OperatorProcess(process=process, port=port)
    reading = asyncio.create_task(running.read())
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reading
        print(f"--- operator {pod}\n" + "\n".join(running.lines))  # noqa: T201 pytest shows it under a failure


@asynccontextmanager
async def wired(kubeconfig: Path, folder: Path) -> AsyncIterator[tuple[CountingWire, Path]]:
    """A wire to the API server, and the kubeconfig that leads through it."""
    document = yaml.safe_load(kubeconfig.read_text())  # noqa: ASYNC240 a small file
    cluster = document["clusters"][0]["cluster"]
    host, _, port = cluster["server"].removeprefix("https://").rpartition(":")
    assert host in ("127.0.0.1", "localhost"), "the wire leads to 127.0.0.1 only"
    async with CountingWire(target=int(port)) as wire:
        cluster["server"] = f"https://{host}:{wire.port}"
        path = folder / f"kubeconfig-{wire.port}"
        path.write_text(yaml.safe_dump(document))
        yield wire, path


@asynccontextmanager
async def kube(kubeconfig: Path, **changes) -> AsyncIterator[Kube]:
    """Our own client, as an administrator."""
    configuration = await login(Place(kubeconfig=kubeconfig))
    async with Kube(configuration, pod="test", **changes) as made:
        yield made


def _free_port() -> int:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]
