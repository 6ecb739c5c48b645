"""What has to be known of a rival to measure it: how it hears of `orders`, and which process tells the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from notifychannel_cli.bench.rig import Rig

TABLE = "orders"


class Rival(Protocol):
    """Each has a server and a database of its own, one after the other."""

    @property
    def name(self) -> str:
        """As the table calls it."""

    @property
    def version(self) -> str:
        """Of what was measured."""

    @property
    def obstacle(self) -> str | None:
        """Why it can't be measured here, and what to do about it."""

    async def prepare(self, rig: Rig) -> None:
        """Make the table `orders`, and whatever is wanted in the database; once."""

    def running(self, rig: Rig, port: int) -> AbstractAsyncContextManager[int]:
        """Tell the application on that port, as POST /hints, until the end of the block; the process's id."""
