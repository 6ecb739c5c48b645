"""`notifychannel dev`: a channel on one's own database and machine, as the cluster would run it, until Ctrl-C."""

from __future__ import annotations

import shlex
import shutil
import socket
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from notifychannel_cli import manifests
from notifychannel_cli.console import console, problems
from notifychannel_cli.dev import session
from notifychannel_cli.manifests import files_option
from notifychannel_cli.running import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_operator.spec import Channel


@click.command(
    short_help="A channel on your own database and machine, until Ctrl-C.",
    epilog="Example: notifychannel dev -f orders.yaml --dsn postgresql://me@localhost/shop --print --allow-superuser",
)
@files_option
@click.option("--dsn", required=True, envvar="NOTIFYCHANNEL_DSN", show_envvar=True, help="The database.")
@click.option("--post", metavar="URL", help="Forward each body; the application's answer is the answer.")
@click.option("--exec", "run_command", metavar="CMD", help="Run a command for each body (JSON on standard input); "
              "exit code 0 acknowledges, 75 is 503 (try later), any other is 500.")  # fmt: skip
@click.option("--print", "show", is_flag=True, help="Acknowledge everything; only show it.")
@click.option("--serve", metavar="PORT", type=click.IntRange(1, 65535), help="As in the pod: the application reads the "
              "stream, or claims, at this port of 127.0.0.1; a channel with an endpoint is POSTed there.")  # fmt: skip
@click.option("--group", help="The consumer to be; needed when the files name several.")
@click.option("--keep", is_flag=True, help="Leave the triggers in the database at the end.")
@click.option("--force", is_flag=True, help="Remove at the end also what no application has acknowledged.")
@click.option("--allow-superuser", is_flag=True, help="Accept a superuser as installer: for a database of one's own.")
def command(*, files: Sequence[str], dsn: str, post: str | None, run_command: str | None, show: bool, serve: int | None,
            group: str | None, keep: bool, force: bool, allow_superuser: bool) -> None:  # fmt: skip
    """Install the triggers, run the real sidecar here, and show one line per delivery with its latency.

    On Ctrl-C it removes what it installed, unless --keep, or unless keys of `delivery: AtLeastOnce` wait; triggers that
    were there before stay. Of a channel's consumers it is one, and the others are left out. The same DSN serves
    as installer and as listener; in production these are two roles (see: notifychannel sql --grants). With --post the
    channel's `timeout` holds; a command of --exec may take five minutes, and no shell is between. All but --serve stand
    in for the application also where it has no endpoint.

    Exit codes: 0 ended by Ctrl-C, 1 the files or the database refuse, 2 wrong usage, 3 the database can't be reached.
    """
    chosen = [
        (kind, value)
        for kind, value in (("post", post), ("exec", run_command), ("print", show or None), ("serve", serve))
        if value
    ]
    if len(chosen) != 1:
        raise click.UsageError(
            "say what to do with a delivery: exactly one of --post URL, --exec CMD, --print, --serve PORT"
        )
    if run_command is not None:
        _check_command(run_command)
    if post is not None:
        _check_url(post)
    if serve is not None:
        _check_port(serve)
    with problems():
        channels = manifests.channels(files)
    chosen_group = _group(channels, group)
    task = session.Task(
        channels=_narrowed(channels, chosen_group), files=files, group=chosen_group, dsn=dsn, answer=chosen[0][0],
        target=str(chosen[0][1]), keep=keep, force=force, allow_superuser=allow_superuser,
    )  # fmt: skip
    with suppress(KeyboardInterrupt):
        run(session.run(task, console()))


def _narrowed(channels: Sequence[Channel], group: str) -> tuple[Channel, ...]:
    """Without the consumers that nobody is here: what is told at least once would wait for them for ever."""
    return tuple(replace(it, consumers=tuple(each for each in it.consumers if each.group == group)) for it in channels)


def _check_command(text: str) -> None:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise click.UsageError(f"--exec can't be split into words ({error}); close its quotes") from None
    if not words:
        raise click.UsageError("--exec is empty; write a program and its arguments")
    if shutil.which(words[0]) is None:
        raise click.UsageError(f"--exec: there is no program {words[0]}; for a shell write: sh -c '...'")


def _check_url(text: str) -> None:
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good:
        raise click.UsageError(f"--post: {text} is no URL; write for example http://127.0.0.1:8080/hints")


def _check_port(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise click.UsageError(f"--serve: port {port} can't be opened ({error.strerror}); write another") from None


def _group(channels: Sequence[Channel], asked: str | None) -> str:
    groups = sorted({consumer.group for channel in channels for consumer in channel.consumers})
    if asked is not None and asked not in groups:
        raise click.UsageError(f"no channel has the consumer {asked}; the files name {', '.join(groups)}")
    if asked is not None:
        return asked
    if len(groups) > 1:
        raise click.UsageError(f"the files name several consumers; choose one with --group: {', '.join(groups)}")
    return groups[0]
