"""The chart as the tests want it: rendered for a cluster of a given version, and its rights as a table."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from tests.e2e.cluster import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.e2e.kubectl import Helm

CHART = str(ROOT / "charts" / "notifychannel")
KUBE_VERSION = "1.34.0"
"""A helm that was built by `go install` believes in 1.20 until it has asked a cluster; `helm template` asks none."""
RELEASE = "notifychannel"
NAMESPACE = "release-ns"
CA = "Q0E="
EXISTING = ("certificates.mode=Existing", "certificates.secretName=tls", f"certificates.caBundle={CA}")
CHOICES = {
    "install": ((), ("install=ClusterObjects",), ("install=NamespaceObjects",)),
    "watch": ((), ("watchNamespaces={team-a,team-b}",)),
    "certificates": ((), ("certificates.mode=CertManager",), EXISTING),
    "secrets": ((), ("secrets.strict=true",), ("secrets.strict=true", "secrets.names={orders-db,stock-db}")),
    "rest": (
        (),
        ("crds.create=false", "webhook.create=false", "aggregateRoles=false", "cleanup.enabled=false",
         "podDisruptionBudget.create=false", "operator.replicas=1", "injector.replicas=1"),
        ("networkPolicy.create=true", "monitoring.podMonitor.create=true", "monitoring.sidecars.create=true",
         "monitoring.alerts.create=true", "monitoring.dashboards.create=true", "commonLabels.team=x",
         "commonAnnotations.owner=y", "imagePullSecrets={pull}", "image.registry=registry.test",
         f"image.digest=sha256:{'0' * 64}", "operator.podLabels.a=b", "operator.podAnnotations.c=d",
         "operator.serviceAccountAnnotations.e=f", "injector.priorityClassName=system-cluster-critical",
         "injector.nodeSelector.kubernetes\\.io/os=linux", "injector.tolerations[0].operator=Exists"),
        ("networkPolicy.create=true", "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.a=b",
         "networkPolicy.operatorEgress[0].ports[0].port=5432", "monitoring.serviceMonitor.create=true",
         "certificates.certManager.issuerRef.name=own", "fullnameOverride=other", "nameOverride=nch"),
    ),
}  # fmt: skip
"""What changes the shape of what is rendered, each with its ways."""


def arguments(*values: str) -> list[str]:
    """For `helm template`, `install`, `upgrade`."""
    return [word for value in values for word in ("--set", value)]


def rendered(helm: Helm, *values: str, release: str = RELEASE, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """All objects, hooks too."""
    return helm.rendered(
        release, CHART, "--namespace", namespace, "--kube-version", KUBE_VERSION, *arguments(*values)
    )  # fmt: skip


def permutations() -> Iterator[tuple[str, ...]]:
    """So many that every three choices meet; no template asks more than three at a time. Without what is refused."""
    missing: set[Any] = set()
    every = [ways for ways in itertools.product(*(range(len(ways)) for ways in CHOICES.values())) if _makes_sense(ways)]
    for ways in every:
        missing |= _meetings(ways)
    while missing:
        best = max(every, key=lambda ways: len(missing & _meetings(ways)))
        missing -= _meetings(best)
        yield tuple(itertools.chain(*(choices[way] for choices, way in zip(CHOICES.values(), best, strict=True))))


def _meetings(ways: tuple[int, ...]) -> set[Any]:
    return set(itertools.combinations(enumerate(ways), 3))


def _makes_sense(ways: tuple[int, ...]) -> bool:
    return not (CHOICES["install"][ways[0]] == ("install=NamespaceObjects",) and not CHOICES["watch"][ways[1]])


def rights(objects: Iterable[dict[str, Any]]) -> list[str]:
    """A line per account, place and resource: what it may do."""
    objects = list(objects)
    roles = {_key(each): each for each in objects if each["kind"] in {"Role", "ClusterRole"}}
    lines = []
    for binding in (each for each in objects if each["kind"] in {"RoleBinding", "ClusterRoleBinding"}):
        place = binding["metadata"].get("namespace", "everywhere")
        role = roles[(binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"])]
        for subject, rule in itertools.product(binding["subjects"], role["rules"] or ()):
            lines += [f"{subject['namespace']}/{subject['name']} | {place} | {line}" for line in _rule(rule)]
    return sorted(lines)


def _key(role: dict[str, Any]) -> tuple[str, str | None, str]:
    return role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"]


def _rule(rule: dict[str, Any]) -> Iterator[str]:
    for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
        names = f" {' '.join(rule['resourceNames'])}" if "resourceNames" in rule else ""
        yield f"{group or 'core'}/{resource}{names} | {' '.join(rule['verbs'])}"
