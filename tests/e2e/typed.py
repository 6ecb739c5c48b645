"""A page's commands as they are typed here, where release, namespace and pod have other names than on the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from notifychannel_cli import embedded_binaries
from tests.e2e.cluster import ROOT

if TYPE_CHECKING:
    from tests.e2e.shop import Shop

COMMAND_S = 120


@dataclass(frozen=True, kw_only=True)
class Place:
    """What docs/metrics.md says that the pages' names stand for, for one release and its shop."""

    shop: Shop
    pod: str
    manifest: Path
    """What the pages call orders.yaml."""

    def typed(self, block: str) -> str:
        """With the names of this place."""
        release = self.shop.release
        for said, here in {
            r"(-n|--namespace) notifychannel\b": rf"\1 {release.namespace}",
            r"\b(helm \S+|lease|configmap) notifychannel\b": rf"\1 {release.name}",
            r"\b(deployment/|secret )notifychannel-(operator|injector)": rf"\1{release.name}-\2",
            r"(-n |/namespaces/|--channel )shop\b": rf"\g<1>{release.served}",
            r"\bapi-7f9c\b": self.pod,
            r"inject=api\b": "inject=orders-api",
            r"-f orders\.yaml\b": f"-f {self.manifest}",
            r"doctor -A\b": f"doctor -n {release.served}",  # others break their channels on purpose, at the same time
        }.items():
            block = re.sub(said, here, block)
        return block

    def run(self, block: str) -> str:
        """What bash prints for it, in the clone; it has to end well."""
        commands = self.typed(block)
        path = [Path(sys.executable).parent, embedded_binaries.folder(18), os.environ["PATH"]]
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=ROOT, text=True, check=False, timeout=COMMAND_S,
            env={
                **self.shop.kubectl.environment(), "PATH": ":".join(map(str, path)), "NO_COLOR": "1", "COLUMNS": "200",
                "DSN": self.shop.postgres.local_uri("installer"),
            },
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}\nended with {done.returncode}:\n{done.stdout}"
        return done.stdout
