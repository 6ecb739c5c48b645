"""A certificate of any age in the place of a release's own: as an operator would have written it back then."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from notifychannel_operator import certificates
from notifychannel_operator.certificates import Pair
from tests.e2e.kubectl import CommandError

if TYPE_CHECKING:
    from tests.e2e.release import Release

DAY = timedelta(days=1)
SERVED = "notifychannel_injector_certificate_expiry_timestamp_seconds"


@dataclass(frozen=True, kw_only=True)
class Issued:
    """The two Secrets and `caBundle` of one release."""

    release: Release

    def authority(self) -> Pair:
        """The CA that is in force."""
        found = self._secret(f"{self.release.name}-ca")
        return Pair.parse(found["ca.crt"], found["ca.key"])

    def bundle(self) -> bytes:
        """What the API server trusts."""
        hooks = self.release.kubectl.get("mutatingwebhookconfiguration", self.release.name)["webhooks"]
        return base64.b64decode(hooks[0]["clientConfig"]["caBundle"])

    def expires_at(self) -> datetime:
        """Of the leaf in the Secret."""
        return certificates.expires_at(self._secret(f"{self.release.name}-injector-tls")["tls.crt"])

    def write(self, *, authority: Pair, signer: Pair, age: timedelta) -> datetime:
        """A leaf of that age, in the order that keeps admissions whole; when it ends. The operator has to be away."""
        leaf = certificates.make_leaf(signer, self._names(), datetime.now(UTC) - age)
        self._put(f"{self.release.name}-ca", {"ca.crt": authority.certificate_pem, "ca.key": authority.key_pem})
        bundle = _joined(self.bundle(), authority.certificate_pem, signer.certificate_pem)
        self._publish(bundle)
        self._put(
            f"{self.release.name}-injector-tls",
            {"tls.crt": leaf.certificate_pem, "tls.key": leaf.key_pem, "ca.crt": bundle},
        )
        return leaf.certificate.not_valid_after_utc

    def until_served(self, expires_at: datetime, *, timeout_s: float = 240) -> float:
        """Wait until every injector says that its certificate ends then; the seconds it took."""
        began_s = time.monotonic()
        wanted = {expires_at.timestamp()}
        while (found := {self._served(pod) for pod in self.release.pods("injector")}) != wanted:
            assert time.monotonic() - began_s < timeout_s, f"the injectors serve {found}, not {wanted}"
            time.sleep(1)  # the kubelet brings it in ten seconds or more, and each look is two programs
        return time.monotonic() - began_s

    def until_renewed(self, before: datetime, *, timeout_s: float = 180) -> datetime:
        """Wait until there is another leaf in the Secret; when it ends."""
        secret = f"{self.release.name}-injector-tls"
        self.release.kubectl.until(
            "secrets", lambda _: self.expires_at() != before, f"--field-selector=metadata.name={secret}",
            timeout_s=timeout_s,
        )  # fmt: skip
        return self.expires_at()

    def _served(self, pod: str) -> float | None:
        """None: it does not answer (yet)."""
        try:
            printed = self.release.metrics(pod)
        except CommandError:
            return None
        return float(re.search(rf"^{SERVED} (\S+)$", printed, re.MULTILINE)[1])

    def _publish(self, bundle: bytes) -> None:
        patch = f'[{{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "{_encoded(bundle)}"}}]'
        self.release.kubectl.run(
            "patch", "mutatingwebhookconfiguration", self.release.name, "--type=json", "-p", patch
        )  # fmt: skip

    def _names(self) -> tuple[str, ...]:
        return certificates.service_names(f"{self.release.name}-injector", self.release.namespace)

    def _secret(self, name: str) -> dict[str, bytes]:
        data = self.release.kubectl.get("secret", name)["data"]
        return {key: base64.b64decode(value) for key, value in data.items()}

    def _put(self, name: str, values: dict[str, bytes]) -> None:
        fields = ", ".join(f'"{key}": "{_encoded(value)}"' for key, value in values.items())
        self.release.kubectl.run("patch", "secret", name, "-p", f'{{"data": {{{fields}}}}}')


def _joined(*bundles: bytes) -> bytes:
    every = dict.fromkeys(each for bundle in bundles for each in certificates.parse(bundle))
    return b"".join(each.public_bytes(Encoding.PEM) for each in every)


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()
