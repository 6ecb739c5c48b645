"""`notifychannel tail`: the hints of a channel as they come, by a listener of its own. Changes nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from notifychannel_cli import manifests, running
from notifychannel_cli.console import problems
from notifychannel_cli.exits import WrongError
from notifychannel_cli.identity import connected
from notifychannel_cli.key import Key, KeyParameter
from notifychannel_cli.replay import choice
from notifychannel_cli.tail.session import Tail, run
from notifychannel_operator import configmap, marker, sqlfile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from notifychannel_cli.tail.heard import Heard
    from notifychannel_operator.spec import Channel
    from notifychannel_sidecar.config import Config

NOBODY = "none"
"""Whose a channel without sources is: it names its PostgreSQL channel itself."""


@click.command(
    short_help="The hints of a channel as they come.",
    epilog="Examples: notifychannel tail -f orders.yaml --dsn $DSN; kubectl get nch orders -o yaml | notifychannel "
    "tail -f - --dsn $DSN --key '{\"order_id\": 42}'",
)
@manifests.files_option
@click.option("--dsn", envvar="NOTIFYCHANNEL_DSN", show_envvar=True, required=True, help="The database, as the "
              "installer or a listener.")  # fmt: skip
@click.option("--channel", metavar="[NAMESPACE/]NAME", help="Which; needed when the files hold several.")
@click.option("--key", type=KeyParameter(), metavar="JSON", help="Only this key, '{\"order_id\": 42}' or '[42]', and "
              "resyncs.")  # fmt: skip
@click.option("--installation", metavar="ID", help="Whose channel it is; only asked for where the database does not "
              "tell.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document per line.")
def command(
    *, files: tuple[str, ...], dsn: str, channel: str | None, key: Key | None, installation: str | None, as_json: bool
) -> None:
    """Print each hint when it is heard: when (by the database), why, the key, and how many statements named it.

    This is what sidecars hear, before they merge and wait. It needs no cluster and disturbs no application: it is one
    more session that listens, which with `capture: Notify` costs writers as much as one more pod. Hints that it does
    not take fast enough are dropped here, and counted, so that a stopped terminal holds up nobody.

    Exit codes: 0 nobody reads any more, 1 a file or the database is not as needed, 2 wrong usage, 3 the database can't
    be reached, 130 Ctrl-C.
    """
    with problems():
        channels = manifests.channels(files)
    chosen = choice.channel(channels, channel)
    running.run(_tail(chosen, dsn, installation, key, as_json=as_json))


async def _tail(channel: Channel, dsn: str, installation: str | None, key: Key | None, *, as_json: bool) -> None:
    if channel.sources and installation is None:
        async with connected(dsn) as connection:
            functions = await connection.fetch(sqlfile.read("queue/functions.sql"))
        installation = _installation(channel, [row["comment"] for row in functions])
    config = configmap.config_for(
        [channel], installation=installation or NOBODY, namespace=channel.namespace,
        group=channel.consumers[0].group, system_identifier=None, dbname=None,
    )  # fmt: skip
    await run(Tail(config=config, dsn=dsn, wanted=_wanted(key, config), as_json=as_json))


def _installation(channel: Channel, comments: Iterable[str | None]) -> str:
    """Who has made triggers of the channel in this database."""
    whose = f"{channel.namespace}/{channel.name}"
    owners = [said.owner for comment in comments if (said := marker.parse(comment)) is not None]
    found = sorted({it.installation for it in owners if (it.namespace, it.name) == (channel.namespace, channel.name)})
    if not found:
        raise WrongError(
            f"this database has no triggers of {whose}; apply it first (kubectl apply, or notifychannel sql)"
        )
    if len(found) > 1:
        raise WrongError(f"{whose} is there of several installations; choose: --installation {' | '.join(found)}")
    return found[0]


def _wanted(key: Key | None, config: Config) -> Callable[[Heard], bool]:
    if key is None:
        return lambda _: True
    names = config.channels[0].key
    printed = key.printed(names)
    if printed is None:
        raise WrongError(f"--key has {key.by}, and the channel's key is {', '.join(names) or 'none'}")
    values = dict(zip(names, json.loads(printed, parse_float=Decimal), strict=True))
    return lambda it: it.key is None or json.loads(it.key, parse_float=Decimal) == values
