"""Remedies of the doctor that would not work, or would hurt, as they stand."""

from __future__ import annotations

from dataclasses import replace

from notifychannel_cli.doctor.bloat import Bloat, Table, bloat
from notifychannel_cli.doctor.notify_queue import Look, NotifyQueue, notify_queue
from tests.unit.test_doctor import ASLEEP, SIDECAR

SWOLLEN = Table(name="queue", live=10, dead=60_000, size_bytes=10_000_000, is_on=True, is_vacuumed=True)


def remedies(*held):
    """For a queue that these sessions hold."""
    look = Look(usage=0.2, pages=1_048_576, held=held)
    (found,) = notify_queue(NotifyQueue(before=look, after=look, named=None))
    return found.remedy


def test_who_may_be_innocent_is_looked_at_before_it_is_ended():
    """A dump stays in one transaction too. Mutant: `is_sure` always: its end is the only remedy."""
    look, end = remedies(ASLEEP)
    assert "pg_stat_activity" in look
    assert "pg_terminate_backend(11)" in end
    assert "only if it LISTENs" in end
    (end,) = remedies(ASLEEP, SIDECAR)
    assert "pg_terminate_backend(12)" in end
    assert "only if" not in end


def test_sessions_of_others_are_looked_at_and_ended_by_who_may():
    """The installer may neither. Mutant: `"$NOTIFYCHANNEL_DSN"` in either command."""
    for command in (*remedies(ASLEEP), *remedies(SIDECAR), *remedies()):
        assert "NOTIFYCHANNEL_DSN" not in command
        assert "pg_monitor" in command or "pg_signal_backend" in command


def test_autovacuum_is_switched_on_where_it_was_switched_off():
    """Mutant: the server's for the table's: the command changes nothing."""
    (of_table,) = bloat(Bloat(tables=(replace(SWOLLEN, is_vacuumed=False),)))
    assert any('ALTER TABLE "notifychannel"."queue" SET (autovacuum_enabled' in it for it in of_table.remedy)
    assert not any("ALTER SYSTEM" in it for it in of_table.remedy)
    (of_server,) = bloat(Bloat(tables=(replace(SWOLLEN, is_on=False),)))
    assert [it.partition('-c "')[2].split()[0] for it in of_server.remedy if "ADMIN_DSN" in it] == ["ALTER"]
    assert not any("ALTER TABLE" in it for it in of_server.remedy)
    assert "for the server" in of_server.why
