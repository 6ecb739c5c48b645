"""One cell of the table: users commit all the time, something breaks, is mended, and everything is told; or not."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.checker.writer import HOT
from tests.faults.faults import FAULTS
from tests.faults.place import place
from tests.faults.users import MAKE_CONTROL, Pace, Users

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from tests.checker.shop import Combination
    from tests.faults.fault import Fault
    from tests.faults.place import Place


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of each cell."""

    pace: Pace
    well_s: float
    """Before it breaks, and after it has recovered."""
    broken_s: float
    """Until somebody mends it."""
    patience_s: float = 90.0
    """What nobody has acknowledged then is lost."""


SMALL = Size(pace=Pace(users=2, controls=1, pause_s=0.1), well_s=0.5, broken_s=2.0)
FULL = Size(pace=Pace(users=8, controls=4, pause_s=0.005), well_s=2.0, broken_s=18.0)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What was found."""

    fault: str
    combination: Combination
    keys: int = 0
    """Written."""
    commits: int = 0
    lost: int = 0
    recovery_s: float | None = None
    """From the mending, or from the fault where nobody mends it, until every key written by then is acknowledged."""
    ours: int = 0
    """Users' commits that failed because of us."""
    theirs: int = 0
    """And those that PostgreSQL itself took from nobody."""
    note: str = ""
    obstacle: str | None = None
    """Why it was not run here."""

    @property
    def is_clean(self) -> bool:
        """It was run, and is as promised."""
        return self.obstacle is None and self.lost == self.ours == 0 and self.recovery_s is not None


async def cells(combination: Combination, size: Size, faults: Iterable[Fault] = FAULTS) -> AsyncIterator[Cell]:
    """Of those faults that are tried with it, one after another at one place."""
    chosen = [it for it in faults if combination in it.combinations()]
    if not chosen:
        return
    async with place(combination) as made:
        for fault in chosen:
            try:
                yield await _cell(made, fault, size)
            except Exception as error:
                error.add_note(f"{fault.name}, {combination.name}")
                raise


async def _cell(made: Place, fault: Fault, size: Size) -> Cell:
    obstacle = fault.obstacle(made)
    if obstacle is not None:
        return Cell(fault=fault.name, combination=made.combination, obstacle=obstacle)
    loop, users = asyncio.get_running_loop(), Users()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(fault.prepared(made))
        await made.told()
        await made.clear()
        async with made.asking() as connection:
            await connection.execute(MAKE_CONTROL)
        async with users.at_work(made.dsn_of_application(), size.pace):
            await asyncio.sleep(size.well_s)
            broken_s = loop.time()
            async with fault.broken(made) as note:
                if fault.lasts:
                    await asyncio.sleep(size.broken_s)
            mended_s = loop.time() if fault.lasts else broken_s
            async with asyncio.timeout(size.patience_s):
                await users.commit_again()
            late = await made.unacknowledged(await made.rows(), patience_s=size.patience_s)
            recovery_s = loop.time() - mended_s
            await asyncio.sleep(size.well_s)
        rows = await made.rows()
        lost = await made.unacknowledged(rows, patience_s=size.patience_s)
    return Cell(
        fault=fault.name, combination=made.combination, keys=sum(key >= HOT for key in rows), commits=users.commits,
        lost=len(lost), recovery_s=None if late else recovery_s, ours=users.ours(), theirs=users.theirs(),
        note=note or "",
    )  # fmt: skip
