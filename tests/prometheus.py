"""A real Prometheus (Debian's package) on a free port of 127.0.0.1, and its promtool.

The programs are those of the PATH, or what tests/install-prometheus fetches.
"""

from __future__ import annotations

import asyncio
import functools
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import yaml

from notifychannel_cli.embedded import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 60.0
ASK_AGAIN_S = 0.2


@functools.cache
def folder() -> Path:
    """Where `prometheus` and `promtool` are; fetches them once when they are missing."""
    script = Path(__file__).parent / "install-prometheus"
    return Path(subprocess.run([script], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())


def promtool(*arguments: str) -> str:
    """What it printed; AssertionError with all of it when it fails."""
    done = subprocess.run([folder() / "promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(kw_only=True)
class Prometheus:
    """`async with Prometheus(config={…}) as prometheus:`, scraping as the configuration says."""

    config: dict[str, Any]
    port: int = field(default_factory=free_port)
    _home: Path = field(init=False)
    _process: asyncio.subprocess.Process = field(init=False, repr=False)
    _session: aiohttp.ClientSession = field(init=False, repr=False)

    async def __aenter__(self) -> Self:
        self._home = Path(tempfile.mkdtemp(prefix="notifychannel-prometheus-"))
        config = self._home / "prometheus.yml"
        config.write_text(yaml.safe_dump(self.config, sort_keys=False))
        with (self._home / "log").open("w") as log:
            self._process = await asyncio.create_subprocess_exec(
                folder() / "prometheus", f"--config.file={config}", f"--storage.tsdb.path={self._home / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn",
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S))
        try:
            await self._ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query, now; AssertionError with what Prometheus says of a bad one."""
        return list((await self.get("query", query=expression))["result"])

    async def get(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of /api/v1."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        async with self._session.get(url, params=parameters) as answer:
            said = await answer.json()
        assert said["status"] == "success", f"{parameters}: {said}"
        return said["data"]

    async def until(self, expression: str, condition: Callable[[list[dict[str, Any]]], Any] = bool) -> Any:
        """Ask until the condition holds of the answer; the answer."""
        found: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition(found := await self.query(expression)):  # noqa: ASYNC110 - it can only be asked
                    await asyncio.sleep(ASK_AGAIN_S)
        except TimeoutError:
            raise AssertionError(f"never: {expression} is {found}; {self.log()}") from None
        return found

    def log(self) -> str:
        """What it wrote."""
        return (self._home / "log").read_text()

    async def _ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                assert self._process.returncode is None, self.log()
                try:
                    async with self._session.get(f"http://127.0.0.1:{self.port}/-/ready") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(ASK_AGAIN_S)
