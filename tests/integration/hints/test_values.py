"""Values of `when` are tried when the channel is planned, under the settings of the trigger function."""

from __future__ import annotations

import pytest

from notifychannel_operator import database as databases
from notifychannel_operator.spec import Channel, Condition, Event, Operator, Source
from tests.integration.hints.stage import CONSUMERS, OWNER, key, rule


def channel(*values):
    when = (Condition(column="d", operator=Operator.IN, values=values),)
    source = Source(schema="public", table="t", key=key("id"), rules=(rule(Event.INSERT, when=when),))
    return Channel(namespace="shop", name="orders", secret="db", consumers=CONSUMERS, sources=(source,))


@pytest.mark.parametrize("style", ["ISO, MDY", "German, DMY"])
async def test_a_date_reads_the_same_when_planned_and_in_the_trigger(stage, style):
    """Mutant: the loop over keys.ALL_PINS left out of inventory.uncastable."""
    await stage.tables("CREATE TABLE t (id int, d date)")
    await stage.installer.execute(f"SET DateStyle = '{style}'")
    await stage.app.execute(f"SET DateStyle = '{style}'")
    facts = await databases.observe(stage.installer, channel("2026-01-31", "12/31/2026", "31.12.2026"), OWNER)
    [said] = facts.uncastable["public", "t"]
    assert said.startswith("public.t: `when` of rule rule, column d: the value")
    assert "31.12.2026" in said
    await stage.install(*channel("12/31/2026").sources)
    assert await stage.hear("INSERT INTO t VALUES (1, date '2026-12-31')") == [("insert", [[1]])]
