"""The last word on a channel whose release goes while it stays: nobody will correct it, so it says only what holds.

Its Event expires; this stays, with the SQL where a person has to run it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, assert_never

from notifychannel_operator.passes import status
from notifychannel_operator.passes.conditions import Reason, Type, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from notifychannel_operator.passes.whereabouts import Identity

UNINSTALLED = "the release was uninstalled, and nobody looks at this channel any more: what else is said of it is old"


class Triggers(Enum):
    """What is known of them in the database that the Secret leads to."""

    GONE = "gone"
    RETAINED = "retained"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What stays of a channel."""

    triggers: Triggers = Triggers.GONE
    elsewhere: Identity | None = None
    """A database that the Secret led to before, where they may be too."""
    problem: str = ""
    """Why it is not known."""
    kept: str = ""
    """What waits in the queue, and the SQL that drops it."""


NOTHING = Rest()


def is_said(before: Mapping[str, Any]) -> bool:
    """Whether this status is one of ours already."""
    return any(it.get("reason") == Reason.UNINSTALLED.value for it in before.get("conditions") or [])


def patch(before: Mapping[str, Any], rest: Rest, *, sql: str, generation: int, now: datetime) -> dict[str, Any]:
    """A merge patch of `before`; None takes away what nobody counts any more.

    `sql` drops everything of the channel, for a person.
    """
    said = unknown(Type.TRIGGERS_INSTALLED, Reason.UNINSTALLED, UNINSTALLED, *_sentences(rest, sql))
    summary = {"triggers": _triggers(before, rest), "injected": None, "listening": None}
    made = status.ending(before, said, generation=generation, now=now)
    return {**made, "pods": None, "summary": summary}


def _sentences(rest: Rest, sql: str) -> Iterator[str]:
    """The SQL stands on a line of its own, to be copied."""
    match rest.triggers:
        case Triggers.GONE:
            yield rest.kept.replace("\n", " ") or "nothing of it is left in the database that its Secret leads to"
        case Triggers.RETAINED:
            yield "its triggers stay in the database, as reclaimPolicy says"
        case Triggers.UNKNOWN:
            yield f"triggers may be left in the database, because: {rest.problem}"
        case _:
            assert_never(rest.triggers)
    if rest.elsewhere is not None:
        yield f"it was in {rest.elsewhere} before, where triggers may be left"
    if replace(rest, kept="") != NOTHING:
        yield "to remove them run there:"
        yield sql


def _triggers(before: Mapping[str, Any], rest: Rest) -> str | None:
    """have/want, as far as it holds."""
    counted: str | None = (before.get("summary") or {}).get("triggers")
    match rest.triggers:
        case Triggers.GONE:
            return f"0/{(counted or '0/0').partition('/')[2]}"
        case Triggers.RETAINED:
            return counted
        case Triggers.UNKNOWN:
            return None
        case _:
            assert_never(rest.triggers)
