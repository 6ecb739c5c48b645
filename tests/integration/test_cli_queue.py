"""`notifychannel queue`, `redrive` and `audit`: what they print of a real queue, and what they refuse."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from notifychannel_cli.commands import cli
from tests.queueing import APPEND, Queue, payload

KEEP = "SELECT notifychannel.put_audit('dev', 'shop', 'orders', 'orders', 86400, '{id}')"
OTHER = {
    "group": "mail",
    "namespace": "other",
    "channel": "bills",
    "pg_channel": "bills",
    "key_names": ["tenant", "id"],
}


async def run(*args, code=0):
    """The command in a thread of its own, as it starts a loop."""
    result = await asyncio.to_thread(CliRunner().invoke, cli, list(map(str, args)))
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
async def queue(database):
    """`[1]` is dead, `[2]` is delivered, `[9]` waits; of another channel `[7,"ä"]` does."""
    made = await Queue.on(database)
    await made.owner.execute(KEEP)
    await made.consumer(**OTHER)
    await made.changes("[1]", "[2]")
    await made.changes('[7,"ä"]', channel="bills")
    claimer = await made.claimer()
    for turn in range(3):
        await made.passes()
        rows = await claimer.claim()
        await claimer.settle([row for row in rows if row["key"] == "[1]"], "retry", error="500")
        if turn == 0:
            await claimer.settle([row for row in rows if row["key"] == "[2]"])
    await made.changes("[9]")
    return made


@pytest.fixture
def dsn(database):
    return ("--dsn", database.dsn())


async def states(queue):
    return {key: row["state"] for key, row in (await queue.rows()).items()}


async def test_the_queue_is_counted_by_channel_group_and_state(queue, dsn):
    result = await run("queue", *dsn)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0][:6] == ["channel", "group", "pending", "claimed", "retrying", "dead"]
    assert lines[1][:7] == ["other/bills", "mail", "1", "0", "0", "0", "0"]
    assert lines[2][:7] == ["shop/orders", "api", "1", "0", "0", "1", "0"]
    assert lines[2][-2:] == ["1", "500"]
    assert lines[3][:6] == ["total", "2", "0", "0", "1", "0"]
    assert re.fullmatch(r"outbox: nothing waits, 0\.\d MiB; no relay drains it: .*", result.stdout.splitlines()[4])
    assert "notifychannel redrive" in result.stderr
    await queue.owner.execute(APPEND, "orders", payload("[1]"))
    assert re.search(r"^outbox: about [12] rows?, ", (await run("queue", *dsn)).stdout, re.MULTILINE)


async def test_each_key_is_listed_with_its_state_how_often_it_was_tried_and_when_it_is_next(queue, dsn):
    """As a table and for programs."""
    claimer = await queue.claimer()
    await queue.passes()
    rows = await claimer.claim()
    await claimer.settle([row for row in rows if row["key"] == "[9]"], "retry", error="503")
    asked = ("queue", *dsn, "--channel", "shop/orders", "--keys")
    lines = [line.split() for line in (await run(*asked)).stdout.splitlines()]
    assert lines[0][:6] == ["channel", "group", "state", "id", "key", "attempts"]
    told = [(line[2], line[4], line[5]) for line in lines[1:]]
    assert told == [("retrying", '{"id":9}', "1"), ("dead", '{"id":1}', "3")]
    retrying, dead = json.loads((await run(*asked, "--json")).stdout)
    assert (retrying["state"], retrying["last_error"], retrying["key"]) == ("retrying", "503", {"id": 9})
    wait = datetime.fromisoformat(retrying["next_attempt_at"]) - datetime.now(UTC)
    assert 0 < wait.total_seconds() <= 40
    assert (dead["attempts"], dead["next_attempt_at"], dead["last_error"]) == (3, None, "500")
    assert datetime.fromisoformat(dead["died_at"]) <= datetime.now(UTC)
    few = await run("queue", *dsn, "--keys", "--limit", "1")
    assert len(few.stdout.splitlines()) == 2
    assert "the first 1" in few.stderr
    await run("queue", *dsn, "--keys", "--dead", code=2)


async def test_the_counts_are_there_for_programs(queue, dsn):
    (found,) = json.loads((await run("queue", *dsn, "--channel", "shop/orders", "--json")).stdout)["consumers"]
    assert (found["pending"], found["dead"], found["active"], found["failures"]) == (1, 1, 1, 3)
    assert found["oldest_seconds"] > 1000
    (idle,) = json.loads((await run("queue", *dsn, "--group", "mail", "--json")).stdout)["consumers"]
    assert (idle["pending"], idle["last_execution"]) == (1, None)


async def test_dead_letters_are_listed_with_id_and_key_and_may_be_redriven_by_either(queue, dsn):
    """Mutant: redrive.sql without its $2, $3."""
    await queue.changes("[3]")
    claimer = await queue.claimer()
    for _ in range(3):
        await queue.passes()
        await claimer.settle([row for row in await claimer.claim() if row["key"] == "[3]"], "retry", error="timeout")
    letters = json.loads((await run("queue", *dsn, "--dead", "--json")).stdout)
    assert [(it["key"], it["attempts"], it["last_error"]) for it in letters] == [
        ({"id": 1}, 3, "500"),
        ({"id": 3}, 3, "timeout"),
    ]
    shown = (await run("queue", *dsn, "--dead", "--limit", 1)).output
    assert letters[0]["id"] in shown
    assert '{"id":1}' in shown
    assert "more with --limit" in shown

    dry = await run("redrive", *dsn, "--id", letters[0]["id"], "--dry-run")
    assert dry.stdout == "shop/orders, api: 1 dead letter would be due again\n"
    assert (await states(queue))["[1]"] == "dead"
    done = await run("redrive", *dsn, "--id", letters[0]["id"])
    assert done.stdout == "shop/orders, api: 1 dead letter due again\n"
    now = await states(queue)
    assert (now["[1]"], now["[3]"]) == ("pending", "dead")
    await run("redrive", *dsn, "--key", '{"id": 3}')
    assert (await states(queue))["[3]"] == "pending"
    assert (await run("queue", *dsn, "--dead")).stdout == "no dead letters\n"


async def test_all_dead_letters_or_those_of_a_channel_or_group_are_redriven(queue, dsn):
    assert (await run("redrive", *dsn, "--channel", "bills")).stdout == "no dead letters\n"
    assert (await run("redrive", *dsn, "--group", "mail", "--json")).stdout.count('"dead_letters": 0') == 1
    assert (await states(queue))["[1]"] == "dead"
    assert (await run("redrive", *dsn, "--all")).stdout == "shop/orders, api: 1 dead letter due again\n"
    assert (await states(queue))["[1]"] == "pending"


async def test_what_cannot_be_redriven_is_said_with_what_to_write(queue, dsn):
    assert "say which: --id" in (await run("redrive", *dsn, code=2)).output
    assert "--all is every dead letter" in (await run("redrive", *dsn, "--all", "--id", "x", code=2)).output
    assert "queue --dead" in (await run("redrive", *dsn, "--id", "x", code=1)).output
    assert "queue --dead" in (await run("redrive", *dsn, "--key", "[99]", code=1)).output
    assert "shop/orders: id" in (await run("redrive", *dsn, "--key", '{"order": 1}', code=1)).output
    unknown = (await run("redrive", *dsn, "--channel", "nix", code=1)).output
    assert "is channel nix; this database has: other/bills mail, shop/orders api" in unknown
    assert "NOTIFYCHANNEL_DSN" in (await run("redrive", "--all", code=2)).output
    assert "NAMESPACE/NAME" in (await run("queue", *dsn, "--channel", "a/b/c", code=2)).output


async def test_the_history_of_a_key_is_told_from_capture_to_death_and_back(queue, dsn):
    await run("redrive", *dsn, "--all")
    steps = json.loads((await run("audit", *dsn, "--key", '{"id": 1}', "--json")).stdout)
    assert [(it["step"], it["group"], it["error"]) for it in steps] == [
        ("captured", None, None),
        ("refused", "api", "500"),
        ("refused", "api", "500"),
        ("dead", "api", "500"),
        ("redriven", "api", None),
    ]
    assert steps[0]["events"] == ["insert"]
    lines = (await run("audit", *dsn, "--channel", "shop/orders", "--key", "[2]")).stdout.splitlines()
    assert [line.split()[3] for line in lines[1:]] == ["captured", "delivered"]
    every = await run("audit", *dsn, "--limit", 2)
    assert [line.split()[3] for line in every.stdout.splitlines()[1:]] == ["captured", "redriven"]
    assert "more with --limit" in every.stderr


async def test_where_an_older_version_has_registered_the_channel_a_key_is_asked_for_by_its_values(queue, dsn):
    """Mutant: the empty key_names for names of the channel's."""
    await queue.owner.execute("UPDATE notifychannel.audited SET key_names = '{}'")
    assert "write only the values" in (await run("audit", *dsn, "--key", '{"id": 2}', code=1)).output
    lines = (await run("audit", *dsn, "--key", "[2]")).stdout.splitlines()
    assert [line.split()[3] for line in lines[1:]] == ["captured", "delivered"]


