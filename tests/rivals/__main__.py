"""`make rivals`: ours, a poll and the rivals in one run, one table; who can't be measured is listed with the reason.

`--page` puts it, with machine, versions and date, into docs/rivals.md.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from notifychannel_cli.console import complaints
from tests.faults.page import heading, put
from tests.rivals.rivals import everybody
from tests.rivals.run import FULL, QUICK, measured
from tests.rivals.table import absent, as_markdown, as_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.rivals.rival import Rival
    from tests.rivals.run import Found, Size

PAGE, BEGIN = Path(__file__).parents[2] / "docs" / "rivals.md", "<!-- what make rivals found -->"
WIDTH = 160
"""Of the table where it is not for a terminal."""


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice([it.name for it in everybody()]), help="One of them.")
@click.option("--quick", is_flag=True, help="Whether it runs; the figures mean little.")
@click.option("--page", is_flag=True, help="Write docs/rivals.md too.")
def main(only: tuple[str, ...], quick: bool, page: bool) -> None:
    """Measure them all, or these."""
    chosen = [it for it in everybody() if not only or it.name in only]
    found, reasons = asyncio.run(_all(chosen, QUICK if quick else FULL))
    head, missing = heading(), absent(reasons)
    out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    out.print(f"\n{head}\n", as_table(found), f"\nNot measured here:\n{missing}" if missing else "", sep="\n")
    if page:
        put(f"{head}\n\n{as_markdown(found)}\n\nNot measured here:\n\n{missing or '- nobody.'}", page=PAGE, begin=BEGIN)


async def _all(rivals: Iterable[Rival], size: Size) -> tuple[list[Found], dict[str, str]]:
    """What was found of each, and why the others were not measured."""
    found, reasons = [], {}
    for rival in rivals:
        if rival.obstacle is not None:
            reasons[rival.name] = rival.obstacle
            continue
        complaints().print(f"measuring {rival.name} ...")
        try:
            found.append(await measured(rival, size))
        except (OSError, RuntimeError, ValueError) as error:  # TimeoutError is an OSError
            reasons[rival.name] = f"it failed: {type(error).__name__} {error}".strip()
    return found, reasons


if __name__ == "__main__":
    main()
