"""The chart on a cluster: installed by a team without cluster-wide rights, upgraded, rolled back, gone without a trace.

Every release here is namespaced, so that it meddles with nobody; the README's own test installs it cluster-wide.
"""

from __future__ import annotations

import base64
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from notifychannel_operator import certificates
from tests.e2e import chart
from tests.e2e.api_server import install
from tests.e2e.release import ONE_OF_EACH, is_injected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kubectl import Helm, Kubectl

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
CRD = "notifychannels.notifychannel.io"
HELM_S = 400
"""More than the five minutes that helm takes at most by default, so that it is helm that says what did not come."""
PATIENCE_S = 120
OURS = (
    "deployments", "replicasets", "jobs", "services", "serviceaccounts", "secrets", "configmaps", "leases",
    "poddisruptionbudgets", "networkpolicies", "roles", "rolebindings",
)  # fmt: skip
EVERYWHERE = ("mutatingwebhookconfigurations", "clusterroles", "clusterrolebindings")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one release is: its own namespace, and the one it serves."""

    kubectl: Kubectl
    helm: Helm
    name: str
    release: str
    served: str
    values: tuple[str, ...]

    def install(self, release: str, *values: str, user: str | None = None, timeout_s: int = 300) -> float:
        """`helm upgrade --install --wait`; the seconds it took."""
        began = time.monotonic()
        as_user = ("--kube-as-user", user) if user else ()
        self.helm.run(
            "upgrade", "--install", release, chart.CHART, "--namespace", self.release, "--wait", *as_user,
            "--timeout", f"{timeout_s}s", *chart.arguments(*self.values, *values), timeout_s=timeout_s + 30,
        )  # fmt: skip
        return time.monotonic() - began

    def bundle(self) -> str:
        """The caBundle that the API server has now."""
        (webhook,) = self.kubectl.get("mutatingwebhookconfiguration", self.name)["webhooks"]
        return webhook["clientConfig"].get("caBundle", "")

    def leftovers(self) -> list[str]:
        """Names of everything that carries the release's name, in both namespaces and cluster-wide, when what is
        collected behind its owner has had its time: helm does not wait for that.
        """
        deadline = time.monotonic() + PATIENCE_S
        while (found := self._there()) and time.monotonic() < deadline:
            time.sleep(0.5)  # each look is a few programs
        return found

    def _there(self) -> list[str]:
        found = []
        for namespace in (self.release, self.served):
            printed = self.kubectl.run("-n", namespace, "get", ",".join(OURS), "-o", "name")
            found += [f"{namespace}/{line}" for line in printed.split() if self.name in line]
        printed = self.kubectl.run("get", ",".join(EVERYWHERE), "-o", "name")
        return found + [line for line in printed.split() if self.name in line]


@pytest.fixture
def place(kubectl, helm, images, new_namespace) -> Iterator[Place]:
    install(kubectl)
    name = f"chart-{secrets.token_hex(3)}"
    release, served = new_namespace(**RESTRICTED), new_namespace(**RESTRICTED)
    tag = images["operator"].rpartition(":")[2]
    values = (
        f"fullnameOverride={name}", f"image.tag={tag}", f"sidecar.image.tag={tag}",
        f"watchNamespaces={{{served}}}", "crds.create=false",
    )  # fmt: skip
    yield Place(kubectl=kubectl, helm=helm, name=name, release=release, served=served, values=values)
    for left in helm.run("list", "--namespace", release, "--all", "--short").split():
        helm.run("uninstall", left, "--namespace", release, "--no-hooks")


@contextmanager
def membership(place: Place, user: str) -> Iterator[None]:
    """Somebody who is Kubernetes' own `admin` in both namespaces, and nobody elsewhere."""
    for namespace in (place.release, place.served):
        place.kubectl.run(
            "-n", namespace, "create", "rolebinding", "team", "--clusterrole=admin", f"--user={user}"
        )  # fmt: skip
    yield
    for namespace in (place.release, place.served):
        place.kubectl.run("-n", namespace, "delete", "rolebinding", "team")


