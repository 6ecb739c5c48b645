"""The release that injects in this cluster, found by its webhook: what it asks for, and its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_operator import inject
from notifychannel_operator.environment import SettingsError
from notifychannel_operator.kinds import DEPLOYMENTS, WEBHOOKS
from notifychannel_operator.kube import Forbidden, NotFound

if TYPE_CHECKING:
    from notifychannel_operator.kube import Kube

WEBHOOK = "inject.notifychannel.io"


async def release(kube: Kube) -> tuple[inject.Settings | None, list[dict[str, Any]] | None]:
    """Settings, where the injector's Deployment can be read, and the webhooks, where these can be."""
    try:
        configurations = await kube.list(WEBHOOKS)
    except Forbidden:
        return None, None
    webhooks = [each for it in configurations for each in it.get("webhooks") or () if each["name"] == WEBHOOK]
    for each in webhooks:
        service = each["clientConfig"].get("service") or {}
        try:  # the chart calls both the same
            deployment = await kube.get(DEPLOYMENTS, service.get("name", ""), namespace=service.get("namespace"))
            return _settings(deployment), webhooks
        except (Forbidden, NotFound, SettingsError):
            continue
    return None, webhooks


def _settings(deployment: dict[str, Any]) -> inject.Settings:
    environment = {
        each["name"]: each["value"]
        for container in deployment["spec"]["template"]["spec"]["containers"]
        for each in container.get("env") or ()
        if "value" in each
    }
    return inject.Settings.from_env(environment)
