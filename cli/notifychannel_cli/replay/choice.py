"""What is to be replayed, of what the options say and the files hold. Pure; raises what the person has to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from notifychannel_cli.exits import WrongError
from notifychannel_cli.replay.query import Filter
from notifychannel_cli.selection import Selection
from notifychannel_operator import marker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from notifychannel_operator.spec import Channel, Source

EXAMPLES = {"--where": "tenant_id=7", "--since": "updated_at=2026-01-31"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the options say."""

    channel: Channel
    source: Source
    installation: str | None
    filters: tuple[Filter, ...]
    rate: int
    dry_run: bool


def filters(where: Iterable[str], since: str | None) -> tuple[Filter, ...]:
    """Of both options; raises UsageError."""
    given = [*(("--where", each) for each in where), *([("--since", since)] if since is not None else [])]
    return tuple(_filter(*each) for each in given)


def _filter(option: str, text: str) -> Filter:
    column, equals, value = text.partition("=")
    if not column or not equals:
        raise click.UsageError(f"{option}: write COLUMN=VALUE, as {EXAMPLES[option]}")
    return Filter(column=column, value=value, since=option == "--since")


def channel(channels: Sequence[Channel], text: str | None) -> Channel:
    """The one that `--channel` means; raises UsageError."""
    wanted = Selection.of(installation=None, channel=text)
    found = [it for it in channels if wanted.channel in {None, it.name} and wanted.namespace in {None, it.namespace}]
    if len(found) != 1:
        every = ", ".join(f"{it.namespace}/{it.name}" for it in channels)
        raise click.UsageError(f"choose one by --channel; the files have {every or 'no channel'}")
    return found[0]


def source(channel: Channel, wanted: str | None) -> Source:
    """The one that `--table` means; raises UsageError, and WrongError where nothing can be replayed."""
    if not channel.sources:
        raise WrongError(
            f"{channel.namespace}/{channel.name} has no sources, it hears what others NOTIFY: replay it by NOTIFY "
            f"{channel.pg_channel}"
        )
    if channel.suspend:
        raise WrongError(f"{channel.namespace}/{channel.name} is suspended; a resync follows when `suspend` is false")
    found = [it for it in channel.sources if wanted in {None, it.table, it.label}]
    if len(found) != 1:
        raise click.UsageError(
            f"choose one by --table; the sources are {', '.join(it.label for it in channel.sources)}"
        )
    return found[0]


def installation(task: Task, functions: Iterable[tuple[str, str | None]], *, rules: str) -> str:
    """Whose trigger function of the source it is, by (body, comment) of all that there are.

    Raises WrongError where there is none, several, or one with other rules than the file's.
    """
    whose = f"{task.channel.namespace}/{task.channel.name}"
    found = {
        said.owner.installation: body
        for body, comment in functions
        if (said := marker.parse(comment)) is not None
        and (said.owner.namespace, said.owner.name) == (task.channel.namespace, task.channel.name)
        and (said.schema, said.table) == (task.source.schema, task.source.table)
        and task.installation in {None, said.owner.installation}
    }
    if not found:
        raise WrongError(
            f"{task.source.label} has no triggers of {whose} in this database; apply the file first (kubectl apply, or "
            "notifychannel sql)"
        )
    if len(found) > 1:
        raise WrongError(f"{whose} is there of several installations; choose: --installation {' | '.join(found)}")
    ((name, body),) = found.items()
    if f"'1{rules}U" not in body:
        raise WrongError(f"the triggers of {whose} in this database are not as the file says; apply the file first")
    return name
