"""What the Prometheus operator makes of a PodMonitor, as a scrape configuration for a real Prometheus.

Written after `generatePodMonitorConfig` of the repository prometheus-operator/prometheus-operator on GitHub
(pkg/prometheus/promcfg.go at commit 002266347d12), in its order, without shards, scrape classes and enforced limits;
compared by hand with EnforcedNamespaceLabelOnExcludedPodMonitor_Expected.golden, which its own tests hold it to.
Its `kubernetes_sd_configs` are pod_discovery.py here. Refuses fields that it does not know: nothing is passed over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests import pod_discovery

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POD = "__meta_kubernetes_pod"
SNAKE = {"sourceLabels": "source_labels", "targetLabel": "target_label"}


def scrape_configs(monitor: dict[str, Any], pods: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One for each endpoint of the monitor, in a cluster with these pods."""
    namespace, name, spec = monitor["metadata"]["namespace"], monitor["metadata"]["name"], monitor["spec"]
    assert set(spec) <= {"selector", "namespaceSelector", "podMetricsEndpoints"}
    for number, endpoint in enumerate(spec["podMetricsEndpoints"]):
        assert set(endpoint) <= {"port", "path", "interval", "honorLabels", "relabelings"}
        yield {
            "job_name": f"podMonitor/{namespace}/{name}/{number}",
            "honor_labels": endpoint.get("honorLabels", False),
            "static_configs": list(pod_discovery.targets(_in_sight(pods, spec, namespace))),
            "scrape_interval": endpoint["interval"],
            "metrics_path": endpoint["path"],
            "relabel_configs": [
                {"source_labels": ["job"], "target_label": "__tmp_prometheus_job_name"},
                {"source_labels": [f"{POD}_phase"], "action": "drop", "regex": "(Failed|Succeeded)"},
                *_selected(spec["selector"]),
                {"action": "keep", "source_labels": [f"{POD}_container_port_name"], "regex": endpoint["port"]},
                {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                {"source_labels": [f"{POD}_container_name"], "target_label": "container"},
                {"source_labels": [f"{POD}_name"], "target_label": "pod"},
                {"target_label": "job", "replacement": f"{namespace}/{name}"},
                {"target_label": "endpoint", "replacement": endpoint["port"]},
                *({SNAKE[key]: value for key, value in each.items()} for each in endpoint.get("relabelings", ())),
            ],
        }


def _in_sight(pods: Sequence[dict[str, Any]], spec: dict[str, Any], namespace: str) -> list[dict[str, Any]]:
    """By `namespaceSelector`; without one those of the monitor's own namespace."""
    selected = spec.get("namespaceSelector", {})
    names = selected.get("matchNames", [namespace])
    return [pod for pod in pods if selected.get("any") or pod["metadata"]["namespace"] in names]


def _selected(selector: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in sorted(selector.get("matchLabels", {}).items()):
        yield {"action": "keep", "source_labels": _label(key), "regex": f"({value});true"}
    for each in selector.get("matchExpressions", ()):
        label = _label(each["key"])
        match each["operator"]:
            case "In":
                yield {"action": "keep", "source_labels": label, "regex": f"({'|'.join(each['values'])});true"}
            case "Exists":
                yield {"action": "keep", "source_labels": label[1:], "regex": "true"}
            case operator:
                raise NotImplementedError(operator)


def _label(key: str) -> list[str]:
    name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
    return [f"{POD}_label_{name}", f"{POD}_labelpresent_{name}"]
