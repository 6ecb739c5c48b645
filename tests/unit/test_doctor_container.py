"""A sidecar that can't start answers nobody: the kubelet's word for it is told, and never taken for well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from notifychannel_cli.doctor.finding import Unseen, Verdict
from tests.unit.test_doctor_cluster import HEALTHY, POD, found, pod

SILENT = Unseen(why="it does not answer")


def seen(phase: str, **status: Any) -> dict[str, Any]:
    """Verdict and finding of the pod's checks, by id."""
    body = {**pod(), "status": {"phase": phase, "initContainerStatuses": [{"name": "notifychannel", **status}]}}
    said = found(replace(HEALTHY, pods=(replace(POD, body=body, status=SILENT),)))
    return {it.check.id: it for it in said if it.check.id in {"pods/listening", "pods/probe"}}


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError"])
def test_a_sidecar_that_cannot_start_is_a_failure_though_its_pod_only_waits(reason):
    """Mutant: `if False and (stuck := …)` in pods.listening: √, while the pod waits for its image for ever."""
    said = seen("Pending", state={"waiting": {"reason": reason}})
    assert said["pods/listening"].verdict is Verdict.FAILED
    assert reason in said["pods/listening"].why
    assert "describe pod orders-api-1" in said["pods/listening"].remedy[0]
    assert said["pods/probe"].verdict is Verdict.OK


def test_one_that_ends_again_and_again_says_what_ended_it():
    """Mutant: `why_not` without lastState: nobody learns that it was memory."""
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    said = seen("Running", state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ended)
    assert said["pods/listening"].why == "its sidecar does not run: CrashLoopBackOff, last ended by OOMKilled"
    assert "--previous" in said["pods/listening"].remedy[1]
    assert (said["pods/probe"].verdict, said["pods/probe"].remedy) == (Verdict.NOT_CHECKED, ())


@pytest.mark.parametrize("state", [{"waiting": {"reason": "PodInitializing"}}, {"waiting": {}}, {"running": {}}, {}])
def test_one_on_its_way_is_no_failure(state):
    """Mutant: ON_ITS_WAY empty: each roll-out fails the doctor."""
    assert {it.verdict for it in seen("Pending", state=state).values()} == {Verdict.OK}
