"""`notifychannel check-inject` asked about pods of a real cluster: with the sidecar, without it, and why."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.e2e import shop as shops

pytestmark = pytest.mark.timeout(900)


def checked(kubectl, pod):
    """Exit code and verdict; what is said where there is none."""
    command = ["check-inject", pod, "--kubeconfig", str(kubectl.kubeconfig), "-n", kubectl.arguments[1], "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "notifychannel_cli", *command], capture_output=True, text=True, check=False, timeout=120
    )
    found = json.loads(done.stdout) if done.stdout else [{"reason": done.stderr}]
    return done.returncode, found[0]


async def test_a_pod_says_whether_it_has_the_sidecar_and_why_not(shop, images):
    """Mutants: settings by default instead of the injector's; the label looked for after the webhook."""
    await shop.open(shops.channel())
    (with_it,) = shop.run(images)
    code, found = checked(shop.kubectl, with_it)
    assert (code, found["reason"], found["detail"]) == (0, "AlreadyInjected", "by today's settings")

    without = shops.deployment(images, name="other", group=None)
    shop.kubectl.put(without)
    shop.kubectl.rolled_out("deployment/other")
    (pod,) = shops.pods(shop.kubectl, app="other")
    assert checked(shop.kubectl, pod)[1]["reason"] == "NoLabel"
    shop.kubectl.run("label", "deployment", "other", f"notifychannel.io/inject={shops.GROUP}")
    code, found = checked(shop.kubectl, pod)
    assert (code, found["reason"]) == (1, "LabelMisplaced")
    assert "Deployment/other itself" in found["detail"]
    shop.kubectl.run("label", "pod", pod, f"notifychannel.io/inject={shops.GROUP}")
    code, found = checked(shop.kubectl, pod)
    assert (code, found["injected"], found["reason"]) == (1, False, "NotAsked")
    code, found = checked(shop.kubectl, "nobody")
    assert (code, "there is no pod nobody" in found["reason"]) == (1, True)
