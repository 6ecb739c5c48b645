"""What leads on where a database can't be reached, or does not let us in, as commands. Shows no DSN."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_cli.doctor.psql import AS_ADMIN, AS_GIVEN

if TYPE_CHECKING:
    from notifychannel_cli.exits import UnreachableError

ASK = f'{AS_GIVEN} "SELECT 1"  # asks the same: correct the DSN until it answers'
PASSWORD = f"{AS_ADMIN} '\\password ROLE'  # as a superuser: asks for a new one"
REFUSED = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)


def remedy(error: UnreachableError) -> tuple[str, ...]:
    """By what was raised, or by the statement at the end of the message."""
    _, _, statement = error.message.partition("; run: ")
    if statement:
        return (f"{AS_ADMIN} {shlex.quote(statement)}  # as the owner of the database, or a superuser",)
    return (ASK, PASSWORD) if isinstance(error.cause, REFUSED) else (ASK,)
