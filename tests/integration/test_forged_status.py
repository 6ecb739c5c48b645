"""What somebody else writes in the operator's place: believed in nothing that leads elsewhere, and put right."""

from __future__ import annotations

import copy
import json

import pytest

from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS, NAMESPACES, SECRETS
from notifychannel_operator.passes.recall import recall
from tests.operating import ORDERS, resource


@pytest.fixture(scope="session")
def server(newest):
    """What is believed of a status is decided outside of the database."""
    return newest


def forge(operator, **status):
    """As `kubectl patch --subresource=status` of somebody who may."""
    body = operator.kube.find(CHANNELS, "orders")
    operator.kube.put(CHANNELS, {**copy.deepcopy(body), "status": {**body["status"], **status}})


def lie(type_, **fields):
    return {
        "type": type_,
        "status": "True",
        "reason": "Lie",
        "message": "x",
        "lastTransitionTime": "2020-01-01T00:00:00Z",
        **fields,
    }


ELSEWHERE = {"systemIdentifier": "1", "dbname": "of_others"}
LIES = {
    "conditions": [lie("Accepted"), lie("Ready"), lie("Other")],
    "database": ELSEWHERE,
    "summary": {"triggers": "9/9", "injected": "9/9", "listening": "9/9"},
    "pods": {"matched": 9, "injected": 9, "outdated": 0, "listening": 9, "delivering": 9},
    "observedGeneration": 99,
}


async def test_a_forged_status_is_put_right_by_the_next_pass_also_after_a_restart(site, operator):
    """Mutants: `status.document` that keeps `before["database"]`; `merged` that keeps what it does not know."""
    operator.apply(resource())
    await operator.run()
    right = operator.status()
    forge(operator, **LIES)
    operator.restart()
    await recall(operator.edges)
    await operator.run()
    found = operator.status()
    for each in (right, found):  # a message tells that the database was another one, which it has to believe
        each["conditions"] = [(it["type"], it["status"], it["reason"]) for it in each["conditions"]]
    assert found == right
    assert operator.config().system_identifier == right["database"]["systemIdentifier"]


async def test_a_forged_database_leads_nobody_there(site, operator):
    """The Secret alone says where the operator goes, and what it finds there is what the sidecars are told."""
    operator.apply(resource())
    forge_from_the_start = {**operator.kube.find(CHANNELS, "orders"), "status": {"database": ELSEWHERE}}
    operator.kube.put(CHANNELS, forge_from_the_start)
    await recall(operator.edges)
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")
    assert operator.config().dbname == site.database.name
    assert {table for table, _ in await site.triggers()} == {"orders"}


async def test_a_condition_of_somebody_else_does_not_keep_a_deleted_channel_from_saying_why_it_waits(operator):
    """Mutant: `status.ending` that keeps every condition: the pass breaks where it puts them in order."""
    operator.apply(resource())
    await operator.run()
    forge(operator, conditions=[*operator.status()["conditions"], lie("Synced")])
    operator.kube.put(NAMESPACES, {"metadata": {"name": "shop"}})
    operator.kube.remove(SECRETS, "db")
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    status, _, message = operator.condition("TriggersInstalled", ORDERS)
    assert status == "False"
    assert "being deleted, and not cleaned up yet" in message
    assert "Synced" not in [it["type"] for it in operator.status()["conditions"]]


async def test_a_config_map_of_another_namespace_says_nothing_of_a_channel(operator):
    """It names the channel's uid as its owner's. Mutant: `_entry` that asks for the name alone."""
    operator.apply(resource(channel="right"))
    await operator.run()
    operator.apply(resource(channel="right", consumers=[]))  # can't be read: what it has in force is looked up
    await operator.run()
    ours = operator.kube.find(CONFIGMAPS, "notifychannel-app")
    forged = json.loads(ours["data"]["config.json"])
    forged["channels"][0]["pg_channel"] = "of_others"
    metadata = {**ours["metadata"], "namespace": "aaa", "name": "notifychannel-zzz"}
    operator.kube.put(CONFIGMAPS, {**ours, "metadata": metadata, "data": {"config.json": json.dumps(forged)}})
    operator.restart()
    await recall(operator.edges)
    claim = operator.edges.memory.databases.claims[ORDERS]
    assert (claim.pg_channel, claim.groups) == ("right", {"app"})
