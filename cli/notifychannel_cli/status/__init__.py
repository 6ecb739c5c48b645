"""`notifychannel status`: every channel on one line, with what its pods say of themselves. Only reads."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import click

from notifychannel_cli import cluster, running
from notifychannel_cli.cluster import Place
from notifychannel_cli.console import complaints, console
from notifychannel_cli.exits import Exit
from notifychannel_cli.status import screen
from notifychannel_cli.status.looks import Looks

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY_S = 2.0
"""From one look to the next, by default: rates are between two."""


@click.command(
    short_help="Every channel on one line: listening, rate, backlog, dead.",
    epilog="Examples: notifychannel status -n shop; notifychannel status -A --watch",
)
@click.argument("names", metavar="[CHANNEL]...", nargs=-1)
@cluster.options
@click.option("-A", "--all-namespaces", is_flag=True, help="Of all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option("--every", type=click.FloatRange(min=0.5), default=EVERY_S, show_default=True, help="Seconds between two "
              "looks; rates are between them.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def command(
    *, names: tuple[str, ...], kubeconfig: str | None, context: str | None, namespace: str | None, all_namespaces: bool,
    watch: bool, every: float, as_json: bool,
) -> None:  # fmt: skip
    """Show each group of each channel: Ready or why not, how many pods listen, hints delivered per second, how long a
    change took from the statement to the application's 2xx (p50, p99), keys that wait, and dead letters.

    It looks twice, two seconds apart, at what the sidecars say at /metrics, by the API server's proxy: that needs `get`
    on pods/proxy. Where nothing was delivered between the looks the times are those since the pods' start.

    Exit codes: 0 all channels are Ready and without dead letters, 1 one is not or is not there, 2 wrong usage, 3 the
    cluster can't be reached, 130 Ctrl-C.
    """
    if watch and as_json:
        raise click.UsageError("--watch is for a person; call it again for another --json")
    place = Place(kubeconfig=kubeconfig, context=context, namespace=namespace)
    sys.exit(
        running.run(_run(place, names, all_namespaces=all_namespaces, watch=watch, every_s=every, as_json=as_json))
    )


async def _run(
    place: Place, names: Sequence[str], *, all_namespaces: bool, watch: bool, every_s: float, as_json: bool
) -> Exit:
    async with cluster.opened(place) as there:
        seen = Looks(there, frozenset(names), all_namespaces=all_namespaces)
        await seen.again()
        if watch:
            await screen.watch(seen, every_s=every_s)
        await asyncio.sleep(every_s)
        await seen.again()
    if as_json:
        click.echo(json.dumps(seen.as_json(), indent=2))
    else:
        for text in seen.lines():
            console().print(text, markup=False)
    if seen.refusal is not None:
        complaints().print(seen.refusal, markup=False, style="yellow")
    return Exit.OK if seen.is_well else Exit.WRONG
