"""The statements about the queue, filled in from `sql/plan`; pure, quoted, each of them may run again.

What 030_queue.sql and the files behind it make is read from their text, so that no list of names can be behind it.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, assert_never

from notifychannel_operator import sqlfile
from notifychannel_operator.names import SCHEMA, digest
from notifychannel_operator.quote import array, literal
from notifychannel_operator.statements import tagged

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from notifychannel_operator.consumers import Audited, Terms
    from notifychannel_operator.names import Owner
    from notifychannel_operator.objects import Queue

FILES = ("030_queue.sql", "031_claims.sql", "032_upkeep.sql", "033_rules.sql")
MADE = re.compile(
    r"(?:^|')CREATE (?:OR REPLACE )?(TABLE|SEQUENCE|VIEW|FUNCTION) (?:IF NOT EXISTS )?notifychannel\.(\w+)",
    re.MULTILINE,
)
CALLED = re.compile(r"notifychannel\.(\w+)\(")


class Rows(Enum):
    """What becomes of a consumer for whom something waits."""

    REFUSE = "refuse"
    """Nothing is done, and it is said."""
    KEEP = "keep"
    """It stays, with what waits, for whoever comes back under its name."""
    DROP = "drop"


def make() -> tuple[str, ...]:
    """Tables, sequences, views and functions of the queue, made or put right, and the note of what made them."""
    note = tagged("plan/queue_made.sql", version=literal(_version()), state=state().rstrip("\n"))
    restored = tagged("plan/queue_restored.sql", home=_home())
    return (*(sqlfile.body(name).removesuffix(";") for name in FILES), restored, note)


def is_made(found: Queue) -> bool:
    """It is the one that `make` makes, and nobody has changed it."""
    return found.comment == f"{_version()} {found.state}" and found.is_open_to_listeners


def _version() -> str:
    return f"made by NotifyChannel, {digest(*map(sqlfile.read, FILES))}"


@cache
def _made() -> tuple[tuple[str, str], ...]:
    """Kind and name of everything."""
    return tuple(dict.fromkeys(found for name in FILES for found in MADE.findall(sqlfile.read(name))))


@cache
def relations() -> tuple[str, ...]:
    """Names of its tables, sequences and views, without schema."""
    return tuple(name for kind, name in _made() if kind != "FUNCTION")


@cache
def relations_by_kind() -> tuple[str, ...]:
    """The same, each with a space and its pg_class.relkind behind it."""
    kinds = {"TABLE": "r", "SEQUENCE": "S", "VIEW": "v"}
    return tuple(f"{name} {kinds[kind]}" for kind, name in _made() if kind in kinds)


@cache
def routines() -> tuple[str, ...]:
    """Names of its functions, without schema: each is there once."""
    return tuple(name for kind, name in _made() if kind == "FUNCTION")


@cache
def claiming() -> tuple[str, ...]:
    """Of these, the functions that those call who deliver."""
    rights = "".join(sqlfile.read(name).partition("$rights$")[2] for name in FILES)
    return tuple(name for name in dict.fromkeys(CALLED.findall(rights)) if name in routines())


def state() -> str:
    """The question for a hash of what there is, and where it is."""
    made = {"relations": array(relations()), "routines": array(routines())}
    return sqlfile.fill("observe/queue_state.sql", home=_home(), **made)


def _home() -> str:
    """The question in which server and database the queue is, and as which table: another one where a dump was
    restored, or a database made of another as its template.
    """
    return sqlfile.fill("observe/queue_home.sql")


def drop() -> tuple[str, ...]:
    """What undoes `make`, where nobody is registered any more."""
    kinds = {kind: [name for made, name in _made() if made == kind] for kind in DROPPED}
    drops = (
        f"DROP {how} IF EXISTS {', '.join(f'{SCHEMA}.{name}' for name in kinds[kind])}"
        for kind, how in DROPPED.items()
        if kinds[kind]
    )
    return (tagged("plan/nobody_left.sql"), *drops)


DROPPED = {"VIEW": "VIEW", "FUNCTION": "ROUTINE", "TABLE": "TABLE", "SEQUENCE": "SEQUENCE"}
"""In this order: one stands on those behind it."""


def register(owner: Owner, terms: Sequence[Terms]) -> str:
    """The consumers of a channel as they should be; who is new is told to look at everything."""
    return tagged("plan/consumers.sql", rows="\n".join(_row(owner, each) for each in terms))


def _row(owner: Owner, terms: Terms) -> str:
    return sqlfile.fill(
        "plan/consumer.sql",
        owner=_owner(owner),
        group=literal(terms.group),
        pg_channel=literal(terms.pg_channel),
        rules=literal(terms.rules),
        key_names=array(terms.key_names),
        suspended=str(terms.suspended).lower(),
        debounce=str(terms.debounce),
        max_delay=str(terms.max_delay),
        min_interval=str(terms.min_interval),
        timeout=str(terms.timeout),
        max_attempts=str(terms.max_attempts),
        initial_delay=str(terms.initial_delay),
        longest_delay=str(terms.longest_delay),
        escalate_after="NULL" if terms.escalate_after is None else str(terms.escalate_after),
    )


def leave(owner: Owner, *, groups: Collection[str] | None, rows: Rows) -> str:
    """These consumers of an owner go, all of them with None; `rows`: what of those for whom something waits."""
    which = "true" if groups is None else f'c."group" = ANY ({array(sorted(groups))})'
    match rows:
        case Rows.REFUSE:
            what = sqlfile.fill("plan/leave_refuse.sql", queued="notifychannel.drop_consumer(whose.id, false)")
        case Rows.KEEP | Rows.DROP:
            what = sqlfile.fill(f"plan/leave_{rows.value}.sql")
        case _:
            assert_never(rows)
    return tagged("plan/leave.sql", owner=_owner(owner), groups=which, what=what)


def refuse(owner: Owner) -> str:
    """Raises where anything waits for a consumer of the owner, and does nothing else."""
    what = sqlfile.fill("plan/leave_refuse.sql", queued=sqlfile.fill("plan/leave_count.sql"))
    return tagged("plan/leave.sql", owner=_owner(owner), groups="true", what=what)


def forget_by_hand(owner: Owner, group: str | None = None) -> str:
    """For a person and `psql`, on one line: all that waits for a group, or for every group of a channel, is dropped."""
    which = "" if group is None else f' AND "group" = {literal(group)}'
    return sqlfile.fill("plan/forget_by_hand.sql", owner=_owner(owner), group=which)


def audit(owner: Owner, wanted: Audited | None) -> str:
    """Whether, and for how long, a channel's changes leave a row each."""
    if wanted is None:
        return tagged("plan/no_audit.sql", owner=_owner(owner))
    return tagged(
        "plan/audit.sql",
        owner=_owner(owner),
        pg_channel=literal(wanted.pg_channel),
        retention=str(wanted.retention),
        key_names=array(wanted.key_names),
    )


def change(pg_channel: str, *, is_new: bool) -> str:
    """Tells the consumers, with the change, to look at everything; `is_new`: there was no body under which somebody may
    be writing still, for whoever makes a trigger waits for the writers.
    """
    channel = literal(pg_channel)
    fence = "" if is_new else sqlfile.fill("plan/durable_fence.sql", channel=channel)
    return tagged("plan/durable_change.sql", channel=channel, fence=fence)


def outbox_lost() -> str:
    """Tells everybody's consumers to look at everything where their outbox is not there any more."""
    return tagged("plan/outbox_lost.sql")


def since(pg_channel: str) -> str:
    """After that: from which transaction on everybody writes under the new rules."""
    return tagged("plan/durable_since.sql", channel=literal(pg_channel))


def _owner(owner: Owner) -> str:
    return ", ".join(map(literal, (owner.installation, owner.namespace, owner.name)))
