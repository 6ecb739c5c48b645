"""Runs what a command does until it ends, Ctrl-C, SIGTERM or SIGHUP: all three unwind it, so that it cleans up.

The first says so on standard error. Asking again interrupts what the cleaning up waits for, never the cleaning up.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from notifychannel_cli.console import complaints

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(main: Coroutine[object, object, T]) -> T:
    """As asyncio.run; raises KeyboardInterrupt for each of the three."""
    try:
        return asyncio.run(_until_asked_to_end(main))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _until_asked_to_end(main: Coroutine[object, object, T]) -> T:
    task = asyncio.current_task()
    if task is not None:
        for number in ENDING:
            asyncio.get_running_loop().add_signal_handler(number, _end, task)
    return await main


def _end(task: asyncio.Task[object]) -> None:
    is_first = not task.cancelling()
    task.cancel()
    if is_first:
        with suppress(OSError):  # the terminal is closed
            complaints().print("Ending ...; Ctrl-C again ends at once.")
