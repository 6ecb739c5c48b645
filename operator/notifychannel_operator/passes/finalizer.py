"""Our finalizer on a NotifyChannel: something of it is in a database, and who deletes it waits until that is out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_operator.kinds import CHANNELS
from notifychannel_operator.passes.whereabouts import Ref

if TYPE_CHECKING:
    from notifychannel_operator.kube import Kube

FINALIZER = "notifychannel.io/cleanup"


def finalizers(body: dict[str, Any]) -> list[str]:
    """Of an object, everybody's."""
    return list(body["metadata"].get("finalizers") or [])


async def held(kube: Kube, namespaces: tuple[str, ...]) -> tuple[Ref, ...]:
    """The channels there (empty: everywhere) that carry ours. Raises KubeError (NotFound: there is no CRD)."""
    lists = [await kube.list(CHANNELS, namespace=namespace) for namespace in namespaces or (None,)]
    found = [body["metadata"] for bodies in lists for body in bodies if FINALIZER in finalizers(body)]
    return tuple(Ref(metadata["namespace"], metadata["name"]) for metadata in found)
