"""What a database holds of ours, as frozen values: server, role, schema, functions, triggers; from `database.py`.

`plan.py` compares them with what `triggers.py` wants. This file knows no connection and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from notifychannel_operator.spec import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_operator.catalog import Relation, Table
    from notifychannel_operator.consumers import Audited, Registered
    from notifychannel_operator.marker import Marker
    from notifychannel_operator.names import Owner

ROW, BEFORE, INSTEAD = 1, 2, 64
EVENT_OF_BIT = {4: Event.INSERT, 8: Event.DELETE, 16: Event.UPDATE, 32: Event.TRUNCATE}
"""pg_trigger.tgtype, https://www.postgresql.org/docs/current/catalog-pg-trigger.html"""


class Firing(Enum):
    """pg_trigger.tgenabled: anything but ORIGIN is a person's decision."""

    ORIGIN = "O"
    DISABLED = "D"
    REPLICA = "R"
    ALWAYS = "A"


class When(Enum):
    """The WHEN of a trigger."""

    NONE = ""
    CHANGED = "changed"
    """`OLD.* *<> NEW.*`"""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What makes two triggers on one table the same but for their names."""

    event: Event | None
    """None: none or several of ours, or BEFORE, or INSTEAD OF, or a constraint: no trigger that we make."""
    by_row: bool
    old_table: str | None = None
    new_table: str | None = None
    when: When = When.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger that calls a function in our schema."""

    oid: int
    name: str
    relation: Relation
    shape: Shape
    firing: Firing = Firing.ORIGIN
    is_clone: bool = False
    """Of a row trigger, on a partition: it comes and goes with its parent's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A routine without arguments in our schema, ours or not."""

    oid: int
    name: str
    owner: str
    """The role."""
    marker: Marker | None
    body: str
    settings: frozenset[str]
    """`name=value`, as in pg_proc.proconfig."""
    is_shaped: bool
    """SECURITY DEFINER, in the language and with the result that ours have."""
    is_public: bool
    """PUBLIC may EXECUTE it."""
    is_granted: bool = False
    """A role other than its owner and PUBLIC may EXECUTE it."""
    triggers: tuple[Trigger, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server, and the role whose rights count."""

    version: int
    """server_version_num."""
    is_standby: bool
    dbname: str
    login: str
    login_is_superuser: bool
    may_create_schema: bool
    encoding: str = "UTF8"
    """Of the database, as pg_encoding_to_char() names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The schema `notifychannel`."""

    owner: str
    owner_is_superuser: bool
    may_become_owner: bool
    """The installer is its owner, or may SET ROLE to it."""
    is_made_by_us: bool
    is_granted: bool
    """A role other than its owner may use it."""
    has_counter: bool
    has_outbox: bool = False
    """Any of what 020_outbox.sql makes is there."""
    has_queue: bool = False
    """Any of what 030_queue.sql makes is there."""
    is_changing: bool = False
    """A pass has changed rules and ended before it could say since when they hold."""
    others: tuple[str, ...] = ()
    """Names of tables, types and routines with arguments in it: none of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What the listener's role may do of what it needs."""

    role: str
    exists: bool
    may_connect: bool = False
    may_use: bool = False
    may_call: bool = False
    may_relay: bool = False
    """Drain the outbox."""
    may_claim: bool = False
    """Take from the queue, and whatever else those do who deliver from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What there is of the outbox, for a channel that needs one."""

    comment: str | None
    """What made it, and the state that it left it in."""
    state: str
    """A hash of its tables, indexes, sequences and functions as they are."""
    is_open_to_listeners: bool
    """Whoever may read the counter of skipped NOTIFYs may also drain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What there is of the queue, for a channel that needs one."""

    comment: str | None
    """What made it, and the state that it left it in."""
    state: str
    """A hash of its tables, indexes, sequences, views and functions as they are."""
    is_open_to_listeners: bool
    """Whoever may read the counter of skipped NOTIFYs may also claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """What there is of ours, whosever it is."""

    server: Server
    schema: Schema | None
    functions: Mapping[str, Function] = field(default_factory=dict)
    """By name: everything without arguments in our schema."""
    consumers: tuple[Registered, ...] = ()
    """Of the queue, as far as they concern this channel or these owners."""
    has_others: bool = False
    """The queue has consumers of others."""
    named: frozenset[Owner] | None = None
    """Of whom anything is registered with the queue; None: not known."""

    @property
    def installer(self) -> str:
        """The role that owns our objects: the schema's owner where the login may become it, else the login."""
        return self.schema.owner if self.schema and self.schema.may_become_owner else self.server.login


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(Existing):
    """One database as one channel's pass sees it, in one snapshot."""

    owner: Owner
    """Whose pass it is."""
    pg_channel: str
    take_over: bool
    """The pass claims what other installations have left of the same namespace and name."""
    tables: Mapping[tuple[str, str], Table] = field(default_factory=dict)
    taken: Mapping[int, frozenset[tuple[str, int]]] = field(default_factory=dict)
    """Name and function (oid) of every trigger on each table (by oid) and partition."""
    listener: Listener | None = None
    outbox: Outbox | None = None
    """None where there is none, or the channel does without."""
    needs_queue: bool = False
    """The channel's changes go through the queue."""
    queue: Queue | None = None
    """None where there is none, or the channel does without."""
    audited: Audited | None = None
    uncastable: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """By source: a sentence for each value in its `when` that is none of its column's type."""


def shape(bits: int, *, old_table: str | None, new_table: str | None, when: When, is_plain: bool) -> Shape:
    """The shape of a trigger as pg_trigger has it; `is_plain`: no constraint, column list or arguments."""
    events = [event for bit, event in EVENT_OF_BIT.items() if bits & bit]
    is_ours = is_plain and len(events) == 1 and not bits & (BEFORE | INSTEAD)
    return Shape(
        event=events[0] if is_ours else None,
        by_row=bool(bits & ROW),
        old_table=old_table,
        new_table=new_table,
        when=when,
    )
