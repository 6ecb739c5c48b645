"""What all channels of a database share, as steps: schema, outbox, queue, the listeners' rights on them; and how
everybody is told that rules change. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator import grants, queue_statements, statements
from notifychannel_operator.names import SCHEMA
from notifychannel_operator.spec import Capture
from notifychannel_operator.step import Kind, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notifychannel_operator.objects import Facts, Listener
    from notifychannel_operator.spec import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a channel needs beside schema and counter."""

    outbox: bool = False
    queue: bool = False

    @classmethod
    def of(cls, channel: Channel) -> Needs:
        """By its resource."""
        return cls(outbox=channel.capture is Capture.OUTBOX, queue=channel.is_logged)


NOTHING = Needs()


def of(facts: Facts, needs: Needs) -> Iterator[Step]:
    """What is missing of it, or another than ours, and which rights of the listener's."""
    counter = facts.functions.get("skipped")
    is_right = counter is not None and statements.is_counter(counter) and counter.owner == facts.installer
    if not (facts.schema and facts.schema.has_counter and is_right):
        sentence = f"make the schema {SCHEMA}, the counter of skipped NOTIFYs, and the function that reads it"
        yield Step(kind=Kind.SCHEMA, sentence=sentence, statements=(statements.shared(),))
    if needs.outbox and not (facts.outbox and statements.is_outbox(facts.outbox)):
        verb = "put right" if facts.schema and facts.schema.has_outbox else "make"
        sentence = f"{verb} the outbox: its tables, and the functions by which the relay drains it"
        lost = (queue_statements.outbox_lost(),) if facts.schema and facts.schema.has_queue else ()
        yield Step(kind=Kind.SCHEMA, sentence=sentence, statements=(*lost, *statements.outbox()))
    if needs.queue and not (facts.queue and queue_statements.is_made(facts.queue)):
        verb = "put right" if facts.schema and facts.schema.has_queue else "make"
        sentence = f"{verb} the queue: its tables, and the functions by which sidecars deliver from it"
        yield Step(kind=Kind.SCHEMA, sentence=sentence, statements=queue_statements.make())
    if facts.listener and facts.listener.role != facts.installer:
        yield from _grants(facts.listener, needs)


def _grants(listener: Listener, needs: Needs) -> Iterator[Step]:
    if not (listener.may_use and listener.may_call):
        rights = (grants.use(SCHEMA, listener.role), grants.call(listener.role))
        sentence = f"let the listener {listener.role} read how many NOTIFYs were skipped"
        yield Step(kind=Kind.GRANT, sentence=sentence, statements=tuple(it.removesuffix(";") for it in rights))
    if needs.outbox and not listener.may_relay:
        right = grants.relay(listener.role)
        sentence = f"let the listener {listener.role} drain the outbox"
        yield Step(kind=Kind.GRANT, sentence=sentence, statements=(right.removesuffix(";"),))
    if needs.queue and not listener.may_claim:
        right = grants.claim(listener.role)
        sentence = f"let the listener {listener.role} deliver from the queue"
        yield Step(kind=Kind.GRANT, sentence=sentence, statements=(right.removesuffix(";"),))


def told(facts: Facts, *, is_new: bool) -> tuple[str, ...]:
    """What says that rules change: to whoever listens, and to consumers whether they listen or not.

    `is_new`: there is no function yet whose rules it would be that change.
    """
    said = (statements.rules_change(), statements.resync(facts.pg_channel))
    return (*said, queue_statements.change(facts.pg_channel, is_new=is_new)) if _is_told_by_queue(facts) else said


def settle(facts: Facts) -> Step:
    """What follows such a change."""
    durable = (queue_statements.since(facts.pg_channel),) if _is_told_by_queue(facts) else ()
    return Step(
        kind=Kind.SETTLE,
        sentence="say since which transaction everybody writes under the rules as they are",
        statements=(statements.rules_since(), *durable),
    )


def _is_told_by_queue(facts: Facts) -> bool:
    return facts.needs_queue or bool(facts.consumers)
