"""What to listen to: the configuration and the way to the database, as one value that can be compared.

Pure. Refuses to print itself: the way to the database holds a password.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_sidecar.config import Config

MAX_NAME_BYTES = 63
"""PostgreSQL cuts application_name there (NAMEDATALEN)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Two targets are equal when nothing has to be done to go from one to the other."""

    config: Config
    pod: str
    fingerprint: str
    """Of the Secret."""
    arguments: Mapping[str, Any] = field(repr=False, compare=False)
    """For asyncpg.connect."""

    @property
    def server(self) -> tuple[object, ...]:
        """What needs another connection when it changes."""
        return self.fingerprint, self.config.system_identifier, self.config.dbname, self.session_name

    def means(self, *, system_identifier: str, dbname: str) -> bool:
        """Whether this is the database with the triggers, as far as the configuration says which one it is."""
        return self.config.dbname in (None, dbname) and self.config.system_identifier in (None, system_identifier)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """PostgreSQL channel → the channels that hear it."""
        found: dict[str, tuple[str, ...]] = {}
        for channel in self.config.channels:
            found[channel.pg_channel] = (*found.get(channel.pg_channel, ()), channel.name)
        return found

    @property
    def channels(self) -> frozenset[str]:
        """The PostgreSQL channels to LISTEN to."""
        return frozenset(channel.pg_channel for channel in self.config.channels)

    @property
    def by_outbox(self) -> frozenset[str]:
        """The channels (names) that capture by outbox, as far as this configuration knows."""
        return frozenset(channel.name for channel in self.config.channels if channel.capture == "Outbox")

    @property
    def may_relay(self) -> bool:
        """With triggers there may be an outbox: a channel may have been switched before the configuration says so."""
        return any(channel.sources for channel in self.config.channels)

    @property
    def claim_name(self) -> str:
        """The name of the session that claims, which is no listener's either."""
        return self._named(self.config.session_prefix.replace("nch/", "nch-claim/", 1))

    @property
    def session_name(self) -> str:
        """`nch/<8 hex of installation, namespace, group>/<tail of the pod's name>`."""
        return self._named(self.config.session_prefix)

    @property
    def relay_name(self) -> str:
        """The same for the relay's session, which is no listener's."""
        return self._named(self.config.session_prefix.replace("nch/", "nch-relay/", 1))

    def _named(self, start: str) -> str:
        room = MAX_NAME_BYTES - len(start)
        return start + self.pod.encode()[-room:].decode(errors="ignore")
