"""A pod that is never made, and whether it came back with the sidecar. Pure.

It is as strict as any namespace may ask for (restricted, with limits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notifychannel_cli.doctor import certificate
from notifychannel_cli.doctor.finding import Trouble, Unseen
from notifychannel_operator.inject import GROUP_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notifychannel_cli.doctor.certificate import Certificate
    from notifychannel_cli.doctor.release import Release

SECURITY = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip
SMALL = {"cpu": "10m", "memory": "16Mi"}
POD: dict[str, Any] = {
    "metadata": {"generateName": "notifychannel-doctor-", "labels": {GROUP_LABEL: "notifychannel-doctor"}},
    "spec": {
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "application", "image": "never-pulled:0", "securityContext": SECURITY,
                "resources": {"requests": SMALL, "limits": SMALL},
            }
        ],
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """The pod as the API server would have made it."""

    release: Release
    namespace: str
    is_injected: bool
    certificate: Certificate | Unseen
    """By which the API server believes the injector, or not."""
    replicas: int | None = None
    """How many injectors there are to be; None: not asked, or nobody can tell."""


def injector(seen: DryRun) -> Iterator[Trouble | Unseen]:
    """It came back as it was, and not for the certificate's sake."""
    if seen.is_injected:
        return
    if isinstance(seen.certificate, certificate.Certificate) and any(certificate.faults(seen.certificate)):
        yield Unseen(why="the API server has no reason to believe the injector: mend cluster/ca-bundle first")
        return
    where, name = f"kubectl -n {seen.release.namespace}", f"{seen.release.fullname}-injector"
    look = (
        f"{where} get pods,endpointslices -l app.kubernetes.io/component=injector",
        f"{where} logs deployment/{name} --tail=50",
    )
    is_away = seen.replicas == 0
    yield Trouble(
        why=f"a pod of {seen.namespace} with the label {GROUP_LABEL} comes back without the sidecar\n"
        f"The injector does not answer the API server{': it is scaled to 0' if is_away else ''}",
        remedy=(f"{where} scale deployment {name} --replicas=1",) if is_away else look,
    )
