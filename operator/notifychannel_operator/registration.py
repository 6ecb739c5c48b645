"""From the consumers that stand in the queue to those that the resource says, as steps: pure.

What triggers speak by (rules, names of keys, PostgreSQL channel) changes with the first function that speaks so, in its
transaction: until then what waits is claimed under the old.

new, changed ──► register          back to BestEffort ──► leaves with its rows when nobody delivers from it any more:
gone, nothing waits ──► leaves     its sidecars have begun with a resync, as all of BestEffort do
gone, something waits ──► has left: said, kept, no longer added to
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from notifychannel_operator import consumers, queue_statements, speech
from notifychannel_operator.consumers import Audited
from notifychannel_operator.queue_statements import Rows
from notifychannel_operator.step import Kind, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from notifychannel_operator.consumers import Registered, Terms
    from notifychannel_operator.objects import Facts
    from notifychannel_operator.spec import Channel


def arriving(channel: Channel, facts: Facts) -> Iterator[Step]:
    """Before the first trigger appends: who is to be told."""
    wanted = _now(channel, facts)
    there = [it.terms for it in _mine(facts)]
    if any(terms not in there for terms in wanted):
        yield Step(
            kind=Kind.REGISTER,
            sentence=f"register who is told at least once: {', '.join(terms.group for terms in wanted)}",
            statements=(queue_statements.register(facts.owner, wanted),),
        )
    audit = _audit_now(channel, facts)
    if facts.audited != audit:
        verb = "stop to audit" if audit is None else "audit"
        statement = queue_statements.audit(facts.owner, audit)
        yield Step(kind=Kind.REGISTER, sentence=f"{verb} {facts.pg_channel}", statements=(statement,))


def speaking(channel: Channel, facts: Facts) -> Iterator[str]:
    """With the first function that speaks by the channel as it is: what the queue goes by then."""
    wanted, audit = consumers.wanted(channel, pg_channel=facts.pg_channel), _audit(channel, facts)
    if wanted != _now(channel, facts):
        yield queue_statements.register(facts.owner, wanted)
    if audit != _audit_now(channel, facts):
        yield queue_statements.audit(facts.owner, audit)


def _now(channel: Channel, facts: Facts) -> tuple[Terms, ...]:
    """The wanted terms, but as triggers still speak. Who is new speaks as the others do."""
    wanted = consumers.wanted(channel, pg_channel=facts.pg_channel)
    spoken = [it.terms for it in _mine(facts) if not it.has_left]
    if speech.is_in_force(channel, facts) or not spoken:
        return wanted
    old = spoken[0]
    return tuple(replace(it, pg_channel=old.pg_channel, rules=old.rules, key_names=old.key_names) for it in wanted)


def _audit(channel: Channel, facts: Facts) -> Audited | None:
    if not channel.audit.enabled:
        return None
    return Audited(pg_channel=facts.pg_channel, retention=channel.audit.retention, key_names=channel.key_names)


def _audit_now(channel: Channel, facts: Facts) -> Audited | None:
    wanted = _audit(channel, facts)
    if wanted is None or facts.audited is None or speech.is_in_force(channel, facts):
        return wanted
    return replace(facts.audited, retention=wanted.retention)


def leaving(channel: Channel, facts: Facts) -> Iterator[Step]:
    """After the last trigger: who is told no more."""
    wanted = {it.group for it in channel.durable}
    still_here = {it.group for it in channel.consumers} - wanted
    gone = [it for it in facts.consumers if it not in _mine(facts) or it.terms.group not in wanted]
    for it in gone:
        is_superseded = it not in _mine(facts) or it.terms.group in still_here
        if (is_superseded and it.claimers) or (it.has_left and it.rows and not is_superseded):
            continue
        yield Step(
            kind=Kind.REMOVE,
            sentence=f"the group {it.terms.group} is told at least once no more",
            statements=(
                queue_statements.leave(
                    it.owner, groups=[it.terms.group], rows=Rows.DROP if is_superseded else Rows.KEEP
                ),
            ),
        )


def remarks(channel: Channel, facts: Facts) -> Iterator[str]:
    """For whom something waits though the resource names it no more, with the command that drops it."""
    for it in facts.consumers:
        if it.has_left and it.waiting and it.terms.group not in {each.group for each in channel.consumers}:
            command = queue_statements.forget_by_hand(it.owner, it.terms.group)
            yield f"{it.waiting}, and the resource names it no more: put it back, or drop them: {command}"


def changing(facts: Facts) -> bool:
    """A pass has changed rules of these consumers and ended before it could say since when they hold."""
    return any(it.is_changing for it in facts.consumers)


def _mine(facts: Facts) -> Sequence[Registered]:
    """Not those of the installations that a pass takes over: its own look at everything instead."""
    return [it for it in facts.consumers if it.owner == facts.owner]
