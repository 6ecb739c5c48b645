"""What can go wrong with the cluster's API, drawn as a tree; nothing else leaves `kube.py`.

KubeError ── NotFound (404)      the object, or its kind, is not there
          ├─ Forbidden (403)     RBAC does not allow it
          ├─ Conflict (409)      it exists, or somebody changed it first
          ├─ Unreachable (0)     no answer: refused, reset, timed out
          └─ NotLeading (0)      this process may not write: its lease has run out
"""

from __future__ import annotations

from http import HTTPStatus

NO_ANSWER = 0


class KubeError(Exception):
    """The API server said no; the sentence is its own, shortened. It never quotes an object's content."""

    def __init__(self, *, status: int, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.status = status
        """HTTP status; 0 when there was no answer."""
        self.reason = reason
        """The API's word: NotFound, Forbidden, AlreadyExists, Conflict, Invalid, TooManyRequests …"""


class NotFound(KubeError):  # noqa: N818 the API's own word
    """404."""


class Forbidden(KubeError):  # noqa: N818 the API's own word
    """403: the sentence names account, verb and resource."""


class Conflict(KubeError):  # noqa: N818 the API's own word
    """409: `reason` tells AlreadyExists from Conflict."""


class Unreachable(KubeError):  # noqa: N818 a state, as in conditions
    """No answer within the time limit, or no connection."""


class NotLeading(KubeError):  # noqa: N818 a state
    """A write was asked for after the lease may have run out; nothing was sent."""


KINDS: dict[int, type[KubeError]] = {
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.CONFLICT: Conflict,
}


def error_of(*, status: int, reason: str, message: str) -> KubeError:
    """The subclass that fits the status."""
    return KINDS.get(status, KubeError)(status=status, reason=reason, message=message)
