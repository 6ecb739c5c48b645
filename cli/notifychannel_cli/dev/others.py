"""Whom a channel already tells in this database, whom a run of `notifychannel dev` would leave out. Only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_cli.dev.task import INSTALLATION
from notifychannel_cli.exits import WrongError
from notifychannel_cli.identity import connected
from notifychannel_operator import database
from notifychannel_operator.names import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from notifychannel_operator.consumers import Registered
    from notifychannel_operator.spec import Channel


async def check(channels: Sequence[Channel], *, dsn: str) -> None:
    """Raises WrongError where consumers would be left out that a sidecar serves, or for whom something waits."""
    async with connected(dsn) as connection:
        said = [
            sentence
            for channel in channels
            for sentence in left_out(channel, await database.observe_waiting(connection, _owner(channel)))
        ]
    if said:
        raise WrongError("\n".join(said))


def left_out(channel: Channel, there: Iterable[Registered]) -> Iterator[str]:
    """A sentence for each consumer of those `there` that this channel does not have; pure."""
    wanted = {it.group for it in channel.durable}
    for it in there:
        installed = f"{channel.name} is installed with the consumer {it.terms.group}"
        if it.terms.group in wanted or it.has_left:
            continue
        if it.claimers:
            yield (
                f"{installed}, whom another `notifychannel dev` serves from this database: end that first, or leave "
                "this consumer out of the queue by --force"
            )
        elif it.waiting:
            yield f"{installed}; {it.waiting}: run it with this consumer first, or leave it out by --force"


def _owner(channel: Channel) -> Owner:
    return Owner(installation=INSTALLATION, namespace=channel.namespace, name=channel.name)
