"""`notifychannel status` of a real cluster: what pods say of themselves, by the API server's proxy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import shop as shops

pytestmark = pytest.mark.timeout(900)


def status(kubectl, *args):
    """Exit code, standard output and error."""
    command = ["status", "--kubeconfig", str(kubectl.kubeconfig), "-n", kubectl.arguments[1], *args]
    done = subprocess.run(
        [sys.executable, "-m", "notifychannel_cli", *command], capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def by_plugin(kubectl):
    """The same, as kubectl finds it on the PATH."""
    environment = {**kubectl.environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["kubectl", "notifychannel", "status", "-n", kubectl.arguments[1], "--every", "0.5"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


async def test_a_channel_is_a_line_with_its_pods_rate_and_times(shop, images):
    """Mutants: pods of other groups counted; a group without pods that is left out."""
    await shop.open(shops.channel())
    code, said, _ = status(shop.kubectl)
    assert (code, said.splitlines()[1].split()[:4]) == (
        1,
        [f"{shop.kubectl.arguments[1]}/orders", shops.GROUP, "NoPods", "0/0"],
    )
    (pod,) = shop.run(images)
    shops.until_condition(shop.kubectl, "orders", "Ready", "True")
    shops.until_heard(shop.kubectl, pod, None)
    owner = await shop.postgres.connect()
    await owner.execute("INSERT INTO orders (id) SELECT i FROM generate_series(1, 20) AS i")
    shops.until_heard(shop.kubectl, pod, {"id": 20})
    code, said, complaint = status(shop.kubectl, "--json", "--every", "0.5")
    assert (code, complaint) == (0, "")
    (found,) = json.loads(said)
    assert (found["channel"], found["group"], found["ready"]) == ("orders", shops.GROUP, "True")
    assert (found["pods"], found["answered"], found["listening"], found["dead"]) == (1, 1, 1, 0)
    assert 0 < found["p50_seconds"] <= found["p99_seconds"] < 600
    assert by_plugin(shop.kubectl).splitlines()[1].split()[:4] == [
        f"{shop.kubectl.arguments[1]}/orders", shops.GROUP, "True", "1/1",
    ]  # fmt: skip
    code, said, _ = status(shop.kubectl, "nobody")
    assert (code, "no NotifyChannel of the names nobody" in said) == (1, True)
