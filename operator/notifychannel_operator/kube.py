"""The cluster's API for everybody in the operator: plain dicts in and out, a hard time limit around every call.

Every failure is a KubeError (see kube_error.py). Writes go through a fence: a process whose lease may have run out
sends none. Nothing is cached, and typed models are not used: they drop the fields that they don't know.
Source: kubernetes.io/docs/reference/using-api/ (api-concepts, server-side-apply).
"""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration

from notifychannel_operator.kinds import EVENTS, PODS, Kind
from notifychannel_operator.kube_error import (
    NO_ANSWER,
    Conflict,
    Forbidden,
    KubeError,
    NotFound,
    NotLeading,
    Unreachable,
    error_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Conflict", "Forbidden", "Kube", "KubeError", "NotFound", "NotLeading", "Unreachable"]

Object = dict[str, Any]
"""A Kubernetes object, or a part of one."""

FIELD_MANAGER = "notifychannel-operator"
CALL_TIMEOUT_S = 10.0
"""Of one call with its answer. The API server's own limit for what is not a watch is 60 s: nobody waits that long."""
PAGE = 500
"""Objects of one answer to a list; client-go's default."""
MAX_NOTE_BYTES = 1024
"""Of an Event's note; the API refuses more (kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1)."""
MAX_MESSAGE = 500
JSON = "application/json"
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Kube:
    """`async with Kube(configuration, pod=…) as kube:`; any number of calls at once."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        pod: str,
        may_write: Callable[[], bool] = lambda: True,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._configuration = configuration
        self._pod = pod
        self._may_write = may_write
        self._timeout_s = timeout_s
        self._client: Any = None

    async def __aenter__(self) -> Self:
        self._client = ApiClient(self._configuration)
        self._client.user_agent = FIELD_MANAGER
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def get(self, kind: Kind, name: str, *, namespace: str | None = None) -> Object:
        """The whole object; raises NotFound."""
        return await self._call("GET", kind.path(namespace=namespace, name=name))

    async def metadata(self, kind: Kind, name: str, *, namespace: str | None = None) -> Object:
        """The object without spec, status and data: of a Secret this tells the labels and nothing else."""
        return await self._call("GET", kind.path(namespace=namespace, name=name), accept=METADATA_ONLY)

    async def list(self, kind: Kind, *, namespace: str | None = None, labels: str | None = None) -> list[Object]:
        """All objects, page by page; `labels` is a label selector."""
        found: list[Object] = []
        page: dict[str, str] = {"limit": str(PAGE)} | ({"labelSelector": labels} if labels else {})
        while True:
            answer = await self._call("GET", kind.path(namespace=namespace), query=page)
            found += [_named(kind, item) for item in answer.get("items") or []]
            if not (more := (answer.get("metadata") or {}).get("continue")):
                return found
            page["continue"] = more

    async def create(self, kind: Kind, body: Object) -> Object:
        """Raises Conflict (AlreadyExists)."""
        path = kind.path(namespace=body["metadata"].get("namespace"))
        return await self._call("POST", path, body=_named(kind, body), query={"fieldManager": FIELD_MANAGER})

    async def rehearse(self, kind: Kind, body: Object) -> Object:
        """What `create` would answer, admission included: a dry run, which is no write and so needs no leave."""
        path = kind.path(namespace=body["metadata"].get("namespace"))
        query = {"fieldManager": FIELD_MANAGER, "dryRun": "All"}
        return await self._call("POST", path, body=_named(kind, body), query=query, is_dry_run=True)

    async def proxied(self, pod: str, port: int, path: str, *, namespace: str) -> Object:
        """The JSON that a pod answers over HTTP, by the API server's proxy; `path` begins with a slash."""
        return await self._call("GET", _proxy(pod, port, path, namespace))

    async def proxied_text(self, pod: str, port: int, path: str, *, namespace: str) -> str:
        """What a pod answers over HTTP, by the API server's proxy; `path` begins with a slash."""
        status, text = await self._sent("GET", _proxy(pod, port, path, namespace), accept="*/*")
        if not 200 <= status < 300:  # noqa: PLR2004 HTTP's own numbers
            _answer(status, text)
        return text.decode(errors="replace")

    async def replace(self, kind: Kind, body: Object) -> Object:
        """With the resourceVersion that was read: raises Conflict when somebody else was faster."""
        metadata = body["metadata"]
        path = kind.path(namespace=metadata.get("namespace"), name=metadata["name"])
        return await self._call("PUT", path, body=_named(kind, body), query={"fieldManager": FIELD_MANAGER})

    async def apply(self, kind: Kind, body: Object, *, subresource: str | None = None, force: bool = True) -> Object:
        """Server-side apply: our fields become exactly these, everybody else's stay. Creates what is missing."""
        metadata = body["metadata"]
        path = kind.path(namespace=metadata.get("namespace"), name=metadata["name"], subresource=subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        return await self._call("PATCH", path, body=_named(kind, body), query=query, content=APPLY_PATCH)

    async def patch(
        self, kind: Kind, name: str, patch: Object, *, namespace: str | None = None, subresource: str | None = None
    ) -> Object:
        """A JSON merge patch: lists are replaced whole, null removes. With a resourceVersion in it, Conflict."""
        path = kind.path(namespace=namespace, name=name, subresource=subresource)
        return await self._call("PATCH", path, body=patch, query={"fieldManager": FIELD_MANAGER}, content=MERGE_PATCH)

    async def delete(self, kind: Kind, name: str, *, namespace: str | None = None) -> None:
        """Ask for the object to go; one that is not there is fine. Dependents go in the background."""
        try:
            await self._call("DELETE", kind.path(namespace=namespace, name=name))
        except NotFound:
            return

    async def event(self, *, regarding: Object, type: str, reason: str, note: str) -> None:  # noqa: A002 the API's word
        """An Event on that object; `type` is Normal or Warning. Events are for people: they are not read back."""
        metadata = regarding["metadata"]
        namespace = metadata.get("namespace") or "default"
        await self.create(
            EVENTS,
            {
                "metadata": {"namespace": namespace, "name": f"{metadata['name'][:200]}.{uuid.uuid4().hex[:16]}"},
                "eventTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "type": type,
                "reason": reason,
                "action": "Reconcile",
                "note": note.encode()[:MAX_NOTE_BYTES].decode(errors="ignore"),
                "reportingController": f"notifychannel.io/{FIELD_MANAGER}",
                "reportingInstance": self._pod[:128],
                "regarding": {
                    "apiVersion": regarding["apiVersion"], "kind": regarding["kind"], "name": metadata["name"],
                    "namespace": namespace, "uid": metadata["uid"],
                },
            },
        )  # fmt: skip

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        content: str = JSON,
        accept: str = JSON,
        is_dry_run: bool = False,
    ) -> Object:
        sent = self._sent(method, path, body=body, query=query, content=content, accept=accept, is_dry_run=is_dry_run)
        return _answer(*await sent)

    async def _sent(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        content: str = JSON,
        accept: str = JSON,
        is_dry_run: bool = False,
    ) -> tuple[int, bytes]:
        """Status and text."""
        if method != "GET" and not is_dry_run and not self._may_write():
            raise NotLeading(status=NO_ANSWER, reason="NotLeading", message="this process no longer leads: not written")
        try:
            async with asyncio.timeout(self._timeout_s):
                headers = {"Accept": accept, "Content-Type": content}
                return await self._exchange(method, path, body, query or {}, headers)
        except TimeoutError:
            raise _unreachable(f"no answer from the API server within {self._timeout_s:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(f"the API server can't be reached: {type(error).__name__}") from error

    async def _exchange(
        self, method: str, path: str, body: Object | None, query: Mapping[str, str], headers: dict[str, str]
    ) -> tuple[int, bytes]:
        request = await self._client.param_serialize(
            method=method, resource_path=path, query_params=list(query.items()), body=body, header_params=headers,
            auth_settings=["BearerToken"],
        )  # fmt: skip
        response = await self._client.call_api(*request)
        return response.status, await response.read()


def _proxy(pod: str, port: int, path: str, namespace: str) -> str:
    return PODS.path(namespace=namespace, name=f"{pod}:{port}", subresource="proxy") + path


def _named(kind: Kind, body: Object) -> Object:
    return {"apiVersion": kind.api_version, "kind": kind.kind, **body}


def _unreachable(message: str) -> Unreachable:
    return Unreachable(status=NO_ANSWER, reason="Unreachable", message=message)


def _answer(status: int, text: bytes) -> Object:
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    if 200 <= status < 300:  # noqa: PLR2004 HTTP's own numbers
        return answer
    reason = str(answer.get("reason") or f"HTTP{status}")
    raise error_of(status=status, reason=reason, message=str(answer.get("message") or reason)[:MAX_MESSAGE])
