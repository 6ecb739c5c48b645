"""Reads the Secret with the installer's role: its labels first, its data only where the namespace allows it.

`get` by name, in the channel's own namespace; nothing is listed, watched, kept or shown.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from notifychannel_operator.kinds import NAMESPACES, SECRETS
from notifychannel_operator.kube_error import Forbidden, NotFound
from notifychannel_operator.passes.conditions import Reason
from notifychannel_sidecar import credentials
from notifychannel_sidecar.credentials import CredentialsError

if TYPE_CHECKING:
    from notifychannel_operator.kube import Kube
    from notifychannel_sidecar.credentials import Credentials

ALLOW = "notifychannel.io/allow"
_SERVICE = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
"""What a Service may be called (RFC 1035 label): the short name that pods of its own namespace use."""
_FILES = ("sslrootcert", "sslcert", "sslkey")


class Unresolved(Exception):  # noqa: N818 - it is a verdict
    """The reference leads to nothing that can be used; `str` says what to run."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


async def read(kube: Kube, *, namespace: str, name: str) -> Credentials:
    """What it takes to connect from another namespace: a short host name is a Service of the Secret's own.

    Raises Unresolved, and KubeError when the cluster does not answer.
    """
    try:
        _permit(await kube.metadata(SECRETS, name, namespace=namespace), namespace, name)
        found = await kube.get(SECRETS, name, namespace=namespace)
    except NotFound:
        raise _not_found(namespace, name) from None
    except Forbidden:
        raise _forbidden(namespace, name) from None
    _permit(found, namespace, name)  # it may be another one by now
    read = _credentials(found, name)
    hosts = tuple(_qualified(host, namespace) for host in read.hosts)
    # Two namespaces with the same content mean two databases: the fingerprint, by which sessions are kept, says so.
    digest = hashlib.blake2b(repr((read.digest, hosts)).encode(), digest_size=16).hexdigest()
    return replace(read, hosts=hosts, digest=digest)


async def is_gone_for_good(kube: Kube, error: Unresolved, *, namespace: str) -> bool:
    """Whether the namespace is being deleted and the Secret was; no where the operator may not see namespaces.

    Raises KubeError.
    """
    if error.reason is not Reason.SECRET_NOT_FOUND:
        return False
    try:
        found = await kube.metadata(NAMESPACES, namespace)
    except NotFound:
        return True
    except Forbidden:
        return False
    return bool(found["metadata"].get("deletionTimestamp"))


def _qualified(host: str, namespace: str) -> str:
    """As the namespace's own pods resolve it (kubernetes.io: DNS for Services and Pods); CloudNativePG writes so."""
    is_short = _SERVICE.fullmatch(host) and host != "localhost"
    return f"{host}.{namespace}.svc" if is_short else host


def _permit(secret: dict[str, Any], namespace: str, name: str) -> None:
    if (secret["metadata"].get("labels") or {}).get(ALLOW) != "true":
        raise Unresolved(
            Reason.SECRET_NOT_ALLOWED,
            f"the Secret {name} does not carry the label that lets NotifyChannel read it; run: "
            f"kubectl -n {namespace} label secret {name} {ALLOW}=true",
        )


def _credentials(secret: dict[str, Any], name: str) -> Credentials:
    try:
        data = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
        _refuse_files(data)
        return credentials.from_mapping(data)
    except CredentialsError as error:
        raise Unresolved(Reason.SECRET_INVALID, f"the Secret {name} can't be used: {error}") from None
    except (ValueError, binascii.Error) as error:  # of something that was let through; its text may hold a value
        kind = type(error).__name__
        sentence = f"the Secret {name} can't be used: its content makes no connection ({kind}); look for odd characters"
        raise Unresolved(Reason.SECRET_INVALID, sentence) from None


def _refuse_files(data: dict[str, bytes]) -> None:
    """The operator's own files are none of a namespace's business; `sslrootcert=system` is the one that is no file."""
    query = data.get("uri", b"").decode(errors="replace").removesuffix("\n").removesuffix("\r").partition("?")[2]
    named = {tuple(map(unquote, each.partition("=")[::2])) for each in query.split("&")}
    if any(name in _FILES and (name, value) != ("sslrootcert", "system") for name, value in named):
        raise CredentialsError("uri names certificates as files; put them into the keys ca.crt, tls.crt, tls.key")


def _not_found(namespace: str, name: str) -> Unresolved:
    return Unresolved(
        Reason.SECRET_NOT_FOUND,
        f"there is no Secret {name} in the namespace {namespace}; run: kubectl -n {namespace} create secret generic "
        f"{name} --from-literal=uri=postgresql://USER:PASSWORD@HOST/DBNAME && "
        f"kubectl -n {namespace} label secret {name} {ALLOW}=true",
    )


def _forbidden(namespace: str, name: str) -> Unresolved:
    return Unresolved(
        Reason.ACCESS_DENIED,
        f"the operator may not read the Secret {name} in the namespace {namespace}: where the chart grants Secrets "
        "by name, add this one to its values; to see what it may: "
        f"kubectl -n {namespace} get role,rolebinding",
    )
