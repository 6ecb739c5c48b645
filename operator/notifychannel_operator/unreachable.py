"""Why a database could not be reached, as a sentence with the remedy; never with a password. Pure."""

from __future__ import annotations

import asyncpg

from notifychannel_operator import grants

ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.ClientConfigurationError)
"""What asyncpg.connect raises when it is the world's fault, or the DSN's."""


def sentence(error: BaseException, *, dbname: str, role: str) -> str:
    """What to tell about an exception of ERRORS that `connect` raised for that database and role.

    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    match error:
        case asyncpg.InvalidPasswordError():
            text = f"the password of role {role} is wrong (or the role does not exist): correct it in the DSN"
        case asyncpg.InvalidCatalogNameError():
            text = f"there is no database {dbname} on that server: correct the DSN, or create it"
        case asyncpg.InsufficientPrivilegeError():
            text = f"{role} may not connect to the database; run: {grants.connect(dbname, role)}"
        case asyncpg.InvalidAuthorizationSpecificationError():
            text = f"the server does not let {role} in (pg_hba.conf, or TLS that one side wants): {error.args[0]}"
        case asyncpg.ClientConfigurationError() | asyncpg.InterfaceError():
            text = "the DSN can't be used; write postgresql://USER:PASSWORD@HOST:PORT/DBNAME"
        case asyncpg.PostgresError():
            text = f"the server refused the connection ({error.sqlstate}): {error.args[0]}"
        case TimeoutError():
            text = "the server did not answer in time: check host, port and firewall in between"
        case _:
            text = f"the server can't be reached ({getattr(error, 'strerror', None) or type(error).__name__})"
    return text
