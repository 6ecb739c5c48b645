"""The demo's chapters: each changes rows, breaks something or nothing, and shows on the terminal what arrives.

Every chapter waits for what it promises, for a bounded time, and says so when it did not come; what counts in
the end is the comparison of the table with what the application last read (`lost`).
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from notifychannel_cli.demo.application import READ_ALL
from notifychannel_cli.demo.merged import Merged

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg
    from rich.console import Console

    from notifychannel_cli.demo.application import HostApplication, Seen

PATIENCE_S, LITTLE_PATIENCE_S = 12.0, 0.5
"""Who has missed one thing waits less for the next: also a broken demo ends within its minute."""
LOOKS = 3
"""How often the last comparison waits, as long as something still comes."""
KEPT = 10
"""Orders that the busy chapter does not delete: the other chapters come back to them."""
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'nch/%' AND datname = current_database()"
INSERT = "INSERT INTO orders (customer, status) VALUES ($1, 'new') RETURNING id"
UPDATE = "UPDATE orders SET status = $2, version = version + 1 WHERE id = $1"
DELETE = "DELETE FROM orders WHERE id = $1"
CUSTOMERS = ("Ada", "Grace", "Edsger", "Barbara", "Tony", "Radia")


@dataclass(slots=True, kw_only=True)
class Story:
    """What the chapters share: the writer's connection, the application, the terminal, and the count of changes."""

    writer: asyncpg.Connection
    application: HostApplication
    console: Console
    changes: int = 0
    patience_s: float = PATIENCE_S
    written: dict[int, int] = field(default_factory=dict)
    """Order → the version last committed."""

    async def hints_arrive(self, number: int = 8) -> None:
        """A change becomes a hint, and the hint says how long it took."""
        self._title("1", "A committed change becomes a hint", "first change → the application has read the row")
        for _ in range(number):
            order = await self.insert()
            await self._comes(partial(self._current, order))
            if seen := self._last(order):
                milliseconds = seen.latency_s * 1000
                self.console.print(f"   order {order:<4} {'+'.join(seen.events):<8} {milliseconds:6.1f} ms")
        self.console.print("   (50 ms of each are the debounce window that the channel asks for)")

    async def changes_merge(self, number: int = 50) -> None:
        """Fifty changes of one row are one hint; on a machine that pauses between them for longer, a few."""
        self._title("2", f"{number} changes of one row in half a second merge", "debounce per key")
        order = self._orders(1)[0]
        before, started = len(self.application.seen), time.monotonic()
        for turn in range(number):
            await self.update(order, f"step {turn}")
            await asyncio.sleep(0.5 / number)
        passed = time.monotonic() - started
        merged = Merged(order=order, seen=self.application.seen, before=before)
        if await self._comes(lambda: self._current(order) and merged.covers(number)):
            self.console.print(f"   {number} changes in {passed:.2f} s → {merged}")

    async def connection_killed(self) -> None:
        """What was written while nobody listened is covered by the resync after it."""
        self._title("3", "The sidecar's database connection is killed", "and rows change while nobody listens")
        killed = [row["pid"] for row in await self.writer.fetch(SESSIONS)]
        before, started = len(self.application.seen), time.monotonic()
        await self.writer.fetch("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", killed)
        for order in self._orders(5):
            await self.update(order, "written in the dark")
        resynced = await self._comes(lambda: any(s.order_id is None for s in self.application.seen[before:]))
        if resynced:
            reason = next(seen.reason for seen in self.application.seen[before:] if seen.order_id is None)
            passed = time.monotonic() - started
            self.console.print(f"   {len(killed)} killed, 5 changes → resync ({reason}) after {passed:.2f} s")
        await self._comes(lambda: all(self._current(order) for order in self._orders(5)))

    async def application_fails(self, seconds: float = 3.0) -> None:
        """Hints wait for an application that answers 500, and merge while they wait."""
        self._title("4", f"The application answers 500 for {seconds:.0f} s", "hints wait, merge, and are tried again")
        self.application.failing = True
        refused, end = self.application.refused, time.monotonic() + seconds
        while time.monotonic() < end:
            await self.update(random.choice(self._orders(3)), "while it fails")
            await asyncio.sleep(0.1)
        self.application.failing = False
        recovered = time.monotonic()
        if await self._comes(lambda: all(self._current(order) for order in self._orders(3))):
            passed = time.monotonic() - recovered
            number = self.application.refused - refused
            self.console.print(f"   {number} POSTs answered 500; up to date {passed:.2f} s after it recovered")

    async def busy(self, seconds: float | None = 6.0) -> None:
        """Inserts, updates and deletes as fast as one writer goes with small pauses; None: until cancelled."""
        self._title("5", "A writer that does not pause", "inserts, updates and deletes of many rows")
        end = None if seconds is None else time.monotonic() + seconds
        before, hints = self.changes, len(self.application.seen)
        while end is None or time.monotonic() < end:
            await self._any_change()
            await asyncio.sleep(0.002)
        self.console.print(f"   {self.changes - before} changes → {len(self.application.seen) - hints} hints so far")

    async def insert(self) -> int:
        """A new order."""
        order: int = await self.writer.fetchval(INSERT, random.choice(CUSTOMERS))
        self.changes += 1
        self.written[order] = 1
        return order

    async def update(self, order: int, status: str) -> None:
        """A change of an order that is there."""
        await self.writer.execute(UPDATE, order, status)
        self.changes += 1
        self.written[order] += 1

    async def delete(self, order: int) -> None:
        """An order goes."""
        await self.writer.execute(DELETE, order)
        self.changes += 1
        del self.written[order]

    async def lost(self) -> int:
        """Keys whose last change the application has not read: the table against what it remembers."""
        # The table is the truth: a statement that Ctrl-C met may or may not have been committed.
        table = {row["id"]: row["version"] for row in await self.writer.fetch(READ_ALL)}
        for _ in range(LOOKS):
            before = len(self.application.seen)
            # With the whole patience whatever was missed before: a slow machine is not a lost key.
            if await self.application.until(lambda: self.application.versions == table, PATIENCE_S):
                break
            if len(self.application.seen) == before:
                break
        read = self.application.versions
        return sum(1 for order in table.keys() | read.keys() if table.get(order) != read.get(order))

    async def _any_change(self) -> None:
        match random.choices(("insert", "update", "delete"), weights=(25, 70, 5))[0]:
            case "insert":
                await self.insert()
            case "delete" if len(self.written) > KEPT:
                await self.delete(random.choice(list(self.written)[KEPT:]))
            case _:
                await self.update(random.choice(list(self.written)), "busy")

    async def _comes(self, done: Callable[[], bool]) -> bool:
        arrived = await self.application.until(done, self.patience_s)
        if not arrived:
            self.console.print(f"   [red]nothing came within {self.patience_s:g} s[/red]")
            self.patience_s = LITTLE_PATIENCE_S
        return arrived

    def _current(self, order: int) -> bool:
        return self.application.versions.get(order) == self.written[order]

    def _last(self, order: int) -> Seen | None:
        return next((seen for seen in reversed(self.application.seen) if seen.order_id == order), None)

    def _orders(self, number: int) -> list[int]:
        return list(self.written)[:number]

    def _title(self, number: str, title: str, note: str) -> None:
        self.console.print(f"\n[bold]{number}  {title}[/bold] [dim]({note})[/dim]")
