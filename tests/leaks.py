"""Whatever our programs log while tests run is searched for the passwords that the tests have made.

Servers' passwords are told apart by themselves, those of roles, tokens and bad examples by a mark that each holds.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from notifychannel_cli.embedded import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKS = ("secret-of-", "token-of-", "hunter2")
OURS = ("notifychannel_sidecar", "notifychannel_operator")
"""Loggers, which say as much as in the programs."""
known: set[str] = set(MARKS)
found: list[str] = []
looked = 0
"""Lines so far."""


def look(line: str) -> None:
    """At one line of a log."""
    global looked  # noqa: PLW0603 - one for all tests of a process
    looked += 1
    if any(secret in line for secret in known):
        found.append(line)


class _Handler(logging.Handler):
    """Of what is logged in the tests' own process."""

    def emit(self, record: logging.LogRecord) -> None:
        look(self.format(record))


@contextmanager
def watching() -> Iterator[list[str]]:
    """The lines in which a password stood."""
    handler, create = _Handler(), Server.create
    for ours in OURS:
        logging.getLogger(ours).setLevel(logging.INFO)

    def learn(server: Server) -> None:
        known.add(server.password)
        create(server)

    Server.create = learn  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)
        Server.create = create  # type: ignore[method-assign]
