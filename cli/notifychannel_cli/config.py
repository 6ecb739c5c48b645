"""`notifychannel config`: the sidecar's JSON for one group, for those who run it under Compose or systemd."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from notifychannel_cli import manifests
from notifychannel_cli.console import problems
from notifychannel_cli.exits import WrongError
from notifychannel_cli.identity import Identity, identity
from notifychannel_operator import configmap
from notifychannel_sidecar.config import dump

if TYPE_CHECKING:
    from notifychannel_operator.spec import Channel


@click.command(
    short_help="Print the sidecar's JSON, to run it without Kubernetes.",
    epilog="Example: notifychannel config -f orders.yaml --group orders-api --dsn $DSN > config.json",
)
@manifests.files_option
@click.option("--group", required=True, help="The consumer whose sidecar is configured.")
@click.option("--dsn", envvar="NOTIFYCHANNEL_DSN", show_envvar=True, help="The database, to name it in the JSON: the "
              "sidecar then refuses any other one. Only read from.")  # fmt: skip
@click.option("--installation", default="dev", show_default=True, help="As given to `notifychannel sql`.")
@click.option("--namespace", help="Of the channels; needed when the files hold several.")
def command(*, files: tuple[str, ...], group: str, dsn: str | None, installation: str, namespace: str | None) -> None:
    """Print the configuration of the sidecar of a group (NOTIFYCHANNEL_CONFIG names the file it goes to).

    Exit codes: 0 printed, 1 a file is wrong or nobody names the group, 2 wrong usage, 3 the database can't be reached.
    """
    with problems():
        channels = manifests.channels(files)
    chosen = _namespace(channels, group, namespace)
    found = asyncio.run(identity(dsn)) if dsn else Identity()
    config = configmap.config_for(
        channels, installation=installation, namespace=chosen, group=group,
        system_identifier=found.system_identifier, dbname=found.dbname,
    )  # fmt: skip
    click.echo(dump(config), nl=False)


def _namespace(channels: tuple[Channel, ...], group: str, wanted: str | None) -> str:
    """The namespace whose group is meant; raises WrongError or UsageError."""
    named = {channel.namespace for channel in channels for each in channel.consumers if each.group == group}
    if not named or wanted not in {None, *named}:
        groups = sorted({each.group for channel in channels for each in channel.consumers})
        raise WrongError(f"no channel has the consumer {group}; the files name {', '.join(groups)}")
    if wanted is None and len(named) > 1:
        raise click.UsageError(f"{group} is in several namespaces; choose: --namespace {' | '.join(sorted(named))}")
    return wanted or named.pop()
