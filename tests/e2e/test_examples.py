"""The examples on a cluster by their own manifests: one release and one server for all of them."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

import yaml

from tests.e2e import shop as shops
from tests.e2e.cluster import ROOT

if TYPE_CHECKING:
    from pathlib import Path

GUARD_S = 120.0
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/kubernetes.yaml"))
ALERT = """
UPDATE webhooks SET url = replace(url, '127.0.0.1:8082', 'alert-receiver:8080');
INSERT INTO alert_notification_queue (webhook, message) VALUES ('chat', 'disk full'), ('pager', 'disk fuller');
"""
COMMENTS = """
INSERT INTO notes (country, region) VALUES ('DE', 'europe'), ('BR', 'americas');
INSERT INTO note_comments (note_id, country, region, event) SELECT id, country, region, 'opened' FROM notes;
UPDATE notes SET status = 'closed';
"""
BUILD = "UPDATE generation_todos SET status = 'done' WHERE title = 'A basket'"
LINES = """
INSERT INTO runs (id, spider, state) OVERRIDING SYSTEM VALUE VALUES (4711, 'by hand', 'finished');
INSERT INTO log_lines (run_id, line) VALUES (4711, 'from elsewhere');
"""
READ = """
import urllib.request
with urllib.request.urlopen("http://log-stream:8080/runs/4711/lines", timeout=60) as lines:
    next(line for line in lines if b"from elsewhere" in line)
"""
WATCH = """
import asyncio, json, os
import aiohttp, asyncpg

async def main():
    database = await asyncpg.connect(os.environ["DATABASE_URL"])
    url = "ws://build-status/7/1/live"
    async with asyncio.timeout(60), aiohttp.ClientSession() as http, http.ws_connect(url) as page:
        assert ["Payment", "pending"] in json.loads(await page.receive_str())["todos"]
        await database.execute("UPDATE generation_todos SET status = 'done' WHERE title = 'Payment'")
        while not (state := await page.receive_str()) or ["Payment", "done"] not in json.loads(state)["todos"]:
            pass

asyncio.run(main())
"""
INSIDE = {"build-status": WATCH, "log-stream": READ}
"""What the container of an application sees then by its Service."""
DELIVERED = "SELECT sum(alerts) = 2 AND (SELECT count(*) = 2 FROM alert_deliveries) FROM alert_statistics"
DONE = {
    "alert-delivery": (ALERT, DELIVERED),
    "build-status": (BUILD, "SELECT true"),  # nothing more in the database: WATCH sees it
    "iot-alerts": (
        "INSERT INTO telemetry (tenant_id, device_id, celsius) VALUES (1, 'pump-1', 91), (2, 'chiller', 92)",
        "SELECT count(*) = 2 FROM fleet_alert WHERE delivered_at IS NOT NULL",
    ),
    "log-stream": (LINES, "SELECT state = 'finished' FROM runs WHERE id = 4711"),
    "note-analytics": (COMMENTS, "SELECT count(*) = 2 FROM facts WHERE note_status = 'closed'"),
}
"""What is done in the database of each, and what is so then."""

AGAIN = {
    "build-status": "INSERT INTO generation_todos (session_id, title) VALUES (1, 'One more')",
    "iot-alerts": (
        "INSERT INTO telemetry (tenant_id, device_id, celsius) SELECT 1, 'pump-' || max(id), 91 FROM telemetry"
    ),
    "log-stream": "INSERT INTO log_lines (run_id, line) VALUES (4711, 'once more')",
}
"""Of those that are told from memory: a hint that waits when a poll or the first resync comes goes with it."""
AGAIN_EVERY_S = 3.0

WITHOUT_KEYS = {"bulk-import-completed"}
"""Of these channels nobody is told a hint, but to look at every key."""


def documents(folder: Path, file: str) -> list[dict]:
    return [it for it in yaml.safe_load_all((folder / file).read_text()) if it]


def put(shop, folder, images):
    """What the example's page has a person do: Secrets, the ConfigMap of its folder, both manifests."""
    name = folder.name
    shop.postgres.secret(f"{name}-installer", "installer", allowed=True)
    shop.postgres.secret(f"{name}-database", "app_owner")
    for channel in documents(folder, "channels.yaml"):
        for consumer in channel["spec"]["consumers"]:
            shop.postgres.secret(f"notifychannel-{consumer['group']}", "listener")
    shop.kubectl.run("create", "configmap", name, f"--from-file={folder}")
    manifest = (folder / "kubernetes.yaml").read_text()
    assert "image: notifychannel/sidecar:0.1.0" in manifest
    shop.kubectl.apply(manifest.replace("notifychannel/sidecar:0.1.0", images["sidecar"]))
    shop.kubectl.apply((folder / "channels.yaml").read_text())


async def were_told(shop, owner, example, channel, consumer):
    """Every pod of the group has been told a hint, by a POST, a stream or a claim; AtLeastOnce one of them."""
    if channel in WITHOUT_KEYS:
        return
    pods = shop.kubectl.get("pods", "-l", f"notifychannel.io/inject={consumer['group']}")["items"]
    enough = any if consumer.get("delivery") == "AtLeastOnce" else all
    async with asyncio.timeout(GUARD_S):
        while not enough([await told(shop, pod["metadata"]["name"], channel) for pod in pods]):
            if example in AGAIN:
                await owner.execute(AGAIN[example])
            await asyncio.sleep(AGAIN_EVERY_S)


async def told(shop, pod, channel):
    """Hints that its application has taken."""
    text = await asyncio.to_thread(shop.kubectl.proxied, pod, 9789, "/metrics")
    counted = f'notifychannel_hints_delivered_total{{channel="{channel}"}} '
    return sum(float(it) for it in re.findall(rf"^{re.escape(counted)}(\S+)$", text, re.MULTILINE))


async def test_each_example_does_on_a_cluster_what_its_manifests_say(shop, images):
    owner = await shop.postgres.connect()
    channels = []
    for folder in EXAMPLES:
        await owner.execute((folder / "schema.sql").read_text())
        channels += documents(folder, "channels.yaml")
    named = [{**it, "metadata": {**it["metadata"], "namespace": shop.release.served}} for it in channels]
    await shop.postgres.grant(*map(json.dumps, named))
    for folder in EXAMPLES:
        put(shop, folder, images)
    for channel in channels:
        shops.until_condition(shop.kubectl, channel["metadata"]["name"], "Ready", "True")
    for folder in EXAMPLES:
        change, is_done = DONE[folder.name]
        await owner.execute(change)
        async with asyncio.timeout(GUARD_S):
            while not await owner.fetchval(is_done):  # noqa: ASYNC110 - it can only be asked
                await asyncio.sleep(0.2)
    for folder in EXAMPLES:
        for channel in documents(folder, "channels.yaml"):
            for consumer in channel["spec"]["consumers"]:
                await were_told(shop, owner, folder.name, channel["metadata"]["name"], consumer)
    for name, program in INSIDE.items():
        shop.kubectl.wait_for(f"deployment/{name}", "condition=Available")
        seeing = (f"deployment/{name}", "-c", "application", "--", "python3", "-c", program)
        await asyncio.to_thread(shop.kubectl.run, "exec", *seeing)
