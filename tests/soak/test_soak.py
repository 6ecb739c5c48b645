"""`make soak`: the checker with a million changes on each server, and an application that is down for ten minutes.

How many changes and how long it is told by the environment: `make soak CHANGES=100000 DOWN=60 ONLY="durable and pg18"`.
"""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from notifychannel_cli.embedded_binaries import FOLDERS
from tests.checker import shop
from tests.checker.reader import different
from tests.checker.shop import Combination
from tests.checker.site import QUEUED, site
from tests.checker.trial import trial
from tests.process import notifychannel

pytestmark = pytest.mark.timeout(6 * 3600)
CHANGES = int(os.environ.get("SOAK_CHANGES", "1000000"))
DOWN_S = float(os.environ.get("SOAK_DOWN_S", "600"))
ESCALATED_AFTER_S = max(10.0, DOWN_S / 5)
WRITE_EVERY_S = 5.0
CHUNK = 320
MAX_ATTEMPTS = 3
POISON = 7
"""A row that is there from the beginning."""
DEAD = "SELECT (key::json ->> 0)::integer FROM notifychannel.queue WHERE state = 'dead'"
UNKNOWN = f"{QUEUED} OR NOT EXISTS ({DEAD})"


def say(so_far: object) -> None:
    """For who looks on."""
    print(f"{time.strftime('%H:%M:%S')} {so_far}", flush=True)  # noqa: T201


@pytest.mark.parametrize("version", sorted(FOLDERS), ids=lambda it: f"pg{it}")
@pytest.mark.parametrize("combination", list(Combination), ids=lambda it: it.name.lower())
async def test_no_key_of_a_million_changes_is_lost(version, combination, record_property):
    async with site(version=version, combination=combination) as run:
        found = await trial(run, changes=CHANGES, on_progress=say)
    record_property("figures", str(found))
    assert found.verdict.is_clean, found


async def test_an_application_that_is_down_for_ten_minutes_gets_everything_after_and_was_escalated_once(
    record_property,
):
    """It answers 503 to hints, and takes escalations. After it, one key is refused: it dies alone, and is redriven."""
    async with site(
        version=18, combination=Combination.DURABLE, max_attempts=MAX_ATTEMPTS, escalated_after_s=ESCALATED_AFTER_S
    ) as run:
        reader = run.pods[0].reader
        for pod in run.pods:
            pod.is_down = True
            pod.refuses.add(POISON)
        until_s = time.monotonic() + DOWN_S
        while time.monotonic() < until_s:
            await run.write(CHUNK)
            await asyncio.sleep(WRITE_EVERY_S)
            say(f"{run.ledger.committed:,} changes wait, {len(reader.escalated):,} keys escalated")
        await run.change(POISON)
        for pod in run.pods:
            pod.is_down = False
        back_s = time.monotonic()
        await run.until_not(UNKNOWN)
        record_property("figures", f"{run.ledger.committed:,} changes told {time.monotonic() - back_s:.0f} s after, "
                        f"{len(reader.escalated):,} keys escalated in {DOWN_S:.0f} s")  # fmt: skip
        assert await run.keys(DEAD) == {POISON}
        assert different(reader.seen, await run.rows()) == {POISON}
        for pod in run.pods:
            pod.refuses.clear()
        async with notifychannel("redrive", "--all", "--dsn", run.dsn(shop.INSTALLER)) as program:
            await program.line("1 dead letter due again")
        await run.until_not(f"SELECT EXISTS ({DEAD})")
        verdict = await run.judge()
    assert verdict.is_clean, verdict
    assert verdict.duplicates == 0, verdict
    assert reader.escalated
    assert set(reader.escalated.values()) == {1}, "once per key"
