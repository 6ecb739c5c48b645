"""The sidecar as a program: reads arguments and environment, takes the signals, runs the sidecar.

SIGUSR1 finishes and stays; SIGTERM and SIGINT finish (if that has not been done) and end; a second one ends at once.
Exit codes: 0 ended by a signal, 1 a bug or the status port is taken, 2 a setting or an argument can't be used.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar import log as logs
from notifychannel_sidecar import usage
from notifychannel_sidecar.app import Sidecar, installed_version
from notifychannel_sidecar.events import Event
from notifychannel_sidecar.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from notifychannel_sidecar.early import EarlySignals

log = logging.getLogger(__name__)

try:
    import uvloop
except ImportError:  # not on Windows, and the standard loop does as well, more slowly
    _new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
else:
    _new_loop = uvloop.new_event_loop


def main(arguments: list[str], environment: Mapping[str, str], early: EarlySignals) -> None:
    """Run until a signal ends it; one of `early` counts as if it came now."""
    usage.answer(arguments, version=installed_version())
    try:
        settings = Settings.from_env(environment)
    except SettingsError as error:
        sys.exit(_complain(f"notifychannel-sidecar: {error}", 2))
    logs.configure(settings.log_format)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        try:
            runner.run(_run(settings, early))
        except OSError as error:
            sys.exit(_complain(f"notifychannel-sidecar: the status port can't be served: {error.strerror}", 1))


async def _run(settings: Settings, early: EarlySignals) -> None:
    sidecar = Sidecar(settings)
    running = asyncio.create_task(sidecar.run())
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_on_loop_error)

    def end(received: signal.Signals) -> None:
        loop.add_signal_handler(received, running.cancel)
        log.info("%s: ending; a second one ends at once", received.name, extra=Event.ENDING.tag)
        sidecar.stop()

    handlers: dict[signal.Signals, Callable[[], None]] = {signal.SIGUSR1: sidecar.finish}
    handlers |= {number: partial(end, number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    early.tell(handlers)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _on_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log without the arguments that asyncio's own handler prints of a callback: payloads are among them."""
    error = context.get("exception")
    place = traceback.extract_tb(error.__traceback__)[-1:] if error else []
    log.error("unexpected in the loop: %s at %s", type(error).__name__,
              ", ".join(f"{frame.name}:{frame.lineno}" for frame in place) or "an unknown place",
              extra=Event.UNEXPECTED.tag)  # fmt: skip


def _complain(sentence: str, code: int) -> int:
    sys.stderr.write(sentence + "\n")
    return code
