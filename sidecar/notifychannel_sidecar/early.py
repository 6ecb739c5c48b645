"""Signals that come before the program can act on them: remembered, and told when it can. Imports next to nothing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OURS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)


class EarlySignals:
    """Made first of all; from then on none of ours is lost, and none ends the process halfway."""

    def __init__(self) -> None:
        self._received: list[int] = []
        for number in OURS:
            signal.signal(number, lambda received, _frame: self._received.append(received))

    def tell(self, handlers: Mapping[signal.Signals, Callable[[], object]]) -> None:
        """Call the handler of each that came so far, in their order; the caller hears the next ones itself by now."""
        while self._received:
            handlers[signal.Signals(self._received.pop(0))]()
