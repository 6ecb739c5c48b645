"""Passes that change one database take turns: nobody who waits is in anybody's way, or taken for one that hangs.

The cluster is in memory (tests/kube_memory.py).
"""

from __future__ import annotations

import asyncio

import pytest

from notifychannel_operator.kinds import CHANNELS
from notifychannel_operator.passes import cleanup, install
from notifychannel_operator.passes.patience import BEHIND_A_PASS_S
from notifychannel_operator.passes.whereabouts import Identity
from notifychannel_operator.spec import Capture, Consumer, Delivery, Endpoint
from tests.operating import CONSUMER, resource
from tests.premises import channel, source

PATIENCE_S = 10.0
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'notifychannel-operator' AND datname = $1"


@pytest.fixture(scope="session")
def server(newest):
    """Turns are the operator's own."""
    return newest


@pytest.fixture
async def turn(operator, site):
    """Of the site's database; somebody else has it."""
    row = await site.admin.fetchrow("SELECT system_identifier::text, current_database() FROM pg_control_system()")
    made = operator.edges.memory.turns.of(Identity(*row))
    await made.acquire()
    return made


async def until_it_waits_alone(turn, site):
    """A pass waits for the turn, and the server sees nothing of it."""
    async with asyncio.timeout(PATIENCE_S):
        while not turn._waiters or await site.admin.fetchval(OURS, site.database.name):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_pass_waits_for_its_turn_without_a_connection(site, operator, turn):
    """A connection's 30 s would run out, and the database be called unreachable. Mutant: in `Installer.run` the turn
    taken inside of `connect`.
    """
    operator.apply(resource())
    passing = asyncio.create_task(operator.run())
    await until_it_waits_alone(turn, site)
    turn.release()
    await passing
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_a_cleanup_waits_for_its_turn_without_a_connection(site, operator, turn):
    """Mutant: in `_remove` the turn taken inside of `connect`."""
    turn.release()
    operator.apply(resource())
    await operator.run()
    await turn.acquire()
    operator.kube.remove(CHANNELS, "orders")
    passing = asyncio.create_task(operator.run())
    await until_it_waits_alone(turn, site)
    turn.release()
    assert (await passing).is_gone
    assert await site.triggers() == []


async def test_a_turn_that_does_not_come_ends_the_pass_which_comes_back_soon(site, operator, turn, monkeypatch):
    """It would be given up after 120 s as one that hangs. Mutant: `within` without its limit."""
    monkeypatch.setattr(install, "TURN_S", 0.05)
    operator.apply(resource())
    async with asyncio.timeout(PATIENCE_S):
        outcome = await operator.run()
    assert outcome.next_in_s == BEHIND_A_PASS_S
    assert operator.says("TriggersInstalled") == ("False", "Pending")
    assert await site.triggers() == []
    turn.release()
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_a_cleanup_whose_turn_does_not_come_says_so_and_is_tried_again(site, operator, turn, monkeypatch):
    """Mutant: `_remove` without asking `is_ours`: two passes change one database at once."""
    turn.release()
    operator.apply(resource())
    await operator.run()
    await turn.acquire()
    monkeypatch.setattr(cleanup, "TURN_S", 0.05)
    operator.kube.remove(CHANNELS, "orders")
    async with asyncio.timeout(PATIENCE_S):
        assert not (await operator.run()).is_gone
    assert operator.says("TriggersInstalled") == ("False", "Pending")
    assert len(await site.triggers()) == 3
    turn.release()
    assert (await operator.run()).is_gone
    assert await site.triggers() == []


async def test_a_deletion_waits_for_its_turn_without_a_connection_to_drop_its_triggers_first(site, operator, turn):
    """Mutants: `draining._apply` without the turn; with the turn taken inside of `connect`."""
    turn.release()
    jobs = Consumer(group="app", endpoint=Endpoint(port=8080, path="/hints"), delivery=Delivery.AT_LEAST_ONCE)
    await site.grant(channel(source(), consumers=(jobs,), capture=Capture.OUTBOX))
    operator.apply(resource(capture="Outbox", consumers=[{**CONSUMER, "delivery": "AtLeastOnce"}]))
    await operator.run()
    await turn.acquire()
    operator.kube.remove(CHANNELS, "orders")
    passing = asyncio.create_task(operator.run())
    await until_it_waits_alone(turn, site)
    assert len(await site.triggers()) == 3
    turn.release()
    assert not (await passing).is_gone
    assert operator.says("TriggersInstalled") == ("False", "RowsWaiting")
    assert await site.triggers() == []
