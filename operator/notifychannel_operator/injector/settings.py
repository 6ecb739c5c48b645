"""Everything about one injector that its environment decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from notifychannel_operator import environment as env
from notifychannel_operator import inject

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT, HTTP_PORT = 8443, 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Made by `from_env`."""

    tls_dir: Path
    """NOTIFYCHANNEL_TLS_DIR: the folder with tls.crt and tls.key; read again when they change."""
    sidecar: inject.Settings
    """NOTIFYCHANNEL_SIDECAR_*: what is added."""
    host: str | None = None
    """NOTIFYCHANNEL_HOST: where both ports listen; None: on every address, IPv4 and IPv6."""
    port: int = PORT
    """NOTIFYCHANNEL_PORT: /inject over TLS; 0 takes a free one and logs it."""
    http_port: int = HTTP_PORT
    """NOTIFYCHANNEL_HTTP_PORT: /livez, /readyz and /metrics; 0 takes a free one and logs it."""
    log_format: str = env.LOG_FORMATS[0]
    """NOTIFYCHANNEL_LOG: json or text."""

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Raises SettingsError with a sentence for the first variable that can't be used."""
        return cls(
            tls_dir=Path(env.required(environment, "NOTIFYCHANNEL_TLS_DIR", "the folder with tls.crt and tls.key")),
            sidecar=inject.Settings.from_env(environment),
            host=environment.get("NOTIFYCHANNEL_HOST") or None,
            port=env.number(environment, "NOTIFYCHANNEL_PORT", PORT, least=0, most=env.MAX_PORT),
            http_port=env.number(environment, "NOTIFYCHANNEL_HTTP_PORT", HTTP_PORT, least=0, most=env.MAX_PORT),
            log_format=env.choice(environment, "NOTIFYCHANNEL_LOG", env.LOG_FORMATS),
        )
