"""`notifychannel-operator`: reads the environment, takes the signals, runs the operator or the cleanup.

SIGTERM and SIGINT end in peace and give the lease back; a second one ends at once.
Exit codes: 0 ended by a signal, or cleaned up; 1 a bug, the port is taken, or no login; 2 a setting can't be used;
3 the lease is lost; 4 the cleanup left something, and says what.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

from notifychannel_operator import inject, release_cleanup
from notifychannel_operator import log as logs
from notifychannel_operator.app import Operator, installed_version
from notifychannel_operator.environment import SettingsError
from notifychannel_operator.events import Event
from notifychannel_operator.kube_login import LoginError
from notifychannel_operator.leadership.deadline import EXIT_CODE, Deadline
from notifychannel_operator.leadership.lease import LeaseLostError
from notifychannel_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = logging.getLogger(__name__)

NAME = "notifychannel-operator"
SIGNALS = (signal.SIGTERM, signal.SIGINT)
EPILOG = "Everything else is said by environment variables: see docs/operator.md."


def main() -> None:
    """Run until a signal ends it."""
    sys.exit(_main(sys.argv[1:]))


def _main(arguments: list[str]) -> int:
    command = _parser().parse_args(arguments).command
    try:
        settings = Settings.from_env(os.environ)
        injection = inject.Settings.from_env(os.environ)
    except SettingsError as error:
        return _complain(error, 2)
    logs.configure(settings.log_format)
    with Deadline() as deadline:
        work = release_cleanup.clean if command == "cleanup" else _run
        return _ended(work(settings, injection, deadline))


def _ended(work: Coroutine[Any, Any, int]) -> int:
    """The exit code, with a sentence where it is not 0."""
    try:
        return asyncio.run(work)
    except LeaseLostError as error:
        return _complain(error, EXIT_CODE)
    except LoginError as error:
        return _complain(error, 1)
    except OSError as error:
        return _complain(f"the port can't be served: {error.strerror}", 1)
    except Exception as error:  # noqa: BLE001 the last place; a traceback could quote a Secret
        return _complain(f"unexpected {_named(error)}", 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=NAME, description="Keeps triggers, ConfigMaps and conditions as NotifyChannels say.", epilog=EPILOG
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {installed_version()}")
    commands = parser.add_subparsers(dest="command", metavar="[cleanup]")
    commands.add_parser(
        "cleanup",
        help="before the release is removed: leave nothing of it in databases and cluster but the NotifyChannels",
        epilog=EPILOG,
    )
    return parser


async def _run(settings: Settings, injection: inject.Settings, deadline: Deadline) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_on_loop_error)

    def end(received: signal.Signals) -> None:
        loop.add_signal_handler(received, os._exit, 128 + received)
        log.info("%s: ending; a second one ends at once", received.name, extra=Event.ENDING.tag)
        operator.stop()

    def take_signals() -> None:
        """Again when kopf has taken them: its own end knows nothing of the lease."""
        for number in SIGNALS:
            loop.add_signal_handler(number, end, number)

    operator = Operator(settings, injection=injection, deadline=deadline, on_kopf=take_signals)
    take_signals()
    await operator.run()
    return 0


def _on_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log without the arguments that asyncio's own handler prints of a callback."""
    error = context.get("exception")
    log.error("unexpected in the loop: %s", _named(error) if error else "an unknown error", extra=Event.UNEXPECTED.tag)


def _named(error: BaseException) -> str:
    """Types and places, of a group's members too."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(_named(each) for each in error.exceptions)
    place = traceback.extract_tb(error.__traceback__)[-1:]
    return f"{type(error).__name__} at " + ", ".join(f"{frame.name}:{frame.lineno}" for frame in place)


def _complain(sentence: object, code: int) -> int:
    sys.stderr.write(f"{NAME}: {sentence}\n")
    return code


if __name__ == "__main__":
    main()
