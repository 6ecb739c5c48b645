"""kubectl and helm as thin runners: arguments in, standard output out, standard error in the exception.

They block: beside a background task, call them by `asyncio.to_thread`. They wait by watches, never by sleeping. What
is only looked at or waited for is asked without a program (connection.py), each of which takes a tenth of a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

from tests.e2e import rollout
from tests.e2e.command_error import CommandError
from tests.e2e.connection import Connection, connected
from tests.e2e.question import Question, asked, object_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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
        """For a process that is to reach the same cluster. Go's end before their garbage is worth collecting."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "GOGC": "off"}


@dataclass(frozen=True, kw_only=True)
class Kubectl(Runner):
    """kubectl, in one namespace when `within` has named one."""

    program: str = "kubectl"

    def within(self, namespace: str) -> Kubectl:
        """The same in that namespace."""
        return replace(self, arguments=("--namespace", namespace))

    def apply(self, *manifests: str | dict[str, Any]) -> str:
        """Apply YAML texts or objects; not server-side: that is what users type."""
        texts = [manifest if isinstance(manifest, str) else json.dumps(manifest) for manifest in manifests]
        return self.run("apply", "-f", "-", stdin="\n---\n".join(texts))

    def put(self, *bodies: dict[str, Any]) -> None:
        """The same without a program, server-side: for what only has to be there."""
        for body in bodies:
            self.connection.put(object_of(body, self.namespace), body)

    def get(self, *arguments: str) -> Any:
        """Objects as JSON: `get("pods", "-l", "app=web")["items"]`."""
        if question := self._asked(*arguments):
            return self.connection.get(question)
        return json.loads(self.run("get", *arguments, "-o", "json"))

    @property
    def connection(self) -> Connection:
        """To the same API server, with the same login."""
        return connected(self.kubeconfig)

    @property
    def namespace(self) -> str:
        """The one that `within` has named."""
        return self.arguments[1] if self.arguments else "default"

    def proxied(self, pod: str, port: int, path: str, body: Any = None, *, timeout_s: float = 30) -> str:
        """What a pod answers at its own port, through the API server: to a GET, or to a POST of a body."""
        url = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy{path}"
        return self.connection.text("GET" if body is None else "POST", url, body, timeout_s=timeout_s)

    def dry_run(self, pod: dict[str, Any]) -> dict[str, Any]:
        """The pod as the API server would create it, after every webhook; CommandError where it takes none."""
        url = f"/api/v1/namespaces/{self.namespace}/pods?dryRun=All"
        return json.loads(self.connection.text("POST", url, pod))

    def wait_for(self, what: str, condition: str, *, timeout_s: float = 120) -> None:
        """`wait_for("pod/web", "condition=Ready")`; also `"jsonpath={.status.phase}=Succeeded"` and `"delete"`."""
        kind, _, name = what.partition("/")
        word, _, type_ = condition.partition("=")
        if word == "condition" and self._asked(kind):
            self.until(
                kind, lambda it: _is_true(it, type_), f"--field-selector=metadata.name={name}", timeout_s=timeout_s
            )
        else:
            self.run("wait", what, f"--for={condition}", f"--timeout={timeout_s}s", timeout_s=timeout_s + 10)

    def rolled_out(self, what: str, *, timeout_s: float = 120) -> None:
        """Wait until a Deployment or StatefulSet is as it should be."""
        kind, _, name = what.partition("/")
        self.until(kind, rollout.is_done, f"--field-selector=metadata.name={name}", timeout_s=timeout_s)

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

    def _watch(self, *words: str, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Each object as it is and as it changes, until the time is over or nobody listens any more."""
        question = self._asked(*words)
        assert question, f"question.py does not know {words}"
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:  # a watch that the server ends is taken up again
            with suppress(CommandError):  # a kind that is not known yet
                yield from self.connection.watch(question, timeout_s=left_s)
            time.sleep(0.2)

    def _asked(self, *words: str) -> Question | None:
        return asked(*words, namespace=self.namespace)


def _is_true(body: dict[str, Any], condition: str) -> bool:
    found = (body.get("status") or {}).get("conditions") or ()
    return any(it["type"] == condition and it["status"] == "True" for it in found)


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
