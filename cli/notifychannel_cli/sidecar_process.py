"""The real sidecar as a process of its own on this machine: what `dev`, `demo` and `bench` run.

It gets what a pod would give it (a config.json, a folder with a Secret, settings by environment) in a private
temporary folder. Refuses to reach into the sidecar: it is asked through its status port like by anybody else.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from notifychannel_cli.embedded import free_port
from notifychannel_cli.exits import WrongError
from notifychannel_cli.tether import tethered
from notifychannel_sidecar import config as sidecar_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_sidecar.config import Config

STOP_TIMEOUT_S = 10.0
ASK_AGAIN_S = 0.05


class SidecarError(WrongError):
    """The sidecar ended, or does not listen; the message holds the end of its log."""


@dataclass(slots=True, kw_only=True)
class SidecarProcess:
    """`async with SidecarProcess(...) as sidecar`: started on entering, finished and removed on leaving."""

    config: Config
    uri: str = field(repr=False)
    """The listener's DSN."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings over those that are made here."""
    port: int = field(default_factory=free_port)
    """Of its status."""
    local_port: int = field(default_factory=free_port)
    """Of its streams and claims, while a channel needs it."""
    folder: Path = field(init=False)
    _process: asyncio.subprocess.Process | None = field(init=False, default=None)

    async def __aenter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="notifychannel-sidecar-"))
        (self.folder / "secret").mkdir(mode=0o700)
        secret = self.folder / "secret" / "uri"
        secret.touch(mode=0o600)
        secret.write_text(self.uri)
        (self.folder / "config.json").write_text(sidecar_config.dump(self.config))
        with (self.folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tethered(sys.executable, "-m", "notifychannel_sidecar", to_get=signal.SIGTERM),
                env={**os.environ, **self._settings(), **self.environment},
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we stop it when its work is done
            )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """Of the sidecar."""
        return self._running().pid

    async def status(self) -> dict[str, Any]:
        """The body of `/status`; raises SidecarError when the sidecar has ended, OSError when it is not up yet."""
        if self._running().returncode is not None:
            raise SidecarError(f"the sidecar ended: {self.log_tail()}")
        return dict(json.loads(await self.get("/status")))

    async def get(self, path: str) -> str:
        """The body of a path of the status port."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://127.0.0.1:{self.port}{path}") as answer,
        ):
            return await answer.text()

    async def listening(self, timeout_s: float = 30.0) -> dict[str, Any]:
        """Wait until it is proved that it hears; its status. Raises SidecarError with the reason it gives."""
        seen: dict[str, Any] = {}
        try:
            async with asyncio.timeout(timeout_s):
                while seen.get("state") != "LISTENING":
                    await asyncio.sleep(ASK_AGAIN_S)
                    try:
                        seen = await self.status()
                    except (OSError, aiohttp.ClientError):
                        continue
        except TimeoutError:
            raise SidecarError(f"the sidecar does not listen after {timeout_s:.0f} s: {self._why(seen)}") from None
        return seen

    async def stop(self) -> None:
        """Let it finish (SIGTERM), and end it if it does not."""
        process = self._running()
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except (TimeoutError, asyncio.CancelledError):  # cancelled: whoever waits for us is in a hurry
                process.kill()
                await process.wait()

    def log_tail(self, size: int = 1500) -> str:
        """The end of what it logged: never a payload, never a DSN."""
        return (self.folder / "log").read_text(errors="replace")[-size:].strip()

    def _why(self, seen: Mapping[str, Any]) -> str:
        """What it says of itself and has logged; of a machine so busy that it says nothing yet, that."""
        said = " ".join(filter(None, (seen.get("reason"), seen.get("remedy"))))
        told = [it for it in (said, self.log_tail()) if it]
        return "; ".join(told) or "it has said nothing yet, as on a machine that is very busy; try again"

    def _settings(self) -> dict[str, str]:
        return {
            "NOTIFYCHANNEL_CONFIG": str(self.folder / "config.json"),
            "NOTIFYCHANNEL_SECRET": str(self.folder / "secret"),
            "NOTIFYCHANNEL_STATUS_HOST": "127.0.0.1",
            "NOTIFYCHANNEL_STATUS_PORT": str(self.port),
            "NOTIFYCHANNEL_LOCAL_PORT": str(self.local_port),
        }

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise SidecarError("the sidecar was not started")
        return self._process
