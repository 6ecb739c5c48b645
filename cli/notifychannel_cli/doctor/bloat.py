"""Dead rows in our tables, and who keeps vacuum from removing them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, assert_never

from notifychannel_cli import shown
from notifychannel_cli.doctor.finding import Trouble
from notifychannel_cli.doctor.psql import AS_ADMIN, AS_GIVEN
from notifychannel_operator.quote import qualified

if TYPE_CHECKING:
    from collections.abc import Iterator

DEAD = 50_000
"""Rows: five times what autovacuum waits for on the largest of our tables (sql/020_outbox.sql)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One of ours, by the server's statistics."""

    name: str
    live: int
    dead: int
    size_bytes: int
    """With indexes."""
    is_on: bool
    """autovacuum, for the server."""
    is_vacuumed: bool
    """And for the table."""


class Kind(Enum):
    """What can keep dead rows."""

    SESSION = "session"
    PREPARED = "prepared"
    SLOT = "slot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who keeps them."""

    kind: Kind
    name: str
    """A PID, the number of the prepared transaction (its identifier is a text of somebody's), or the slot's name."""
    age: int
    """In transactions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bloat:
    """All of them, and who may keep their dead rows."""

    tables: tuple[Table, ...]
    holder: Holder | None = None
    """The oldest; None: nobody but ourselves."""


ON = f'{AS_ADMIN} "ALTER SYSTEM SET autovacuum = on" -c "SELECT pg_reload_conf()"  # as a superuser'


def bloat(seen: Bloat) -> Iterator[Trouble]:
    """More dead rows than vacuum would leave."""
    swollen = [it for it in seen.tables if it.dead >= DEAD and it.dead > it.live]
    if not swollen:
        return
    what = ", ".join(
        f"{it.name} ({it.dead:,} beside {it.live:,} live ones, {shown.size(it.size_bytes)})" for it in swollen
    )
    off = [it for it in swollen if not it.is_vacuumed]
    is_on = all(it.is_on for it in swollen)
    why = f"dead rows stay in {what}"
    why += "" if is_on else "\nautovacuum is switched off for the server"
    why += f"\nautovacuum is switched off for {', '.join(it.name for it in off)}" if off else ""
    if seen.holder is not None:
        why += f"\n{_named(seen.holder)}, {seen.holder.age:,} transactions old, which may keep them"
    yield Trouble(
        why=why,
        remedy=(
            *(_end(seen.holder) if seen.holder else ()),
            *(_ours(f"VACUUM {_table(it)}") for it in swollen),
            *(_ours(f"ALTER TABLE {_table(it)} SET (autovacuum_enabled = true)") for it in off),
            *(() if is_on else (ON,)),
        ),
        is_warning=True,
    )


def _named(it: Holder) -> str:
    match it.kind:
        case Kind.SESSION:
            return f"PID {it.name} has the oldest snapshot or transaction"
        case Kind.PREPARED:
            return f"the prepared transaction {it.name} is the oldest: nobody has committed it or rolled it back"
        case Kind.SLOT:
            return f"the replication slot {it.name} keeps what its standby read when it was last heard of"
        case _:
            assert_never(it.kind)


def _end(it: Holder) -> tuple[str, str]:
    """To look at it, and to end it where nobody needs it."""
    match it.kind:
        case Kind.SESSION:
            look = f"SELECT usename, application_name, state, xact_start FROM pg_stat_activity WHERE pid = {it.name}"  # noqa: S608 - text for a person
            end = f"SELECT pg_terminate_backend({it.name})"
        case Kind.PREPARED:
            look = f"SELECT gid, prepared, owner FROM pg_prepared_xacts WHERE transaction::text = '{it.name}'"  # noqa: S608
            end = "ROLLBACK PREPARED '<gid>'"
        case Kind.SLOT:
            look = f"SELECT active, slot_type, restart_lsn FROM pg_replication_slots WHERE slot_name = '{it.name}'"  # noqa: S608
            end = f"SELECT pg_drop_replication_slot('{it.name}')"
        case _:
            assert_never(it.kind)
    return (
        f'{AS_ADMIN} "{look}"  # whose it is',
        f'{AS_ADMIN} "{end}"  # as a superuser, only if nobody needs it any more',
    )


def _table(it: Table) -> str:
    return qualified("notifychannel", it.name)


def _ours(statement: str) -> str:
    """As the installer, who owns them."""
    return f"{AS_GIVEN} '{statement}'"
