"""From what is in the database to what should be there, as steps for `database.py` or for `psql`: pure, no connection.

One step is one transaction. A database that is as wanted gives no step; another owner's object is in none; a trigger
that a person has disabled is never made anew. What can't be done is a problem or a note, with the remedy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from notifychannel_operator import comparison, refusals, registration, removal, shared, speech, statements
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.shared import NOTHING, Needs
from notifychannel_operator.step import Kind, Plan, Step
from notifychannel_operator.triggers import problems, triggers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from notifychannel_operator.comparison import Comparison
    from notifychannel_operator.objects import Facts, Function
    from notifychannel_operator.spec import Channel, Source
    from notifychannel_operator.triggers.triggers import WantedFunction, WantedTrigger

FIRST_DELAY_S, MAX_DELAY_S = 5.0, 600.0


def next_try(attempt: int) -> float:
    """Seconds until DDL that gave up behind a lock is tried again; `attempt` counts from 1."""
    return min(FIRST_DELAY_S * 2.0 ** min(attempt - 1, 10), MAX_DELAY_S)


def of(channel: Channel, facts: Facts, *, allow_superuser: bool = False) -> Plan:
    """What a pass over the channel would do in a database with these facts. Never raises: see `problems`.

    A source with a problem keeps what it has, and the others are kept in order: a typo in a new one harms none.
    """
    needs = Needs.of(channel)
    stops = tuple(
        refusals.of_database(
            facts,
            has_sources=bool(channel.sources),
            allow_superuser=allow_superuser,
            by_outbox=needs.outbox,
            by_queue=needs.queue,
        )
    )
    per_source = {it: tuple(_of_source(it, facts)) for it in channel.sources}
    lacking = tuple(it for source in channel.sources for it in refusals.of_partitions(source, facts))
    said = (*stops, *(it for found in per_source.values() for it in found), *lacking)
    blank = Plan(installer=facts.installer, problems=tuple(dict.fromkeys(said)))
    unfit = {(source.schema, source.table) for source, found in per_source.items() if found}
    try:
        wanted = triggers.wanted(channel, owner=facts.owner, tables=facts.tables, unfit=unfit)
    except PlanError as error:
        return blank.with_more(problems=error.problems)
    if stops:
        return blank
    made = plan(
        wanted,
        facts,
        refused=frozenset(unfit),
        needs=needs,
        arriving=registration.arriving(channel, facts),
        speaking=tuple(registration.speaking(channel, facts)),
    )
    return made.with_more(
        steps=registration.leaving(channel, facts),  # what is refused of a table is no matter of who is told
        remarks=registration.remarks(channel, facts),
        problems=blank.problems,
    )


def _of_source(source: Source, facts: Facts) -> Iterator[str]:
    yield from facts.uncastable.get((source.schema, source.table), ())
    yield from refusals.of_table(source, facts)
    yield from problems.of(source, facts.tables)


def plan(
    wanted: Sequence[WantedFunction],
    facts: Facts,
    *,
    refused: frozenset[tuple[str, str]] = frozenset(),
    needs: Needs = NOTHING,
    arriving: Iterable[Step] = (),
    speaking: tuple[str, ...] = (),
) -> Plan:
    """The steps from these facts to the wanted functions of the facts' owner, and no further.

    What is there for a `refused` table (schema, name) is left as it is, and with one of them nothing is dropped: a name
    that was mistyped must not take the triggers from the table that was meant. `needs`: what the functions append to;
    `arriving`: what has to stand there before they do; `speaking`: what changes with the first of them.
    """
    made = Plan(installer=facts.installer)
    if wanted:
        made = made.with_more(steps=(*shared.of(facts, needs), *arriving))
    for one in wanted:
        if (one.schema, one.table) not in refused:
            made = _function(made, one, facts, speaking)
    is_changing = (facts.schema and facts.schema.is_changing) or registration.changing(facts)
    if is_changing and not any(step.then for step in made.steps):
        made = made.with_more(steps=[shared.settle(facts)])
    if refused:
        return made
    kept = {one.name for one in wanted}
    return made.with_more(steps=[removal.drop(it) for it in speech.ours(facts) if it.name not in kept])


def _function(made: Plan, wanted: WantedFunction, facts: Facts, speaking: tuple[str, ...]) -> Plan:
    found = facts.functions.get(wanted.name)
    if found is not None and not speech.is_ours(found, facts) and not _lost_its_comment(wanted, found):
        return made.with_more(problems=[_foreign(wanted)])
    differs = comparison.compare(wanted, found, installer=facts.installer)
    notes = list(comparison.silent(found, pg_channel=facts.pg_channel)) if found else []
    if differs.rebuild and differs.held:
        notes.append(_held(differs, facts))
        differs = replace(differs, rebuild=(), replace=differs.replace if differs.may_replace else ())
    permitted = _permitted(differs, facts)
    steps = [] if permitted is None or permitted.is_same else [_step(permitted, facts, speaking)]
    return made.with_more(steps=steps, notes=notes)


def _permitted(differs: Comparison, facts: Facts) -> Comparison | None:
    """Without the new triggers for which a right on a partition is missing; None when all hangs on them."""
    lacking = {
        part.relation.oid
        for table in facts.tables.values()
        for part in table.partitions
        if not (part.may_trigger and part.may_use_schema)
    }
    new = differs.wanted.triggers if differs.is_anew else differs.missing
    barred = [it for it in new if lacking.intersection(_touched(it, facts))]
    if barred and differs.is_anew:
        return None
    return replace(differs, missing=tuple(it for it in differs.missing if it not in barred))


def _lost_its_comment(wanted: WantedFunction, found: Function) -> bool:
    return found.marker is None and comparison.is_as_written(wanted, found)


def _foreign(wanted: WantedFunction) -> str:
    name = statements.function(wanted.name)
    return (
        f"{name} has the name of our trigger function for {wanted.schema}.{wanted.table} but not our comment, so it is "
        f"left alone; if nobody needs it: DROP FUNCTION {name} CASCADE; if it is ours: {wanted.comment_sql};"
    )


def _held(differs: Comparison, facts: Facts) -> str:
    names = " and ".join(f"{it.name} on {it.relation.label}" for it in differs.held)
    return (
        f"{differs.wanted.schema}.{differs.wanted.table}: {', '.join(differs.rebuild)}; to mend that, all its triggers "
        f"have to be made anew, which would undo what a person decided about {names}; first run: "
        f"{comparison.enable(differs.held, pg_channel=facts.pg_channel)}"
    )


def _step(differs: Comparison, facts: Facts, speaking: tuple[str, ...]) -> Step:
    wanted, found = differs.wanted, differs.found
    anew = differs.is_anew
    new = wanted.triggers if anew else differs.missing
    what = [statements.drop(wanted.name)] if differs.rebuild else []
    if anew or differs.replace:
        what += [wanted.sql, wanted.comment_sql, statements.execute_by_all(wanted.name)]
    what += statements.create(new, function=wanted.name, names=_names(differs, facts))
    spoken = speaking if anew or differs.replace else ()
    old = found.triggers if found and differs.rebuild else ()
    tables = [oid for it in new for oid in _touched(it, facts)]
    return Step(
        kind=_kind(differs),
        sentence=_sentence(differs),
        # rows of the queue first: who waits for one, or keeps one, does so without the users' table
        statements=(*spoken, *shared.told(facts, is_new=differs.found is None), *what),
        then=shared.settle(facts),
        function=wanted.name,
        seen=found,
        relations=tuple(dict.fromkeys([*(it.relation.oid for it in old), *tables])),
        is_exclusive=bool(old),
    )


def _kind(differs: Comparison) -> Kind:
    if differs.found is None:
        return Kind.INSTALL
    marker = differs.found.marker
    return Kind.CHANGE if marker and marker.hash != differs.wanted.hash else Kind.REPAIR


def _sentence(differs: Comparison) -> str:
    table = f"{differs.wanted.schema}.{differs.wanted.table}"
    if differs.found is None:
        return f"install the trigger function for {table} and {len(differs.missing)} triggers"
    return f"{_kind(differs).value} the triggers for {table}: {'; '.join(differs.reasons)}"


def _names(differs: Comparison, facts: Facts) -> dict[int, frozenset[str]]:
    """Names that a table's new triggers may not have: all that are there and will not be dropped before."""
    dropped = differs.found.oid if differs.found and differs.rebuild else None
    taken: dict[int, frozenset[str]] = {}
    for it in differs.wanted.triggers:
        there = (pair for oid in _touched(it, facts) for pair in facts.taken.get(oid, frozenset()))
        names_there = frozenset(name for name, function in there if function != dropped)
        taken[it.relation.oid] = taken.get(it.relation.oid, frozenset()) | names_there
    return taken


def _touched(trigger: WantedTrigger, facts: Facts) -> tuple[int, ...]:
    """The tables (oid) that making this trigger touches: a row trigger is cloned, name and all, to every partition."""
    oid = trigger.relation.oid
    tables = [it for it in facts.tables.values() if trigger.by_row and it.relation.oid == oid]
    return (oid, *(part.relation.oid for table in tables for part in table.partitions))
