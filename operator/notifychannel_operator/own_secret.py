"""A Secret of the release that the operator makes, repairs and removes.

Refuses what bears its name without our label: somebody else's keys may be in it, and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notifychannel_operator import managed_by
from notifychannel_operator.events import Event
from notifychannel_operator.kinds import SECRETS
from notifychannel_operator.kube_error import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_operator.kube import Kube

log = logging.getLogger(__name__)


class ForeignSecretError(Exception):
    """A Secret is called as ours and is not; the sentence says what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSecret:
    """One of them; everything raises KubeError."""

    kube: Kube
    namespace: str
    name: str
    kind: str
    """Its `type`, which can't be changed later."""

    async def read(self) -> dict[str, bytes] | None:
        """Its values; None when there is none. Raises ForeignSecretError."""
        try:
            found = await self.kube.get(SECRETS, self.name, namespace=self.namespace)
        except NotFound:
            return None
        if not managed_by.is_ours(found):
            raise ForeignSecretError(
                f"the Secret {self.namespace}/{self.name} is not the operator's (it has no label "
                f"{managed_by.SELECTOR}) and is left as it is. Where nobody needs it: "
                f"kubectl -n {self.namespace} delete secret {self.name}. Otherwise give the release another "
                "fullnameOverride"
            )
        return values(found)

    async def write(self, content: Mapping[str, bytes], *, is_there: bool) -> None:
        """Over what `read` has just given. Where that was none it is made, and one that somebody else makes at this
        moment is a Conflict and is left whole: an apply would mix our keys with theirs.
        """
        body = {
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": managed_by.labels()},
            "type": self.kind,
            "data": {key: base64.b64encode(value).decode() for key, value in content.items()},
        }
        if is_there:
            await self.kube.apply(SECRETS, body)
        else:
            await self.kube.create(SECRETS, body)

    async def remove(self) -> None:
        """Before the release goes; only its labels are looked at."""
        try:
            found = await self.kube.metadata(SECRETS, self.name, namespace=self.namespace)
        except NotFound:
            return
        if managed_by.is_ours(found):
            await self.kube.delete(SECRETS, self.name, namespace=self.namespace)
        else:
            log.warning(
                "the Secret %s/%s is not the operator's: it stays",
                self.namespace,
                self.name,
                extra=Event.SECRET_NOT_OURS.tag,
            )


def values(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """What is in it, without the values that are no base64."""
    return decoded(secret.get("data") or {})


def decoded(data: Mapping[str, str | None]) -> dict[str, bytes]:
    """Of base64, what can be read and is not empty."""
    found: dict[str, bytes] = {}
    for key, value in data.items():
        try:
            found[key] = base64.b64decode(value or "", validate=True)
        except binascii.Error:
            continue
    return {key: value for key, value in found.items() if value}
