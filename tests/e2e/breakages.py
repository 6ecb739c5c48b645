"""What can be wrong in a cluster, each broken for real and mended again: a context manager a check, by the phases in
which they are broken at the same time. Those of a phase have nothing to do with one another.
"""

from __future__ import annotations

import base64
import json
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from notifychannel_cli.commands import cli
from notifychannel_operator import certificates
from tests.e2e.release import CRD
from tests.e2e.shop import GROUP, channel, deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from tests.e2e.shop import Shop

SOON_S = 120.0
WRONG = ("failed", "warning")
BREAKS: dict[str, Break] = {}


@dataclass(frozen=True, kw_only=True)
class Ward:
    """A shop with an application that listens, and who looks at it."""

    shop: Shop
    images: dict[str, str]

    def examined(self, *more: str) -> list[dict[str, Any]]:
        """What the doctor says; no secret is in it."""
        where = ("--kubeconfig", str(self.shop.kubectl.kubeconfig), "-n", self.shop.release.served)
        result = CliRunner().invoke(cli, ["doctor", "--json", *where, *more], env={"NOTIFYCHANNEL_DSN": None})
        assert result.exit_code in (0, 1), result.output
        for password in self.shop.postgres.passwords.values():
            assert password not in result.output
        return json.loads(result.stdout)["findings"]

    def until(self, *expected: Break) -> None:
        """The doctor says exactly these, each once; what a pass or a pod has to notice first takes it a while."""
        deadline = time.monotonic() + SOON_S
        while not _are(expected, found := [it for it in self.examined() if it["verdict"] in WRONG]):
            assert time.monotonic() < deadline, found
            time.sleep(0.5)  # the doctor asks; it does not watch
        assert all(it["remedy"] for it in found), found

    def broken(self, *checks: str) -> AbstractContextManager[None]:
        """All of these while the `with` lasts, and then no more; each is named, and nothing else is."""
        return _broken(self, [BREAKS[check] for check in checks])


@dataclass(frozen=True, kw_only=True)
class Break:
    """One thing that is wrong for a while."""

    check: str
    about: str
    """How the name of the channel or the pod begins; empty where it is nobody's."""
    says: str
    """Stands in the finding: so two of a phase can't be taken for each other."""
    how: Callable[[Ward], AbstractContextManager[None]]

    def is_told_by(self, found: dict[str, Any]) -> bool:
        """Whether this finding is about it."""
        about = (found["about"] or "").partition("/")[2]
        is_named = about.startswith(self.about) if self.about else not about
        return found["check"] == self.check and is_named and self.says in found["why"]


def _are(expected: Sequence[Break], found: list[dict[str, Any]]) -> bool:
    pairs = [(each.check, number) for each in expected for number, it in enumerate(found) if each.is_told_by(it)]
    return {check for check, _ in pairs} == {each.check for each in expected} and len(pairs) == len(expected) == len(
        found
    )


@contextmanager
def _broken(ward: Ward, those: Sequence[Break]) -> Iterator[None]:
    with ExitStack() as stack:
        for each in those:
            stack.enter_context(each.how(ward))
        yield


def breaks(check: str, *, about: str = "", says: str):
    def registered(how: Callable[[Ward], Iterator[None]]):
        BREAKS[check] = Break(check=check, about=about, says=says, how=contextmanager(how))
        return how

    return registered


@breaks("cluster/crd", says="0.0.1")
def _(ward):
    label = "app.kubernetes.io/version"
    was = (ward.shop.kubectl.get("crd", CRD)["metadata"].get("labels") or {}).get(label)
    ward.shop.kubectl.run("label", "crd", CRD, f"{label}=0.0.1", "--overwrite")
    yield
    ward.shop.kubectl.run("label", "crd", CRD, f"{label}={was}" if was else f"{label}-", "--overwrite")


@breaks("cluster/rbac", says="create events")
def _(ward):
    (role,) = [it for it in ward.shop.kubectl.get("roles")["items"] if _may_make_events(it)]
    rules = [it for it in role["rules"] if it["resources"] != ["events"]]
    _patch(ward.shop.kubectl, f"role/{role['metadata']['name']}", {"rules": rules})
    yield
    _patch(ward.shop.kubectl, f"role/{role['metadata']['name']}", {"rules": role["rules"]})


def _may_make_events(role: dict[str, Any]) -> bool:
    return any(it["resources"] == ["events"] for it in role["rules"])


def _patch(kubectl, what: str, body: dict[str, Any]) -> None:
    kubectl.run("patch", *what.split("/"), "--type=merge", "-p", json.dumps(body))


