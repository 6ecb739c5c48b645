"""The edge to a cluster: asks the API server for everything that its checks want to know, as the person's account.

Of Secrets it keeps labels, names of keys and certificates, which are public; a value is dropped where it is read. The
two things that it sends are dry runs and questions about rights. Refuses to judge.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from notifychannel_cli.check_inject import verdict
from notifychannel_cli.doctor import deployment, rbac, workloads
from notifychannel_cli.doctor.certificate import Certificate
from notifychannel_cli.doctor.dry_run import POD, DryRun
from notifychannel_cli.doctor.finding import Unseen
from notifychannel_cli.doctor.release import CRD, Definition, Leader, Rights
from notifychannel_operator import inject
from notifychannel_operator.kinds import ACCESS_REVIEWS, CHANNELS, CRDS, LEASES, PODS, SECRETS, WEBHOOKS
from notifychannel_operator.kube_error import Forbidden, KubeError, NotFound, Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from notifychannel_cli.doctor.channels import Secret
    from notifychannel_cli.doctor.pods import Pod
    from notifychannel_cli.doctor.release import Release
    from notifychannel_operator.kube import Kube

T = TypeVar("T")
Object = dict[str, Any]

VERSION_LABEL = "app.kubernetes.io/version"
NAMESPACE = "kubernetes.io/metadata.name"
"""On each, by Kubernetes itself."""
RENEWED_AGAIN_S = 5.0
"""The leader renews its Lease each 2 s (leadership/lease.py): so soon it is seen to move, whatever our clock says."""
AT_ONCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A cluster as it was seen."""

    definition: Definition | Unseen
    leader: Leader | Unseen
    rights: Rights | Unseen
    dry_run: DryRun | Unseen
    certificate: Certificate | Unseen
    channels: tuple[Object, ...] | Unseen
    secrets: tuple[Secret, ...] | Unseen
    pods: tuple[Pod, ...] | Unseen


async def look(kube: Kube, *, namespace: str | None, version: str) -> Seen:
    """Everything; `namespace` None: all. Raises Unreachable where the cluster does not answer, KubeError (401)."""
    definition = await _seen(_definition(kube, version))
    channels = await _seen(workloads.listed(kube, CHANNELS, namespace))
    release = await _seen(deployment.release(kube, namespace))
    bodies = channels if not isinstance(channels, Unseen) else ()
    secrets = channels if isinstance(channels, Unseen) else await _seen(workloads.secrets(kube, bodies))
    webhook = release if isinstance(release, Unseen) else await _seen(_webhook(kube, release))
    pods = await _seen(workloads.pods(kube, release, webhook, namespace, channels))
    if isinstance(release, Unseen):
        return Seen(
            definition=definition, leader=release, rights=release, dry_run=release, certificate=release,
            channels=channels, secrets=secrets, pods=pods,
        )  # fmt: skip
    there = namespace or next((it["metadata"]["namespace"] for it in bodies), None)
    certificate = await _seen(_certificate(kube, release, webhook))
    return Seen(
        definition=definition,
        leader=await _seen(_leader(kube, release)),
        rights=await _seen(_rights(kube, release, bodies)),
        dry_run=await _seen(_dry_run(kube, webhook, certificate, release=release, namespace=there)),
        certificate=certificate,
        channels=channels,
        secrets=secrets,
        pods=pods,
    )


async def _definition(kube: Kube, version: str) -> Definition:
    try:
        body = await kube.get(CRDS, CRD)
    except NotFound:
        return Definition(is_there=False)
    served = {it["name"] for it in body["spec"]["versions"] if it.get("served")}
    labels = body["metadata"].get("labels") or {}
    return Definition(
        is_there=True, is_served=CHANNELS.version in served, version=labels.get(VERSION_LABEL), ours=version
    )


async def _leader(kube: Kube, release: Release) -> Leader:
    """Looks again where the Lease is late by our clock, which may be wrong."""
    first = await _lease(kube, release)
    if not first.holder or not first.is_late:
        return first
    await asyncio.sleep(RENEWED_AGAIN_S)
    again = await _lease(kube, release)
    return replace(again, is_renewed=again.renewed_at != first.renewed_at)


