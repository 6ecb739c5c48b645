"""`make soak`: the checker with a million changes on each server, and an application that is down for ten minutes."""

from __future__ import annotations

import asyncio
import time

import pytest

from notifychannel_cli.embedded_binaries import FOLDERS
from notifychannel_operator.spec import Delivery
from tests.checker.site import site
from tests.checker.trial import SEED, trial

pytestmark = pytest.mark.timeout(6 * 3600)
CHANGES = 1_000_000
DOWN_S = 600.0
ESCALATED_AFTER_S = 120.0
WRITE_EVERY_S = 5.0
CHUNK = 320


@pytest.mark.parametrize("version", sorted(FOLDERS), ids=lambda it: f"pg{it}")
@pytest.mark.parametrize("delivery", list(Delivery), ids=lambda it: it.value)
async def test_no_key_of_a_million_changes_is_lost(version, delivery, record_property):
    verdict, before, figures = await trial(version=version, delivery=delivery, changes=CHANGES)
    record_property("figures", figures)
    assert verdict.is_clean, verdict
    if delivery is Delivery.AT_LEAST_ONCE:
        assert verdict.resyncs == before, "a job is never replaced by a resync"


async def test_an_application_that_is_down_for_ten_minutes_gets_everything_after_and_was_escalated_once(
    record_property,
):
    """It answers 503 to hints, and takes escalations."""
    durable = Delivery.AT_LEAST_ONCE
    async with site(version=18, delivery=durable, seed=SEED, escalated_after_s=ESCALATED_AFTER_S) as run:
        for pod in run.pods:
            pod.is_down = True
        until_s = time.monotonic() + DOWN_S
        while time.monotonic() < until_s:
            await run.write(CHUNK)
            await asyncio.sleep(WRITE_EVERY_S)
        escalated = run.pods[0].reader.escalated
        record_property("figures", f"{len(escalated):,} keys escalated in {DOWN_S:.0f} s")
        for pod in run.pods:
            pod.is_down = False
        verdict = await run.verdict()
    assert verdict.is_clean, verdict
    assert verdict.duplicates == 0, verdict
    assert escalated
    assert set(escalated.values()) == {1}, "once per key"
