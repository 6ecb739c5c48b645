"""Pods are replaced under a stream of changes: no changed key is missed where somebody stays, nobody gone is told.

Every post is a line of the application's log, and the logs of all pods, gone ones too, are followed from their start.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from tests.e2e import shop as shops
from tests.e2e.kubectl import documents

if TYPE_CHECKING:
    from tests.e2e.kubectl import Kubectl

REPLICAS = 3
LINGER_S = 15
"""What every server in a pod does that is told to end: it goes on answering while others still come to it.

Also for as long as a busy node takes to tell the sidecar.
"""
PAUSE_S = 0.02
BEFORE_S, AFTER_S = 2.0, 2.0
"""Of the stream, around the roll-out."""
PENDING_S = 3.0
"""A change this old was delivered (maxDelay is 1 s), also by a pod that then ends."""
GRACE_S = 60
ROLL_GUARD_S, GUARD_S = 400, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One committed statement; times are Unix times by the server's clock, which is this machine's."""

    key: int
    at: float
    """When the statement began: its hint is not older."""
    committed_at: float


@dataclass(slots=True, kw_only=True)
class Logs:
    """Lines of the containers of all pods of a Deployment, as they come."""

    application: dict[str, list[dict]] = field(default_factory=dict)
    sidecar: dict[str, list[dict]] = field(default_factory=dict)

    def posts(self, pod):
        """What it acknowledged: (time, reason, hints)."""
        return [it for it in self.application[pod] if "body" in it and 200 <= it["status"] < 300]

    def said(self, pod, word):
        """When the application said that it was `started` or `stopped`."""
        return next((it[word] for it in self.application[pod] if word in it), None)

    def sidecar_at(self, pod, beginning):
        """When its sidecar logged a line that begins so; None when it did not."""
        found = (it["at"] for it in self.sidecar[pod] if it["message"].startswith(beginning))
        return next((datetime.fromisoformat(at).timestamp() for at in found), None)


