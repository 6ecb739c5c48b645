"""What the containers of a namespace have logged is searched for the passwords that tests have made (tests/leaks.py).

Not PostgreSQL's own log. Call it while the pods are there: their logs go with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests import leaks

if TYPE_CHECKING:
    from tests.e2e.kubectl import Kubectl

NOT_OF_POSTGRES = "app notin (postgres, postgres-standby)"
WHOLE = ("--all-containers", "--prefix", "--ignore-errors", "--tail=-1")
"""A container that has not begun yet has no log, which is no error here."""


def search(kubectl: Kubectl) -> None:
    """Of each pod that is there, and of a container's life before this one. AssertionError says in whose log one is."""
    pods = kubectl.get("pods", "-l", NOT_OF_POSTGRES)["items"]
    if not pods:
        return
    told = [kubectl.run("logs", "-l", NOT_OF_POSTGRES, *WHOLE, f"--max-log-requests={10 * len(pods)}")]
    told += [kubectl.run("logs", it["metadata"]["name"], "--previous", *WHOLE) for it in pods if _has_restarted(it)]
    before = len(leaks.found)
    for line in "".join(told).splitlines():
        leaks.look(line)
    where = {line.partition("] ")[0].strip("[") for line in leaks.found[before:]}
    assert not where, f"a password stands in the log of {', '.join(sorted(where))}"


def _has_restarted(pod: dict[str, Any]) -> bool:
    status = pod.get("status") or {}
    every = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return any(it["restartCount"] for it in every)
