"""examples/note-analytics, line by line, by its own manifest, but that a batch goes when it is full or a second old.

The other times are the manifest's own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from notifychannel_cli import manifests
from notifychannel_cli.commands import cli
from notifychannel_cli.install import install, remove
from tests.examples import FOLDER, copy, example, owned
from tests.pages import ROOT
from tests.process import notifychannel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HERE = FOLDER / "note-analytics"
COMMENT = """
INSERT INTO note_comments (note_id, country, region, event, body, stars)
SELECT n.id, n.country, n.region, $2, 'a bench is missing here', $3 FROM notes n WHERE n.country = $1 RETURNING id
"""
MANY = """
INSERT INTO note_comments (note_id, country, region, event)
SELECT n.id, n.country, n.region, 'commented' FROM notes n, generate_series(1, $2::int) WHERE n.country = $1
"""
MISSING = """
SELECT count(*) FROM note_comments c
WHERE c.event <> 'read' AND NOT EXISTS (SELECT FROM facts f WHERE f.comment_id = c.id)
"""
LATENCY = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM f.processed_at - c.created_at)) FROM facts f
JOIN (SELECT * FROM note_comments ORDER BY id DESC LIMIT $1) c ON c.id = f.comment_id
"""
TOOK = """
SELECT min(extract(epoch FROM f.processed_at - c.created_at))::float8
FROM facts f JOIN note_comments c ON c.id = f.comment_id WHERE c.country = $1
"""
SAID = "SELECT comment_id, note_id, event, note_status, words, stars FROM facts WHERE comment_id = ANY ($1) ORDER BY 1"
WAITING = "SELECT count(*) FROM notifychannel.jobs WHERE key <> ''"
CAPTURED = f"SELECT ({WAITING}) + (SELECT count(*) FROM notifychannel.outbox_logged)"
TRIGGERS = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'note_comments'::regclass AND NOT tgisinternal"
DELIVERED = 'notifychannel_hints_delivered_total{channel="note-inserted-%s"} %s.0\n'
BATCHES = r'notifychannel_batch_hints_bucket{channel="note-inserted-europe",le="%s"} (\S+)'
LOST = 'notifychannel_reconnections_total{reason="TooManyConnections"} '
METRICS = {
    "notifychannel_notifications_total": "", "notifychannel_hints_delivered_total": "",
    "notifychannel_change_to_delivery_seconds": "_count", "notifychannel_deliveries_total": '{answer="2xx",',
    "notifychannel_settled_total": '{channel="note-inserted-europe",outcome="retry"}', "notifychannel_listening": " ",
    "notifychannel_last_round_trip_timestamp_seconds": " ", "notifychannel_batch_hints": "_count",
    "notifychannel_delivery_seconds": "_count",
}  # fmt: skip
"""Those of the page, and how a line goes on that is to be more than 0."""
ALERTS = {
    "NotifyChannelNotListening": (r"notifychannel_listening\) == 0", "1m"),
    "NotifyChannelErrorRateHigh": (r"> 0\.05", "5m"),
    "NotifyChannelLagHigh": (r"> 60", "2m"),
    "NotifyChannelBacklogHigh": (r"> 100", "5m"),
}


@pytest.fixture(scope="session")
def server(newest):
    """What differs between versions is in SQL, and that has its own tests."""
    return newest


def sooner(channel):
    """The same batches, of which one that is not full goes after a second."""
    for consumer in channel["spec"]["consumers"]:
        if "batch" in consumer:
            assert consumer["batch"] == {"maxHints": 10, "maxWait": "5s"}
            assert consumer["retry"] == {"maxAttempts": 4, "initialDelay": "1s", "maxDelay": "1m"}
            consumer["batch"]["maxWait"] = "1s"


async def notes(admin):
    await admin.execute(
        "INSERT INTO notes (country, region) VALUES "
        "('DE', 'europe'), ('FR', 'europe'), ('BR', 'americas'), ('JP', 'asia')"
    )


async def facts(started, how="count(*)", where="true"):
    return await started.admin.fetchval(f"SELECT {how} FROM facts WHERE {where}")


async def all_are_facts(started):
    await started.until_row(MISSING, holds=lambda it: it == 0)


async def run(started, *words):
    arguments = [words[0], "--dsn", started.database.dsn(), *words[1:]]
    result = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


async def said(started, words):
    return any(words in line for line in started.program.printed)


async def does_the_same_beside_the_stream(started):
    """The batch, twice at once, all comments of Europe, of which ten are new: who was last is all that it changes."""
    admin = started.admin
    first = await admin.fetchval("SELECT array_agg(comment_id) FROM facts WHERE country = 'DE'")
    before = await admin.fetch(SAID, first)
    await admin.execute(MANY, "DE", 10)
    process = runpy.run_path(str(HERE / "micro_etl.py"))["process"]
    both = await admin.fetchval("SELECT array_agg(id) FROM note_comments WHERE country = 'DE'")
    batches = [process(await started.database.connect(), both, "batch") for _ in range(2)]
    assert await asyncio.gather(*batches) == [{}, {}]
    await all_are_facts(started)
    assert await facts(started) == 31
    assert await facts(started, where=f"processed_by = 'batch' AND comment_id = ANY (ARRAY{first})") == 20
    assert await admin.fetch(SAID, first) == before


