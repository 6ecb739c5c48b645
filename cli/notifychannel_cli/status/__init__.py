"""`notifychannel status`: every channel on one line, with what its pods say of themselves. Only reads."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

import click
from rich.live import Live
from rich.text import Text

from notifychannel_cli import cluster, running, shown
from notifychannel_cli.cluster import Place
from notifychannel_cli.console import complaints, console
from notifychannel_cli.exits import Exit
from notifychannel_cli.status import line
from notifychannel_cli.status.look import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_cli.cluster import Cluster
    from notifychannel_cli.status.line import Group

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

    Exit codes: 0 all channels are Ready and without dead letters, 1 one is not or there is none, 2 wrong usage, 3 the
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
        seen = _Seen(there, frozenset(names), all_namespaces=all_namespaces)
        await seen.again()
        if watch:
            with Live(Text("looking ..."), console=console(), auto_refresh=False) as screen:
                while True:
                    await asyncio.sleep(every_s)
                    await seen.again()
                    screen.update(Text("\n".join(seen.lines())), refresh=True)
        await asyncio.sleep(every_s)
        await seen.again()
    if as_json:
        click.echo(json.dumps(seen.as_json(), indent=2))
    else:
        for text in seen.lines():
            console().print(text, markup=False)
    if seen.refusal is not None:
        complaints().print(seen.refusal, markup=False, style="yellow")
    return Exit.OK if seen.now and all(group.is_well for group in seen.now) else Exit.WRONG


class _Seen:
    """The last two looks."""

    def __init__(self, there: Cluster, names: frozenset[str], *, all_namespaces: bool) -> None:
        self.now: list[Group] = []
        self.refusal: str | None = None
        self._there = there
        self._names = names
        self._namespace = None if all_namespaces else there.namespace
        self._before: dict[tuple[str, str, str], Group] = {}
        self._at_s = self._seconds = 0.0

    async def again(self) -> None:
        """Look. Raises KubeError."""
        self._before = {(it.namespace, it.channel, it.group): it for it in self.now}
        self.now, self.refusal = await look(self._there.kube, namespace=self._namespace, names=self._names)
        at_s = time.monotonic()
        self._seconds, self._at_s = at_s - self._at_s, at_s

    def lines(self) -> list[str]:
        """The screen."""
        if not self.now:
            of = f"of the names {', '.join(sorted(self._names))} " if self._names else ""
            where = "in this cluster" if self._namespace is None else f"in the namespace {self._namespace}"
            return [f"no NotifyChannel {of}{where}; look in all by -A"]
        return list(shown.columns(line.HEAD, [line.cells(was, it, self._seconds) for was, it in self._pairs()]))

    def as_json(self) -> list[dict[str, object]]:
        """For programs."""
        return [line.as_json(was, it, self._seconds) for was, it in self._pairs()]

    def _pairs(self) -> list[tuple[Group | None, Group]]:
        return [(self._before.get((it.namespace, it.channel, it.group)), it) for it in self.now]