@dataclass(slots=True, kw_only=True)
class Follower:
    """Follows the logs of one container after the other, each in a thread, until `ended`."""

    kubectl: Kubectl
    ended: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    processes: list[subprocess.Popen] = field(default_factory=list)

    def start(self, work, *arguments):
        """In a thread of its own."""
        self.threads.append(threading.Thread(target=work, args=arguments))
        self.threads[-1].start()

    def discover(self, selector, logs):
        """All pods with these labels, as soon as they run."""
        with self._running("get", "pods", "-l", selector, "--watch", "-o", "json") as watch:
            for pod in documents(watch):
                name = pod["metadata"]["name"]
                if name not in logs.application and is_running(pod):
                    logs.application[name], logs.sidecar[name] = [], []
                    self.start(self.follow, name, "application", logs.application[name])
                    self.start(self.follow, name, "notifychannel", logs.sidecar[name])

    def follow(self, pod, container, lines):
        """Until the pod is gone; a kubelet that is restarted ends the stream: then all of it once more."""
        while not self.ended.is_set() and self.kubectl.run("get", "pod", pod, "--ignore-not-found", "-o", "name"):
            with self._running("logs", "--follow", pod, "--container", container) as process:
                for number, line in enumerate(it for it in process.stdout if it.startswith("{")):
                    if number >= len(lines):
                        lines.append(json.loads(line))

    def end(self):
        """Of all of it."""
        self.ended.set()
        for process in self.processes:
            process.terminate()
        for thread in self.threads:
            thread.join()

    @contextmanager
    def _running(self, *arguments):
        command = [self.kubectl.program, *self.kubectl.arguments, *arguments]
        with subprocess.Popen(
            command, env=self.kubectl.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            self.processes.append(process)
            if self.ended.is_set():  # begun too late for `end` to see it
                process.terminate()
            yield process


@contextmanager
def followed(kubectl, selector):
    """The logs of all pods with these labels, from their first line to their last; complete after the `with`."""
    logs, follower = Logs(), Follower(kubectl=kubectl)
    follower.start(follower.discover, selector, logs)
    try:
        yield logs
    finally:
        follower.end()


def is_running(pod):
    """Both containers have begun, so that they have a log."""
    statuses = [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]
    return len(statuses) == 2 and all("running" in it["state"] for it in statuses)


async def write(connection, changes, stop):
    """A new key each time, so that which change a hint is about is never in doubt; and an old one once more."""
    number = 0
    while not stop.is_set():
        number += 1
        again = max(1, number - 20)
        for statement, key in (
            ("INSERT INTO orders (id) VALUES ($1) RETURNING statement_timestamp()", number),
            ("UPDATE orders SET note = clock_timestamp()::text WHERE id = $1 RETURNING statement_timestamp()", again),
        ):
            at = (await connection.fetchval(statement, key)).timestamp()
            changes.append(Change(key=key, at=at, committed_at=time.time()))
        await asyncio.sleep(PAUSE_S)


def last_heard(posts):
    """Key → the newest change of it that was acknowledged; and when a resync was acknowledged last."""
    hints, resync_at = {}, 0.0
    for post in posts:
        for hint in post["body"]["hints"]:
            key = hint["key"]["id"]
            hints[key] = max(hints.get(key, 0.0), datetime.fromisoformat(hint["last_at"]).timestamp())
        if not post["body"]["hints"]:
            resync_at = max(resync_at, post["at"])
    return hints, resync_at


def uncovered(changes, posts):
    """Changes that no acknowledged hint and no acknowledged resync told of.

    A resync counts that came after the statement had begun: what the sidecar heard before it posted the resync is
    swallowed by it, and what it hears later is a hint. One writer, so that is one change per resync.
    """
    hints, resync_at = last_heard(posts)
    return [it for it in changes if hints.get(it.key, 0.0) < it.at and resync_at < it.at]


async def until_covered(changes, logs, pods):
    """Wait until every change is, at each of the pods."""
    deadline = time.monotonic() + GUARD_S
    while missing := {pod: found for pod in pods if (found := uncovered(changes, logs.posts(pod)))}:
        assert time.monotonic() < deadline, f"not covered: {missing}"
        await asyncio.sleep(0.05)


async def test_a_rolling_update_under_a_stream_of_changes_misses_no_key_and_tells_nobody_who_is_gone(
    shop, images, record_property
):
    """Mutant: `_resync` of the listener doing nothing at the first connection: what changed before is not covered.

    A second: `_finishing` of app.py without cancelling the listener: it goes on posting to an application that ended.
    """
    owner = await shop.open(shops.channel())
    container = {**shops.deployment(images)["spec"]["template"]["spec"]["containers"][0]}
    container["env"] = [{"name": "LINGER_S", "value": str(LINGER_S)}]
    with followed(shop.kubectl, f"app={shops.GROUP}") as logs:
        old = await asyncio.to_thread(
            shop.run, images, replicas=REPLICAS, containers=[container], terminationGracePeriodSeconds=GRACE_S
        )
        changes, stop = [], asyncio.Event()
        writing = asyncio.create_task(write(owner, changes, stop))
        for pod in old:  # who has never been told anything has nothing to end well
            await asyncio.to_thread(shops.until_heard, shop.kubectl, pod, None)
        await asyncio.sleep(BEFORE_S)
        began_at = time.time()
        await asyncio.to_thread(roll, shop, old)
        rolled_s = time.time() - began_at
        await asyncio.sleep(AFTER_S)
        stop.set()
        await writing
        new = await asyncio.to_thread(shops.pods, shop.kubectl)
        await until_covered(changes, logs, new)
        shop.kubectl.run("wait", "pods", *old, "--for=delete", "--timeout=180s", timeout_s=190)
    assert len(old) == len(new) == REPLICAS
    assert not set(old) & set(new)
    for pod in old:
        ended_well(pod, logs, changes)
    for pod in new:
        assert not trouble(logs, pod)
    keys = len({it.key for it in changes})
    record_property(
        "figures",
        f"{REPLICAS} pods replaced in {rolled_s:.0f} s under {len(changes)} changes of {keys} keys: 0 not covered at"
        f" {REPLICAS} surviving pods",
    )


def roll(shop, old):
    """`kubectl rollout restart`, until the old pods are gone."""
    shop.kubectl.run("rollout", "restart", f"deployment/{shops.GROUP}")
    shop.kubectl.rolled_out(f"deployment/{shops.GROUP}", timeout_s=ROLL_GUARD_S)
    for pod in old:
        shop.kubectl.wait_for(f"pod/{pod}", "delete", timeout_s=180)


def trouble(logs, pod):
    """What its sidecar warned of once the application had acknowledged something.

    It warns of the first post that is not acknowledged, and again after one that was; the line about one from before
    the application listened may be written a moment after that says that it does.
    """
    heard_at = logs.posts(pod)[0]["at"]
    return [
        it
        for it in logs.sidecar[pod]
        if it["level"] != "info"
        and it["logger"].startswith("notifychannel_sidecar.deliverer")
        and datetime.fromisoformat(it["at"]).timestamp() > heard_at
    ]


def ended_well(pod, logs, changes):
    """It finished before its application was gone, had nothing left, and posted nothing in vain."""
    stopped_at = logs.said(pod, "stopped")
    finishing_at, finished_at = logs.sidecar_at(pod, "finishing"), logs.sidecar_at(pod, "finished; 0 keys are left")
    assert stopped_at, f"the log of {pod} is cut off"
    assert finishing_at, f"{pod}: no preStop"
    assert finished_at, f"{pod}: {logs.sidecar[pod][-5:]}"
    assert finished_at < stopped_at
    posts = logs.posts(pod)
    assert max(it["at"] for it in posts) <= stopped_at
    assert not trouble(logs, pod)
    started_at = logs.said(pod, "started")
    mine = [it for it in changes if started_at <= it.at and it.committed_at < finishing_at - PENDING_S]
    assert uncovered(mine, posts) == []
