"""What the exit codes of `notifychannel` mean, and the errors that end it with them; the message is for the person."""

from __future__ import annotations

from enum import IntEnum

import click


class Exit(IntEnum):
    """Documented in `notifychannel --help`; scripts rely on them."""

    OK = 0
    WRONG = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130


class WrongError(click.ClickException):
    """The thing asked about is wrong: a file, the database's state, a promise that did not hold."""

    exit_code = Exit.WRONG


class UnreachableError(click.ClickException):
    """The database can't be reached, or does not let us in. Never shows a DSN or a password."""

    exit_code = Exit.UNREACHABLE

    def __init__(self, message: str, *, cause: Exception | None = None) -> None:
        super().__init__(message)
        self.cause = cause
        """What was raised, of which nothing is shown."""
