"""The cluster that the tests run on, whoever made it: how images get there and how its NodePorts are reached.

A kind cluster (its context is `kind-<name>`) has its NodePorts at 127.0.0.1; any other is reached by
`kubectl port-forward` (not run here). It makes no cluster: `make e2e` and `make cluster` do.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.kubectl import CommandError, Helm, Kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "cluster"
REMEDY = "no cluster: run `make e2e`, or `make cluster` first, or name a kubeconfig in NOTIFYCHANNEL_KUBECONFIG"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A kubeconfig, and the kind node behind it if it is kind's."""

    kubeconfig: Path
    node: str | None
    node_ports: dict[int, int]
    """NodePort → port of 127.0.0.1; empty where the cluster is not kind's."""

    @classmethod
    def find(cls) -> Cluster:
        """The one of NOTIFYCHANNEL_KUBECONFIG, or this clone's; CommandError with the remedy where there is none."""
        named = os.environ.get("NOTIFYCHANNEL_KUBECONFIG")
        kubeconfig = Path(named or script("kubeconfig"))
        if not kubeconfig.is_file():
            raise CommandError(REMEDY)
        context = Kubectl(kubeconfig=kubeconfig).run("config", "current-context").strip()
        if not context.startswith("kind-"):
            return cls(kubeconfig=kubeconfig, node=None, node_ports={})
        node = f"{context.removeprefix('kind-')}-control-plane"
        return cls(kubeconfig=kubeconfig, node=node, node_ports=_mapped(node))

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(kubeconfig=self.kubeconfig)

    @property
    def helm(self) -> Helm:
        return Helm(kubeconfig=self.kubeconfig)

    def load(self, *images: str) -> None:
        """Give local Docker images to the cluster, by the same names; one call sends shared layers once."""
        script("load-image", *images, kubeconfig=self.kubeconfig)

    @contextmanager
    def sync_frequency(self, wanted: str) -> Iterator[None]:
        """Another kubelet syncFrequency (`"1m0s"` is the default of Kubernetes) for a while; it is put back."""
        before = self.sync_frequency_now()
        script("sync-frequency", wanted, kubeconfig=self.kubeconfig)
        try:
            yield
        finally:
            script("sync-frequency", before, kubeconfig=self.kubeconfig)

    def sync_frequency_now(self) -> str:
        """What the kubelet says that it uses."""
        name = self.kubectl.get("nodes")["items"][0]["metadata"]["name"]
        answer = self.kubectl.run("get", "--raw", f"/api/v1/nodes/{name}/proxy/configz")
        return re.findall(r'"syncFrequency":"([^"]+)"', answer)[0]


def script(name: str, *arguments: str, kubeconfig: Path | None = None, timeout_s: float = 1800) -> str:
    """Run a script of tests/cluster; CommandError with all it printed when it fails."""
    environment = os.environ | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})
    done = subprocess.run(
        [SCRIPTS / name, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"tests/cluster/{name} ended with {done.returncode}: {done.stdout}")
    return done.stdout.strip()


def _mapped(node: str) -> dict[int, int]:
    """Which NodePorts the kind node has at 127.0.0.1."""
    printed = subprocess.run(["docker", "port", node], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(\d+)/tcp -> 127\.0\.0\.1:(\d+)$", printed, re.MULTILINE)
    return {int(inside): int(outside) for inside, outside in found if int(inside) >= 30000}  # not the API server's
