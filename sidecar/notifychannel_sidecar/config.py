"""The contract between whoever writes the sidecar's configuration and the sidecar: one JSON document.

The operator (or `notifychannel config`) writes it, the sidecar reads it; both use these values, so they can't
drift apart. `parse` says what is wrong with a document and where; it never exits and never guesses.
Durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 1


class ConfigError(Exception):
    """The document can't be used; the message names the path in it and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """One channel as one group of pods wants it."""

    name: str
    pg_channel: str
    format: str = "Keys"
    """Keys | Text | Json."""
    key: tuple[str, ...] = ()
    """Names of the key's values, in the order of the payload; for Json also the fields to read."""
    rules: str = ""
    """Hash of the rules (8 hex digits); a Keys payload with another hash is one resync, `rules`."""
    sources: bool = True
    """The channel has triggers of ours, so our schema's functions exist."""
    suspend: bool = False
    port: int
    path: str
    timeout: float = 2.0
    window: float = 0.25
    max_delay: float = 2.0
    min_interval: float = 0.0
    max_hints: int = 100
    max_wait: float = 0.0
    poll_interval: float = 30.0
    resync_spread: float = 10.0
    delivery: str = "BestEffort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All channels of one group, and which database they are in."""

    installation: str
    namespace: str
    group: str
    system_identifier: str | None = None
    """pg_control_system().system_identifier, decimal; None where nobody has looked."""
    dbname: str | None = None
    channels: tuple[ChannelConfig, ...] = ()
