"""The edge to the release: which operator serves a namespace, and what its Deployment says of it. Refuses to judge."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from notifychannel_cli.doctor import workloads
from notifychannel_cli.doctor.finding import Unseen
from notifychannel_cli.doctor.release import Release
from notifychannel_operator import inject
from notifychannel_operator.environment import SettingsError
from notifychannel_operator.kinds import DEPLOYMENTS
from notifychannel_operator.kube_error import Forbidden, NotFound

if TYPE_CHECKING:
    from notifychannel_operator.kube import Kube

Object = dict[str, Any]

OPERATORS = "app.kubernetes.io/part-of=notifychannel,app.kubernetes.io/component=operator"
HELM_NAME = "meta.helm.sh/release-name"
"""An annotation on all that helm has made: https://helm.sh/docs/faq/changes_since_helm2/ (release ownership)."""
NO_RELEASE = Unseen(
    why="no operator of NotifyChannel is seen in the cluster",
    remedy=("helm install notifychannel charts/notifychannel --namespace notifychannel --create-namespace --wait",),
)


async def release(kube: Kube, namespace: str | None) -> Release | Unseen:
    """The one that serves the namespace; the first where that is not to be told."""
    there = [it for it in map(read, await _operators(kube, namespace)) if it]
    serving = [it for it in there if not it.watched or namespace in it.watched] or there
    if not serving:
        return NO_RELEASE
    chosen = serving[0]
    return chosen if chosen.has_own_certificate else replace(chosen, certificate=await _mounted(kube, chosen))


async def _operators(kube: Kube, namespace: str | None) -> tuple[Object, ...]:
    """Of the cluster; who may not see all of it is shown one of the own namespace. Raises Forbidden where none is."""
    try:
        return await workloads.listed(kube, DEPLOYMENTS, None, OPERATORS)
    except Forbidden:
        own = await workloads.listed(kube, DEPLOYMENTS, namespace, OPERATORS) if namespace else ()
        if not own:
            raise
        return own


async def _mounted(kube: Kube, release: Release) -> str:
    """The Secret that the injector reads its certificate from, where it is not the operator's."""
    try:
        body = await kube.get(DEPLOYMENTS, f"{release.fullname}-injector", namespace=release.namespace)
    except NotFound:
        return release.certificate
    volumes = body["spec"]["template"]["spec"].get("volumes") or []
    named = (str((it.get("secret") or {}).get("secretName") or "") for it in volumes)
    return next((it for it in named if it), release.certificate)


async def injectors(kube: Kube, release: Release) -> int | None:
    """How many replicas its injector is to have; None: nobody can tell."""
    try:
        body = await kube.get(DEPLOYMENTS, f"{release.fullname}-injector", namespace=release.namespace)
    except (Forbidden, NotFound):
        return None
    replicas = body["spec"].get("replicas")
    return replicas if isinstance(replicas, int) else None


def read(deployment: Object) -> Release | None:
    """What it says; None where it is no operator of this chart's."""
    spec = deployment["spec"]["template"]["spec"]
    given = {it["name"]: it.get("value", "") for it in spec["containers"][0].get("env") or []}
    fullname = given.get("NOTIFYCHANNEL_FULLNAME")
    if not fullname:
        return None
    try:
        settings = inject.Settings.from_env(given)
    except SettingsError:
        settings = None
    return Release(
        namespace=deployment["metadata"]["namespace"],
        fullname=fullname,
        account=spec.get("serviceAccountName", "default"),
        webhook=given.get("NOTIFYCHANNEL_WEBHOOK") or fullname,
        watched=tuple(it for it in given.get("NOTIFYCHANNEL_WATCH_NAMESPACES", "").split(",") if it),
        certificate=f"{fullname}-injector-tls",
        has_own_certificate=given.get("NOTIFYCHANNEL_CERTIFICATE") == "own",
        helm_name=(deployment["metadata"].get("annotations") or {}).get(HELM_NAME, ""),
        settings=settings,
    )
