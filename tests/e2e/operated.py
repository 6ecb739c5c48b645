"""Channels as our own client sees them, for tests with the operator as a process on this machine."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from notifychannel_operator.kinds import SECRETS
from notifychannel_operator.kube_error import NotFound
from tests.e2e.api_server import install

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_operator.kinds import Kind
    from notifychannel_operator.kube import Kube
    from tests.e2e.kubectl import Kubectl
    from tests.premises import Site

PATIENCE_S = 120.0


async def with_crd(kubectl: Kubectl) -> None:
    """The CRD is there, as this tree has it."""
    await asyncio.to_thread(install, kubectl)


async def lead(api: Kube, namespace: str, site: Site) -> str:
    """A namespace with the Secret `db` that leads to the database on this machine."""
    labels = {"notifychannel.io/allow": "true"}
    body = {"metadata": {"name": "db", "namespace": namespace, "labels": labels}}
    await api.create(SECRETS, {**body, "stringData": {"uri": site.database.dsn(site.installer)}})
    return namespace


async def until(
    api: Kube, kind: Kind, name: str, namespace: str, holds: Callable[[Any], bool], *, timeout_s: float = PATIENCE_S
) -> Any:
    """The object, once this holds of it (None: there is none)."""
    began_s = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                body = await api.get(kind, name, namespace=namespace)
            except NotFound:
                body = None
            if holds(body):
                return body
            # a twentieth of what is measured: somebody who waits for minutes would keep the API server busy
            await asyncio.sleep(min(0.5, max(0.05, (time.monotonic() - began_s) / 20)))


def condition(body: dict[str, Any] | None, kind: str) -> tuple[str, str] | None:
    """(status, reason)."""
    found = ((body or {}).get("status") or {}).get("conditions") or []
    return next(((each["status"], each["reason"]) for each in found if each["type"] == kind), None)


def installed(body: dict[str, Any] | None) -> bool:
    """Its triggers are."""
    return condition(body, "TriggersInstalled") == ("True", "Installed")
