"""What the operator's account has to be allowed, as questions to the API server. Pure. Why: the chart's _rules.tpl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from notifychannel_cli.doctor.release import Release

OURS, CORE = "notifychannel.io", ""
IN_EACH = (
    (OURS, "notifychannels", "get list watch patch"),
    (OURS, "notifychannels/status", "patch"),
    (CORE, "configmaps", "get list create patch delete"),
    (CORE, "pods", "list watch"),
    ("events.k8s.io", "events", "create"),
)
"""(group, resource, verbs) in each namespace that it serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One question."""

    verb: str
    group: str
    resource: str
    """With its subresource behind a slash."""
    namespace: str = ""
    """Empty: in all, or of the cluster."""
    name: str = ""

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        what = f"{self.verb} {kind} {self.name}".rstrip()
        return f"{what} in {self.namespace}" if self.namespace else what

    def review(self, release: Release) -> dict[str, object]:
        """`spec` of a SubjectAccessReview."""
        resource, _, subresource = self.resource.partition("/")
        account = f"system:serviceaccount:{release.namespace}:{release.account}"
        asked = {
            "verb": self.verb, "group": self.group, "resource": resource, "subresource": subresource,
            "namespace": self.namespace, "name": self.name,
        }  # fmt: skip
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{release.namespace}", "system:authenticated"]
        return {"user": account, "groups": groups, "resourceAttributes": {key: it for key, it in asked.items() if it}}


def wanted(release: Release, secrets: Sequence[tuple[str, str]]) -> tuple[Right, ...]:
    """All of them; `secrets` are (namespace, name) of the channels'."""
    return (*_served(release, secrets), *_own(release))


def _served(release: Release, secrets: Sequence[tuple[str, str]]) -> Iterator[Right]:
    for namespace in release.watched or ("",):
        for group, resource, verbs in IN_EACH:
            for verb in verbs.split():
                yield Right(verb=verb, group=group, resource=resource, namespace=namespace)
    for namespace, name in secrets:
        if not release.watched or namespace in release.watched:
            yield Right(verb="get", group=CORE, resource="secrets", namespace=namespace, name=name)


def _own(release: Release) -> Iterator[Right]:
    own = release.namespace
    for verb in ("get", "update"):
        yield Right(verb=verb, group="coordination.k8s.io", resource="leases", namespace=own, name=release.fullname)
    if release.has_own_certificate:
        for name in (f"{release.fullname}-ca", release.certificate):
            for verb in ("get", "patch"):
                yield Right(verb=verb, group=CORE, resource="secrets", namespace=own, name=name)
        for verb in ("get", "patch"):
            kind = "mutatingwebhookconfigurations"
            yield Right(verb=verb, group="admissionregistration.k8s.io", resource=kind, name=release.webhook)
