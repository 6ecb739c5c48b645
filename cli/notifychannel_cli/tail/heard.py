"""One payload of a PostgreSQL channel → what it says, for a person. Pure; reads what the sidecar would read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli import shown
from notifychannel_sidecar import hints
from notifychannel_sidecar.hints import HEADER_LENGTH, RELAYED_VERSION, VERSION
from notifychannel_sidecar.inbox import payload as payloads
from notifychannel_sidecar.inbox import relayed
from notifychannel_sidecar.inbox.keys import MalformedKeyError
from notifychannel_sidecar.inbox.payload import Everything, ForeignKey

if TYPE_CHECKING:
    from notifychannel_sidecar.config import ChannelConfig

RULES, EVENT = slice(1, 9), slice(9, 10)
"""Of a payload of ours, behind its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A key, or everything."""

    key: str | None
    """As a POST has it, a JSON object; None: every key."""
    why: str
    """The event, or a resync's reason."""
    count: int = 1
    """Statements that named it, as far as they were merged."""
    at_us: int | None = None
    """Microseconds since 1970, by the database's clock: of the last statement, of a resync's first; None: unknown."""

    def as_json(self) -> dict[str, object]:
        """For programs."""
        key = None if self.key is None else json.loads(self.key)
        return {"at": self._at, "key": key, "why": self.why, "count": self.count}

    def __str__(self) -> str:
        """A line; what the database does not tell of the time is a dash."""
        times = f"  x{self.count}" if self.count > 1 else ""
        return f"{self._at or '-':27}  {self.why:8}  {shown.inert(self.key or shown.RESYNC)}{times}"

    @property
    def _at(self) -> str | None:
        return None if self.at_us is None else hints.timestamp(self.at_us)


def read(config: ChannelConfig, payload: str) -> tuple[Heard, ...]:
    """What POSTs would be made of, before anything is merged or waited for."""
    try:
        return _ours(config, payload) or (_other(config, payload),)
    except MalformedKeyError:
        return (Heard(key=None, why="malformed"),)


def _ours(config: ChannelConfig, payload: str) -> tuple[Heard, ...]:
    """Empty where it is none of ours that names keys, as today's rules print them."""
    why = hints.EVENTS.get(payload[EVENT])
    if config.format != "Keys" or payload[RULES] != config.rules or why is None:
        return ()
    if payload[:1] == RELAYED_VERSION and (found := relayed.read(payload)) is not None:
        lines, at_us = found.keys, hints.microseconds(found.till)
    elif payload[:1] == VERSION and payload[HEADER_LENGTH : HEADER_LENGTH + 1] == "\n":
        lines = tuple((1, line) for line in payload[HEADER_LENGTH + 1 :].split("\n"))
        at_us = hints.microseconds(payload[EVENT.stop : HEADER_LENGTH])
    else:
        return ()
    return tuple(
        Heard(key=payloads.key_object(config, line), why=why, count=count, at_us=at_us) for count, line in lines
    )


def _other(config: ChannelConfig, payload: str) -> Heard:
    match payloads.read(config, payload):
        case Everything() as found:
            return Heard(key=None, why="malformed" if found.malformed else found.reason.value, at_us=found.since_us)
        case ForeignKey() as found:
            return Heard(key=payloads.key_object(config, found.key), why=hints.EVENTS["N"])
