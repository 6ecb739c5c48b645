"""An example of examples/ as `make example-<name>` starts it, on a test's database and on free ports.

Its folder is copied: what the test says otherwise (ports, shorter times) is written into the copy's manifests.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import yaml

from notifychannel_cli.embedded import free_port
from notifychannel_sidecar.config import Way
from notifychannel_sidecar.deliverer.carrier import NOTHING_YET
from tests.process import Program, notifychannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg

    from tests.conftest import Database

FOLDER = Path(__file__).parents[1] / "examples"
PORTS = ("port", "statusPort", "localPort")
PATIENCE_S = 40.0
ASK_AGAIN_S = 0.02


@dataclass(kw_only=True)
class Example:
    """A running one."""

    program: Program
    folder: Path
    """The copy."""
    database: Database
    admin: asyncpg.Connection
    ports: dict[str, int]
    """Of its services."""
    status_ports: dict[str, int]
    """Of their sidecars."""
    local_ports: dict[str, int]
    """Where these serve streams and claims."""
    http: aiohttp.ClientSession = field(repr=False)

    async def get(self, service: str, path: str) -> Any:
        """JSON of the application."""
        async with self.http.get(f"http://127.0.0.1:{self.ports[service]}{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def status(self, service: str) -> dict[str, Any]:
        """/status of its sidecar."""
        async with self.http.get(f"http://127.0.0.1:{self.status_ports[service]}/status") as answer:
            return dict(json.loads(await answer.text()))

    async def metrics(self, service: str) -> str:
        """/metrics of its sidecar."""
        async with self.http.get(f"http://127.0.0.1:{self.status_ports[service]}/metrics") as answer:
            return await answer.text()

    async def until_answered(self) -> None:
        """Each first resync: a change before that would go with it."""
        for service in self.status_ports:
            await self.until(partial(self.status, service), _has_answered)
        if await self.admin.fetchval("SELECT to_regclass('notifychannel.jobs')"):
            await self.until_row("SELECT count(*) = 0 FROM notifychannel.jobs")

    def signal(self, service: str, number: int) -> int:
        """To the program of a service, not to what starts it again; its process id."""
        return self._signal(self.program.children("application.py "), f"PORT={self.ports[service]}", number)

    def signal_sidecar(self, service: str, number: int) -> int:
        """To its sidecar; its process id."""
        return self._signal(self.program.children("notifychannel_sidecar"), f"NOTIFYCHANNEL_POD={service}", number)

    def _signal(self, pids: list[int], variable: str, number: int) -> int:
        (it,) = [pid for pid in pids if variable.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")]
        os.kill(it, number)
        return it

    async def until(self, ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], Any] = bool) -> Any:
        """Ask again until it holds; the answer. Fails with the last one and what the programs have printed."""
        said: Any = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not holds(said := await ask()):  # noqa: ASYNC110 - the other side can only be asked
                    await asyncio.sleep(ASK_AGAIN_S)
        except TimeoutError:
            raise AssertionError(f"never; at last {said!r}; printed:\n" + "\n".join(self.program.printed)) from None
        return said

    async def until_row(self, query: str, *arguments: object, holds: Callable[[Any], Any] = bool) -> Any:
        """Ask the database for one value until it holds."""
        return await self.until(lambda: self.admin.fetchval(query, *arguments), holds)


@asynccontextmanager
async def example(
    name: str,
    database: Database,
    tmp_path: Path,
    *,
    change: Callable[[dict[str, Any]], None] = lambda _: None,
    serve: Callable[[dict[str, Any]], None] = lambda _: None,
    without: tuple[str, ...] = (),
) -> AsyncIterator[Example]:
    """Started, its first resyncs answered; ended with Ctrl-C. `change` is told each channel, `serve` each service.

    `without`: services that are not started.
    """
    folder, ports, status_ports, local_ports = copy(name, tmp_path, change=change, serve=serve, without=without)
    admin, owner = await owned(database, folder / "schema.sql")
    arguments = ["-f", str(folder / "channels.yaml"), "--services", str(folder / "services.yaml"), "--force"]
    async with (
        notifychannel("dev", *arguments, "--dsn", database.dsn(owner)) as program,
        aiohttp.ClientSession() as http,
    ):
        await program.line("Ready.")
        reading = asyncio.create_task(_read(program))
        try:
            started = Example(
                program=program, folder=folder, database=database, admin=admin, ports=ports,
                status_ports=status_ports, local_ports=local_ports, http=http,
            )  # fmt: skip
            await started.until_answered()
            yield started
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        program.interrupt()
        assert await program.ends() == 130, program.printed


def _has_answered(status: dict[str, Any]) -> bool:
    """Whether each channel that is POSTed from memory has had an answer that is good."""
    posted = [it for it in status["channels"].values() if (it["way"], it["queue"]) == (Way.POST.value, None)]
    return all(it["delivering"] and it["last_answer"] != NOTHING_YET for it in posted)


async def owned(database: Database, schema: Path) -> tuple[asyncpg.Connection, str]:
    """The application's tables, and a role that owns them and the database: a superuser's connection, and that role."""
    admin, owner = await database.connect(), await database.role("app")
    await admin.execute(f'ALTER DATABASE "{database.name}" OWNER TO "{owner}"')
    connection = await database.connect(owner)
    await connection.execute(schema.read_text())  # noqa: ASYNC240
    await connection.close()
    return admin, owner


def copy(
    name: str,
    tmp_path: Path,
    *,
    change: Callable[[dict[str, Any]], None] = lambda _: None,
    serve: Callable[[dict[str, Any]], None] = lambda _: None,
    without: tuple[str, ...] = (),
) -> tuple[Path, dict[str, int], dict[str, int], dict[str, int]]:
    """The folder, and which free ports its services and their sidecars (status; streams and claims) have in it."""
    folder = Path(shutil.copytree(FOLDER / name, tmp_path / name, dirs_exist_ok=True))
    channels = [it for it in yaml.safe_load_all((folder / "channels.yaml").read_text()) if it]
    for channel in channels:
        change(channel)
    (folder / "channels.yaml").write_text(yaml.safe_dump_all(channels))
    services = yaml.safe_load((folder / "services.yaml").read_text())
    services["services"] = [it for it in services["services"] if it["name"] not in without]
    for service in services["services"]:
        sidecars = {"statusPort", "localPort"} if "group" in service else set()
        for port in (service.keys() & {"port"}) | sidecars:
            service[port] = free_port()
        serve(service)
    (folder / "services.yaml").write_text(yaml.safe_dump(services))
    return folder, *({it["name"]: it[port] for it in services["services"] if port in it} for port in PORTS)


async def _read(program: Program) -> None:
    """What it prints, so that no pipe is ever full."""
    with suppress(AssertionError):
        await program.line("\0", timeout_s=3600)
