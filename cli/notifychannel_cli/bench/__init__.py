"""`notifychannel bench`: the figures of the README, each beside its floor, measured in one run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from notifychannel_cli.bench import (
    admission,
    bulk,
    durable,
    latency,
    listeners,
    memory,
    outbox,
    outbox_latency,
    outbox_size,
    receive,
    writers,
)
from notifychannel_cli.bench.figure import Figure, as_table
from notifychannel_cli.bench.rig import rig
from notifychannel_cli.console import console
from notifychannel_cli.embedded_binaries import FOLDERS
from notifychannel_cli.running import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from notifychannel_cli.bench.rig import Rig

MIN_WIDTH = 140
"""A figure stays on one line, also where that is wider than the terminal."""

MEASURES: Mapping[str, Callable[[Rig], Awaitable[list[Figure]]]] = {
    "latency": latency.measure,
    "receive": receive.measure,
    "bulk": bulk.measure,
    "writers": writers.measure,
    "outbox": outbox.measure,
    "outbox-latency": outbox_latency.measure,
    "outbox-size": outbox_size.measure,
    "listeners": listeners.measure,
    "durable": durable.measure,
    "memory": memory.measure,
    "admission": admission.measure,
}


@click.command(
    short_help="The figures of the README, each beside its floor.",
    epilog="Example: notifychannel bench bulk writers --json",
)
@click.argument("what", nargs=-1, required=True, type=click.Choice([*MEASURES, "all"]))
@click.option("--quick", is_flag=True, help="Once and briefly: whether it runs here. The figures mean little.")
@click.option("--json", "as_json", is_flag=True, help='Print {"figures": [...]}; ratios where the goal is a ratio.')
@click.option("--postgres", type=click.Choice([str(version) for version in FOLDERS]), default="18", show_default=True,
              help="Version of the embedded PostgreSQL.")  # fmt: skip
@click.option("--changes", type=click.IntRange(min=1), help="How many changes outbox-size makes; 300,000.")
def command(*, what: tuple[str, ...], quick: bool, as_json: bool, postgres: str, changes: int | None) -> None:
    """Measure on an embedded PostgreSQL with fsync on, and show each figure beside its floor and its goal.

    Machines are noisy, so what counts is the ratio to a floor of the same run: no trigger, a bare listener, a bare
    process. Goals are goals: a figure that misses one does not change the exit code.

    Exit codes: 0 measured, 1 a part did not start, 130 Ctrl-C.
    """
    parts = list(MEASURES if "all" in what else dict.fromkeys(what))
    figures = run(_measure(parts, int(postgres), quick=quick, quiet=as_json, changes=changes))
    if as_json:
        click.echo(json.dumps({"figures": [figure.as_json() for figure in figures]}, indent=2))
    else:
        out = console()
        out.width = max(out.width, MIN_WIDTH)
        out.print(as_table(figures))


async def _measure(what: list[str], version: int, *, quick: bool, quiet: bool, changes: int | None) -> list[Figure]:
    figures: list[Figure] = []
    async with rig(version, quick=quick, changes=changes) as on:
        for name in what:
            if not quiet:
                console().print(f"[dim]measuring {name} on PostgreSQL {version} ...[/dim]")
            figures += await MEASURES[name](on)
    return figures
