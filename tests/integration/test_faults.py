"""No fault loses a key, with neither delivery, and no user's commit fails because of us. `make faults`: for longer."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.checker.shop import Combination
from tests.faults.fault import Fault
from tests.faults.run import SMALL, cells
from tests.faults.table import delivery, result

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DEAF = "ALTER TABLE orders {} TRIGGER USER"
FAIL = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE division_by_zero; END';
CREATE TRIGGER fail BEFORE INSERT ON orders EXECUTE FUNCTION fail()
"""


@pytest.mark.parametrize("combination", list(Combination), ids=lambda it: it.name.lower())
async def test_no_fault_loses_a_key_or_makes_a_commit_fail(combination, record_property):
    found = [cell async for cell in cells(combination, SMALL)]
    for cell in found:
        record_property("figures", f"{cell.fault}, {delivery(cell)}: {result(cell)}")
    assert [f"{cell.fault}: {result(cell)}" for cell in found if not cell.is_clean and cell.obstacle is None] == []
    if obstacles := [f"{cell.fault}: {result(cell)}" for cell in found if cell.obstacle is not None]:
        pytest.skip("; ".join(obstacles))


async def test_a_key_that_is_lost_and_a_commit_that_fails_would_be_seen():
    """Mutants: nobody is told of what changes for a while; and our trigger fails, which the control does not have."""
    faults = [Fault(name="deaf", broken=_deaf), Fault(name="failing", broken=_failing)]
    size = replace(SMALL, patience_s=3.0)
    deaf, failing = [cell async for cell in cells(Combination.NOTIFY, size, faults)]
    assert deaf.lost > 0
    assert deaf.recovery_s is None
    assert deaf.ours == 0
    assert failing.ours > 0
    assert failing.theirs == failing.lost == 0
    assert [cell.is_clean for cell in (deaf, failing)] == [False, False]


@asynccontextmanager
async def _deaf(place):
    async with place.asking() as connection:
        await connection.execute(DEAF.format("DISABLE"))
        yield
        await connection.execute(DEAF.format("ENABLE"))


@asynccontextmanager
async def _failing(place):
    async with place.asking() as connection:
        await connection.execute(FAIL)
        yield
        await connection.execute("DROP FUNCTION fail() CASCADE")