async def _lease(kube: Kube, release: Release) -> Leader:
    spec: Object = {}
    with suppress(NotFound):
        spec = (await kube.get(LEASES, release.fullname, namespace=release.namespace)).get("spec") or {}
    renewed = spec.get("renewTime")
    return Leader(
        release=release,
        holder=spec.get("holderIdentity"),
        renewed_at=datetime.fromisoformat(renewed) if renewed else None,
        duration_s=spec.get("leaseDurationSeconds") or 15,
        now=datetime.now(UTC),
    )


async def _webhook(kube: Kube, release: Release) -> Object | None:
    try:
        webhooks: list[Object] = (await kube.get(WEBHOOKS, release.webhook)).get("webhooks") or []
    except NotFound:
        return None
    return webhooks[0] if webhooks else None


async def _dry_run(
    kube: Kube,
    webhook: Object | Unseen | None,
    certificate: Certificate | Unseen,
    *,
    release: Release,
    namespace: str | None,
) -> DryRun | Unseen:
    if namespace is None:
        return Unseen(why="no namespace was named", remedy=("notifychannel doctor -n NAMESPACE",))
    if isinstance(webhook, dict) and not verdict.selects(
        webhook.get("namespaceSelector") or {}, {NAMESPACE: namespace}
    ):
        why = f"the webhook leaves out the namespace {namespace}"
        return Unseen(why=why, remedy=("notifychannel doctor -n NAMESPACE",))
    pod = await kube.rehearse(PODS, {**POD, "metadata": {**POD["metadata"], "namespace": namespace}})
    is_injected = inject.is_injected(pod)
    replicas = None if is_injected else await deployment.injectors(kube, release)
    return DryRun(
        release=release, namespace=namespace, is_injected=is_injected, certificate=certificate, replicas=replicas
    )


async def _certificate(kube: Kube, release: Release, webhook: Object | Unseen | None) -> Certificate | Unseen:
    if isinstance(webhook, Unseen):
        return webhook
    leaf = await _public(kube, release.namespace, release.certificate)
    bundle = ((webhook or {}).get("clientConfig") or {}).get("caBundle")
    authorities = base64.b64decode(bundle) if bundle else (b"" if webhook else None)
    return Certificate(release=release, leaf=leaf, authorities=authorities, now=datetime.now(UTC))


async def _public(kube: Kube, namespace: str, name: str) -> bytes:
    """The certificate of a Secret, and nothing else of it; empty where there is none."""
    try:
        data = (await kube.get(SECRETS, name, namespace=namespace)).get("data") or {}
        return base64.b64decode(data.get("tls.crt") or "")
    except (NotFound, binascii.Error):
        return b""


async def _rights(kube: Kube, release: Release, channels: Sequence[Object]) -> Rights:
    secrets = {(it["metadata"]["namespace"], it["spec"]["database"]["secretRef"]["name"]) for it in channels}
    wanted = rbac.wanted(release, sorted(secrets))
    slots = asyncio.Semaphore(AT_ONCE)

    async def is_lacking(it: rbac.Right) -> bool:
        async with slots:
            review = {"metadata": {}, "spec": it.review(release)}
            answer = await kube.rehearse(ACCESS_REVIEWS, review)
        return not (answer.get("status") or {}).get("allowed")

    lacks = await asyncio.gather(*map(is_lacking, wanted))
    return Rights(release=release, lacking=tuple(str(it) for it, is_so in zip(wanted, lacks, strict=True) if is_so))


async def _seen(question: Awaitable[T]) -> T | Unseen:
    try:
        return await question
    except Unreachable:
        raise
    except Forbidden as error:
        return Unseen(why=f"your account may not ask: {error}", remedy=("kubectl auth can-i --list",))
    except KubeError as error:
        if error.status == 401:  # noqa: PLR2004 HTTP's own number
            raise
        return Unseen(why=f"the API server refuses ({error.reason}): {error}")
