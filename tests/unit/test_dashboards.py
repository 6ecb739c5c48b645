"""Dashboards and alerts ask for metrics and labels that the programs have, and Grafana can show what is in the files.

What the programs have is asked of their own registries, filled as their own tests fill them.
"""

from __future__ import annotations

import itertools
import re
import time

import pytest

from notifychannel_operator.inject import Reason
from notifychannel_operator.injector.metrics import Metrics as InjectorMetrics
from notifychannel_sidecar.clock import Clock
from tests import expressions
from tests.expressions import ALERTS, CHART, DASHBOARDS, grouped, queries, selectors
from tests.unit import test_metrics, test_operator_metrics

TARGET = {"namespace", "pod", "container", "job", "instance", "endpoint"}
"""What every target has; sidecars have `group` beside (tests/integration/test_prometheus.py)."""
SIDECARS = {*TARGET, "group"}
UNITS = {"short", "percentunit", "ops", "s", "d", "bytes"}
"""Grafana's names: packages/grafana-data/src/valueFormats/categories.ts."""
PAGES = {page.stem for page in (CHART.parents[1] / "docs" / "runbooks").glob("*.md")}
ALL = [
    *((each.where, each.expression) for each in queries()),
    *((name, rule["expr"]) for name, rule in ALERTS.items()),
]


def registries():
    clock = Clock()
    clock.measured(now=time.monotonic(), database_us=time.time_ns() // 1000)
    sidecar = test_metrics.filled(clock)
    test_metrics.use_all(sidecar)
    sidecar.on_answer(test_metrics.answer(first_at_us=(1,)))
    injector = InjectorMetrics(version="1", is_ready=lambda: True, certificate_expires_s=lambda: 0.0)
    injector.on_admission(Reason.INJECTED, 0.1)
    injector.on_refused(404)
    return (sidecar.registry, SIDECARS), (test_operator_metrics.filled().registry, TARGET), (injector.registry, TARGET)


@pytest.fixture(scope="module")
def known():
    """Sample name → its labels, with those of who is scraped."""
    found = {}
    for registry, target in registries():
        for sample in itertools.chain.from_iterable(family.samples for family in registry.collect()):
            found.setdefault(sample.name, set()).update(sample.labels, target)
    return found


def charted():
    return [(name, panel) for name, each in DASHBOARDS.items() for panel in each["panels"] if panel["type"] != "row"]


def ids(value):
    return value if isinstance(value, str) else value["title"]


@pytest.mark.parametrize(("where", "expression"), ALL, ids=[where for where, _ in ALL])
def test_a_query_asks_for_metrics_and_labels_that_there_are(known, where, expression):
    """Mutants: rename a metric or a label in metrics.py, channel_metrics.py, inbox_metrics.py or durable_metrics.py."""
    asked = selectors(expression)
    assert asked, where
    for name, labels in asked:
        assert name in known, f"{where}: no program has {name}"
        assert labels <= known[name], f"{where}: {name} has no label {labels - known[name]}"
    assert grouped(expression) <= set().union(*(known[name] for name, _ in asked)), where


def test_everything_that_was_asked_for_is_on_the_fleets_dashboard():
    titles = {panel["title"] for name, panel in charted() if name == "fleet"}
    assert titles >= {
        "Channels", "Listening pods", "Hints delivered", "Errors", "From the change to the 2xx", "Backlog",
        "Dead letters", "Outboxes", "NOTIFY queue", "Operator", "Certificate",
    }  # fmt: skip
    variables = [variable["name"] for variable in DASHBOARDS["channel"]["templating"]["list"]]
    assert variables == ["datasource", "namespace", "channel", "group"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_lie_beside_each_other_and_have_numbers_of_their_own(name):
    """Grafana moves what overlaps. Mutant: `y + 1` for `y + tallest` in charts/dashboards.py."""
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
            )
        )  # fmt: skip
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize(("name", "panel"), charted(), ids=ids)
def test_a_panel_says_what_it_shows_and_in_which_unit(name, panel):
    assert len(panel["description"]) > 20
    assert set(re.findall(r"NotifyChannel\w+", panel["description"])) <= PAGES
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["type"] in {"stat", "timeseries", "table"}
    assert (panel["type"] == "stat") <= (len(panel["targets"]) == 1)
    steps = [step["value"] for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", ())]
    assert steps[:1] in ([], [None])
    assert steps[1:] == sorted(steps[1:])


@pytest.mark.parametrize(("name", "panel"), charted(), ids=ids)
def test_a_panels_queries_use_variables_that_there_are_and_legends_labels_that_are_left(name, panel):
    variables = {each["name"] for each in DASHBOARDS[name]["templating"]["list"]} | {"__rate_interval"}
    for target in panel["targets"]:
        assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped(target["expr"])
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_a_link_leads_to_a_dashboard_and_fills_in_its_variables():
    uids = {each["uid"]: {it["name"] for it in each["templating"]["list"]} for each in DASHBOARDS.values()}
    assert len(uids) == 2
    urls = [link["url"] for each in DASHBOARDS.values() for link in each["links"]]
    for _, panel in charted():
        for override in panel["fieldConfig"]["overrides"]:
            for one in override["properties"]:
                urls += [link["url"] for link in one["value"]] if one["id"] == "links" else []
    assert len(urls) == 2
    for url in urls:
        uid = re.match(r"/d/([\w-]+)", url)[1]
        assert set(re.findall(r"var-(\w+)=", url)) <= uids[uid]


def test_a_selector_is_taken_apart_with_all_its_labels():
    text = 'sum by (a, b) (rate(notifychannel_x_total{c="1", d!~"$e"}[5m])) / on (f) notifychannel_y'
    assert selectors(text) == [("notifychannel_x_total", {"c", "d"}), ("notifychannel_y", frozenset())]
    assert grouped(text) == {"a", "b", "f"}
    assert expressions.filled_in("$a$b", {"a": "1", "b": "2"}) == "12"