async def fails_and_is_redriven(started):
    """What is no number, and what is too large for one: the table says so. Neither holds up another comment."""
    admin = started.admin
    stars = ("many", "99999999999", "5")
    await admin.executemany(COMMENT, [("DE", "commented", it) for it in stars])
    *bad, good = [await admin.fetchval("SELECT id FROM note_comments WHERE stars = $1", it) for it in stars]
    dead = "SELECT dead FROM notifychannel.consumers WHERE \"group\" = 'note-etl-europe'"
    waits = "SELECT state || ' ' || attempts FROM notifychannel.jobs"
    await started.until_row(waits, holds=lambda it: it == "retrying 1")
    assert await facts(started, "stars", f"comment_id = {good}") == 5
    await started.until_row(dead, holds=lambda it: it == 2)
    letters = json.loads(await run(started, "queue", "--dead", "--json"))
    assert {it["key"]["id"]: it["attempts"] for it in letters} == dict.fromkeys(bad, 4)

    elsewhere = await admin.fetchval(COMMENT, "JP", "opened", None)  # no channel is for Asia
    await admin.execute("INSERT INTO bulk_imports DEFAULT VALUES")
    await started.until(lambda: said(started, '{"batch": "bulk"'))
    (line,) = [it for it in started.program.printed if '{"batch": "bulk"' in it]
    assert json.loads(line.partition(" | ")[2])["failed"].keys() == set(map(str, bad))
    assert await facts(started, "processed_by", f"comment_id = {elsewhere}") == "batch"

    await admin.execute("UPDATE note_comments SET stars = '4' WHERE id = ANY ($1)", bad)
    await run(started, "redrive", "--all")
    await all_are_facts(started)
    assert await facts(started, "sum(stars)", f"comment_id = ANY (ARRAY{bad})") == 8


async def test_comments_become_facts_in_batches_and_what_fails_is_tried_listed_and_redriven(
    database, tmp_path, record_property
):
    """Beside the batch, which does the same comments twice more; each region by its own processor, or by the batch.

    Mutants: no ITS_OWN but ValueError (all three comments are at 503 for ever); an INSERT that is no upsert; a channel
    that hears `read` too.
    """
    async with example("note-analytics", database, tmp_path, change=sooner) as started:
        admin = started.admin
        await notes(admin)
        await admin.fetchval(COMMENT, "DE", "read", None)  # nobody wants to hear of it
        events = ("opened", "closed", "reopened", "commented")
        await admin.executemany(COMMENT, [("DE", events[number % 4], str(number % 5)) for number in range(20)])
        in_americas = await admin.fetchval(COMMENT, "BR", "opened", "3")
        await started.until(lambda: started.metrics("europe"), lambda it: DELIVERED % ("europe", 20) in it)
        europe = await started.metrics("europe")
        assert [float(re.search(BATCHES % re.escape(size), europe)[1]) for size in ("5.0", "10.0", "+Inf")] == [0, 2, 2]
        await started.until(lambda: started.metrics("americas"), lambda it: DELIVERED % ("americas", 1) in it)
        together_s, alone_s = await admin.fetchval(TOOK, "DE"), await admin.fetchval(TOOK, "BR")
        assert 0.9 < alone_s > together_s + 0.5  # s; one alone waits for a second
        record_property(
            "figures",
            f"ten comments together are facts after {together_s * 1000:.0f} ms; one alone, which here waits 1 s for "
            f"others, after {alone_s * 1000:.0f} ms",
        )
        assert await facts(started) == 21
        assert await facts(started, "words", f"comment_id = {in_americas}") == 5
        for line in ("europe", "americas"):
            assert any(it.startswith(f'{line} | {{"channel": "note-inserted-{line}"') for it in started.program.printed)

        await does_the_same_beside_the_stream(started)
        await fails_and_is_redriven(started)

        before = await facts(started)
        await admin.execute("UPDATE notes SET status = 'closed' WHERE country = 'BR'")
        await started.until_row("SELECT count(*) FROM facts WHERE note_status = 'closed'", holds=lambda it: it == 1)
        assert await facts(started) == before

        await started.until_row(CAPTURED, holds=lambda it: it == 0)
        europe = await started.metrics("europe")
        assert DELIVERED % ("europe", 33) in europe  # of 34: one was only read
        for metric, more in METRICS.items():
            lines = [line for line in europe.splitlines() if line.startswith(metric + more)]
            assert max(float(line.rpartition(" ")[2]) for line in lines) > 0, metric


