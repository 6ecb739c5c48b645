#!/usr/bin/env python3
# ruff: noqa: T201
"""Writes what the chart holds twice: README.md from the comments of values.yaml, templates/crds.yaml from crds/,
dashboards/*.json from charts/dashboards/.

    charts/generate.py           writes all
A test asks `generated()` whether they are current.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "notifychannel"
HEAD = """\
# notifychannel

The Helm chart of NotifyChannel: operator, injector, CRD. How to install, cluster-wide or for some namespaces, with
which certificates, and how to uninstall: [docs/install.md](../../docs/install.md).

`values.schema.json` refuses what is not in this table. The table is made of the comments of
[values.yaml](values.yaml) by `charts/generate.py`.

| value | default | meaning |
|---|---|---|
"""
CRD_HEAD = """\
{{- /* A copy of crds/notifychannels.yaml, made by charts/generate.py. */}}
{{- if and .Values.crds.create (include "notifychannel.hasClusterObjects" .) }}
"""


def generated() -> dict[Path, str]:
    """Path → what has to be in it."""
    dashboard = runpy.run_path(str(ROOT / "charts" / "dashboards.py"))["dashboard"]
    return {
        CHART / "README.md": readme((CHART / "values.yaml").read_text()),
        CHART / "templates" / "crds.yaml": crds((ROOT / "crds" / "notifychannels.yaml").read_text()),
        **{
            CHART / "dashboards" / f"{path.stem}.json": dashboard(yaml.safe_load(path.read_text()))
            for path in sorted((ROOT / "charts" / "dashboards").glob("*.yaml"))
        },
    }


def readme(values: str) -> str:
    """A line per value."""
    lines = values.splitlines()
    rows = [
        f"| `{path}` | {_default(node)} | {_comment(lines, line)} |"
        for path, line, node in _leaves(yaml.compose(values))
    ]
    return HEAD + "\n".join(rows) + "\n"


def crds(source: str) -> str:
    """The CRD as a template: braces escaped, the release's labels, and kept at uninstallation."""
    body = re.sub(r"\{\{|\}\}", lambda found: f'{{{{ "{found[0]}" }}}}', source[source.index("apiVersion:") :])
    metadata = (
        "metadata:\n"
        "  labels:\n"
        '    {{- include "notifychannel.labels" (dict "root" . "component" "crd") | nindent 4 }}\n'
        "  annotations:\n"
        "    helm.sh/resource-policy: keep\n"
        "    {{- with .Values.commonAnnotations }}\n"
        "    {{- toYaml . | nindent 4 }}\n"
        "    {{- end }}\n"
    )
    if body.count("\nmetadata:\n  name:") != 1:
        message = "crds/notifychannels.yaml: its metadata is expected to hold a name and nothing else"
        raise ValueError(message)
    return CRD_HEAD + body.replace("\nmetadata:\n", f"\n{metadata}", 1).rstrip() + "\n{{- end }}\n"


def _leaves(node: yaml.Node, path: str = "") -> list[tuple[str, int, yaml.Node]]:
    found = []
    for key, value in node.value:
        name = f"{path}{key.value}"
        if isinstance(value, yaml.MappingNode) and value.value and not name.endswith(".resources"):
            found += _leaves(value, f"{name}.")
        else:
            found.append((name, key.start_mark.line, value))
    return found


def _default(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return f"`{node.value}`" if node.value else '`""`'
    return f"`{yaml.safe_dump(yaml.safe_load(yaml.serialize(node)), default_flow_style=True, width=1000).strip()}`"


def _comment(lines: list[str], line: int) -> str:
    """The comment lines above a key; those above its parent where it is the first and has none of its own."""
    said: list[str] = []
    for above in reversed(lines[:line]):
        text = above.strip()
        if text.startswith("#"):
            said.insert(0, text.lstrip("# "))
        elif said or not text.endswith(":"):
            break
    return " ".join(said).replace("|", "\\|")


if __name__ == "__main__":
    for path, text in generated().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"written: {path.relative_to(ROOT)}")
