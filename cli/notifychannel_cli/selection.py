"""Which consumers and channels of a database are meant, and the options that say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """None: any."""

    installation: str | None = None
    namespace: str | None = None
    channel: str | None = None
    group: str | None = None

    @classmethod
    def of(cls, *, installation: str | None, channel: str | None, group: str | None = None) -> Selection:
        """From the options; `channel` is NAMESPACE/NAME or NAME. Raises UsageError."""
        namespace, slash, name = (channel or "").rpartition("/")
        if channel is not None and (not name or (slash and not namespace) or "/" in namespace):
            raise click.UsageError("--channel: write NAMESPACE/NAME, as shop/orders, or NAME")
        return cls(installation=installation, namespace=namespace or None, channel=name or None, group=group)

    def __str__(self) -> str:
        parts = [
            self.channel and f"channel {self.namespace + '/' if self.namespace else ''}{self.channel}",
            self.group and f"group {self.group}",
            self.installation and f"installation {self.installation}",
        ]
        return ", ".join(part for part in parts if part)


def dsn_option(command: Command) -> Command:
    """`--dsn`, of the installer."""
    return click.option(
        "--dsn", envvar="NOTIFYCHANNEL_DSN", show_envvar=True, required=True, help="The database, as the installer.",
    )(command)  # fmt: skip


def channel_option(command: Command) -> Command:
    """`--channel` and `--installation`."""
    command = click.option("--installation", metavar="ID", help="Only of this one; most databases have one.")(command)
    return click.option("--channel", metavar="[NAMESPACE/]NAME", help="Only of this NotifyChannel.")(command)


def group_option(command: Command) -> Command:
    """`--group`."""
    return click.option("--group", help="Only of this consumer.")(command)


def json_option(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")(command)
