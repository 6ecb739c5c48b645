"""What a release decides about the sidecars that it adds: image, resources, log format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from notifychannel_operator import environment as env
from notifychannel_operator.environment import SettingsError
from notifychannel_operator.inject import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

ADDRESS = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~%/-]*)?", re.ASCII)
"""Without user, password, query and `$(…)`, which the kubelet would replace; values.schema.json has the same."""
PULL_POLICIES = ("IfNotPresent", "Always", "Never")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Made by `from_env`; the operator reads the same variables, to tell pods that were injected with others."""

    image: str
    """NOTIFYCHANNEL_SIDECAR_IMAGE."""
    pull_policy: str = PULL_POLICIES[0]
    """NOTIFYCHANNEL_SIDECAR_PULL_POLICY."""
    memory: str = "128Mi"
    """NOTIFYCHANNEL_SIDECAR_MEMORY: request and limit; a pod's annotation wins."""
    cpu_request: str = "25m"
    """NOTIFYCHANNEL_SIDECAR_CPU_REQUEST."""
    cpu_limit: str = "200m"
    """NOTIFYCHANNEL_SIDECAR_CPU_LIMIT: only where every container of the pod has one."""
    log_format: str = env.LOG_FORMATS[0]
    """NOTIFYCHANNEL_SIDECAR_LOG: json or text."""
    otlp_endpoint: str = ""
    """NOTIFYCHANNEL_SIDECAR_OTLP_ENDPOINT: where sidecars with the extra `otel` send spans; empty: nowhere."""

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Raises SettingsError with a sentence for the first variable that can't be used."""
        found = cls(
            image=env.required(environment, "NOTIFYCHANNEL_SIDECAR_IMAGE", "which image the sidecars run"),
            pull_policy=env.choice(environment, "NOTIFYCHANNEL_SIDECAR_PULL_POLICY", PULL_POLICIES),
            memory=_quantity(environment, "NOTIFYCHANNEL_SIDECAR_MEMORY", "128Mi", least=quantity.LEAST_MEMORY),
            cpu_request=_quantity(environment, "NOTIFYCHANNEL_SIDECAR_CPU_REQUEST", "25m", least=quantity.LEAST_CPU),
            cpu_limit=_quantity(environment, "NOTIFYCHANNEL_SIDECAR_CPU_LIMIT", "200m", least=quantity.LEAST_CPU),
            log_format=env.choice(environment, "NOTIFYCHANNEL_SIDECAR_LOG", env.LOG_FORMATS),
            otlp_endpoint=_address(environment, "NOTIFYCHANNEL_SIDECAR_OTLP_ENDPOINT"),
        )
        _check_cpu(found)
        return found


def _check_cpu(settings: Settings) -> None:
    """The API server refuses a container that requests more than its limit, and with it the whole pod."""
    request, limit = quantity.parse(settings.cpu_request), quantity.parse(settings.cpu_limit)
    if request is not None and limit is not None and request > limit:
        raise SettingsError(
            f"NOTIFYCHANNEL_SIDECAR_CPU_REQUEST is {settings.cpu_request!r}: write at most "
            f"NOTIFYCHANNEL_SIDECAR_CPU_LIMIT, which is {settings.cpu_limit!r}"
        )


def _quantity(environment: Mapping[str, str], name: str, default: str, *, least: Decimal) -> str:
    text = environment.get(name) or default
    amount = quantity.parse(text)
    if amount is None or amount < least:
        raise SettingsError(f"{name} is {text!r}: write a Kubernetes quantity like {default}, at least {least:f}")
    return text


def _address(environment: Mapping[str, str], name: str) -> str:
    """The value is not said: somebody may have written a password into it."""
    text = environment.get(name) or ""
    if text and not ADDRESS.fullmatch(text):
        raise SettingsError(
            f"{name}: write an address like http://collector.observability:4318, without user and query"
        )
    return text
