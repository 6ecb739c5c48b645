"""The edge to channels, their Secrets and their pods: asks the API server, and by its proxy the sidecars.

Of a Secret it keeps labels and names of keys; a value is dropped where it is read. Refuses to judge.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from notifychannel_cli.doctor import pods as judged
from notifychannel_cli.doctor.channels import Secret, Shape
from notifychannel_cli.doctor.finding import Unseen
from notifychannel_cli.doctor.pods import Pod
from notifychannel_operator import inject
from notifychannel_operator.kinds import PODS, SECRETS
from notifychannel_operator.kube_error import Forbidden, KubeError, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_cli.doctor.release import Release
    from notifychannel_operator.kinds import Kind
    from notifychannel_operator.kube import Kube

Object = dict[str, Any]

AT_ONCE = 20


async def listed(kube: Kube, kind: Kind, namespace: str | None, labels: str | None = None) -> tuple[Object, ...]:
    """None where there is no such kind; raises KubeError."""
    try:
        return tuple(await kube.list(kind, namespace=namespace, labels=labels))
    except NotFound:
        return ()


async def secrets(kube: Kube, channels: Sequence[Object]) -> tuple[Secret, ...]:
    """Those that channels name; raises KubeError."""
    found = []
    for it in channels:
        namespace, name = it["metadata"]["namespace"], it["spec"]["database"]["secretRef"]["name"]
        shape = await _shape(kube, namespace, name)
        found.append(Secret(namespace=namespace, channel=it["metadata"]["name"], name=name, shape=shape))
    return tuple(found)


async def _shape(kube: Kube, namespace: str, name: str) -> Shape:
    try:
        secret = await kube.get(SECRETS, name, namespace=namespace)
    except NotFound:
        return Shape(labels=None)
    keys = frozenset(key for key, value in (secret.get("data") or {}).items() if value)
    return Shape(labels=secret["metadata"].get("labels") or {}, keys=keys)


async def pods(
    kube: Kube,
    release: Release | Unseen,
    webhook: Object | Unseen | None,
    namespace: str | None,
    channels: Sequence[Object] | Unseen,
) -> tuple[Pod, ...]:
    """All with our label that neither have ended nor are ending; raises KubeError."""
    settings = release if isinstance(release, Unseen) else release.settings or Unseen(
        why="the operator's Deployment does not say how pods are injected", remedy=(release.upgrade,)
    )  # fmt: skip
    groups = {
        (it["metadata"]["namespace"], consumer.get("group"))
        for it in (() if isinstance(channels, Unseen) else channels)
        for consumer in it["spec"].get("consumers") or []
    }
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(body: Object) -> Pod:
        async with slots:
            status = await _status(kube, body)
        whose = (body["metadata"]["namespace"], body["metadata"]["labels"][inject.GROUP_LABEL])
        is_known = None if isinstance(channels, Unseen) else whose in groups
        return Pod(body=body, settings=settings, status=status, webhook=webhook, is_known=is_known)

    bodies = await listed(kube, PODS, namespace, inject.GROUP_LABEL)
    return tuple(await asyncio.gather(*(one(it) for it in bodies if judged.counts(it))))


async def _status(kube: Kube, body: Object) -> Object | Unseen:
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    if not judged.is_running(body):
        return Unseen(why="it does not run with a sidecar")
    port = inject.status_port(body)
    forward = f"kubectl -n {namespace} port-forward {name} {port} & curl -s http://127.0.0.1:{port}/status"
    try:
        return await kube.proxied(name, port, "/status", namespace=namespace)
    except Forbidden:
        may = f"kubectl auth can-i get pods --subresource=proxy -n {namespace}"
        return Unseen(why="your account may not ask pods by the API server's proxy", remedy=(may, forward))
    except KubeError as error:
        return Unseen(why=f"its /status can't be reached by the API server's proxy ({error.reason})", remedy=(forward,))
