"""The moment at which this process must be over, kept by the kernel: an interval timer whose signal ends it.

A process that was frozen (SIGSTOP, a paused node) past that moment finds the signal waiting, and Python runs its
handler before anything else of ours: it writes nothing any more. Nothing here waits for the event loop.
Source: setitimer(2): ITIMER_REAL counts on while a process is stopped; signal(7): a stopped process's signals wait.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, NoReturn, Self

if TYPE_CHECKING:
    from types import FrameType

EXIT_CODE = 3
"""Of a process that has lost its lease."""
LEAST_S = 0.001
"""Nought would switch the timer off."""


class Deadline:
    """`with Deadline() as deadline:` in the main thread; closed until the first `extend`."""

    def __init__(self) -> None:
        self._at_s = 0.0

    def __enter__(self) -> Self:
        signal.signal(signal.SIGALRM, _end)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def extend(self, at_s: float) -> None:
        """End this process then, in seconds of `time.monotonic()`, unless it is called again before."""
        self._at_s = at_s
        signal.setitimer(signal.ITIMER_REAL, max(at_s - time.monotonic(), LEAST_S))

    def is_open(self) -> bool:
        """Whether writing is still allowed; false before the first `extend`."""
        return time.monotonic() < self._at_s

    def forbid(self) -> None:
        """Nothing may be written from now on; the end comes as planned."""
        self._at_s = 0.0

    def close(self) -> None:
        """Nothing may be written, and no end is planned: the lease has been given back."""
        self._at_s = 0.0
        signal.setitimer(signal.ITIMER_REAL, 0)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    os.write(2, b"notifychannel-operator: the lease has run out: ended, another replica leads\n")
    os._exit(EXIT_CODE)
