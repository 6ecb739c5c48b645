# ruff: noqa: INP001 - charts/generate.py runs it
"""Grafana's JSON for a dashboard that charts/dashboards/*.yaml describes; charts/generate.py writes it into the chart.

A dashboard is rows of panels, laid out from left to right in Grafana's 24 columns; a panel is its queries by legend.
Refuses what it does not know: a mistyped word is a KeyError or a TypeError, never a panel without it.
"""

from __future__ import annotations

import itertools
import json
import string
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
PALETTE = {"mode": "palette-classic"}
GREEN = {"green": None}
"""Thresholds are color → value from which it holds; None is for everything below the others."""
COMMON = {"title", "kind", "description", "width", "height", "unit", "queries"}
MORE = {"stat": {"thresholds", "decimals", "texts"}, "timeseries": {"stacked", "most"}, "table": {"units", "links"}}


def dashboard(described: dict[str, Any]) -> str:
    """Of one file; the JSON as text."""
    numbers = itertools.count(1)
    panels, y = [], 0
    for row in described["rows"]:
        made, y = _row(row, numbers, y)
        panels += made
    made = {
        "uid": described["uid"],
        "title": described["title"],
        "description": described["description"],
        "tags": ["notifychannel"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_datasource(), *map(_variable, described["variables"])]},
        "links": [_link(each) for each in described["links"]],
        "panels": panels,
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _row(row: dict[str, Any], numbers: Any, y: int) -> tuple[list[dict[str, Any]], int]:
    """A line with its title, and its panels; where the next one begins."""
    line = {"type": "row", "title": row["title"], "collapsed": False, "panels": []}
    made = [{"id": next(numbers), "gridPos": {"w": COLUMNS, "h": 1, "x": 0, "y": y}, **line}]
    x, y, tallest = 0, y + 1, 0
    for each in row["panels"]:
        place = {"w": each["width"], "h": each["height"]}
        if x + each["width"] > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        made.append({"id": next(numbers), "gridPos": {**place, "x": x, "y": y}, **_panel(each)})
        x, tallest = x + each["width"], max(tallest, each["height"])
    return made, y + tallest


def _panel(each: dict[str, Any]) -> dict[str, Any]:
    kind = each["kind"]
    if unknown := set(each) - COMMON - MORE[kind]:
        message = f"{each['title']}: {sorted(unknown)} means nothing for a {kind}"
        raise KeyError(message)
    fields, options = {"stat": _stat, "timeseries": _timeseries, "table": _table}[kind](each)
    return {
        "type": kind,
        "title": each["title"],
        "description": " ".join(each["description"].split()),
        "datasource": SOURCE,
        "targets": list(_targets(each)),
        "fieldConfig": {"defaults": {"unit": each["unit"], **fields.pop("defaults")}, "overrides": [], **fields},
        **options,
    }


def _targets(each: dict[str, Any]) -> Any:
    is_table = each["kind"] == "table"
    for letter, (legend, expression) in zip(string.ascii_uppercase, each["queries"].items(), strict=False):
        yield {
            "refId": letter,
            "datasource": SOURCE,
            "expr": " ".join(expression.split()),
            "legendFormat": legend,
            "format": "table" if is_table else "time_series",
            "instant": each["kind"] != "timeseries",
            "range": each["kind"] == "timeseries",
        }


def _thresholds(steps: dict[str, float | None]) -> dict[str, Any]:
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps.items()]}


def _stat(each: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    texts = {str(value): {"text": text} for value, text in each.get("texts", {}).items()}
    defaults = {
        "color": {"mode": "thresholds"},
        "thresholds": _thresholds(each.get("thresholds", GREEN)),
        "noValue": "none",
        "decimals": each.get("decimals", 0),
        "mappings": [{"type": "value", "options": texts}] if texts else [],
    }
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    return {"defaults": defaults}, {"options": {"reduceOptions": reduce, "colorMode": "value", "graphMode": "none"}}


def _timeseries(each: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    stacking = {"mode": "normal" if each.get("stacked") else "none", "group": "A"}
    custom = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "spanNulls": False, "stacking": stacking}
    most = {} if "most" not in each else {"max": each["most"]}
    legend = {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]}
    tooltip = {"mode": "multi", "sort": "desc"}
    return (
        {"defaults": {"color": PALETTE, "min": 0, **most, "custom": custom}},
        {"options": {"legend": legend, "tooltip": tooltip}},
    )


def _table(each: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A column for each query, a row for each of the labels that they share."""
    names = {f"Value #{letter}": title for letter, title in zip(string.ascii_uppercase, each["queries"], strict=False)}
    units = [_override(column, "unit", unit) for column, unit in each.get("units", {}).items()]
    links = [_override(column, "links", [_url(url)]) for column, url in each.get("links", {}).items()]
    transformations = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
    ]
    return {"defaults": {"color": PALETTE}, "overrides": units + links}, {"transformations": transformations}


def _override(column: str, name: str, value: Any) -> dict[str, Any]:
    return {"matcher": {"id": "byName", "options": column}, "properties": [{"id": name, "value": value}]}


def _url(url: str) -> dict[str, Any]:
    return {"title": "Show", "url": url}


def _link(each: dict[str, str]) -> dict[str, Any]:
    looks = {"icon": "dashboard", "tooltip": "", "tags": [], "asDropdown": False, "targetBlank": False}
    return {"type": "link", "title": each["title"], "url": each["url"], "keepTime": True, "includeVars": False, **looks}


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _variable(each: dict[str, Any]) -> dict[str, Any]:
    everything = {
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
    return {
        "name": each["name"],
        "label": each["label"],
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": each["query"], "refId": each["name"]},
        "refresh": 2,
        "sort": 1,
        **(everything if each["all"] else {"includeAll": False, "multi": False}),
    }