async def test_bulks_bursts_a_full_server_and_a_suspended_channel_lose_nothing(database, tmp_path, record_property):
    """A bulk load is one look at everything; the batch, not there until then, does all when the channels have gone.

    Mutants: triggers that capture while suspended; `remove` that leaves them; a batch without its timer.
    """
    async with example("note-analytics", database, tmp_path, change=sooner, without=("batch",)) as started:
        admin = started.admin
        await notes(admin)
        await admin.execute(MANY, "DE", 3000)
        await all_are_facts(started)
        await started.until_row(CAPTURED, holds=lambda it: it == 0)
        europe = await started.metrics("europe")
        assert DELIVERED % ("europe", 0) in europe
        assert 'notifychannel_resyncs_total{channel="note-inserted-europe",reason="bulk"} 1.0' in europe

        loop = asyncio.get_running_loop()
        began = loop.time()
        await admin.execute(MANY, "BR", 900)
        await all_are_facts(started)
        burst_s = loop.time() - began
        for _ in range(10):
            await admin.executemany(COMMENT, [("FR", "commented", None), ("BR", "commented", None)] * 10)
        await all_are_facts(started)
        steady_s = await admin.fetchval(LATENCY, 200)
        record_property(
            "figures",
            f"900 comments at once are facts after {burst_s:.1f} s; of 200, one after the other, a half within "
            f"{steady_s * 1000:.0f} ms (by the batch: up to 15 minutes)",
        )

        owner = next(iter(database.passwords))
        await admin.execute(f'ALTER ROLE "{owner}" CONNECTION LIMIT 0')
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", owner)
        await admin.execute(MANY, "FR", 20)
        await started.until(lambda: started.metrics("europe"), lambda it: re.search(f"{re.escape(LOST)}[1-9]", it))
        await started.until(lambda: said(started, "Not listening: TooManyConnections"))
        await admin.execute(f'ALTER ROLE "{owner}" CONNECTION LIMIT -1')
        await all_are_facts(started)

        await started.until_row(CAPTURED, holds=lambda it: it == 0)
        channels = manifests.channels([str(started.folder / "channels.yaml")])
        dsn = database.dsn(owner)
        await install([replace(it, suspend=True) for it in channels], dsn=dsn, installation="dev")
        await admin.execute(MANY, "DE", 15)
        # at one moment: what was captured is in the outbox, waits, or is a fact
        assert tuple(await admin.fetchrow(f"SELECT ({CAPTURED}), ({MISSING})")) == (0, 15)
        await install(channels, dsn=dsn, installation="dev")
        await admin.fetchval(COMMENT, "FR", "commented", None)  # so that nobody sleeps until the queue is asked again
        await all_are_facts(started)

        batch = await asyncio.create_subprocess_exec(
            sys.executable, "batch.py", cwd=started.folder,
            env={**os.environ, "DATABASE_URL": dsn, "PORT": "0", "EVERY_S": "0"},
        )  # fmt: skip
        try:
            assert await remove(channels, dsn=dsn, installation="dev", force=True)
            assert await admin.fetchval(TRIGGERS) == 0
            last = await admin.fetchval("SELECT max(id) FROM note_comments")
            await admin.execute(MANY, "DE", 5)
            await all_are_facts(started)
        finally:
            batch.terminate()
            await batch.wait()
        assert await facts(started, where=f"processed_by = 'batch' AND comment_id > {last}") == 5


async def test_any_program_may_be_the_processor_and_a_country_makes_a_pilot(database, tmp_path):
    """`notifychannel dev --exec`, which brings the JSON on standard input and the database in DATABASE_URL."""

    def pilot(channel):
        if channel["metadata"]["name"] == "note-inserted-europe":
            (rule,) = channel["spec"]["sources"][0]["rules"]
            rule["when"]["allOf"].append({"column": "country", "operator": "In", "values": ["FR"]})
            channel["spec"]["consumers"][0]["batch"]["maxWait"] = "0s"

    folder, *_ = copy("note-analytics", tmp_path, change=pilot)
    admin, owner = await owned(database, folder / "schema.sql")
    await notes(admin)
    words = ("dev", "-f", str(folder / "channels.yaml"), "--dsn", database.dsn(owner), "--group", "note-etl-europe")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    async with notifychannel(*words, "--exec", str(folder / "script.py"), PATH=path) as dev:
        await dev.line("note-inserted-europe start", "→ 204")
        await admin.fetchval(COMMENT, "DE", "commented", "1")
        comment = await admin.fetchval(COMMENT, "FR", "commented", "2")
        await dev.line("note-inserted-europe change 1 hint", "→ 204")
        dev.interrupt()
        assert await dev.ends() == 0
    assert [tuple(row) for row in await admin.fetch("SELECT comment_id, processed_by FROM facts")] == [
        (comment, "script")
    ]


def test_the_alerts_of_the_page_are_those_of_the_chart_with_their_limits():
    """And every metric of the page is one that the tests above have found."""
    groups = yaml.safe_load((ROOT / "charts" / "notifychannel" / "alerts" / "notifychannel.yaml").read_text())["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    page = (HERE / "README.md").read_text()
    for alert, (limit, longest) in ALERTS.items():
        assert f"(../../docs/runbooks/{alert}.md)" in page
        assert re.search(limit, rules[alert]["expr"])
        assert rules[alert]["for"] == longest
    named = set(re.findall(r"notifychannel_[a-z_]+", page))
    assert named == METRICS.keys() | {LOST.partition("{")[0]}
