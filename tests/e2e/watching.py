"""Keeps all that a watch of pods tells while a `with` lasts: what a test wants to say of the whole time."""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.e2e.kubectl import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kubectl import Kubectl


@dataclass(slots=True, kw_only=True)
class Seen:
    """Every state of every pod, in order."""

    states: list[dict[str, Any]] = field(default_factory=list)
    has_ended: bool = False
    """The watch broke: what it has not seen may have been."""

    def unready(self) -> set[str]:
        """Pods that were Ready at one time and later were not."""
        ready, lost = set(), set()
        for pod in self.states:
            name = pod["metadata"]["name"]
            if is_ready(pod):
                ready.add(name)
            elif name in ready:
                lost.add(name)
        return lost


@contextmanager
def watched(kubectl: Kubectl, selector: str) -> Iterator[Seen]:
    """What happens to the pods with these labels, from now on."""
    command = [kubectl.program, *kubectl.arguments, "get", "pods", "-l", selector, "--watch", "-o", "json"]
    seen = Seen()
    with subprocess.Popen(
        command, env=kubectl.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        reader = threading.Thread(target=lambda: seen.states.extend(documents(process)))
        reader.start()
        try:
            yield seen
            seen.has_ended = process.poll() is not None
        finally:
            process.kill()
            reader.join()


def is_ready(pod: dict[str, Any]) -> bool:
    """Its condition."""
    return any(it["type"] == "Ready" and it["status"] == "True" for it in pod["status"].get("conditions", ()))


def identities(kubectl: Kubectl, selector: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Pod → its uid and how often each container was restarted: the same as before where nothing was restarted.

    Without those that are going, which may be of a test before.
    """
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            tuple(
                it["restartCount"]
                for kind in ("initContainerStatuses", "containerStatuses")
                for it in pod["status"].get(kind, ())
            ),
        )
        for pod in kubectl.get("pods", "-l", selector)["items"]
        if "deletionTimestamp" not in pod["metadata"]
    }
