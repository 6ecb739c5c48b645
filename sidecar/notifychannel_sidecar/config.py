"""The contract between whoever writes the sidecar's configuration and the sidecar: one JSON document.

The operator (or `notifychannel config`) writes it, the sidecar reads it; both use these values, so they can't
drift apart. `parse` says what is wrong with a document and where; it never exits and never guesses.
Durations are seconds.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass
from dataclasses import fields as dataclass_fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar import config_json as expect
from notifychannel_sidecar.config_json import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["VERSION", "ChannelConfig", "Config", "ConfigError", "Way", "dump", "load", "parse"]

VERSION = 1


class Way(Enum):
    """How hints reach the application."""

    POST = "POST"
    STREAM = "stream"
    """BestEffort: it reads them at `/v1/stream`."""
    CLAIM = "claim"
    """AtLeastOnce: it fetches them at `/v1/claim`."""


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
    capture: str = "Notify"
    """Notify | Outbox: whether a relay is needed, which may be this sidecar."""
    suspend: bool = False
    port: int = 0
    """0: nobody is POSTed to, see `way`."""
    path: str = ""
    timeout: float = 2.0
    """For one POST, or for what was claimed."""
    traceparent: bool = False
    """Each POST carries a trace of its own (https://www.w3.org/TR/trace-context/)."""
    window: float = 0.25
    max_delay: float = 2.0
    min_interval: float = 0.0
    max_hints: int = 100
    max_wait: float = 0.0
    poll_interval: float = 30.0
    resync_spread: float = 10.0
    delivery: str = "BestEffort"
    """BestEffort | AtLeastOnce: from memory, or from the database's queue."""
    escalation_path: str | None = None
    """Where a hint goes that has waited too long, with AtLeastOnce; None: nowhere."""

    @property
    def way(self) -> Way:
        """How hints reach the application."""
        if self.port:
            return Way.POST
        return Way.CLAIM if self.delivery == "AtLeastOnce" else Way.STREAM


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

    @property
    def session_prefix(self) -> str:
        """What the names (application_name) of this group's proven listeners begin with: by it they are counted."""
        parts = (self.installation, self.namespace, self.group)
        joined = "".join(f"{len(part)}:{part}" for part in parts)
        return f"nch/{hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()[:8]}/"


def load(path: Path) -> Config:
    """`parse` of a file; raises ConfigError also where it can't be read."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8; write it with `notifychannel config`") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror}); write it with `notifychannel config`") from None
    return parse(text)


def parse(text: str) -> Config:
    """The configuration that a JSON text holds; raises ConfigError and nothing else.

    Fields that are not known are left aside, fields that are missing have their defaults; another `version` is refused.
    """
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ConfigError("the document: is nested too deeply") from None
    except ValueError as error:
        where = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"{where}is not JSON; write it with `notifychannel config`") from None
    version = document.get("version") if isinstance(document, dict) else None
    if version != VERSION or isinstance(version, bool):
        raise ConfigError(f"version: has to be {VERSION}; update the sidecar, or write the document with its own tool")
    return Config(**expect.fields(document, "", _CONFIG, _required(Config)))


def dump(config: Config) -> str:
    """The JSON text of a configuration, the same for equal values: sorted, indented by 2, ending in a line break."""
    return json.dumps({"version": VERSION, **asdict(config)}, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ConfigError("the document: a field stands in it twice; remove one of them")
    return found


def _required(kind: type[Config | ChannelConfig]) -> frozenset[str]:
    return frozenset(field.name for field in dataclass_fields(kind) if field.default is MISSING)


def _channels(value: object, path: str) -> tuple[ChannelConfig, ...]:
    found: tuple[ChannelConfig, ...] = expect.items(value, path, _channel, most=expect.MAX_CHANNELS)
    if len({channel.name for channel in found}) < len(found):
        raise expect.wrong(path, "channels with different names")
    return found


def _channel(value: object, path: str) -> ChannelConfig:
    channel = ChannelConfig(**expect.fields(value, path, _CHANNEL, _required(ChannelConfig)))
    if channel.window > channel.max_delay:
        raise expect.wrong(f"{path}.window", "at most max_delay")
    if bool(channel.port) != bool(channel.path):
        raise expect.wrong(f"{path}.path", "there with a port, and only then")
    if channel.format == "Json" and not channel.key:
        raise expect.wrong(f"{path}.key", "the names of one field or more, with Json")
    if channel.format == "Text" and len(channel.key) != 1:
        raise expect.wrong(f"{path}.key", "one name, with Text")
    return channel


_CHANNEL: dict[str, expect.Check] = {
    "name": expect.text(),
    "pg_channel": expect.text(most_bytes=63),
    "format": expect.one_of("Keys", "Text", "Json"),
    "key": expect.names,
    "rules": expect.rules_hash,
    "sources": expect.truth,
    "capture": expect.one_of("Notify", "Outbox"),
    "suspend": expect.truth,
    "port": expect.whole(least=0, most=expect.MAX_PORT),
    "path": expect.url_path_or_none,
    "timeout": expect.seconds(positive=True),
    "traceparent": expect.truth,
    "window": expect.seconds(),
    "max_delay": expect.seconds(),
    "min_interval": expect.seconds(),
    "max_hints": expect.whole(least=1, most=expect.MAX_HINTS),
    "max_wait": expect.seconds(),
    "poll_interval": expect.seconds(),
    "resync_spread": expect.seconds(),
    "delivery": expect.one_of("BestEffort", "AtLeastOnce"),
    "escalation_path": expect.optional(expect.url_path),
}
_CONFIG: dict[str, expect.Check] = {
    "installation": expect.text(),
    "namespace": expect.text(),
    "group": expect.text(),
    "system_identifier": expect.optional(expect.system_identifier),
    "dbname": expect.optional(expect.text(most_bytes=63)),
    "channels": _channels,
}
