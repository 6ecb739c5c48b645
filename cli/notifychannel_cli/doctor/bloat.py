"""Dead rows in our tables, and who keeps vacuum from removing them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli import shown
from notifychannel_cli.doctor.finding import Trouble
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bloat:
    """All of them, and the session whose snapshot is the oldest."""

    tables: tuple[Table, ...]
    holder: int | None
    """PID of who has the oldest snapshot (backend_xmin) of this database; None: nobody but ourselves."""
    holder_age: int | None
    """In transactions."""


ON = 'psql -c "ALTER SYSTEM SET autovacuum = on" -c "SELECT pg_reload_conf()"  # as a superuser'


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
        why += f"\nPID {seen.holder} has the oldest snapshot, {seen.holder_age:,} transactions old, which may keep them"
    yield Trouble(
        why=why,
        remedy=(
            *(_ours(f"VACUUM {_table(it)}") for it in swollen),
            *(_ours(f"ALTER TABLE {_table(it)} SET (autovacuum_enabled = true)") for it in off),
            *(() if is_on else (ON,)),
        ),
        is_warning=True,
    )


def _table(it: Table) -> str:
    return qualified("notifychannel", it.name)


def _ours(statement: str) -> str:
    """As the installer, who owns them."""
    return f"psql \"$NOTIFYCHANNEL_DSN\" -c '{statement}'"
