"""AdmissionReview in, AdmissionReview out: pure. Whatever a review holds it is allowed, patched or as it is.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
Refuses only what is no review at all: without a uid there is nobody to answer.
"""

from __future__ import annotations

import base64
import json
import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notifychannel_operator import inject
from notifychannel_operator.events import Event
from notifychannel_operator.inject import Injection, Reason
from notifychannel_operator.inject.reason import sentence
from notifychannel_operator.resource import grammar

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

VERSION = "admission.k8s.io/v1"
KNOWN = (VERSION, "admission.k8s.io/v1beta1")
MOST_COMMAS = 200_000
"""One stands between any two values. What has more is no pod, but lists of nothing: 4 MiB of them would be 90 MiB when
they are read, which takes a second for which no other review is answered.
"""


class NoReviewError(Exception):
    """The body is no AdmissionReview with a uid; the sentence says what is missing, without any of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What there is to answer."""

    version: str
    uid: str
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The document, and why it says what it says."""

    body: dict[str, Any]
    reason: Reason


def parse(body: bytes) -> Review:
    """Raises NoReviewError."""
    if body.count(b",") > MOST_COMMAS:
        raise NoReviewError("the body holds more values than a pod has")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise NoReviewError("the body is no JSON") from None
    if not isinstance(found, dict) or found.get("kind") != "AdmissionReview":
        raise NoReviewError("the body is no AdmissionReview")
    request = found.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str) or not request["uid"]:
        raise NoReviewError("the AdmissionReview has no request with a uid")
    version = found.get("apiVersion")
    return Review(version=version if version in KNOWN else VERSION, uid=request["uid"], request=request)


def answer(review: Review, *, settings: inject.Settings) -> Answer:
    """Never raises: a bug of ours is a pod without a sidecar, a warning and a line in the log, not a pod refused."""
    try:
        injection = _decide(review.request, settings)
    except Exception as error:  # noqa: BLE001  nothing of ours may keep a pod from starting
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error("a bug: %s in %s:%d; the pod starts without the sidecar", type(error).__name__, place.name, place.lineno, extra=Event.REVIEW_FAILED.tag)  # fmt: skip  # noqa: E501, TRY400  a traceback's text may hold parts of the pod
        injection = Injection(patch=[], reason=Reason.INTERNAL_ERROR, warning=sentence(Reason.INTERNAL_ERROR))
    _tell(injection, review.request)
    return Answer(body=_document(review, injection), reason=injection.reason)


def _decide(request: Mapping[str, Any], settings: inject.Settings) -> Injection:
    if not _is_creation_of_a_pod(request):
        return Injection(patch=[], reason=Reason.NOT_A_CREATION)
    pod, namespace = request.get("object"), request.get("namespace")
    if not isinstance(pod, dict):
        return Injection(patch=[], reason=Reason.UNREADABLE, warning=sentence(Reason.UNREADABLE))
    return inject.decide(pod, namespace=namespace if isinstance(namespace, str) else "", settings=settings)


def _is_creation_of_a_pod(request: Mapping[str, Any]) -> bool:
    """A pod's containers can't be changed later, and subresources are no pods."""
    kind = request.get("resource")
    is_pods = isinstance(kind, dict) and (kind.get("group") or "", kind.get("resource")) == ("", "pods")
    return is_pods and request.get("operation") == "CREATE" and not request.get("subResource")


def _document(review: Review, injection: Injection) -> dict[str, Any]:
    response: dict[str, Any] = {
        "uid": review.uid,
        "allowed": True,
        "auditAnnotations": {"reason": injection.reason.value},
    }
    if injection.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(injection.patch).encode()).decode()
    if injection.warning is not None:
        response["warnings"] = [injection.warning]
    return {"apiVersion": review.version, "kind": "AdmissionReview", "response": response}


def _tell(injection: Injection, request: Mapping[str, Any]) -> None:
    """What a person would look for in the log: who was not injected, where, and why."""
    if injection.warning is None:
        return
    namespace = request.get("namespace")
    named = isinstance(namespace, str) and grammar.label(namespace) is None
    log.info(
        "a pod in the namespace %s: %s", namespace if named else "?", injection.warning, extra=Event.POD_WARNED.tag
    )
