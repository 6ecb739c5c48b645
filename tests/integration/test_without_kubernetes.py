"""docs/without-kubernetes.md followed to the letter: its commands, its application, its sidecar, on a real server."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from notifychannel_cli.embedded import Server, free_port
from tests.unit.test_examples_without_kubernetes import services, unit_environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "without-kubernetes.md").read_text()
SCRIPT = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)[0]
REMOVE = re.search(r"`(notifychannel sql .* --remove \| psql .*?)`", PAGE)[1]
PATIENCE_S = 60


@asynccontextmanager
async def running(*command: str, **environment: str):
    """A process whose output is waited for; killed at the end where it still runs."""
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **environment}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process, *words: str) -> str:
    """The next line of output that holds one of these words."""
    seen = []
    async with asyncio.timeout(PATIENCE_S):
        while raw := await process.stdout.readline():
            seen.append(raw.decode().rstrip())
            if any(word in seen[-1] for word in words):
                return seen[-1]
    raise AssertionError(f"no line with {words} in {seen}")


@pytest.fixture(scope="module")
def server():
    with Server(version=18) as own:
        yield own


@pytest.fixture
async def shop(server, tmp_path):
    """The example's folder and database, with this server's address and free ports in the places of the page's."""
    admin = await asyncpg.connect(server.dsn())
    await admin.execute("CREATE DATABASE shop")
    await admin.close()
    shutil.copytree(ROOT / "examples" / "compose", tmp_path, dirs_exist_ok=True)
    connection = await asyncpg.connect(server.dsn("shop"))
    await connection.execute((tmp_path / "schema.sql").read_text())
    yield connection
    await connection.close()


def here(text: str, server: Server) -> str:
    return (
        text.replace("127.0.0.1:5432", f"127.0.0.1:{server.port}")
        .replace("@database:5432", f"@127.0.0.1:{server.port}")
        .replace("postgres:change-me@", f"postgres:{server.password}@")
    )


async def bash(script: str, folder: Path, server: Server) -> None:
    path = f"{Path(sys.executable).parent}:{Path(server.binary('psql')).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script, cwd=folder, env={**os.environ, "PATH": path},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


@pytest.mark.slow
async def test_the_page_s_commands_lead_from_an_insert_to_the_application(server, shop, tmp_path):
    port = free_port()
    channel = tmp_path / "orders.yaml"
    channel.write_text(channel.read_text().replace("port: 8080", f"port: {port}"))
    await bash(here(SCRIPT, server), tmp_path, server)
    compose = services()["sidecar"]["environment"]
    for environment in (compose, unit_environment()):
        files = {
            "NOTIFYCHANNEL_CONFIG": str(tmp_path / "run" / "config.json"),
            "NOTIFYCHANNEL_SECRET": str(tmp_path / "run" / "secret"),
            "NOTIFYCHANNEL_STATUS_HOST": "127.0.0.1",
            "NOTIFYCHANNEL_STATUS_PORT": "0",
        }
        async with (
            running(sys.executable, str(tmp_path / "application.py"), PORT=str(port)) as application,
            running(str(Path(sys.executable).parent / "notifychannel-sidecar"), **{**environment, **files}) as sidecar,
        ):
            assert await line(application, "look at") == "look at every order (start)"
            order = await shop.fetchval("INSERT INTO orders DEFAULT VALUES RETURNING id")
            assert await line(application, f"look at order {order}")
            sidecar.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                assert await sidecar.wait() == 0
    installer = "postgresql://notifychannel_installer:change-me-installer@127.0.0.1:5432/shop"
    await bash(f"export NOTIFYCHANNEL_DSN={here(installer, server)}\n{REMOVE}", tmp_path, server)
    assert await shop.fetchval("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'orders'::regclass") == 0


async def test_the_example_application_looks_by_itself_when_nothing_comes(tmp_path):
    """Mutant of the example: leave `heard(...)` out of do_POST."""
    port = free_port()
    shutil.copy(ROOT / "examples" / "compose" / "application.py", tmp_path)
    async with running(sys.executable, str(tmp_path / "application.py"), PORT=str(port)) as application:
        body = b'{"hints": [], "reason": "start", "next_within": 0.2}'
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await connect(port)
        writer.write(b"POST /hints HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        assert b" 204 " in await reader.readline()
        assert await line(application, "look at") == "look at every order (start)"
        for _ in range(2):
            assert await line(application, "look at") == "look at every order (silence)"
        writer.close()


async def connect(port: int):
    """Until somebody listens; refused at once while nobody does."""
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
