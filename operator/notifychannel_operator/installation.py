"""The installation's id: eight hex digits, made once, in a ConfigMap that the operator and nobody else writes.

It is in the name of every object of ours in every database: a new one would make every trigger an orphan. So garbage
in it is an error and is never replaced, nor is one that was lost while channels have objects in a database. Lost while
an operator runs that knows it, it is put back by `keep`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from notifychannel_operator import managed_by
from notifychannel_operator.events import Event
from notifychannel_operator.kinds import CONFIGMAPS
from notifychannel_operator.kube_error import Conflict, KubeError, NotFound
from notifychannel_operator.passes.finalizer import held

if TYPE_CHECKING:
    from notifychannel_operator.kube import Kube

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""Between two looks of `keep`: one small call, like a channel's pass."""
ID = re.compile(r"[0-9a-f]{8}")
KEY = "id"
PUT_BACK = (
    "Put the old one back: each of our functions in the schema notifychannel of your databases names it in its comment "
    r"(psql: \df+ notifychannel.*)"
)


class InstallationError(Exception):
    """What is in the ConfigMap is no id, or the id is lost; the sentence says how to mend it."""


def configmap_name(fullname: str) -> str:
    """Where the id is kept."""
    return f"{fullname}.installation"


async def read(kube: Kube, *, namespace: str, fullname: str) -> str:
    """The id; raises NotFound when it was never made, InstallationError, KubeError."""
    body = await kube.get(CONFIGMAPS, configmap_name(fullname), namespace=namespace)
    return _checked(body, f"{namespace}/{configmap_name(fullname)}")


async def ensure(kube: Kube, *, namespace: str, fullname: str, watched: tuple[str, ...]) -> str:
    """The id, made when there never was one. Of two replicas that make one at once, one wins and both read it.

    `watched`: namespaces, empty for all. Raises InstallationError, KubeError (NotFound: there is no CRD to ask by).
    """
    try:
        return await read(kube, namespace=namespace, fullname=fullname)
    except NotFound:
        await refuse_lost(kube, namespace=namespace, fullname=fullname, watched=watched)
    with suppress(Conflict):
        await kube.create(CONFIGMAPS, _body(namespace, configmap_name(fullname), secrets.token_hex(4)))
    return await read(kube, namespace=namespace, fullname=fullname)


async def refuse_lost(kube: Kube, *, namespace: str, fullname: str, watched: tuple[str, ...]) -> None:
    """To be asked where there is no id: whether there was one, which a watched channel says by its finalizer.

    Then raises InstallationError. Also KubeError.
    """
    refs = await held(kube, watched)
    if refs:
        name = configmap_name(fullname)
        raise InstallationError(
            f"the installation id is lost: there is no ConfigMap {namespace}/{name}, but channels have objects "
            f"in a database ({refs[0]} is one of {len(refs)}), which a new id would leave behind. {PUT_BACK}. "
            f"By: kubectl -n {namespace} create configmap {name} --from-literal={KEY}=<the 8 hex digits>. "
            "Only where no database of any channel has such a function: the same with 8 new hex digits"
        )


async def keep(kube: Kube, *, namespace: str, fullname: str, identity: str) -> NoReturn:
    """The ConfigMap of the id that this process works by, for ever: put back when it is gone; one that says something
    else is left alone and never followed, but named.
    """
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            await _look(kube, namespace=namespace, fullname=fullname, identity=identity)
        except InstallationError as error:
            log.error(  # noqa: TRY400 the sentence is all there is
                "%s; the operator goes on with %s, and looks again in %.0f s",
                error,
                identity,
                LOOK_S,
                extra=Event.INSTALLATION_UNUSABLE.tag,
            )
        except KubeError as error:
            name = configmap_name(fullname)
            log.warning(
                "the ConfigMap %s/%s: %s; looking again in %.0f s",
                namespace,
                name,
                error,
                LOOK_S,
                extra=Event.INSTALLATION_UNREADABLE.tag,
            )


async def _look(kube: Kube, *, namespace: str, fullname: str, identity: str) -> None:
    name = configmap_name(fullname)
    try:
        found = await read(kube, namespace=namespace, fullname=fullname)
    except NotFound:
        await kube.create(CONFIGMAPS, _body(namespace, name, identity))
        log.warning(
            "the ConfigMap %s/%s was gone: put back with the id %s",
            namespace,
            name,
            identity,
            extra=Event.INSTALLATION_PUT_BACK.tag,
        )
        return
    if found != identity:
        raise InstallationError(
            f"the ConfigMap {namespace}/{name} says {found}, which is not the id in the names of all triggers. Put "
            "that back before the operator restarts, or it leaves all of them behind: "
            f"""kubectl -n {namespace} patch configmap {name} --type merge -p '{{"data":{{"{KEY}":"{identity}"}}}}'"""
        )


def _body(namespace: str, name: str, value: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name, "labels": managed_by.labels()}, "data": {KEY: value}}


def _checked(body: dict[str, Any], place: str) -> str:
    value = (body.get("data") or {}).get(KEY)
    if not isinstance(value, str) or ID.fullmatch(value) is None:
        namespace, _, name = place.partition("/")
        raise InstallationError(
            f"the ConfigMap {place} holds no installation id (key {KEY!r}: 8 hex digits). {PUT_BACK}. "
            f"Only where none is: kubectl -n {namespace} delete configmap {name}"
        )
    return value
