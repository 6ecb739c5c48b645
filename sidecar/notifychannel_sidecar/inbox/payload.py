"""A payload that the hot path does not know at a glance: what others NOTIFY, and ours when it is out of the ordinary.

Answers a value; what to do with it is the box's decision. What can't be read is never an error: it is a reason to look
at every key, for anyone may NOTIFY any channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_sidecar.hints import NO_RULES, Reason, header
from notifychannel_sidecar.inbox import keys

if TYPE_CHECKING:
    from notifychannel_sidecar.config import ChannelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """Somebody else's payload names this key."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """The payload means: look at every key."""

    reason: Reason
    since_us: int | None = None
    malformed: bool = False


def read(config: ChannelConfig, payload: str) -> ForeignKey | Everything:
    """Judge one payload in the channel's format."""
    match config.format:
        case "Text":
            return ForeignKey(key=payload) if payload else Everything(reason=Reason.BULK)
        case "Json":
            return _foreign_json(config.key, payload)
        case _:
            return _own(config.rules, payload)


def key_object(config: ChannelConfig, key: str) -> str:
    """The key as the application reads it, a JSON object. MalformedKeyError when it isn't a key of this channel."""
    return keys.from_text(key) if config.format == "Text" else keys.from_array(config.key, key)


def _foreign_json(fields: tuple[str, ...], payload: str) -> ForeignKey | Everything:
    try:
        return ForeignKey(key=keys.array_of_fields(fields, payload))
    except keys.MalformedKeyError:
        return Everything(reason=Reason.BULK, malformed=True)


def _own(rules: str, payload: str) -> Everything:
    found = header(payload)
    if found is None:
        return Everything(reason=Reason.BULK, malformed=True)
    reason = Reason.BULK if found.rules == rules else Reason.RULES
    unheard = found.rules == NO_RULES or found.at_us == 0  # time 0: the trigger failed before it knew the time
    return Everything(reason=reason, since_us=None if unheard else found.at_us)
