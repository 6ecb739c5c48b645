"""`notifychannel redrive`: dead letters are due again, at once and with all their attempts before them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from notifychannel_cli import registry, shown
from notifychannel_cli.console import console
from notifychannel_cli.exits import WrongError
from notifychannel_cli.key import Key, KeyParameter
from notifychannel_cli.selection import Selection, channel_option, dsn_option, group_option, json_option
from notifychannel_operator import sqlfile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which dead letters."""

    selection: Selection
    id: str | None
    key: Key | None
    dry_run: bool


@click.command(
    short_help="Deliver dead letters again.",
    epilog="Examples: notifychannel redrive --dsn $DSN --channel shop/orders --dry-run; "
    "notifychannel redrive --dsn $DSN --key '{\"order_id\": 42}'",
)
@dsn_option
@channel_option
@group_option
@click.option("--id", "hint_id", metavar="ID", help="The one with this id, as the POST had it.")
@click.option("--key", type=KeyParameter(), metavar="JSON", help="Those of this key: '{\"order_id\": 42}' or '[42]'.")
@click.option("--all", "every", is_flag=True, help="Every dead letter of the database.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@json_option
def command(
    *, dsn: str, channel: str | None, installation: str | None, group: str | None, hint_id: str | None,
    key: Key | None, every: bool, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make dead letters due again: by id, by key, of a channel or group, or all. The options narrow each other down.

    `notifychannel queue --dead` lists them. A dead letter is also due again by itself when its key changes. The id of
    the hint stays, so an application that remembers ids sees which ones it has done.

    Exit codes: 0 done, 1 nothing of that name is there or the role may not do it, 2 wrong usage, 3 the database can't
    be reached.
    """
    selection = Selection.of(installation=installation, channel=channel, group=group)
    narrows = hint_id is not None or key is not None or bool(str(selection))
    if every == narrows:
        raise click.UsageError(
            "--all is every dead letter of the database: leave it out, for the other options say which"
            if every
            else "say which: --id, --key, --channel, --group or --all"
        )
    wanted = Wanted(selection=selection, id=hint_id, key=key, dry_run=dry_run)
    done = asyncio.run(_redrive(dsn, wanted))
    if not any(number for _, number in done) and (hint_id is not None or key is not None):
        raise WrongError("no dead letter is that one; see: notifychannel queue --dead")
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "consumers": [_as_json(*it) for it in done]}, indent=2))
        return
    for line in _lines(done, dry_run):
        console().print(line, markup=False)


async def _redrive(dsn: str, wanted: Wanted) -> list[tuple[asyncpg.Record, int]]:
    """(consumer, how many) in one transaction: all of them or none."""
    async with registry.opened(dsn) as connection:
        consumers = await registry.consumers(connection, wanted.selection)
        keys = [wanted.key and wanted.key.printed(row["key_names"]) for row in consumers]
        if wanted.key is not None and consumers and not any(keys):
            names = "; ".join(f"{registry.channel_name(row)}: {', '.join(row['key_names'])}" for row in consumers)
            raise WrongError(f"--key has {wanted.key.by}, and the keys are {names}")
        done = []
        async with connection.transaction():
            for row, key in sorted(zip(consumers, keys, strict=True), key=lambda it: it[0]["id"]):
                if wanted.key is None or key is not None:
                    asked = (row["id"], wanted.id, key, wanted.dry_run)
                    done.append((row, int(await connection.fetchval(sqlfile.read("queue/redrive.sql"), *asked))))
    return done


def _lines(done: Sequence[tuple[asyncpg.Record, int]], dry_run: bool) -> list[str]:
    what = "would be due again" if dry_run else "due again"
    lines = [
        f"{registry.channel_name(row)}, {row['group']}: {shown.count(number, 'dead letter')} {what}"
        for row, number in done
        if number
    ]
    return lines or ["no dead letters"]


def _as_json(row: asyncpg.Record, number: int) -> dict[str, object]:
    return {**{name: row[name] for name in ("installation", "namespace", "channel", "group")}, "dead_letters": number}
