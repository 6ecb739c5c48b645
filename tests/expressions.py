"""Queries of dashboards and alerts, taken apart as far as tests need it: metrics, and the labels that are asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHART = Path(__file__).parents[1] / "charts" / "notifychannel"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(CHART.glob("dashboards/*.json"))}
RULES = yaml.safe_load((CHART / "alerts" / "notifychannel.yaml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
SELECTOR = re.compile(r"\b((?:notifychannel|process)_\w+)(?:\{(.*?)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
LABELS = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)")


class Query(NamedTuple):
    """One of a panel."""

    where: str
    legend: str
    expression: str


def queries() -> Iterator[Query]:
    """Of every panel of every dashboard."""
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield Query(f"{name}: {panel['title']}", target["legendFormat"], target["expr"])


def selectors(expression: str) -> list[tuple[str, frozenset[str]]]:
    """Metric and labels of its matchers, for each selector."""
    return [(name, frozenset(MATCHER.findall(matchers))) for name, matchers in SELECTOR.findall(expression)]


def grouped(expression: str) -> frozenset[str]:
    """Labels that it groups or matches by."""
    return frozenset(label.strip() for found in LABELS.findall(expression) for label in found.split(","))


def filled_in(expression: str, values: Mapping[str, str]) -> str:
    """With Grafana's variables replaced."""
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], expression)
