"""The installation's id: eight hex digits, made once, in a ConfigMap that the operator and nobody else writes.

It is in the name of every object of ours in every database. So garbage in it is an error and is never replaced: a new
id would make every trigger an orphan.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from notifychannel_operator.kinds import CONFIGMAPS
from notifychannel_operator.kube_error import Conflict, NotFound

if TYPE_CHECKING:
    from notifychannel_operator.kube import Kube

ID = re.compile(r"[0-9a-f]{8}")
KEY = "id"


class InstallationError(Exception):
    """What is in the ConfigMap is no id; the sentence says how to mend it."""


def configmap_name(fullname: str) -> str:
    """Where the id is kept."""
    return f"{fullname}.installation"


async def read(kube: Kube, *, namespace: str, fullname: str) -> str:
    """The id; raises NotFound when it was never made, InstallationError, KubeError."""
    body = await kube.get(CONFIGMAPS, configmap_name(fullname), namespace=namespace)
    return _checked(body, f"{namespace}/{configmap_name(fullname)}")


async def ensure(kube: Kube, *, namespace: str, fullname: str) -> str:
    """The id, made when there is none. Of two replicas that make one at once, one wins and both read it."""
    try:
        return await read(kube, namespace=namespace, fullname=fullname)
    except NotFound:
        pass
    with suppress(Conflict):
        await kube.create(CONFIGMAPS, _body(namespace, configmap_name(fullname), secrets.token_hex(4)))
    return await read(kube, namespace=namespace, fullname=fullname)


def _body(namespace: str, name: str, value: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "notifychannel"}
    return {"metadata": {"namespace": namespace, "name": name, "labels": labels}, "data": {KEY: value}}


def _checked(body: dict[str, Any], place: str) -> str:
    value = (body.get("data") or {}).get(KEY)
    if not isinstance(value, str) or ID.fullmatch(value) is None:
        namespace, _, name = place.partition("/")
        raise InstallationError(
            f"the ConfigMap {place} holds no installation id (key {KEY!r}: 8 hex digits). Put the old one back: "
            "each of our functions in the schema notifychannel of your databases names it in its comment "
            f"(psql: \\df+ notifychannel.*). Only where none is: kubectl -n {namespace} delete configmap {name}"
        )
    return value
