"""`notifychannel doctor` on a real cluster: each thing is broken for real, that check fails, and only that; then it is
mended, by the command that the doctor prints where that is one for a test. What a break does to the channel's own
conditions follows from it: `channel/conditions` may say so too.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from notifychannel_cli.commands import cli
from notifychannel_cli.doctor import examination
from notifychannel_operator import certificates
from tests.e2e.release import CRD
from tests.e2e.shop import GROUP, channel, deployment, until_condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import asyncpg

    from tests.e2e.shop import Shop

SOON_S = 120.0
ELSEWHERE = {
    "cluster/reachable": "test_a_cluster_that_is_away_ends_with_3",
    "pods/probe": "tests/unit/test_doctor_cluster.py: a sidecar gives up listening before its proof is that old",
}
BREAKS: dict[str, Callable[[Ward], AbstractContextManager[None]]] = {}


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

    def wrong(self) -> set[str]:
        """Ids."""
        return {it["check"] for it in self.examined() if it["verdict"] in {"failed", "warning"}}

    def until(self, expected: set[str], *, ignored: frozenset[str] = frozenset()) -> None:
        """The doctor sees exactly this; what a pass or a pod has to notice first takes it a while."""
        deadline = time.monotonic() + SOON_S
        while self.wrong() - ignored != expected:
            assert time.monotonic() < deadline, [it for it in self.examined() if it["verdict"] != "ok"]
            time.sleep(1)  # the doctor asks; it does not watch


def breaks(check: str):
    def registered(how: Callable[[Ward], Iterator[None]]):
        BREAKS[check] = contextmanager(how)
        return how

    return registered


@breaks("cluster/crd")
def _(ward):
    label = "app.kubernetes.io/version"
    was = (ward.shop.kubectl.get("crd", CRD)["metadata"].get("labels") or {}).get(label)
    ward.shop.kubectl.run("label", "crd", CRD, f"{label}=0.0.1", "--overwrite")
    yield
    ward.shop.kubectl.run("label", "crd", CRD, f"{label}={was}" if was else f"{label}-", "--overwrite")


@breaks("cluster/rbac")
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


@breaks("cluster/injector")
def _(ward):
    ward.shop.release.scale("injector", 0)
    yield
    ward.shop.release.scale("injector", 2)
    ward.shop.release.until_injecting()


@breaks("cluster/certificate")
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


@breaks("cluster/ca-bundle")
def _(ward):
    """Somebody else's authority, until the operator's next look, within a minute."""
    other = certificates.make_ca(datetime.now(UTC)).certificate_pem
    patch = [{
        "op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": base64.b64encode(other).decode(),
    }]  # fmt: skip
    name = ward.shop.release.name
    ward.shop.kubectl.run("patch", "mutatingwebhookconfiguration", name, "--type=json", "-p", json.dumps(patch))
    yield


@breaks("channel/conditions")
def _(ward):
    ward.shop.kubectl.apply(channel("broken", tables=("nowhere",)))
    yield
    ward.shop.kubectl.run("delete", "nch", "broken", "--timeout=60s")


@breaks("channel/secret")
def _(ward):
    ward.shop.kubectl.run("label", "secret", "installer-db", "notifychannel.io/allow-")
    yield
    ward.shop.kubectl.run("label", "secret", "installer-db", "notifychannel.io/allow=true")


@breaks("pods/injected")
def _(ward):
    ward.shop.kubectl.apply(deployment(ward.images, name="on-the-node", hostNetwork=True, dnsPolicy="Default"))
    yield
    ward.shop.kubectl.run("delete", "deployment", "on-the-node", "--cascade=foreground", "--timeout=60s")


@breaks("pods/outdated")
def _(ward):
    (pod,) = ward.shop.kubectl.get("pods", "-l", f"app={GROUP}")["items"]
    annotation, name = "notifychannel.io/sidecar", pod["metadata"]["name"]
    ward.shop.kubectl.run("annotate", "pod", name, f"{annotation}=00000000", "--overwrite")
    yield
    was = pod["metadata"]["annotations"][annotation]
    ward.shop.kubectl.run("annotate", "pod", name, f"{annotation}={was}", "--overwrite")


@breaks("pods/group")
def _(ward):
    ward.shop.kubectl.apply(deployment(ward.images, name="mistyped", group="order-api"))
    yield
    ward.shop.kubectl.run("delete", "deployment", "mistyped", "--cascade=foreground", "--timeout=60s")


@breaks("pods/listening")
def _(ward):
    annotations = {"notifychannel.io/secret": "nowhere"}
    ward.shop.kubectl.apply(deployment(ward.images, name="deaf", annotations=annotations))
    yield
    ward.shop.kubectl.run("delete", "deployment", "deaf", "--cascade=foreground", "--timeout=60s")


@breaks("cluster/leader")
def _(ward):
    ward.shop.release.scale("operator", 0)
    yield
    ward.shop.release.scale("operator", 2)


async def test_each_thing_that_is_broken_is_named_and_nothing_else_and_all_is_well_when_it_is_mended(shop, images):
    assert BREAKS.keys() | ELSEWHERE.keys() == {it.id for it in examination.OF_CLUSTER}
    owner = await shop.open(channel())
    ward = Ward(shop=shop, images=images)
    await asyncio.to_thread(shop.run, images)
    await asyncio.to_thread(until_condition, shop.kubectl, "orders", "Ready", "True")
    await asyncio.to_thread(ward.until, set())
    await _with_its_database(ward, owner)
    await asyncio.to_thread(_walk, ward)


async def _with_its_database(ward: Ward, owner: asyncpg.Connection) -> None:
    """The cluster says which channels should be in it; a trigger that a person disabled stays so."""
    dsn = ("--dsn", ward.shop.postgres.local_uri("installer"))
    found = await asyncio.to_thread(ward.examined, *dsn)
    assert [it for it in found if it["verdict"] != "ok"] == []
    named = "SELECT quote_ident(tgname) FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND NOT tgisinternal LIMIT 1"
    trigger = await owner.fetchval(named)
    await owner.execute(f"ALTER TABLE orders DISABLE TRIGGER {trigger}")
    found = await asyncio.to_thread(ward.examined, *dsn)
    assert {it["check"] for it in found if it["verdict"] != "ok"} - {"channel/conditions"} == {"channel/enabled"}
    await owner.execute(f"ALTER TABLE orders ENABLE TRIGGER {trigger}")
    await asyncio.to_thread(ward.until, set())


def _walk(ward: Ward) -> None:
    unmade = {it["check"] for it in ward.examined() if it["verdict"] == "not checked"}
    assert unmade == {it.id for it in examination.OF_DATABASE}  # no DSN was given
    for check, broken in BREAKS.items():
        ignored = frozenset({"channel/conditions"} - {check})
        with broken(ward):
            ward.until({check}, ignored=ignored)
            found = [it for it in ward.examined() if it["check"] == check and it["verdict"] != "ok"]
            assert all(it["why"] and it["remedy"] for it in found), found
        ward.until(set())


def test_a_cluster_that_is_away_ends_with_3(tmp_path):
    away = tmp_path / "kubeconfig"
    away.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "hidden"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }))  # fmt: skip
    result = CliRunner().invoke(cli, ["doctor", "--json", "--kubeconfig", str(away)], env={"NOTIFYCHANNEL_DSN": None})
    assert result.exit_code == 3, result.output
    found = json.loads(result.stdout)["findings"]
    assert {it["check"] for it in found if it["verdict"] != "not checked"} == {"cluster/reachable"}
    assert "hidden" not in result.output
