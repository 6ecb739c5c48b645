"""What stands in a database of a channel, judged: TriggersInstalled, and how many triggers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator import comparison, plan, speech
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.objects import Firing
from notifychannel_operator.passes import conditions
from notifychannel_operator.passes.conditions import Reason, Type
from notifychannel_operator.triggers import triggers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_operator.objects import Facts, Function
    from notifychannel_operator.passes.conditions import Condition
    from notifychannel_operator.spec import Channel

GRANTS = ("; run: GRANT ", "; run: CREATE SCHEMA ", "or run: ALTER SCHEMA ")
"""How a sentence of `refusals.py` ends that is about a right."""
ASKED = (Firing.DISABLED, Firing.REPLICA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a pass could not do, as sentences."""

    behind_locks: tuple[str, ...] = ()
    behind_passes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    """Planned, and not tried: somebody changed it meanwhile, or what it stands on is missing."""


def condition(channel: Channel, facts: Facts, left: Left) -> Condition:
    """Everything that is wrong, under the reason that stands in front of the others."""
    made = plan.of(channel, facts)
    duplicates = tuple(_duplicates(facts))
    said = (*made.problems, *duplicates, *left.refused, *left.behind_locks, *made.notes, *left.behind_passes)
    said = (*said, *left.undone)
    reason = _reason(channel, facts, made.problems, left, has_duplicates=bool(duplicates), has_notes=bool(made.notes))
    if reason is not None:
        return conditions.false(Type.TRIGGERS_INSTALLED, reason, *said)
    if not channel.sources:
        heard = f"nothing to install: it hears what others NOTIFY on {facts.pg_channel}"
        return conditions.true(Type.TRIGGERS_INSTALLED, Reason.NO_SOURCES, heard)
    have, _ = count(channel, facts)
    what = f"{have} triggers NOTIFY {facts.pg_channel}"
    what = f"{what}; suspended" if channel.suspend else what
    return conditions.true(Type.TRIGGERS_INSTALLED, Reason.INSTALLED, what, *made.remarks)


def count(channel: Channel, facts: Facts) -> tuple[int, int]:
    """(there and firing, wanted) triggers; where the catalog can't tell, a trigger per event of each source."""
    try:
        wanted = triggers.wanted(channel, owner=facts.owner, tables=facts.tables)
    except PlanError:
        wanted = ()
    known = {(it.schema, it.table) for it in wanted}
    guessed = [source for source in channel.sources if (source.schema, source.table) not in known]
    want = sum(len(it.triggers) for it in wanted)
    want += sum(len({event for rule in source.rules for event in rule.events}) for source in guessed)
    have = 0
    for one in wanted:
        found = facts.functions.get(one.name)
        if found is not None and found in speech.ours(facts):
            there = comparison.compare(one, found, installer=facts.installer)
            have += len(one.triggers) - len(there.missing) - _silent(found)
    return max(have, 0), want


def _silent(found: Function) -> int:
    return sum(it.firing in ASKED and not it.is_clone for it in found.triggers)


def _duplicates(facts: Facts) -> Sequence[str]:
    """Another installation's objects for the same namespace and name: somebody's restore, or a second cluster."""
    mine = facts.owner
    found = {
        it.marker.owner.installation
        for it in facts.functions.values()
        if it.marker is not None
        and (it.marker.owner.namespace, it.marker.owner.name) == (mine.namespace, mine.name)
        and it.marker.owner.installation != mine.installation
    }
    if facts.take_over:
        return ()
    return tuple(
        f"the installation {other} has triggers for {mine.namespace}/{mine.name} in this database too, so each change "
        "is told twice; if that installation is gone, claim them: "
        f"kubectl -n {mine.namespace} annotate notifychannel {mine.name} notifychannel.io/take-over=true; "
        "if it lives on, one of the two needs another name or another database"
        for other in sorted(found)
    )


def _reason(
    channel: Channel,
    facts: Facts,
    problems: Sequence[str],
    left: Left,
    *,
    has_duplicates: bool,
    has_notes: bool,
) -> Reason | None:
    """The one that stands in front; None when nothing is wrong."""
    named = triggers.table_names(channel)
    superuser = facts.server.login_is_superuser or (facts.schema is not None and facts.schema.owner_is_superuser)
    candidates = (
        (facts.server.is_standby, Reason.READ_ONLY_REPLICA),
        (bool(problems) and bool(channel.sources) and superuser, Reason.SUPERUSER),
        (bool(problems) and bool(named - facts.tables.keys()), Reason.MISSING_TABLE),
        (any(mark in it for it in problems for mark in GRANTS), Reason.MISSING_PRIVILEGE),
        (bool(problems), Reason.REFUSED),
        (has_duplicates, Reason.DUPLICATE_OWNER),
        (bool(left.refused), Reason.REFUSED),
        (bool(left.behind_locks), Reason.LOCKED_OUT),
        (has_notes, Reason.DISABLED),
        (bool(left.behind_passes or left.undone), Reason.PENDING),
    )
    return next((reason for holds, reason in candidates if holds), None)
