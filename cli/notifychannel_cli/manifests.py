"""The files that a command is given with `-f`: read, with every problem of every file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from notifychannel_operator.manifest import Problem, SpecError, load, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from notifychannel_operator.spec import Channel

    Decorator = Callable[[Callable[..., None]], Callable[..., None]]

STDIN = "-"
STDIN_NAME = "<stdin>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One file, read: channels or problems."""

    file: str
    channels: tuple[Channel, ...] = ()
    problems: tuple[Problem, ...] = ()


def files_option(command: Callable[..., None]) -> Callable[..., None]:
    """`-f FILE ...` as parameter `files`: repeatable, or several after one -f, as a shell's *.yaml gives them."""

    @wraps(command)
    def combined(*, files: tuple[str, ...], more: tuple[str, ...], **others: object) -> None:
        command(files=files + more, **others)

    more: Decorator = click.argument("more", nargs=-1, metavar="[FILE]...")
    option: Decorator = click.option(
        "-f", "--file", "files", multiple=True, metavar="FILE", help="A file with NotifyChannels; - is standard input."
    )
    return more(option(combined))


def read(files: Iterable[str]) -> list[Read]:
    """Each file once, in the order given; raises UsageError where no file is given."""
    names = list(dict.fromkeys(files))
    if not names:
        raise click.UsageError("name a file: -f orders.yaml, or -f - for standard input")
    return [_read(name) for name in names]


def channels(files: Iterable[str]) -> tuple[Channel, ...]:
    """The channels of all files; raises SpecError with the problems of all of them."""
    return tuple(channel for each in usable(files) for channel in each.channels)


def usable(files: Iterable[str]) -> list[Read]:
    """All files, where none has a problem; raises SpecError with the problems of all of them."""
    found = read(files)
    if problems := tuple(problem for each in found for problem in each.problems):
        raise SpecError(problems)
    return found


def _read(name: str) -> Read:
    try:
        if name == STDIN:
            return Read(file=STDIN_NAME, channels=parse(_stdin(), file=STDIN_NAME))
        return Read(file=name, channels=load(Path(name)))
    except SpecError as error:
        return Read(file=STDIN_NAME if name == STDIN else name, problems=error.problems)


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        problem = Problem(file=STDIN_NAME, line=0, path="", message="is not UTF-8; write it as UTF-8")
        raise SpecError((problem,)) from None
