"""What a request for the stream asks for, and why it is refused. Pure: from its query and headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_sidecar.config import Way
from notifychannel_sidecar.stream.wanted import KEY, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from notifychannel_sidecar.config import ChannelConfig

LAST_EVENT_ID = "last_event_id"
OTHERS = {Way.POST: "is POSTed to its `endpoint`", Way.CLAIM: "is claimed: POST /v1/claim"}
ELSEWHERE = {
    Way.POST: "it is POSTed to its `endpoint`",
    Way.CLAIM: "its hints are fetched by POST /v1/claim, for its `delivery` is AtLeastOnce",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The request is answered with this."""

    status: int
    sentence: str


def parameters(query: Iterable[tuple[str, str]]) -> tuple[Wanted, str | None] | Refusal:
    """What is wanted and the last event's id. A name that is not known would filter nothing: it is refused."""
    filters, last = [], None
    for name, value in query:
        if name == LAST_EVENT_ID:
            last = value
        elif name == "channel" or name.startswith(KEY):
            filters.append((name, value))
        else:
            return Refusal(status=400, sentence=f"knows no {name}; write channel=, key.<name>= or {LAST_EVENT_ID}=")
    return Wanted.of(filters), last


def refusal(wanted: Wanted, channels: Mapping[str, ChannelConfig]) -> Refusal | None:
    """Why this can't be read, of what there is now."""
    streamed = {name: config for name, config in channels.items() if config.way is Way.STREAM}
    for name in sorted(wanted.channels - streamed.keys()):
        return Refusal(status=404, sentence=_not_streamed(name, channels, sorted(streamed)))
    if not streamed:
        return Refusal(status=404, sentence=f"has nothing to read: {_others(channels)}")
    asked = [config for name, config in streamed.items() if wanted.has_channel(name)]
    names = sorted({each for config in asked for each in key_names(config)})
    for name in wanted.keys:
        if name not in names:
            return Refusal(status=400, sentence=f"finds no {name} in a key; there are {', '.join(names) or 'none'}")
    return None


def key_names(config: ChannelConfig) -> tuple[str, ...]:
    """As a hint's key has them; the only one of `Text` is always `payload`."""
    return ("payload",) if config.format == "Text" else config.key


def _not_streamed(name: str, channels: Mapping[str, ChannelConfig], streamed: list[str]) -> str:
    there = f"streamed are: {', '.join(streamed)}" if streamed else "none is streamed"
    if name not in channels:
        others = "" if streamed else f": {_others(channels)}"
        return f"knows no channel {name} of this pod's group; {there}{others}"
    return f"has no channel {name}: {ELSEWHERE[channels[name].way]}; {there}"


def _others(channels: Mapping[str, ChannelConfig]) -> str:
    """What is done with the channels of this group instead."""
    return ", ".join(f"{name} {OTHERS[config.way]}" for name, config in sorted(channels.items())) or (
        "this pod's group has no channel"
    )
