"""kubectl and helm as thin runners: arguments in, standard output out, standard error in the exception.

They block: beside a background task, call them by `asyncio.to_thread`. They wait by watches, never by sleeping.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class CommandError(AssertionError):
    """A command that failed: what it was and what it wrote to standard error."""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """One program with the cluster's kubeconfig in its environment."""

    program: str
    kubeconfig: Path
    arguments: tuple[str, ...] = ()

    def run(self, *arguments: str, stdin: str | None = None, timeout_s: float = 120) -> str:
        """Its standard output; CommandError with standard error when it fails or takes longer."""
        command = [self.program, *self.arguments, *arguments]
        try:
            done = subprocess.run(
                command,
                input=stdin,
                env=self.environment(),
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"{' '.join(command)}: no end after {timeout_s} s") from error
        if done.returncode:
            raise CommandError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def environment(self) -> dict[str, str]:
        """For a process that is to reach the same cluster."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}


@dataclass(frozen=True, kw_only=True)
class Kubectl(Runner):
    """kubectl, in one namespace when `within` has named one."""

    program: str = "kubectl"

    def within(self, namespace: str) -> Kubectl:
        """The same in that namespace."""
        return replace(self, arguments=("--namespace", namespace))

    def apply(self, *manifests: str | dict[str, Any], server_side: bool = False) -> str:
        """Apply YAML texts or objects. Not server-side unless asked for: that is what users type."""
        texts = [manifest if isinstance(manifest, str) else json.dumps(manifest) for manifest in manifests]
        options = ["--server-side"] if server_side else []
        return self.run("apply", *options, "-f", "-", stdin="\n---\n".join(texts))

    def get(self, *arguments: str) -> Any:
        """Objects as JSON: `get("pods", "-l", "app=web")["items"]`."""
        return json.loads(self.run("get", *arguments, "-o", "json"))

    def wait_for(self, what: str, condition: str, *, timeout_s: float = 120) -> None:
        """`wait_for("pod/web", "condition=Ready")`; also `"jsonpath={.status.phase}=Succeeded"` and `"delete"`."""
        self.run("wait", what, f"--for={condition}", f"--timeout={timeout_s}s", timeout_s=timeout_s + 10)

    def rolled_out(self, what: str, *, timeout_s: float = 120) -> None:
        """Wait until a Deployment or StatefulSet is as it should be."""
        self.run("rollout", "status", what, f"--timeout={timeout_s}s", timeout_s=timeout_s + 10)

    def until(
        self, kind: str, wanted: Callable[[dict[str, Any]], bool], *arguments: str, timeout_s: float = 120
    ) -> tuple[dict[str, Any], float]:
        """The first object for which `wanted` holds, and the seconds it took; one that is not there yet is waited for.

        `until("pods", is_injected, "-l", "app=web")`; for one object add `"--field-selector=metadata.name=web"`.
        """
        began, last = time.monotonic(), None
        for last in self._watch(kind, *arguments, timeout_s=timeout_s):
            if wanted(last):
                return last, time.monotonic() - began
        raise CommandError(f"no {kind} {' '.join(arguments)} as wanted within {timeout_s} s; the last was: {last}")

    def _watch(self, kind: str, *arguments: str, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Each object as it is and as it changes, until the time is over or nobody listens any more."""
        command = [self.program, *self.arguments, "get", kind, *arguments, "--watch", "-o", "json"]
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:  # a watch that the server ends is taken up again
            with subprocess.Popen(
                command, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as process:
                timer = threading.Timer(left_s, process.kill)
                timer.start()
                try:
                    yield from documents(process)
                finally:
                    timer.cancel()
                    process.kill()
            time.sleep(0.2)  # a kind that is not known yet ends the watch at once


def documents(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """JSON objects as kubectl prints them one after the other; each ends with a brace in the first column."""
    lines: list[str] = []
    for line in process.stdout or ():
        lines.append(line)
        if line.rstrip() == "}":
            yield json.loads("".join(lines))
            lines.clear()


@dataclass(frozen=True, kw_only=True)
class Helm(Runner):
    """helm; charts are folders of this repository."""

    program: str = "helm"

    def rendered(self, *arguments: str) -> list[dict[str, Any]]:
        """`helm template` as objects; libyaml's loader, for it is ten times as fast."""
        documents = yaml.load_all(self.run("template", *arguments), Loader=yaml.CSafeLoader)
        return [found for found in documents if found]
