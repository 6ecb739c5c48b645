"""Keeps the injector's certificate good: two Secrets and one `caBundle`, looked at each minute, written when due.

The order is what makes a rotation harmless: the CA's Secret, then `caBundle` (old and new CA together), and only then
the leaf that the new CA has signed. What to write is decided by rotation.py; with `external` nothing is written.
Refuses to write into a Secret without our label: somebody else's keys may be in it, and nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from notifychannel_operator import certificates
from notifychannel_operator.certificates import CertificateError
from notifychannel_operator.kinds import SECRETS, WEBHOOKS
from notifychannel_operator.kube_error import KubeError, NotFound
from notifychannel_operator.rotation import Rotation, rotate
from notifychannel_operator.settings import CertificateSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from notifychannel_operator.kube import Kube

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""Somebody may delete a Secret, or apply the webhook anew without its caBundle; renewal itself has weeks."""
RETRY_S = 5.0
MANAGED_BY, OURS = "app.kubernetes.io/managed-by", "notifychannel"
"""On both Secrets since the first release that made them."""


class ForeignSecretError(Exception):
    """A Secret is called as ours and is not; the sentence says what to do about it."""


class CertificateKeeper:
    """`await run()` while leading."""

    def __init__(
        self,
        *,
        kube: Kube,
        namespace: str,
        fullname: str,
        tls_secret: str,
        webhook: str,
        source: CertificateSource,
        on_error: Callable[[], None],
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._ca_secret = f"{fullname}-ca"
        self._tls_secret = tls_secret
        self._names = certificates.service_names(f"{fullname}-injector", namespace)
        self._webhook = webhook
        self._source = source
        self._on_error = on_error
        self._said = ""
        self.expires_at: datetime | None = None
        """Of the certificate that is served; None while it is not known."""

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
            if self._source is CertificateSource.OWN:
                await self._keep()
            else:
                await self._read()
        except (KubeError, CertificateError, ForeignSecretError) as error:
            self._on_error()
            self._say(f"the injector's certificate can't be looked after: {error}")
            return False
        self._say("")
        return True

    async def _keep(self) -> None:
        ca, tls = await self._own(self._ca_secret), await self._own(self._tls_secret)
        webhook = await self._kube.get(WEBHOOKS, self._webhook) if self._webhook else None
        wanted = rotate(
            ca_secret=ca or {}, tls_secret=tls or {}, published=_published(webhook), names=self._names,
            now=datetime.now(UTC),
        )  # fmt: skip
        for reason in wanted.reasons:
            log.info("the injector's certificate: %s", reason)
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
            await self._apply(self._ca_secret, "Opaque", wanted.ca_secret, is_there=ca is not None)
        if webhook is not None and not _has(webhook, wanted.bundle):
            await self._kube.patch(WEBHOOKS, self._webhook, _with(webhook, wanted.bundle))
            log.info("the webhook %s: a new caBundle", self._webhook)
        if wanted.tls_secret != tls:
            await self._apply(self._tls_secret, "kubernetes.io/tls", wanted.tls_secret, is_there=tls is not None)

    async def _apply(self, name: str, kind: str, values: Mapping[str, bytes], *, is_there: bool) -> None:
        """By force over what was ours a moment ago; one that somebody makes at this moment is a Conflict."""
        await self._kube.apply(SECRETS, self._secret_body(name, kind, values), force=is_there)

    async def _read(self) -> None:
        """Somebody else's certificate: only its end is of interest."""
        self.expires_at = None
        found = await self._secret(self._tls_secret)
        if found and (pem := _values(found).get("tls.crt")):
            self.expires_at = certificates.expires_at(pem)

    async def _own(self, name: str) -> dict[str, bytes] | None:
        """The values of a Secret of ours; None when there is none. Raises ForeignSecretError."""
        if (found := await self._secret(name)) is None:
            return None
        if (found["metadata"].get("labels") or {}).get(MANAGED_BY) != OURS:
            raise ForeignSecretError(
                f"the Secret {self._namespace}/{name} is not the operator's (it has no label {MANAGED_BY}={OURS}) and "
                "is left as it is. Where nobody needs it: "
                f"kubectl -n {self._namespace} delete secret {name}. Otherwise give the release another "
                "fullnameOverride"
            )
        return _values(found)

    async def _secret(self, name: str) -> dict[str, Any] | None:
        """The whole object; None when there is none."""
        try:
            return await self._kube.get(SECRETS, name, namespace=self._namespace)
        except NotFound:
            return None

    def _secret_body(self, name: str, kind: str, values: Mapping[str, bytes]) -> dict[str, Any]:
        return {
            "metadata": {
                "name": name, "namespace": self._namespace,
                "labels": {MANAGED_BY: OURS},
            },
            "type": kind,
            "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
        }  # fmt: skip

    def _say(self, sentence: str) -> None:
        if sentence and sentence != self._said:
            log.warning("%s; trying again every %.0f s", sentence, RETRY_S)
        self._said = sentence


def _values(secret: dict[str, Any]) -> dict[str, bytes]:
    """Without those that are no base64."""
    return _decoded(secret.get("data") or {})


def _published(webhook: dict[str, Any] | None) -> bytes | None:
    """The first caBundle that can be read; all of ours are the same."""
    for bundle in _bundles(webhook or {}):
        if value := _decoded({"caBundle": bundle}).get("caBundle"):
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


def _decoded(data: Mapping[str, str | None]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for key, value in data.items():
        try:
            found[key] = base64.b64decode(value or "", validate=True)
        except binascii.Error:
            continue
    return {key: value for key, value in found.items() if value}
