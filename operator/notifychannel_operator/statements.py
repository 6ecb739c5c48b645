"""The statements that plans are made of, filled in from `sql/plan`; pure, quoted, each of them may run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile
from notifychannel_operator.comparison import renamed
from notifychannel_operator.names import MAX_IDENTIFIER_BYTES, SCHEMA, digest
from notifychannel_operator.quote import ident, literal, qualified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from notifychannel_operator.objects import Function, Outbox
    from notifychannel_operator.triggers.triggers import WantedTrigger

LOCK = 0x6E6F_7469_6679  # "notify"
"""Key of the advisory lock that a pass holds while it changes a database."""


def begin(role: str) -> str:
    """What opens each step's transaction; with semicolons."""
    return sqlfile.fill("plan/begin.sql", role=ident(role), lock=str(LOCK))


def shared() -> str:
    """Schema, counter and its function, if they are not there; several statements."""
    return sqlfile.body("010_schema.sql").removesuffix(";")


def outbox() -> tuple[str, ...]:
    """Tables, sequences and functions of the outbox, made or put right, and the note of what made them."""
    state = sqlfile.read("observe/outbox_state.sql").rstrip("\n")
    note = tagged("plan/outbox_made.sql", version=literal(_outbox_version()), state=state)
    return (sqlfile.body("020_outbox.sql").removesuffix(";"), note)


def is_outbox(found: Outbox) -> bool:
    """It is the one that `outbox` makes, and nobody has changed it."""
    return found.comment == f"{_outbox_version()} {found.state}" and found.is_open_to_listeners


def _outbox_version() -> str:
    return f"made by NotifyChannel, {digest(sqlfile.read('020_outbox.sql'))}"


def is_counter(found: Function) -> bool:
    """`notifychannel.skipped()` is the one that `shared` makes."""
    return (
        found.is_shaped
        and not found.is_public
        and found.body == shared().split("$skipped$")[1]
        and found.settings == {"search_path=pg_catalog, pg_temp"}
    )


def drop_shared(*, with_schema: bool, before: Iterable[str] = (), with_outbox: bool = False) -> tuple[str, ...]:
    """What undoes `shared`, and `outbox`; `before`: what stands on them."""
    outbox = (sqlfile.read("plan/drop_outbox.sql").strip().removesuffix(";"),) if with_outbox else ()
    what = (*before, *outbox, f"DROP FUNCTION IF EXISTS {SCHEMA}.skipped()", f"DROP SEQUENCE IF EXISTS {SCHEMA}.skips")
    return (*what, f"DROP SCHEMA IF EXISTS {SCHEMA}") if with_schema else what


def function(name: str) -> str:
    """A trigger function as DDL names it."""
    return f"{qualified(SCHEMA, name)}()"


def drop(name: str) -> str:
    """Drops a trigger function with its triggers: the only way for a role that doesn't own the tables."""
    return f"DROP FUNCTION IF EXISTS {function(name)} CASCADE"


def execute_by_all(name: str) -> str:
    """Attaching a partition checks that the table's owner may execute it; called directly it only raises."""
    return f"GRANT EXECUTE ON FUNCTION {function(name)} TO PUBLIC"


def create(triggers: Iterable[WantedTrigger], *, function: str, names: Mapping[int, frozenset[str]]) -> Iterator[str]:
    """Each trigger, unless this function has it by now; under another name where its own is taken."""
    for trigger in triggers:
        name = _free(trigger.name, names.get(trigger.relation.oid, frozenset()))
        yield tagged(
            "plan/trigger.sql",
            table=literal(qualified(trigger.relation.schema, trigger.relation.name)),
            name=literal(name),
            function=literal(f"{qualified(SCHEMA, function)}()"),
            create=renamed(trigger, name),
        )


def resync(pg_channel: str) -> str:
    """Tells the listeners, at commit, to look at everything."""
    return tagged("plan/resync.sql", channel=literal(pg_channel))


def rules_change() -> str:
    """Says, with the change, that somebody may still be writing under other rules than these."""
    return tagged("plan/rules_change.sql")


def rules_since() -> str:
    """After that: from which transaction on nobody is."""
    return tagged("plan/rules_since.sql")


def tagged(template: str, **parts: str) -> str:
    """A template whose `tag` none of its parts holds."""
    tag, number = "$nch$", 0
    while any(tag in part for part in parts.values()):
        number += 1
        tag = f"$nch{number}$"
    return sqlfile.fill(template, tag=tag, **parts)


def _free(name: str, taken: frozenset[str]) -> str:
    """The name, or one with the first free number behind it."""
    number, free = 1, name
    while free in taken:
        number += 1
        tail = f"_{number}"
        free = name.encode()[: MAX_IDENTIFIER_BYTES - len(tail)].decode(errors="ignore") + tail
    return free
