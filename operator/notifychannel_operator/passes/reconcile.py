"""One idempotent pass over one channel: read it anew, look, do what is missing, say what is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notifychannel_operator.passes.databases import Ref
    from notifychannel_operator.passes.edges import Edges, Outcome


async def reconcile(edges: Edges, ref: Ref) -> Outcome:
    """One pass. Raises KubeError when the cluster can't be asked or told; everything else ends in a condition.

    Never runs twice at once for one channel: the work queue sees to that.
    """
    raise NotImplementedError


async def recall(edges: Edges) -> tuple[Ref, ...]:
    """Before the first pass: learn all channels and their databases from the cluster. The channels to pass over.

    Raises KubeError.
    """
    raise NotImplementedError
