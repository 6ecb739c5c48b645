"""Keeps the injector's certificate good: two Secrets and one `caBundle`, looked at each minute, written when due.

The order is what makes a rotation harmless: the CA's Secret, then `caBundle` (old and new CA together), and only then
the leaf that the new CA has signed. What to write is decided by rotation.py. Refuses to look at a certificate that is
somebody else's (`external`): whoever can read its Secret has its key.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from notifychannel_operator import certificates, own_secret
from notifychannel_operator.certificates import CertificateError
from notifychannel_operator.events import Event
from notifychannel_operator.kinds import WEBHOOKS
from notifychannel_operator.kube_error import KubeError
from notifychannel_operator.own_secret import ForeignSecretError, OwnSecret
from notifychannel_operator.rotation import Rotation, rotate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from notifychannel_operator.kube import Kube

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""Somebody may delete a Secret, or apply the webhook anew without its caBundle; renewal itself has weeks."""
RETRY_S = 5.0


class CertificateKeeper:
    """`await run()` while leading, where the certificate is the operator's own."""

    def __init__(
        self,
        *,
        kube: Kube,
        namespace: str,
        fullname: str,
        tls_secret: str,
        webhook: str,
        on_error: Callable[[], None],
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._ca, self._tls = own_secrets(kube, namespace=namespace, fullname=fullname, tls_secret=tls_secret)
        self._names = certificates.service_names(f"{fullname}-injector", namespace)
        self._webhook = webhook
        self._on_error = on_error
        self._said = ""
        self.expires_at: datetime | None = None
        """Of the certificate that was found or made last; None while it is not known."""

    async def run(self) -> None:
        """Look, wait, for ever; what goes wrong is logged once, counted, and tried again."""
        while True:
            went_well = await self.look()
            await asyncio.sleep(LOOK_S if went_well else RETRY_S)

    def expires_s(self) -> float:
        """Unix time; 0 when unknown."""
        return self.expires_at.timestamp() if self.expires_at else 0.0

    async def look(self) -> bool:
        """Once; whether it came to its end."""
        try:
            await self._keep()
        except (KubeError, CertificateError, ForeignSecretError) as error:
            self._on_error()
            self._say(f"the injector's certificate can't be looked after: {error}")
            return False
        self._say("")
        return True

    async def _keep(self) -> None:
        ca, tls = await self._ca.read(), await self._tls.read()
        webhook = await self._kube.get(WEBHOOKS, self._webhook) if self._webhook else None
        wanted = rotate(
            ca_secret=ca or {}, tls_secret=tls or {}, published=_published(webhook), names=self._names,
            now=datetime.now(UTC),
        )  # fmt: skip
        for reason in wanted.reasons:
            log.info("the injector's certificate: %s", reason, extra=Event.CERTIFICATE_MADE.tag)
        await self._write(wanted, ca=ca, tls=tls, webhook=webhook)
        self.expires_at = wanted.expires_at

    async def _write(
        self,
        wanted: Rotation,
        *,
        ca: Mapping[str, bytes] | None,
        tls: Mapping[str, bytes] | None,
        webhook: dict[str, Any] | None,
    ) -> None:
        if wanted.ca_secret != ca:
            await self._ca.write(wanted.ca_secret, is_there=ca is not None)
        if webhook is not None and not _has(webhook, wanted.bundle):
            await self._kube.patch(WEBHOOKS, self._webhook, _with(webhook, wanted.bundle))
            log.info("the webhook %s: a new caBundle", self._webhook, extra=Event.CA_BUNDLE_WRITTEN.tag)
        if wanted.tls_secret != tls:
            await self._tls.write(wanted.tls_secret, is_there=tls is not None)

    def _say(self, sentence: str) -> None:
        if sentence and sentence != self._said:
            log.warning("%s; trying again every %.0f s", sentence, RETRY_S, extra=Event.CERTIFICATE_NOT_KEPT.tag)
        self._said = sentence


def own_secrets(kube: Kube, *, namespace: str, fullname: str, tls_secret: str) -> tuple[OwnSecret, OwnSecret]:
    """The CA's, which only the operator reads, and the leaf's, which the injector mounts."""
    return (
        OwnSecret(kube=kube, namespace=namespace, name=f"{fullname}-ca", kind="Opaque"),
        OwnSecret(kube=kube, namespace=namespace, name=tls_secret, kind="kubernetes.io/tls"),
    )


def _published(webhook: dict[str, Any] | None) -> bytes | None:
    """The first caBundle that can be read; all of ours are the same."""
    for bundle in _bundles(webhook or {}):
        if value := own_secret.decoded({"caBundle": bundle}).get("caBundle"):
            return value
    return None


def _has(webhook: dict[str, Any], bundle: bytes) -> bool:
    wanted = base64.b64encode(bundle).decode()
    return all(found == wanted for found in _bundles(webhook))


def _bundles(webhook: dict[str, Any]) -> list[str | None]:
    return [each.get("clientConfig", {}).get("caBundle") for each in webhook.get("webhooks") or []]


def _with(webhook: dict[str, Any], bundle: bytes) -> dict[str, Any]:
    """The merge patch: a list is replaced whole, so the resourceVersion says which list was meant."""
    encoded = base64.b64encode(bundle).decode()
    webhooks = [
        {**each, "clientConfig": {**each.get("clientConfig", {}), "caBundle": encoded}}
        for each in webhook.get("webhooks") or []
    ]
    return {"metadata": {"resourceVersion": webhook["metadata"]["resourceVersion"]}, "webhooks": webhooks}