async def test_a_history_that_is_not_kept_is_said_with_what_to_write(queue, dsn):
    assert (await run("audit", *dsn, "--key", "[99]")).stdout.startswith("nothing of this key in the last 1d 0h")
    assert "the key names id" in (await run("audit", *dsn, "--key", "[1, 2]", code=1)).output
    unkept = " ".join((await run("audit", *dsn, "--channel", "bills", code=1)).output.split())
    assert "of channel bills; this database keeps that of shop/orders (installation dev)" in unkept
    assert "audit: {enabled: true}" in unkept
    await queue.owner.execute("SELECT notifychannel.put_audit('dev', 'other', 'bills', 'bills', 60, '{id}')")
    assert "choose one by --channel" in (await run("audit", *dsn, code=1)).output


async def test_what_is_installed_by_another_version_is_said_with_where_to_look(queue, dsn):
    await queue.owner.execute("DROP FUNCTION notifychannel.history")
    said = " ".join((await run("audit", *dsn, code=1)).output.split())
    assert "is not in this database (SQLSTATE 42883)" in said
    assert "notifychannel --version" in said


@pytest.mark.parametrize("command", ["queue", "redrive --all", "audit"])
async def test_a_database_without_a_queue_and_a_role_without_rights_are_told_so(database, command):
    name, *options = command.split()
    assert "this database has no" in (await run(name, *options, "--dsn", database.dsn(), code=1)).output
    await Queue.on(database)
    nobody = await database.role("nobody")
    said = await run(name, *options, "--dsn", database.dsn(nobody), code=1)
    assert "DSN of the installer" in said.output
    assert database.passwords[nobody] not in said.output
    away = f"postgresql://x:{'hidden'}@127.0.0.1:1/x"
    said = await run(name, *options, "--dsn", away, code=3)
    assert "nobody listens there" in said.output
    assert "hidden" not in said.output
