"""`notifychannel dev`: a channel on one's own database and machine, as the cluster would run it, until Ctrl-C."""

from __future__ import annotations

import shlex
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import aiohttp
import click

from notifychannel_cli import manifests
from notifychannel_cli.console import console, problems
from notifychannel_cli.dev.answer import Answer, Executing, Posting, printing
from notifychannel_cli.dev.receiver import Receiver
from notifychannel_cli.identity import connected
from notifychannel_cli.install import install, remove
from notifychannel_cli.manifests import files_option
from notifychannel_cli.running import run
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator import configmap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from rich.console import Console

    from notifychannel_operator.spec import Channel

INSTALLATION = "dev"
EXEC_TIMEOUT_S = 300.0
"""A command may take longer than an application's endpoint is given by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the person asked for, read and checked."""

    channels: tuple[Channel, ...]
    group: str
    dsn: str
    answer: str
    """`post`, `exec` or `print`."""
    target: str
    """The URL or the command."""
    keep: bool
    allow_superuser: bool


@click.command(
    short_help="A channel on your own database and machine, until Ctrl-C.",
    epilog="Example: notifychannel dev -f orders.yaml --dsn postgresql://me@localhost/shop --print --allow-superuser",
)
@files_option
@click.option("--dsn", required=True, envvar="NOTIFYCHANNEL_DSN", help="The database; also NOTIFYCHANNEL_DSN.")
@click.option("--post", metavar="URL", help="Forward each body; the application's answer is the answer.")
@click.option("--exec", "run_command", metavar="CMD", help="Run a command for each body (JSON on standard input); "
              "exit code 0 acknowledges, 75 is 503 (try later), any other is 500.")  # fmt: skip
@click.option("--print", "show", is_flag=True, help="Acknowledge everything; only show it.")
@click.option("--group", help="The consumer to be; needed when the files name several.")
@click.option("--keep", is_flag=True, help="Leave the triggers in the database at the end.")
@click.option("--allow-superuser", is_flag=True, help="Accept a superuser as installer: for a database of one's own.")
def command(*, files: Sequence[str], dsn: str, post: str | None, run_command: str | None, show: bool, group: str | None,
            keep: bool, allow_superuser: bool) -> None:  # fmt: skip
    """Install the triggers, run the real sidecar here, and show one line per delivery with its latency.

    On Ctrl-C it removes what it installed, unless --keep. The same DSN serves as installer and as listener; in
    production these are two roles (see: notifychannel sql --grants).

    Exit codes: 0 ended by Ctrl-C, 1 the files or the database refuse, 2 wrong usage, 3 the database can't be reached.
    """
    chosen = [
        (kind, value) for kind, value in (("post", post), ("exec", run_command), ("print", show or None)) if value
    ]
    if len(chosen) != 1:
        raise click.UsageError("say what to do with a delivery: exactly one of --post URL, --exec CMD, --print")
    if run_command is not None:
        _check_command(run_command)
    with problems():
        channels = manifests.channels(files)
        task = Task(
            channels=channels, group=group or _only_group(channels), dsn=dsn, answer=chosen[0][0],
            target=str(chosen[0][1]), keep=keep, allow_superuser=allow_superuser,
        )  # fmt: skip
    with suppress(KeyboardInterrupt):
        run(_dev(task, console()))


def _check_command(text: str) -> None:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise click.UsageError(f"--exec can't be split into words ({error}); close its quotes") from None
    if not words:
        raise click.UsageError("--exec is empty; write a program and its arguments")


def _only_group(channels: Sequence[Channel]) -> str:
    groups = sorted({consumer.group for channel in channels for consumer in channel.consumers})
    if len(groups) > 1:
        raise click.UsageError(f"the files name several consumers; choose one with --group: {', '.join(groups)}")
    return groups[0]


async def _dev(task: Task, out: Console) -> None:
    async with AsyncExitStack() as stack:
        offset = await _clock_offset(task.dsn)
        if not task.keep:  # before the first channel: the second may be refused
            stack.push_async_callback(_remove, task, out)
        await install(task.channels, installation=INSTALLATION, dsn=task.dsn, allow_superuser=task.allow_superuser)
        answer = await stack.enter_async_context(_answer(task))
        receiver = await stack.enter_async_context(Receiver(answer=answer, out=out, clock_offset_s=offset))
        sidecar = await stack.enter_async_context(_sidecar(task, receiver.port))
        await sidecar.listening()
        names = ", ".join(channel.name for channel in task.channels)
        out.print(f"Listening as {task.group} to {names}. Change a row and see; Ctrl-C ends.")
        await sidecar.ended()


async def _remove(task: Task, out: Console) -> None:
    if await remove(task.channels, installation=INSTALLATION, dsn=task.dsn):
        out.print("Removed what was installed.")


def _sidecar(task: Task, port: int) -> SidecarProcess:
    config = configmap.config_for(
        task.channels, installation=INSTALLATION, namespace=task.channels[0].namespace, group=task.group,
        system_identifier=None, dbname=None,
    )  # fmt: skip
    least = EXEC_TIMEOUT_S if task.answer == "exec" else 0.0
    here = (replace(each, port=port, timeout=max(each.timeout, least)) for each in config.channels)
    return SidecarProcess(config=replace(config, channels=tuple(here)), uri=task.dsn)


@asynccontextmanager
async def _answer(task: Task) -> AsyncIterator[Callable[[bytes], Awaitable[Answer]]]:
    match task.answer:
        case "post":
            async with aiohttp.ClientSession() as session:
                yield Posting(url=task.target, session=session)
        case "exec":
            yield Executing(words=tuple(shlex.split(task.target)))
        case _:
            yield printing


async def _clock_offset(dsn: str) -> float:
    async with connected(dsn) as connection:
        there: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        return there - time.time()
