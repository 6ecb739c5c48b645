"""Events on a channel: for people, best effort; an Event that can't be written fails nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from notifychannel_operator.events import Event
from notifychannel_operator.kinds import CHANNELS
from notifychannel_operator.kube_error import KubeError
from notifychannel_operator.passes.conditions import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifychannel_operator.kube import Kube
    from notifychannel_operator.passes.conditions import Condition

log = logging.getLogger(__name__)

MAX_NOTE = 1000
"""Characters; the API takes 1,024 bytes."""


async def announce(kube: Kube, body: dict[str, Any], type_: str, reason: str, note: str) -> None:
    """One Event, `Normal` or `Warning`, and a line in the log, which lasts longer."""
    metadata = body["metadata"]
    where = f"{metadata.get('namespace')}/{metadata['name']}"
    log.log(
        logging.WARNING if type_ == "Warning" else logging.INFO,
        "channel %s: %s: %s",
        where,
        reason,
        " ".join(note.split()),
        extra=Event.CHANNEL_SAID.tag,
    )
    regarding = {"apiVersion": CHANNELS.api_version, "kind": CHANNELS.kind, "metadata": metadata}
    try:
        await kube.event(regarding=regarding, type=type_, reason=reason, note=note[:MAX_NOTE])
    except KubeError as error:  # a namespace that is going takes none
        log.info(
            "channel %s: the Event %s could not be written: %s", where, reason, error, extra=Event.EVENT_UNWRITTEN.tag
        )


async def announce_changes(kube: Kube, body: dict[str, Any], changed: Iterable[Condition]) -> None:
    """One Event for each condition that has changed; a Warning where it is False now."""
    for each in changed:
        type_ = "Warning" if each.status is Status.FALSE else "Normal"
        await announce(kube, body, type_, each.reason.value, f"{each.type.value}: {each.message}".rstrip(": "))
