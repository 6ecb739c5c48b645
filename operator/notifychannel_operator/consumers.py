"""The consumers of a channel in the queue: what stands there, and what should; pure.

A consumer's row keeps its id, and with it what waits, over every change of its resource. Nothing that waits is dropped
because a group is written no more: it is said, and taken up when the group comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator import names
from notifychannel_operator.spec import Retry

if TYPE_CHECKING:
    from notifychannel_operator.names import Owner
    from notifychannel_operator.spec import Channel, Consumer

RETRY = Retry()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a group wants its hints; durations are seconds."""

    group: str
    pg_channel: str
    rules: str
    key_names: tuple[str, ...]
    suspended: bool
    debounce: float
    max_delay: float
    min_interval: float
    timeout: float
    max_attempts: int
    initial_delay: float
    longest_delay: float
    escalate_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One row, and what hangs on it."""

    owner: Owner
    terms: Terms
    is_changing: bool = False
    """A pass has changed its rules and ended before it could say since when they hold."""
    rows: int = 0
    """Keys that no application has acknowledged; these three are 0 where nobody has counted."""
    dead: int = 0
    """Of them: dead letters."""
    unmerged: int = 0
    """Rows of its PostgreSQL channel in the logged outbox."""
    claimers: int = 0
    """Sidecars that deliver from it."""

    @property
    def has_left(self) -> bool:
        """Its group is gone from the resource, and rows wait for it: it hears no PostgreSQL channel."""
        return not self.terms.pg_channel

    @property
    def waiting(self) -> str | None:
        """What would be lost with it, for people; None: nothing."""
        said = []
        if self.rows:
            keys = f"{self.rows} {'key' if self.rows == 1 else 'keys'} that no application has acknowledged"
            dead = f" ({self.dead} of them dead, due again by notifychannel redrive)" if self.dead else ""
            said.append(f"{keys}{dead}")
        if self.unmerged:
            said.append(f"{self.unmerged} {'row' if self.unmerged == 1 else 'rows'} in the outbox")
        return f"the group {self.terms.group} has {' and '.join(said)}" if said else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """That a channel's changes leave a row each, for `retention` seconds."""

    pg_channel: str
    retention: float
    key_names: tuple[str, ...]
    """By which a person asks for a key; empty where an older version wrote it."""


def wanted(channel: Channel, *, pg_channel: str) -> tuple[Terms, ...]:
    """What should stand there, by group."""
    return tuple(sorted((_terms(channel, it, pg_channel) for it in channel.durable), key=lambda terms: terms.group))


def _terms(channel: Channel, consumer: Consumer, pg_channel: str) -> Terms:
    retry = consumer.retry or RETRY
    return Terms(
        group=consumer.group,
        pg_channel=pg_channel,
        rules=names.rules(channel),
        key_names=channel.key_names,
        suspended=channel.suspend,
        debounce=consumer.debounce.window,
        max_delay=consumer.debounce.max_delay,
        min_interval=consumer.debounce.min_interval,
        timeout=consumer.timeout,
        max_attempts=retry.max_attempts,
        initial_delay=retry.initial_delay,
        longest_delay=retry.max_delay,
        escalate_after=consumer.escalation.after if consumer.escalation else None,
    )
