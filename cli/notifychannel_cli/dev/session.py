"""One run of `notifychannel dev`: triggers in, sidecar and receiver up, until it is ended; then out what was put in."""

from __future__ import annotations

import asyncio
import shlex
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp

from notifychannel_cli.dev import others, together, ways
from notifychannel_cli.dev.answer import Answer, Executing, Posting, printing
from notifychannel_cli.dev.place import Place, embedded
from notifychannel_cli.dev.receiver import Receiver
from notifychannel_cli.dev.services import Services
from notifychannel_cli.dev.task import INSTALLATION, Alone, config
from notifychannel_cli.dev.watch import watch
from notifychannel_cli.exits import UnreachableError, WrongError
from notifychannel_cli.identity import connected
from notifychannel_cli.install import InstallError, RowsWaitError, install, remove
from notifychannel_cli.sidecar_process import SidecarProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from rich.console import Console

    from notifychannel_cli.dev.task import Task
    from notifychannel_operator.spec import Channel
    from notifychannel_sidecar.config import Config

EXEC_TIMEOUT_S = 300.0
"""A command may take longer than an application's endpoint is given by default."""
REMOVAL_TRIES, REMOVAL_PAUSE_S = 5, 0.5


async def run(task: Task, out: Console) -> None:
    """Until cancelled; raises WrongError or UnreachableError with what is in the way."""
    installed: list[Channel] = []
    async with AsyncExitStack() as stack:
        if not isinstance(task.consumers, Alone):
            together.check(task.consumers)
        place = await stack.enter_async_context(_place(task, out))
        if not place.is_embedded:
            # Before the first channel is installed: the second may be refused.
            stack.push_async_callback(_remove, task, installed, place, out)
            if not task.force:
                await others.check(task.channels, dsn=place.installer)
        await install(
            task.channels, dsn=place.installer, installation=INSTALLATION, allow_superuser=task.allow_superuser,
            on_installed=installed.append,
        )  # fmt: skip
        match task.consumers:
            case Alone() as alone:
                await _alone(alone, task.channels, place, out)
            case Services() as services:
                out.print("The triggers are installed; the services and their sidecars start ...")
                await together.run(services, task.channels, place, out)


async def _alone(alone: Alone, channels: Sequence[Channel], place: Place, out: Console) -> None:
    async with AsyncExitStack() as stack:
        out.print("The triggers are installed; the sidecar starts ...")
        if alone.answer == "serve":
            made = config(channels, alone.group)
            process = SidecarProcess(config=made, uri=place.listener, local_port=int(alone.target))
        else:
            process = await _with_receiver(alone, channels, place, out, stack)
        sidecar = await stack.enter_async_context(process)
        await sidecar.listening()
        names = ", ".join(channel.name for channel in channels)
        out.print(f"Listening as {alone.group}, to: {names}. Change a row and see; Ctrl-C ends.")
        if alone.answer == "serve":
            for line in ways.lines(process):
                out.print(line, markup=False, highlight=False)
        if place.is_embedded:
            out.print(f"The database: {place.application}", markup=False, highlight=False)
        await watch(sidecar, out)


async def _with_receiver(
    alone: Alone, channels: Sequence[Channel], place: Place, out: Console, stack: AsyncExitStack
) -> SidecarProcess:
    """A sidecar whose application we are, whatever way its hints would go."""
    offset = await _clock_offset(place.installer)
    answer = await stack.enter_async_context(_answer(alone, place))
    made = _patient(config(channels, alone.group), alone)
    timeouts = {each.name: each.timeout for each in made.channels}
    receiver = await stack.enter_async_context(
        Receiver(answer=answer, out=out, clock_offset_s=offset, timeouts_s=timeouts)
    )
    here = tuple(replace(each, port=receiver.port, path=each.path or "/") for each in made.channels)
    return SidecarProcess(config=replace(made, channels=here), uri=place.listener)


@asynccontextmanager
async def _place(task: Task, out: Console) -> AsyncIterator[Place]:
    if isinstance(task.database, str):
        yield Place.given(task.database)
        return
    out.print(f"Starting PostgreSQL in a temporary folder, with the tables of {task.database} ...", markup=False)
    async with embedded(task.database, task.channels) as place:
        yield place


async def _remove(task: Task, installed: list[Channel], place: Place, out: Console) -> None:
    hint = f"notifychannel sql {' '.join(f'-f {file}' for file in task.files)} --installation {INSTALLATION} --remove"
    given, psql = "with this --dsn in NOTIFYCHANNEL_DSN", 'psql "$NOTIFYCHANNEL_DSN"'
    if task.keep:
        out.print(f"The triggers stay. To remove them, {given}: {hint} | {psql}", markup=False)
        return
    if not installed:
        return
    try:
        if await _removed(installed, dsn=place.installer, force=task.force):
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


def _patient(made: Config, alone: Alone) -> Config:
    least = EXEC_TIMEOUT_S if alone.answer == "exec" else 0.0
    return replace(made, channels=tuple(replace(each, timeout=max(each.timeout, least)) for each in made.channels))


@asynccontextmanager
async def _answer(alone: Alone, place: Place) -> AsyncIterator[Callable[[bytes, str | None], Awaitable[Answer]]]:
    match alone.answer:
        case "post":
            async with aiohttp.ClientSession() as http:
                yield Posting(url=alone.target, session=http)
        case "exec":
            yield Executing(words=tuple(shlex.split(alone.target)), environment={"DATABASE_URL": place.application})
        case _:
            yield printing


async def _clock_offset(dsn: str) -> float:
    async with connected(dsn) as connection:
        there: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        return there - time.time()
