"""What a long transaction of the user's pays for its hints: next to nothing of its backend's memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from notifychannel_operator.spec import Event, Source
from tests.integration.hints.stage import BY_EACH_CAPTURE, key, rule

pytestmark = BY_EACH_CAPTURE

WRITES = 20_000
MAX_GROWTH_KIB = 30 * 1024


def anonymous_kib(pid: int) -> int:
    """RssAnon of a backend of this machine (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


@pytest.mark.parametrize(
    ("table", "write"),
    [
        (
            "orders",
            f"DO $$ BEGIN FOR i IN 1..{WRITES} LOOP INSERT INTO orders VALUES (i); END LOOP; END $$",
        ),
        ("parts", f"INSERT INTO parts SELECT generate_series(1, {WRITES})"),
    ],
    ids=["many statements", "many rows of a partitioned table"],
)
async def test_many_hints_in_one_transaction_leave_the_backends_memory_alone(stage, table, write, record_property):
    """Mutant: `PERFORM pg_notify(…)` inside body.sql's EXCEPTION block: 8 KB for each hint until the COMMIT."""
    await stage.tables("""
        CREATE TABLE orders (id int PRIMARY KEY);
        CREATE TABLE parts (id int) PARTITION BY RANGE (id);
        CREATE TABLE part PARTITION OF parts DEFAULT;
    """)
    await stage.install(Source(schema="public", table=table, key=key("id"), rules=(rule(Event.INSERT),)))
    pid = stage.app.get_server_pid()
    async with stage.app.transaction():
        await stage.app.execute(f"INSERT INTO {table} VALUES (0)")
        before_kib = anonymous_kib(pid)
        await stage.app.execute(write)
        grown_kib = anonymous_kib(pid) - before_kib
    record_property("figures", f"{grown_kib / 1024:.1f} MiB for {WRITES} hints in one transaction")
    assert grown_kib < MAX_GROWTH_KIB
    assert len(await stage.raw()) == WRITES + 1
