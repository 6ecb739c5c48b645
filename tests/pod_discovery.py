"""What Prometheus' discovery of pods makes of them, as static targets: Debian's Prometheus is built without it.

Written after `buildPod` of github.com/prometheus/prometheus (discovery/kubernetes/pod.go at commit 68821ab6e603): a
target for each port of each container, `initContainers` after `containers`.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

META = "__meta_kubernetes"


def targets(pods: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """For `static_configs`."""
    for pod in pods:
        common = _labels(pod)
        containers = pod["spec"]["containers"]
        for number, container in enumerate(itertools.chain(containers, pod["spec"].get("initContainers", ()))):
            is_init = number >= len(containers)
            for place, labels in _ports(pod["status"]["podIP"], container):
                own = {**labels, f"{META}_pod_container_name": container["name"], f"{META}_pod_container_init": is_init}
                yield {"targets": [place], "labels": {name: _text(it) for name, it in {**common, **own}.items()}}


def _labels(pod: dict[str, Any]) -> dict[str, str]:
    metadata, status = pod["metadata"], pod["status"]
    found = {
        f"{META}_namespace": metadata["namespace"],
        f"{META}_pod_name": metadata["name"],
        f"{META}_pod_ip": status["podIP"],
        f"{META}_pod_phase": status["phase"],
    }
    for kind in ("label", "annotation"):
        for key, value in metadata.get(f"{kind}s", {}).items():
            name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
            found |= {f"{META}_pod_{kind}_{name}": value, f"{META}_pod_{kind}present_{name}": "true"}
    return found


def _ports(address: str, container: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    if not container.get("ports"):
        yield address, {}
    for port in container.get("ports", ()):
        number = str(port["containerPort"])
        yield (
            f"{address}:{number}",
            {
                f"{META}_pod_container_port_number": number,
                f"{META}_pod_container_port_name": port["name"],
                f"{META}_pod_container_port_protocol": port["protocol"],
            },
        )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
