"""One run of `notifychannel dev`: triggers in, sidecar and receiver up, until it is ended; then out what was put in."""

from __future__ import annotations

import asyncio
import shlex
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

import aiohttp

from notifychannel_cli.dev.answer import Answer, Executing, Posting, printing
from notifychannel_cli.dev.receiver import Receiver
from notifychannel_cli.exits import UnreachableError, WrongError
from notifychannel_cli.identity import connected
from notifychannel_cli.install import InstallError, RowsWaitError, install, remove
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator import configmap
from notifychannel_sidecar.config import Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from rich.console import Console

    from notifychannel_operator.spec import Channel
    from notifychannel_sidecar.config import ChannelConfig, Config

INSTALLATION = "dev"
EXEC_TIMEOUT_S = 300.0
"""A command may take longer than an application's endpoint is given by default."""
REMOVAL_TRIES, REMOVAL_PAUSE_S = 5, 0.5
LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the person asked for, read and checked."""

    channels: tuple[Channel, ...]
    files: Sequence[str]
    group: str
    dsn: str
    answer: str
    """`post`, `exec`, `print` or `serve`."""
    target: str
    """The URL, the command or the port."""
    keep: bool
    force: bool
    allow_superuser: bool


async def run(task: Task, out: Console) -> None:
    """Until cancelled; raises WrongError or UnreachableError with what is in the way."""
    installed: list[Channel] = []
    async with AsyncExitStack() as stack:
        offset = await _clock_offset(task.dsn)
        # Before the first channel is installed: the second may be refused.
        stack.push_async_callback(_remove, task, installed, out)
        await install(
            task.channels, dsn=task.dsn, installation=INSTALLATION, allow_superuser=task.allow_superuser,
            on_installed=installed.append,
        )  # fmt: skip
        out.print("The triggers are installed; the sidecar starts ...")
        if task.answer == "serve":
            process = SidecarProcess(config=_config(task), uri=task.dsn, local_port=int(task.target))
        else:
            process = await _with_receiver(task, out, offset, stack)
        sidecar = await stack.enter_async_context(process)
        await sidecar.listening()
        names = ", ".join(channel.name for channel in task.channels)
        out.print(f"Listening as {task.group}, to: {names}. Change a row and see; Ctrl-C ends.")
        if task.answer == "serve":
            for channel in process.config.channels:
                out.print(_way(channel, process.local_port), markup=False, highlight=False)
        await _watch(sidecar, out)


async def _with_receiver(task: Task, out: Console, offset: float, stack: AsyncExitStack) -> SidecarProcess:
    """A sidecar whose application we are, whatever way its hints would go."""
    answer = await stack.enter_async_context(_answer(task))
    config = _config(task)
    timeouts = {each.name: each.timeout for each in config.channels}
    receiver = await stack.enter_async_context(
        Receiver(answer=answer, out=out, clock_offset_s=offset, timeouts_s=timeouts)
    )
    here = tuple(replace(each, port=receiver.port, path=each.path or "/") for each in config.channels)
    return SidecarProcess(config=replace(config, channels=here), uri=task.dsn)


def _way(channel: ChannelConfig, port: int) -> str:
    """How the application comes to this channel's hints."""
    match channel.way:
        case Way.POST:
            return f"  {channel.name} is POSTed to http://127.0.0.1:{channel.port}{channel.path}"
        case Way.STREAM:
            return f"  {channel.name} is read: GET http://127.0.0.1:{port}/v1/stream?channel={channel.name}"
        case Way.CLAIM:
            return f"  {channel.name} is claimed: POST http://127.0.0.1:{port}/v1/claim"
        case never:
            assert_never(never)


async def _watch(sidecar: SidecarProcess, out: Console) -> None:
    """Say when it stops to listen, and why, and when it listens again; raises SidecarError when it ends."""
    before = "LISTENING"
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        said = await sidecar.status()
        now = said["state"] if said["state"] == "LISTENING" else str(said["reason"])
        if now in (before, "None"):
            continue
        before = now
        line = "Listening again." if now == "LISTENING" else f"Not listening: {now}. {said['remedy']} Trying again ..."
        out.print(line, markup=False, style="yellow")


async def _remove(task: Task, installed: list[Channel], out: Console) -> None:
    hint = f"notifychannel sql {' '.join(f'-f {file}' for file in task.files)} --installation {INSTALLATION} --remove"
    given, psql = "with this --dsn in NOTIFYCHANNEL_DSN", 'psql "$NOTIFYCHANNEL_DSN"'
    if task.keep:
        out.print(f"The triggers stay. To remove them, {given}: {hint} | {psql}", markup=False)
        return
    if not installed:
        return
    try:
        if await _removed(installed, dsn=task.dsn, force=task.force):
            out.print("Removed what was installed.")
    except RowsWaitError as error:
        left = f"They and the triggers are still in the database. To drop both, {given}: {hint} --force | {psql}"
        raise WrongError(f"{error.message}\n{left}") from None
    except (InstallError, UnreachableError, asyncio.CancelledError) as error:
        why = "Asked again to end." if isinstance(error, asyncio.CancelledError) else error.message
        left = f"The triggers are still in the database. To remove them, {given}: {hint} | {psql}"
        raise WrongError(f"{why}\n{left}") from None


async def _removed(installed: Sequence[Channel], *, dsn: str, force: bool) -> bool:
    """As install.remove, with some patience for whoever holds a lock."""
    for _ in range(REMOVAL_TRIES - 1):
        try:
            return await remove(installed, dsn=dsn, installation=INSTALLATION, force=force)
        except RowsWaitError:  # nobody delivers them here any more
            raise
        except InstallError:
            pass
        await asyncio.sleep(REMOVAL_PAUSE_S)
    return await remove(installed, dsn=dsn, installation=INSTALLATION, force=force)


def _config(task: Task) -> Config:
    config = configmap.config_for(
        task.channels, installation=INSTALLATION, namespace=task.channels[0].namespace, group=task.group,
        system_identifier=None, dbname=None,
    )  # fmt: skip
    least = EXEC_TIMEOUT_S if task.answer == "exec" else 0.0
    channels = tuple(replace(each, timeout=max(each.timeout, least)) for each in config.channels)
    return replace(config, channels=channels)


@asynccontextmanager
async def _answer(task: Task) -> AsyncIterator[Callable[[bytes, str | None], Awaitable[Answer]]]:
    match task.answer:
        case "post":
            async with aiohttp.ClientSession() as http:
                yield Posting(url=task.target, session=http)
        case "exec":
            yield Executing(words=tuple(shlex.split(task.target)))
        case _:
            yield printing


async def _clock_offset(dsn: str) -> float:
    async with connected(dsn) as connection:
        there: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        return there - time.time()