def comes_injected(kubectl: Kubectl, namespace: str) -> bool:
    """A pod is injected, when the way to the injectors of another revision is known to the node."""
    deadline = time.monotonic() + PATIENCE_S
    while not (is_so := is_injected(kubectl, namespace)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return is_so


def test_a_team_installs_what_an_administrator_prepared_upgrades_rolls_back_and_leaves_nothing(
    place, namespace, record_property
):
    """Mutant: `caBundle: ""` in templates/webhook.yaml, which every upgrade then puts back."""
    user = f"{place.name}-team"
    place.install("administrator", "install=ClusterObjects")
    with membership(place, user):
        install_s = place.install("team", "install=NamespaceObjects", user=user)
        said = place.helm.run("test", "team", "--namespace", place.release, "--kube-as-user", user, timeout_s=HELM_S)
        assert "Failed" not in said
        assert not is_injected(place.kubectl, namespace), "a namespace that is not watched"

        before = place.bundle()
        assert before
        place.install("administrator", "install=ClusterObjects", "webhook.timeoutSeconds=5")
        upgrade_s = place.install("team", "install=NamespaceObjects", "sidecar.memory=96Mi", user=user)
        assert place.bundle() == before
        back = ("--namespace", place.release, "--wait")
        place.helm.run("rollback", "team", "1", *back, "--kube-as-user", user, timeout_s=HELM_S)
        place.helm.run("rollback", "administrator", "1", *back, timeout_s=HELM_S)
        assert place.bundle() == before
        place.kubectl.until(
            "leases", lambda each: bool(each["spec"].get("holderIdentity")), "-n", place.release
        )  # fmt: skip
        assert comes_injected(place.kubectl, place.served)

        began = time.monotonic()
        place.helm.run("uninstall", "team", *back, "--kube-as-user", user, timeout_s=HELM_S)
        uninstall_s = time.monotonic() - began
    place.helm.run("uninstall", "administrator", *back, timeout_s=HELM_S)
    assert place.leftovers() == []
    figures = {"install_s": install_s, "upgrade_s": upgrade_s, "uninstall_s": uninstall_s}
    for name, value in figures.items():
        record_property(name, round(value, 1))
    print("chart:", ", ".join(f"{name} {value:.1f}" for name, value in figures.items()))  # noqa: T201 - figures


def test_somebody_s_own_certificate_is_served_and_stays_when_the_release_goes(place):
    now = datetime.now(UTC)
    authority = certificates.make_ca(now)
    names = certificates.service_names(f"{place.name}-injector", place.release)
    leaf = certificates.make_leaf(authority, names, now)
    data = {"tls.crt": leaf.certificate_pem, "tls.key": leaf.key_pem, "ca.crt": authority.certificate_pem}
    place.kubectl.within(place.release).apply({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "my-own-tls"},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    })  # fmt: skip
    bundle = base64.b64encode(authority.certificate_pem).decode()
    place.install(
        "own", "certificates.mode=Existing", "certificates.secretName=my-own-tls",
        f"certificates.caBundle={bundle}", "networkPolicy.create=true", *ONE_OF_EACH,
    )  # fmt: skip
    said = place.helm.run("test", "own", "--namespace", place.release, timeout_s=HELM_S)
    assert "Failed" not in said
    assert place.bundle() == bundle
    place.helm.run("uninstall", "own", "--namespace", place.release, "--wait", timeout_s=HELM_S)
    assert place.leftovers() == []
    place.kubectl.get("-n", place.release, "secret", "my-own-tls")


def test_a_test_of_a_release_whose_operator_does_not_run_fails_with_a_sentence(place):
    place.install("still", *ONE_OF_EACH)
    mine = place.kubectl.within(place.release)
    mine.run("scale", f"deployment/{place.name}-operator", "--replicas=0")
    operators = ("-l", "app.kubernetes.io/component=operator")
    mine.run("wait", "pods", *operators, "--for=delete", "--timeout=180s", timeout_s=190)
    with pytest.raises(AssertionError):
        place.helm.run("test", "still", "--namespace", place.release, timeout_s=HELM_S)
    assert "nobody leads" in mine.run("logs", f"{place.name}-test")
    place.helm.run("uninstall", "still", "--namespace", place.release, "--wait", timeout_s=HELM_S)
    mine.run("delete", "pod", f"{place.name}-test")
    assert place.leftovers() == []


def test_the_crd_is_installed_with_the_release_and_stays_after_it(kubectl, helm, namespace):
    name = f"chart-{secrets.token_hex(3)}"
    only_the_crd = ("install=ClusterObjects", "webhook.create=false", "aggregateRoles=false", "commonAnnotations.a=b")
    try:
        helm.run(
            "install", name, chart.CHART, "--namespace", namespace, "--take-ownership", *chart.arguments(*only_the_crd)
        )  # fmt: skip
        metadata = kubectl.get("crd", CRD)["metadata"]
        assert metadata["annotations"]["meta.helm.sh/release-name"] == name
        helm.run("uninstall", name, "--namespace", namespace)
        kept = kubectl.get("crd", CRD)["metadata"]
        assert kept["uid"] == metadata["uid"]
        assert "deletionTimestamp" not in kept
    finally:  # another release may own it next
        kubectl.run(
            "annotate", "crd", CRD, "meta.helm.sh/release-name-", "meta.helm.sh/release-namespace-",
            "helm.sh/resource-policy-", "a-",
        )  # fmt: skip
        kubectl.run("label", "crd", CRD, "app.kubernetes.io/managed-by-")
