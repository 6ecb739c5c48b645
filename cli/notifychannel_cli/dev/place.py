"""The database of `notifychannel dev`: the one that a DSN leads to, or an embedded one made of a file with tables."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_cli.embedded import Server
from notifychannel_cli.exits import WrongError
from notifychannel_cli.install import grant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from notifychannel_operator.spec import Channel

DATABASE = "dev"
FORGETFUL = {"fsync": "off", "full_page_writes": "off"}
"""A power cut takes what a Ctrl-C would have taken; and nobody waits for the disk."""
APPLICATION, INSTALLER, LISTENER = "application", "notifychannel_installer", "notifychannel_listener"
"""As in production: who owns the tables, who owns the triggers' functions, and who listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """DSNs, by whom they are for."""

    installer: str = field(repr=False)
    listener: str = field(repr=False)
    application: str = field(repr=False)
    programs: Path | None = None
    """Of an embedded one: the folder with its psql."""

    @classmethod
    def given(cls, dsn: str) -> Place:
        """One DSN for everybody."""
        return cls(installer=dsn, listener=dsn, application=dsn)

    @property
    def is_embedded(self) -> bool:
        """It goes with us, and its passwords are made here: they may be shown."""
        return self.programs is not None


@asynccontextmanager
async def embedded(schema: Path, channels: Sequence[Channel]) -> AsyncIterator[Place]:
    """A server in a temporary folder with the schema's tables, which the application owns, and the rights of two roles.

    Raises EmbeddedError, WrongError where PostgreSQL refuses the schema, and what `grant` raises.
    """
    text = _read(schema)
    with Server(settings=FORGETFUL) as server:
        admin = await asyncpg.connect(server.dsn())
        try:
            for role in (APPLICATION, INSTALLER, LISTENER):
                # The password is made here and stays on this machine; the names are ours, so nothing has to be quoted.
                await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
            await admin.execute(f"CREATE DATABASE {DATABASE} OWNER {APPLICATION}")
        finally:
            await admin.close()
        await _apply(text, dsn=server.dsn(DATABASE, APPLICATION), file=schema)
        await grant(channels, dsn=server.dsn(DATABASE), installer=INSTALLER, listener=LISTENER)
        yield Place(
            installer=server.dsn(DATABASE, INSTALLER), listener=server.dsn(DATABASE, LISTENER),
            application=server.dsn(DATABASE, APPLICATION), programs=Path(server.binary("psql")).parent,
        )  # fmt: skip


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongError(f"{file} can't be read: {error}") from None


async def _apply(text: str, *, dsn: str, file: Path) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(text)
    except asyncpg.PostgresError as error:
        raise WrongError(f"PostgreSQL refuses {file}: {error}") from None
    finally:
        await connection.close()
