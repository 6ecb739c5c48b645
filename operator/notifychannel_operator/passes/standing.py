"""How a channel stands by what its object says: pure, and the same after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_operator.passes.conditions import Reason, Type
from notifychannel_operator.passes.databases import Standing
from notifychannel_operator.passes.finalizer import FINALIZER

if TYPE_CHECKING:
    from collections.abc import Mapping


def standing(body: Mapping[str, Any]) -> Standing:
    """The finalizer is there before anything is installed; Accepted says by which generation of the spec, and whether
    another one was older: then it is not made the older one by an edit of that one.
    """
    said = (body.get("status") or {}).get("conditions") or []
    (accepted,) = [it for it in said if it.get("type") == Type.ACCEPTED.value] or [{}]
    is_accepted = (accepted.get("status"), accepted.get("observedGeneration")) == (
        "True", body["metadata"].get("generation"),
    )  # fmt: skip
    if FINALIZER in (body["metadata"].get("finalizers") or []):
        if accepted.get("reason") == Reason.CONFLICT.value:
            return Standing.STEPPED_BACK
        return Standing.IN_FORCE if is_accepted else Standing.INSTALLED
    return Standing.ACCEPTED if is_accepted else Standing.NEW
