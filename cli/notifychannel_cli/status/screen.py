"""`status --watch`: one screen that is painted anew at each look, until Ctrl-C; then the terminal is as it was before.

A cluster that does not answer for a while ends nothing: the last figures stay, and how old they are stands below them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from rich.live import Live
from rich.text import Text

from notifychannel_cli import shown
from notifychannel_cli.console import console
from notifychannel_operator.kube_error import Forbidden, KubeError

if TYPE_CHECKING:
    from notifychannel_cli.status.looks import Looks


async def watch(seen: Looks, *, every_s: float) -> NoReturn:
    """After a first look. Raises Forbidden; what was seen last is left on the terminal."""
    out = console()
    try:
        with Live(Text("looking ..."), console=out, screen=True, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(every_s)
                silent = await _again(seen)
                said = [*seen.lines(out.width), *(it for it in (silent or seen.refusal,) if it)]
                live.update(Text("\n".join(said), overflow="fold"), refresh=True)
                if not out.is_terminal:
                    out.print(*said, sep="\n", markup=False)
    finally:
        for text in seen.lines() if out.is_terminal else ():
            out.print(text, markup=False)


async def _again(seen: Looks) -> str | None:
    """Look; what is to be said where nobody answers."""
    try:
        await seen.again()
    except Forbidden:
        raise
    except KubeError:
        return f"the cluster does not answer: these figures are {shown.span(seen.age_s)} old; looking again"
    return None
