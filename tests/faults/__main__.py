"""`make faults`: each fault with both deliveries, one table; ends with 1 where a key was lost or a commit failed by us.

`--page` puts the table, with machine, versions and date, into docs/faults.md.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console

from notifychannel_cli.console import complaints
from tests.checker.shop import Combination
from tests.faults.faults import FAULTS
from tests.faults.page import heading, put
from tests.faults.run import FULL, SMALL, cells
from tests.faults.table import as_markdown, as_table, delivery, result

if TYPE_CHECKING:
    from tests.faults.run import Cell

WIDTH = 130
"""Of the table at least; in a narrower terminal its lines wrap, and nothing is left out."""


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice([it.name for it in FAULTS]), help="One of the faults.")
@click.option("--small", is_flag=True, help="With the numbers of `make test`.")
@click.option("--page", is_flag=True, help="Write docs/faults.md too.")
def main(only: tuple[str, ...], small: bool, page: bool) -> None:
    """Run them all, or these."""
    found = asyncio.run(_all(only, small=small))
    head = heading()
    out = Console(highlight=False, width=max(WIDTH, Console().width))
    out.print(f"\n{head}\n", as_table(found), sep="\n")
    if page:
        put(f"{head}\n\n{as_markdown(found)}")
    if not all(cell.is_clean or cell.obstacle for cell in found):
        sys.exit(1)


async def _all(only: tuple[str, ...], *, small: bool) -> list[Cell]:
    """In the order of the table: by fault, then by delivery."""
    found: list[Cell] = []
    chosen = [it for it in FAULTS if not only or it.name in only]
    for combination in Combination:
        async for cell in cells(combination, SMALL if small else FULL, chosen):
            complaints().print(f"{cell.fault}, {delivery(cell)}: {result(cell)}")
            found.append(cell)
    order = [fault.name for fault in FAULTS]
    return sorted(found, key=lambda cell: order.index(cell.fault))


if __name__ == "__main__":
    main()
