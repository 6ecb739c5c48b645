"""What the chart gives Prometheus and Grafana is what other tests have tried: rules, dashboards and monitors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from tests.e2e import chart

CHART = Path(chart.CHART)
MONITORS = chart.ROOT / "tests" / "integration" / "golden" / "monitors.yaml"
"""What tests/integration/test_prometheus.py scrapes by."""
ALL = (
    "monitoring.podMonitor.create=true", "monitoring.sidecars.create=true", "monitoring.alerts.create=true",
    "monitoring.dashboards.create=true",
)  # fmt: skip


def of(kind, objects):
    return [each for each in objects if each["kind"] == kind]


def test_the_pod_monitors_are_those_that_a_real_prometheus_has_scraped_by(helm):
    """Mutants: `honorLabels: false`; `port: status`; no `relabelings`."""
    golden = list(yaml.safe_load_all(MONITORS.read_text()))
    found = [
        {"metadata": {name: each["metadata"][name] for name in ("name", "namespace")}, "spec": each["spec"]}
        for each in of("PodMonitor", chart.rendered(helm, *ALL))
    ]
    assert found == golden, f"if the change is meant, write it to {MONITORS}:\n{yaml.safe_dump_all(found)}"


def test_the_rules_are_those_that_promtool_has_tried_with_the_pages_where_they_are_wanted(helm):
    """Mutant: `tpl` around the file, which would take Prometheus' braces for helm's."""
    source = yaml.safe_load((CHART / "alerts" / "notifychannel.yaml").read_text())
    (rule,) = of("PrometheusRule", chart.rendered(helm, *ALL, "monitoring.labels.release=prom"))
    assert rule["spec"] == source
    assert rule["metadata"]["labels"]["release"] == "prom"
    (rule,) = of("PrometheusRule", chart.rendered(helm, *ALL, "monitoring.alerts.runbookBaseUrl=https://wiki.test/n"))
    pages = [each["annotations"]["runbook_url"] for group in rule["spec"]["groups"] for each in group["rules"]]
    assert "https://wiki.test/n/NotifyChannelDeadLetters.md" in pages
    assert not [page for page in pages if not page.startswith("https://wiki.test/n/NotifyChannel")]


def test_the_dashboards_are_the_files_in_a_config_map_that_grafana_finds(helm):
    found = of("ConfigMap", chart.rendered(helm, *ALL, "monitoring.dashboards.label=look"))
    (dashboards,) = found
    assert dashboards["metadata"]["labels"]["look"] == "1"
    files = {f"notifychannel-{path.name}": json.loads(path.read_text()) for path in CHART.glob("dashboards/*.json")}
    assert {name: json.loads(text) for name, text in dashboards["data"].items()} == files
    assert len(files) == 2


def test_the_monitors_of_operator_and_injector_select_their_pods_and_a_port_that_these_have(helm):
    """Mutant: another name for the port in injector.yaml."""
    objects = chart.rendered(helm, *ALL)
    (monitor,) = [each for each in of("PodMonitor", objects) if "matchLabels" in each["spec"]["selector"]]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    pods = [each["spec"]["template"] for each in of("Deployment", objects)]
    assert len(pods) == 2
    for pod in pods:
        labels, (container,) = pod["metadata"]["labels"], pod["spec"]["containers"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        (expression,) = monitor["spec"]["selector"]["matchExpressions"]
        assert labels[expression["key"]] in expression["values"]
        assert endpoint["port"] in {port["name"] for port in container["ports"]}


def test_the_objects_that_runbooks_name_are_those_of_the_release(helm):
    """The operator makes the Lease and the two Secrets itself."""
    known = {(each["kind"].lower(), each["metadata"]["name"]) for each in chart.rendered(helm, release="notifychannel")}
    known |= {("lease", "notifychannel"), ("secret", "notifychannel-ca"), ("secret", "notifychannel-injector-tls")}
    named = r"\b(deployment|secret|lease|mutatingwebhookconfiguration)[/ ](notifychannel[\w-]*)"
    pages = "".join(page.read_text() for page in (chart.ROOT / "docs" / "runbooks").glob("*.md"))
    found = set(re.findall(named, pages))
    assert len(found) > 4
    assert found <= known


def test_nothing_of_it_is_there_unasked(helm):
    kinds = {each["kind"] for each in chart.rendered(helm)}
    assert not kinds & {"PodMonitor", "ServiceMonitor", "PrometheusRule", "ConfigMap"}
