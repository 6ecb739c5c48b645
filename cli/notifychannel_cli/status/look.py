"""One look at a cluster: its channels, their pods, and what these say at /metrics, by the API server's proxy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from notifychannel_cli.status import line, sample
from notifychannel_cli.status.line import Group
from notifychannel_operator import inject
from notifychannel_operator.kinds import CHANNELS, PODS
from notifychannel_operator.kube import Forbidden, KubeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_cli.status.sample import Sample
    from notifychannel_operator.kube import Kube

AT_ONCE = 8
MOST_PODS = 20
"""Of a group: of more the first so many are asked."""
ENDED = frozenset({"Succeeded", "Failed"})


async def look(kube: Kube, *, namespace: str | None, names: frozenset[str]) -> tuple[list[Group], str | None]:
    """All groups of the channels of these names, of all where there are none; and why a pod did not answer, if one
    did not. Raises KubeError.
    """
    channels = await kube.list(CHANNELS, namespace=namespace)
    wanted = [body for body in channels if not names or body["metadata"]["name"] in names]
    pods = await kube.list(PODS, namespace=namespace, labels=inject.GROUP_LABEL)
    asked = _Asked(kube)
    found = await asyncio.gather(*(_groups(asked, body, pods) for body in wanted))
    return [group for groups in found for group in groups], asked.refusal


class _Asked:
    """Each pod once, for all of its channels."""

    def __init__(self, kube: Kube) -> None:
        self.refusal: str | None = None
        self._kube = kube
        self._room = asyncio.Semaphore(AT_ONCE)
        self._answers: dict[tuple[str, str], asyncio.Task[Mapping[str, Sample]]] = {}

    async def of(self, pod: dict[str, Any]) -> Mapping[str, Sample]:
        """By channel; empty where it does not answer."""
        key = pod["metadata"]["namespace"], pod["metadata"]["name"]
        if key not in self._answers:
            self._answers[key] = asyncio.create_task(self._ask(*key, inject.status_port(pod)))
        return await self._answers[key]

    async def _ask(self, namespace: str, name: str, port: int) -> Mapping[str, Sample]:
        async with self._room:
            try:
                return sample.read(await self._kube.proxied_text(name, port, "/metrics", namespace=namespace))
            except Forbidden as error:
                self.refusal = f"{error}; you need `get` on pods/proxy for hints, times and backlog"
            except (KubeError, ValueError) as error:
                self.refusal = f"{namespace}/{name} does not answer: {error}"
        return {}


async def _groups(asked: _Asked, body: dict[str, Any], pods: list[dict[str, Any]]) -> list[Group]:
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    ready, groups = line.of_channel(body)
    found = []
    for group in groups:
        ours = [pod for pod in pods if pod["metadata"]["namespace"] == namespace and _is_of(pod, group)]
        seated = [pod for pod in ours if inject.is_injected(pod)][:MOST_PODS]
        answers = await asyncio.gather(*(asked.of(pod) for pod in seated))
        samples = {
            pod["metadata"]["name"]: answer[name]
            for pod, answer in zip(seated, answers, strict=True)
            if name in answer
        }  # fmt: skip
        found.append(
            Group(
                namespace=namespace, channel=name, group=group, ready=ready, pods=len(ours), samples=samples,
                unasked=max(0, len([pod for pod in ours if inject.is_injected(pod)]) - MOST_PODS),
            )
        )  # fmt: skip
    return found


def _is_of(pod: dict[str, Any], group: str) -> bool:
    living = "deletionTimestamp" not in pod["metadata"] and (pod.get("status") or {}).get("phase") not in ENDED
    return living and inject.group_of(pod) == group
