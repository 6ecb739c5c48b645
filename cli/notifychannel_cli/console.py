"""How commands print: colours on a terminal, plain text when piped or with NO_COLOR (https://no-color.org)."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from notifychannel_cli.exits import Exit
from notifychannel_operator.manifest import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Output(Console):
    """Where nobody reads any more it raises BrokenPipeError, as `print` does, and does not end the program itself."""

    def on_broken_pipe(self) -> None:
        """Called by rich while it handles the error."""
        raise  # noqa: PLE0704 - the one that is being handled


def console() -> Console:
    """Standard output; lines are as long as they are, so that they can be searched and cut."""
    return Output(soft_wrap=True, highlight=False)


@contextmanager
def while_read() -> Iterator[None]:
    """Ends the block where nobody reads any more (`| head`); the exit code is what it would have been."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left goes nowhere, at the exit too


def complaints() -> Console:
    """Standard error, as `console`."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def print_problems(problems: Iterable[object], *, out: Console | None = None) -> None:
    """One line each, red on a terminal; nothing in them is taken for markup."""
    out = out or complaints()
    for problem in problems:
        out.print(Text(str(problem), style="red"))


@contextmanager
def problems() -> Iterator[None]:
    """End the program with exit code 1 where a file says what can't be used, after printing everything it says."""
    try:
        yield
    except SpecError as error:
        print_problems(error.problems)
        sys.exit(Exit.WRONG)
