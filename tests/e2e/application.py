"""The application of the tests as its pods are asked: what it heard, and what it is to answer.

Asked through the API server, so that each pod of a Deployment answers for itself and no port is needed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from tests.e2e.kubectl import Kubectl

PORT = 8080


def heard(kubectl: Kubectl, pod: str) -> dict[str, Any]:
    """`posts` (at, status, retry, authorized, body), `acknowledged` (hints; a resync has id None) and `pod`."""
    return _asked(kubectl, pod, "/hints")


def until_acknowledged(
    kubectl: Kubectl, pod: str, key: dict[str, Any] | None, *,
    channel: str | None = None, after: float = 0, timeout_s: float = 120,
) -> dict[str, Any]:  # fmt: skip
    """The first hint of this key (None: the first resync) that the application acknowledged, waited for in the pod."""
    wanted = {"key": key, "channel": channel, "after": after, "timeout_s": timeout_s}
    path = f"/acknowledged?{urlencode({'wanted': json.dumps(wanted)})}"
    found: dict[str, Any] | None = _asked(kubectl, pod, path, timeout_s=timeout_s + 30)
    if found is None:
        raise AssertionError(f"{pod} has not heard of {wanted}: {heard(kubectl, pod)}")
    return found


def tell(kubectl: Kubectl, pod: str, **answer: Any) -> dict[str, Any]:
    """What to answer from now on: `status`, `retry` (ids), `delay_s`, `headers`; what is not named stays."""
    return _asked(kubectl, pod, "/answer", answer)


def post(kubectl: Kubectl, pod: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post a hint as the sidecar would."""
    return _asked(kubectl, pod, "/hints", body)


def _asked(kubectl: Kubectl, pod: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float = 30) -> Any:
    return json.loads(kubectl.proxied(pod, PORT, path, body, timeout_s=timeout_s))
