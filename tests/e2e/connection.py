"""The API server over connections that stay: what the tests want to know, at a hundredth of a kubectl's CPU.

It asks, has pods asked, and puts what a test needs in its place. What users type is typed, by `Kubectl`.
"""

from __future__ import annotations

import functools
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from tests.e2e.command_error import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.question import Question

SHORT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Any number of threads may ask at a time."""

    api: client.ApiClient

    def get(self, question: Question) -> Any:
        """The object, or the list, as `kubectl get -o json` prints it."""
        found = json.loads(self.text("GET", question.with_query()))
        for each in found.get("items", [found]):
            each["metadata"].pop("managedFields", None)
        return found

    def watch(self, question: Question, *, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Each object as it is, and as it changes, until the server ends the watch or the time is over."""
        found = self.get(question)
        yield from found["items"]
        since = {"watch": "1", "resourceVersion": found["metadata"]["resourceVersion"]}
        url = question.with_query(**since, timeoutSeconds=str(max(1, int(timeout_s))))
        with self._answer("GET", url, timeout_s=timeout_s + SHORT_S) as answer:
            for line in _lines(answer):
                event = json.loads(line)
                if event["type"] == "ERROR":  # the version is too old by now: the caller asks anew
                    return
                yield event["object"]

    def put(self, question: Question, body: dict[str, Any]) -> None:
        """The object is as the body says, made or changed (server-side apply); a field it doesn't know is an error."""
        url = question.with_query(fieldManager="tests", force="true", fieldValidation="Strict")
        self.text("PATCH", url, body, content="application/apply-patch+yaml")

    def text(
        self, method: str, url: str, body: Any = None, *, content: str = "application/json", timeout_s: float = SHORT_S
    ) -> str:
        """What is answered to one request; CommandError where that is no 2xx."""
        with self._answer(method, url, body, content=content, timeout_s=timeout_s) as answer:
            return answer.read().decode()

    @contextmanager
    def _answer(
        self, method: str, url: str, body: Any = None, *, content: str = "application/json", timeout_s: float
    ) -> Iterator[Any]:
        configuration = self.api.configuration
        headers = {"Content-Type": content}
        if token := configuration.get_api_key_with_prefix("authorization"):
            headers["Authorization"] = token
        answer = self.api.rest_client.pool_manager.request(
            method, configuration.host + url, body=None if body is None else json.dumps(body), headers=headers,
            timeout=timeout_s, preload_content=False,
        )  # fmt: skip
        try:
            if answer.status // 100 != 2:
                raise CommandError(f"{method} {url} was answered by {answer.status}: {answer.read().decode()}")
            yield answer
        except HTTPError as error:
            raise CommandError(f"{method} {url}: {error}") from error
        finally:
            answer.close()  # what was read to its end has gone back to the pool before


def _lines(answer: Any) -> Iterator[bytes]:
    """As they come."""
    rest = b""
    for some in answer.stream(None):
        *whole, rest = (rest + some).split(b"\n")
        yield from whole


@functools.cache
def connected(kubeconfig: Path) -> Connection:
    """One for all tests of a process; whatever login the kubeconfig says."""
    return Connection(api=config.new_client_from_config(str(kubeconfig)))
