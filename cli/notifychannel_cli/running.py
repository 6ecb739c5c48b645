"""Runs what a command does until it ends, Ctrl-C or SIGTERM: both unwind it, so that it cleans up behind itself."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run(main: Coroutine[object, object, T]) -> T:
    """As asyncio.run; raises KeyboardInterrupt for SIGTERM too."""
    try:
        return asyncio.run(_until_terminated(main))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _until_terminated(main: Coroutine[object, object, T]) -> T:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await main
