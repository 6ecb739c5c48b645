"""Everything about one sidecar that its environment decides; what it does is decided by the configuration file."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PORT = 65535
STATUS_PORT = 9789
LOCAL_PORT = 9790
MAX_KEYS = 100_000
LOG_FORMATS = ("json", "text")


class SettingsError(Exception):
    """A variable can't be used; the sentence names it and says what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Made by `from_env`, or by hand where the sidecar runs inside another program."""

    config: Path
    """NOTIFYCHANNEL_CONFIG: the configuration file; may appear later, is re-read when it changes."""
    secret: Path
    """NOTIFYCHANNEL_SECRET: the folder with the Secret's keys as files; may appear later, is re-read."""
    pod: str
    """NOTIFYCHANNEL_POD: what the database session is named after; default: the host name."""
    status_host: str | None = None
    """NOTIFYCHANNEL_STATUS_HOST: where /livez, /status and /metrics are served; None: on every address, IPv4 and IPv6,
    for the kubelet comes from outside."""
    status_port: int = STATUS_PORT
    """NOTIFYCHANNEL_STATUS_PORT: 0 takes a free one and logs it."""
    local_port: int = LOCAL_PORT
    """NOTIFYCHANNEL_LOCAL_PORT: where streams and claims are served, at 127.0.0.1 only; 0 takes a free one."""
    max_keys: int = MAX_KEYS
    """NOTIFYCHANNEL_MAX_KEYS: keys held in memory, over all channels; past it the largest channel's become a resync."""
    log_format: str = LOG_FORMATS[0]
    """NOTIFYCHANNEL_LOG: json or text."""
    spans: bool = False
    """OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT names a collector, and neither
    OTEL_SDK_DISABLED nor OTEL_TRACES_EXPORTER says no. Where it is, OpenTelemetry reads by itself."""

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Raises SettingsError with a sentence for the first variable that can't be used."""
        return cls(
            config=Path(_required(environment, "NOTIFYCHANNEL_CONFIG", "the path of config.json")),
            secret=Path(_required(environment, "NOTIFYCHANNEL_SECRET", "the folder that the Secret is mounted at")),
            pod=environment.get("NOTIFYCHANNEL_POD") or socket.gethostname(),
            status_host=environment.get("NOTIFYCHANNEL_STATUS_HOST") or None,
            status_port=_number(environment, "NOTIFYCHANNEL_STATUS_PORT", STATUS_PORT, least=0, most=MAX_PORT),
            local_port=_number(environment, "NOTIFYCHANNEL_LOCAL_PORT", LOCAL_PORT, least=0, most=MAX_PORT),
            max_keys=_number(environment, "NOTIFYCHANNEL_MAX_KEYS", MAX_KEYS, least=1, most=10**9),
            log_format=_choice(environment, "NOTIFYCHANNEL_LOG", LOG_FORMATS),
            spans=_wants_spans(environment),
        )


def _wants_spans(environment: Mapping[str, str]) -> bool:
    """https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/"""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    is_off = (
        environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        or environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    )
    return not is_off and any(environment.get(name) for name in names)


def _required(environment: Mapping[str, str], name: str, meaning: str) -> str:
    if not (found := environment.get(name)):
        raise SettingsError(f"{name} is missing: it says {meaning}")
    return found


def _number(environment: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise SettingsError(f"{name} is {text!r}: write a whole number from {least} to {most}")
    return int(text)


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = environment.get(name) or choices[0]
    if text not in choices:
        raise SettingsError(f"{name} is {text!r}: write {' or '.join(choices)}")
    return text
