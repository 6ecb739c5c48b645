"""A Service's port at 127.0.0.1: by a NodePort that the kind node has mapped, or by port-forward where it has none."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.e2e.kubectl import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.cluster import Cluster
    from tests.e2e.kubectl import Kubectl


@contextmanager
def reached(cluster: Cluster, kubectl: Kubectl, *, selector: dict[str, str], port: int, name: str) -> Iterator[int]:
    """The port of 127.0.0.1 behind which the pods with these labels answer; it outlives each of the pods."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "NodePort", "selector": selector},
    }
    if cluster.node is None:
        service["spec"] |= {"type": "ClusterIP", "ports": [{"port": port}]}
        kubectl.put(service)
        with _forwarded(kubectl, name, port) as local:
            yield local
        return
    local = _published(cluster, kubectl, service, port)
    try:
        yield local
    finally:  # at once, and not with its namespace: the mapped ports are few
        kubectl.run("delete", "service", name, "--ignore-not-found", "--wait=false")


def _published(cluster: Cluster, kubectl: Kubectl, service: dict, port: int) -> int:
    """Take the first mapped NodePort that nobody has: the API server is the one who knows."""
    for node_port, local in sorted(cluster.node_ports.items()):
        service["spec"]["ports"] = [{"port": port, "nodePort": node_port}]
        try:
            kubectl.put(service)
        except CommandError as error:
            if "already allocated" not in str(error):
                raise
        else:
            return local
    raise CommandError(f"all mapped NodePorts are taken: {sorted(cluster.node_ports)}")


@contextmanager
def _forwarded(kubectl: Kubectl, name: str, port: int) -> Iterator[int]:
    """By port-forward, which ends with the pod that it chose (not run here)."""
    command = [
        kubectl.program,
        *kubectl.arguments,
        "port-forward",
        "--address=127.0.0.1",
        f"service/{name}",
        f":{port}",
    ]
    with subprocess.Popen(command, env=kubectl.environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline() if process.stdout else "")
            if not found:
                raise CommandError(f"{' '.join(command)} did not say a port")
            yield int(found[1])
        finally:
            process.kill()
