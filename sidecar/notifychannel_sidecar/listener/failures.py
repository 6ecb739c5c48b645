"""Which failures of the database are tried again, and what they are called: named here and nowhere else.

What is not named here is a bug of ours: it is raised and ends the program loudly.
"""

from __future__ import annotations

import asyncpg

from notifychannel_sidecar.state import Why

REASONS: tuple[tuple[type[BaseException], Why], ...] = (
    (asyncpg.InvalidAuthorizationSpecificationError, Why.AUTHENTICATION_FAILED),  # 28xxx, wrong password included
    (asyncpg.InsufficientPrivilegeError, Why.AUTHENTICATION_FAILED),  # no CONNECT on the database
    (asyncpg.InvalidCatalogNameError, Why.WRONG_DATABASE),  # the database does not exist
    (asyncpg.TargetServerAttributeNotMatched, Why.READ_ONLY_REPLICA),  # none of the hosts is a primary
    (asyncpg.ReadOnlySQLTransactionError, Why.READ_ONLY_REPLICA),  # LISTEN on a standby that just became one
    (asyncpg.TooManyConnectionsError, Why.TOO_MANY_CONNECTIONS),
    (asyncpg.ProgramLimitExceededError, Why.QUEUE_FULL),  # 54000: of our own NOTIFY, the proof
    (asyncpg.UndefinedFunctionError, Why.OTHER_VERSION),
    (asyncpg.ClientConfigurationError, Why.NO_SECRET),  # the Secret's content makes no connection
    (asyncpg.PostgresError, Why.UNREACHABLE),
    (asyncpg.InterfaceError, Why.UNREACHABLE),
    (asyncpg.InternalClientError, Why.UNREACHABLE),  # a server (or whatever answered) that does not speak the protocol
    (OSError, Why.UNREACHABLE),  # refused, reset, no such name, TLS
    (TimeoutError, Why.UNREACHABLE),
)
"""The first line that fits counts."""
STATEMENT_POOLING = "statement pooling mode"


class Refused(Exception):  # noqa: N818 - it is a verdict
    """We end a session that the server would let live: the reason says why."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


def why(error: Exception) -> Why | None:
    """What to call this failure; None when it is not one of the database."""
    if isinstance(error, Refused):
        return error.why
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError) and STATEMENT_POOLING in str(error):
        return Why.POOLER_SWALLOWS_LISTEN
    return next((reason for kind, reason in REASONS if isinstance(error, kind)), None)


def label(error: Exception) -> str:
    """What a log may say about a failure: its kind and SQLSTATE, never its text, which may quote user or host."""
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__} {state}" if state else type(error).__name__
