"""Each alert of the chart fires when it should and is still when it comes close, as promtool says; and has its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.prometheus import promtool

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts" / "notifychannel" / "alerts" / "notifychannel.yaml"
TESTS = sorted((ROOT / "tests" / "alerts").glob("*.yaml"))
PAGES = {page.stem: page.read_text() for page in (ROOT / "docs" / "runbooks").glob("NotifyChannel*.md")}
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
ASKED_FOR = {
    "NotListening", "ErrorRateHigh", "LagHigh", "BacklogHigh", "QueueFilling", "DeadLetters", "DriftRepeated",
    "PodsNotInjected", "CertificateExpiring", "OperatorNotLeading", "OutboxGrowing",
}  # fmt: skip


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_each_alert_fires_and_is_still_as_the_file_says(path):
    """Mutants, all of them tried: any number in an `expr` or a `for` of the rules made larger, or smaller."""
    promtool("test", "rules", str(path))


def test_each_alert_is_tested_firing_and_still():
    cases = [
        (case["alertname"], bool(case["exp_alerts"]))
        for path in TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    assert {name for name, fires in cases if fires} == set(ALERTS)
    beside = {name for name, fires in cases if not fires}
    assert set(ALERTS) - beside == set()
    assert {f"NotifyChannel{name}" for name in ASKED_FOR} <= set(ALERTS)


def test_promtool_has_no_complaint():
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_each_alert_says_how_bad_it_is_what_it_is_and_where_its_page_stands(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    labels = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \((.*?)\)", rule["expr"]))))
    assert labels <= kept


def test_each_alert_has_its_page_and_each_page_its_alert():
    assert set(PAGES) == set(ALERTS)


def test_the_page_of_metrics_lists_every_alert_and_for_how_long_it_waits():
    row = re.compile(r"^\| \[(\w+)\]\(runbooks/\1\.md\) \| [^|]+ \| (.*?) ?\|$", re.MULTILINE)
    found = dict(row.findall((ROOT / "docs" / "metrics.md").read_text()))
    assert found == {name: rule.get("for", "").replace("m", " min") for name, rule in ALERTS.items()}
