"""Says when a sidecar of `notifychannel dev` stops to listen, and why, and when it listens again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Never

import aiohttp

if TYPE_CHECKING:
    from rich.console import Console

    from notifychannel_cli.sidecar_process import SidecarProcess

LOOK_EVERY_S = 0.25


async def watch(sidecar: SidecarProcess, out: Console, *, whose: str = "") -> Never:
    """For ever, after it has listened; raises SidecarError when it ends. `whose`: stands before what is said."""
    before = "LISTENING"
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            said = await sidecar.status()
        except (OSError, aiohttp.ClientError):  # it is frozen, or the machine is: if it has ended, that is raised next
            continue
        now = said["state"] if said["state"] == "LISTENING" else str(said["reason"])
        if now in (before, "None"):
            continue
        before = now
        line = "Listening again." if now == "LISTENING" else f"Not listening: {now}. {said['remedy']} Trying again ..."
        out.print(f"{whose}{line}", markup=False, style="yellow")