@breaks("cluster/certificate", says="ends in")
def _(ward):
    """One that ends in three days, signed by the same authority."""
    release = ward.shop.release
    secret = release.kubectl.get("secret", f"{release.name}-injector-tls")["data"]
    held = release.kubectl.get("secret", f"{release.name}-ca")["data"]
    authority = certificates.Pair.parse(*(base64.b64decode(held[key]) for key in ("ca.crt", "ca.key")))
    short = _short(authority, base64.b64decode(secret["tls.crt"]))
    _patch(
        release.kubectl, f"secret/{release.name}-injector-tls", {"data": {"tls.crt": base64.b64encode(short).decode()}}
    )
    yield
    _patch(release.kubectl, f"secret/{release.name}-injector-tls", {"data": {"tls.crt": secret["tls.crt"]}})


def _short(authority: certificates.Pair, leaf: bytes) -> bytes:
    old, now = x509.load_pem_x509_certificate(leaf), datetime.now(UTC)
    made = x509.CertificateBuilder(
        issuer_name=old.issuer, subject_name=old.subject, public_key=old.public_key(), serial_number=old.serial_number,
        not_valid_before=now - timedelta(hours=1), not_valid_after=now + timedelta(days=3),
    )  # fmt: skip
    made = made.add_extension(old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value, critical=False)
    return made.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@breaks("cluster/ca-bundle", says="caBundle")
def _(ward):
    """Somebody else's authority; the operator, who would put it right within a minute, is away."""
    other = certificates.make_ca(datetime.now(UTC)).certificate_pem
    name = ward.shop.release.name
    was = ward.shop.kubectl.get("mutatingwebhookconfiguration", name)["webhooks"][0]["clientConfig"]["caBundle"]

    def write(bundle: str) -> None:
        patch = [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]
        ward.shop.kubectl.run("patch", "mutatingwebhookconfiguration", name, "--type=json", "-p", json.dumps(patch))

    write(base64.b64encode(other).decode())
    yield
    write(was)


@breaks("channel/conditions", about="broken", says="TriggersInstalled: MissingTable")
def _(ward):
    ward.shop.kubectl.apply(channel("broken", tables=("nowhere",)))
    yield
    ward.shop.kubectl.run("delete", "nch", "broken", "--timeout=60s")


@breaks("channel/secret", about="unlabelled", says="does not carry the label")
def _(ward):
    ward.shop.postgres.secret("unlabelled-db", "installer")
    ward.shop.kubectl.apply(channel("unlabelled", database="unlabelled-db", channel="unlabelled"))
    yield
    ward.shop.kubectl.run("delete", "nch", "unlabelled", "--timeout=60s")


@breaks("pods/injected", about="on-the-node-", says="HostNetwork")
def _(ward):
    ward.shop.kubectl.put(deployment(ward.images, name="on-the-node", hostNetwork=True, dnsPolicy="Default"))
    yield
    ward.shop.kubectl.run("delete", "deployment", "on-the-node", "--cascade=foreground", "--wait=false")


@breaks("pods/outdated", about=f"{GROUP}-", says="of other settings")
def _(ward):
    with _annotated(ward, "notifychannel.io/sidecar", "00000000"):
        yield


@breaks("pods/probe", about=f"{GROUP}-", says="is no sidecar")
def _(ward):
    """The application itself is asked."""
    with _annotated(ward, "notifychannel.io/status-port", "8080"):
        yield


@contextmanager
def _annotated(ward: Ward, annotation: str, value: str) -> Iterator[None]:
    (pod,) = ward.shop.kubectl.get("pods", "-l", f"app={GROUP}")["items"]
    was, name = pod["metadata"]["annotations"].get(annotation), pod["metadata"]["name"]
    ward.shop.kubectl.run("annotate", "pod", name, f"{annotation}={value}", "--overwrite")
    yield
    ward.shop.kubectl.run("annotate", "pod", name, f"{annotation}={was}" if was else f"{annotation}-", "--overwrite")


@breaks("pods/group", about="mistyped-", says="order-api")
def _(ward):
    ward.shop.kubectl.put(deployment(ward.images, name="mistyped", group="order-api"))
    yield
    ward.shop.kubectl.run("delete", "deployment", "mistyped", "--cascade=foreground", "--wait=false")


@breaks("pods/listening", about="deaf-", says="NoSecret")
def _(ward):
    annotations = {"notifychannel.io/secret": "nowhere"}
    ward.shop.kubectl.put(deployment(ward.images, name="deaf", annotations=annotations))
    yield
    ward.shop.kubectl.run("delete", "deployment", "deaf", "--cascade=foreground", "--wait=false")


@breaks("cluster/leader", says="nobody leads")
def _(ward):
    ward.shop.release.scale("operator", 0)
    yield
    ward.shop.release.scale("operator", 1)


@breaks("cluster/injector", says="does not answer")
def _(ward):
    ward.shop.release.scale("injector", 0)
    yield
    ward.shop.release.scale("injector", 1)
    ward.shop.release.until_injecting()
