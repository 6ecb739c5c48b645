"""Text on its way to standard output, in a thread of its own: a terminal may be stopped, and a pipe be full, for hours.

The thread is a daemon, and writes past Python's buffer, whose lock a program that ends would wait for.
"""

from __future__ import annotations

import asyncio
import os
import threading

STANDARD_OUTPUT = 1


async def written(text: str) -> None:
    """Wait until all of it is; raises what the write does, as BrokenPipeError where nobody reads."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def write() -> None:
        rest, error = text.encode(), None
        try:
            while rest:
                rest = rest[os.write(STANDARD_OUTPUT, rest) :]
        except OSError as found:
            error = found
        loop.call_soon_threadsafe(_end, done, error)

    threading.Thread(target=write, daemon=True, name="tail").start()
    await done


def _end(done: asyncio.Future[None], error: OSError | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
