"""`notifychannel-injector`: reads the environment, takes the signals, runs the injector.

SIGTERM and SIGINT: not ready at once, the end a few seconds later; a second one ends at once.
Exit codes: 0 ended by a signal, 1 a bug or a port is taken, 2 a setting can't be used.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

from notifychannel_operator import log as logs
from notifychannel_operator.environment import SettingsError
from notifychannel_operator.events import Event
from notifychannel_operator.injector.app import Injector, installed_version
from notifychannel_operator.injector.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

NAME = "notifychannel-injector"

try:
    import uvloop
except ImportError:  # not on Windows, and the standard loop does as well, more slowly
    _new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
else:
    _new_loop = uvloop.new_event_loop


def main() -> None:
    """Run until a signal ends it."""
    _parser().parse_args()
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        sys.exit(_complain(f"{NAME}: {error}", 2))
    logs.configure(settings.log_format)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        try:
            runner.run(_run(settings))
        except OSError as error:
            sys.exit(_complain(f"{NAME}: a port can't be served: {error.strerror}", 1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Adds the sidecar to pods that ask for it: a webhook of the API server.",
        epilog="Everything else is said by environment variables: see docs/injection.md.",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {installed_version()}")
    return parser


async def _run(settings: Settings) -> None:
    injector = Injector(settings)
    running = asyncio.create_task(injector.run())
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_on_loop_error)

    def end(received: signal.Signals) -> None:
        loop.add_signal_handler(received, running.cancel)
        log.info("%s: ending; a second one ends at once", received.name, extra=Event.ENDING.tag)
        injector.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _on_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log without the arguments that asyncio's own handler prints of a callback: pods are among them."""
    error = context.get("exception")
    place = traceback.extract_tb(error.__traceback__)[-1:] if error else []
    log.error("unexpected in the loop: %s at %s", type(error).__name__,
              ", ".join(f"{frame.name}:{frame.lineno}" for frame in place) or "an unknown place",
              extra=Event.UNEXPECTED.tag)  # fmt: skip


def _complain(sentence: str, code: int) -> int:
    sys.stderr.write(sentence + "\n")
    return code


if __name__ == "__main__":
    main()
