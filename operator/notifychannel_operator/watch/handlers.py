"""What kopf calls: each event is a hint to the work queue, nothing more.

Event handlers only, so that kopf writes nothing: no finalizer, no annotation, no Event. Selectors are the server's:
of pods only those with our label come over the wire, of ConfigMaps only the canary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kopf

from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS, PODS, Kind
from notifychannel_operator.watch.directory import GROUP_LABEL, key_of, lane_of

if TYPE_CHECKING:
    from notifychannel_operator.watch.canary import Canary
    from notifychannel_operator.watch.directory import Directory
    from notifychannel_operator.work.queue import WorkQueue

POD_REST_S = 0.5
"""A pod's start is half a dozen events: one pass for all of them."""
SERVER_TIMEOUT_S = 300
CLIENT_TIMEOUT_S = 310
CONNECT_TIMEOUT_S = 30
INACTIVITY_TIMEOUT_S = 150
"""The server sends a bookmark about each minute: a stream without one for longer is opened anew."""
CHUNK = 250
"""Objects of one answer when everything is listed."""


def handlers(*, directory: Directory, queue: WorkQueue, canary: Canary) -> kopf.OperatorRegistry:
    """The registry that kopf runs on."""
    registry = kopf.OperatorRegistry()

    @kopf.on.event(*_resource(CHANNELS), registry=registry)
    async def channel(body: kopf.Body, type: str | None, **_: Any) -> None:  # noqa: A002 kopf's word
        seen = dict(body)  # kopf's view is no dict, what is inside it are
        if directory.see(seen) or type == "DELETED":  # without a finalizer it goes without having changed
            queue.add(key_of(seen), lane=lane_of(seen))

    @kopf.on.event(*_resource(PODS), labels={GROUP_LABEL: kopf.PRESENT}, registry=registry)
    async def pod(body: kopf.Body, **_: Any) -> None:
        for key in directory.concerned(dict(body)):
            queue.add(key, in_s=POD_REST_S)

    @kopf.on.event(*_resource(CONFIGMAPS), registry=registry)
    async def configmap(body: kopf.Body, **_: Any) -> None:
        canary.heard(dict(body))

    return registry


def settings(*, canary: str) -> kopf.OperatorSettings:
    """How kopf is to run: never deaf for long, silent, and without rights that it would need for more."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.scanning.disabled = True  # needs list and watch of CRDs and namespaces; app waits for the CRD by itself
    made.process.ultimate_exiting_timeout = None
    made.watching.server_timeout = SERVER_TIMEOUT_S
    made.watching.client_timeout = CLIENT_TIMEOUT_S
    made.watching.connect_timeout = CONNECT_TIMEOUT_S
    made.watching.inactivity_timeout = INACTIVITY_TIMEOUT_S
    made.watching.chunk_size = CHUNK
    made.watching.label_selectors[_resource(PODS)] = GROUP_LABEL
    made.watching.field_selectors[_resource(CONFIGMAPS)] = f"metadata.name={canary}"
    return made


def _resource(kind: Kind) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.plural
