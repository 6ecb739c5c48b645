"""The CRD on an API server: installed without a warning, explained, printed, changed and merged."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from notifychannel_operator.manifest import from_object
from tests import crd
from tests.e2e.api_server import apply_crd, connected, install
from tests.e2e.kubectl import CommandError
from tests.unit.test_manifest_errors import GOOD

REPOSITORY = Path(__file__).parents[2]
NAME = crd.CRD["metadata"]["name"]
SINCE = "2026-01-01T00:00:00Z"
CONDITIONS = ("Accepted", "ResolvedRefs", "TriggersInstalled", "WorkloadInjected", "Listening", "Delivering", "Ready")


@pytest.fixture
def shop(kubectl, namespace):
    """A kubectl in a namespace of the test's own, with the CRD there."""
    install(kubectl)
    return kubectl.within(namespace)


def orders(**changes: object) -> dict:
    resource = yaml.safe_load(GOOD)
    del resource["metadata"]["namespace"]
    resource["spec"] |= changes
    return resource


def refused(shop, resource: dict, *options: str) -> str:
    with pytest.raises(CommandError) as caught:
        shop.run("apply", *options, "-f", "-", stdin=json.dumps(resource))
    return str(caught.value)


def test_the_crd_is_established_without_a_warning_and_applied_again_it_is_unchanged(kubectl):
    """Mutant: a default that the API server prunes, a schema that is not structural."""
    apply_crd(kubectl)
    before = kubectl.get("crd", NAME)["metadata"]["generation"]
    apply_crd(kubectl)
    assert kubectl.get("crd", NAME)["metadata"]["generation"] == before
    conditions = {each["type"]: each["status"] for each in kubectl.get("crd", NAME)["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def examples() -> list:
    """Every NotifyChannel that the repository shows: pages, README, examples, the demo."""
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    fenced = [(page, text) for page in pages for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
    files = [path for folder in ("examples", "cli") for path in sorted((REPOSITORY / folder).rglob("*.yaml"))]
    texts = [*fenced, *((path, path.read_text()) for path in files)]
    return [
        pytest.param(found, id=f"{path.name}-{number}")
        for path, text in texts
        if "kind: NotifyChannel" in text
        for number, found in enumerate(yaml.safe_load_all(text))
        if found and found.get("kind") == "NotifyChannel"
    ]


@pytest.mark.parametrize("resource", examples())
def test_every_channel_that_the_repository_shows_is_taken(kubectl, kubeconfig, resource):
    install(kubectl)
    stored, causes = connected(kubeconfig).judge(resource)
    assert not causes
    assert from_object(stored)


def test_the_secret_of_a_channel_cannot_be_changed_and_all_else_can(shop):
    shop.apply(orders())
    moved = orders(database={"secretRef": {"name": "other"}})
    assert "can't be changed; write the old name, or make another channel" in refused(shop, moved)
    shop.apply(orders(suspend=True, capture="Outbox", cleanupTimeout="1m", channel="other"))
    assert from_object(shop.get("nch", "orders")).suspend


def test_an_unknown_field_is_refused_and_where_a_person_waives_that_pruned(shop):
    """Mutant: x-kubernetes-preserve-unknown-fields."""
    resource = orders(filter={"status": "paid"})
    resource["spec"]["sources"][0]["filter"] = "paid"
    assert 'unknown field "spec.filter"' in refused(shop, resource)
    assert "field not declared in schema" in refused(shop, resource, "--server-side")
    shop.run("apply", "--validate=ignore", "-f", "-", stdin=json.dumps(resource))
    spec = shop.get("nch", "orders")["spec"]
    assert "filter" not in spec
    assert "filter" not in spec["sources"][0]


def test_two_who_apply_server_side_merge_consumers_by_group(shop):
    """Mutant: consumers atomic: the second one takes the first one's away, or conflicts."""
    mine, theirs = orders(), orders()
    theirs["spec"] = {"consumers": [{"group": "other", "endpoint": {"port": 1, "path": "/"}}]}
    shop.run("apply", "--server-side", "--field-manager=mine", "-f", "-", stdin=json.dumps(mine))
    shop.run("apply", "--server-side", "--field-manager=theirs", "-f", "-", stdin=json.dumps(theirs))
    shop.run("apply", "--server-side", "--field-manager=mine", "-f", "-", stdin=json.dumps(mine))
    groups = {each["group"] for each in shop.get("nch", "orders")["spec"]["consumers"]}
    assert groups == {"orders-api", "other"}


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nch", 'Their applications get a hint, "look again at this key"'),
        ("nch.spec", "Which database, which rows of it matter, and who is told."),
        ("nch.spec.sources.rules.when", "Only rows for which all of it holds."),
        ("nch.spec.sources.rules.when.allOf.row", "Without it either side of an UPDATE"),
        ("nch.spec.consumers.debounce.window", "How long a key has to rest"),
        ("nch.status.conditions", "Accepted, ResolvedRefs"),
    ],
)
def test_explain_says_what_a_field_is_for(kubectl, path, sentence):
    install(kubectl)
    printed = kubectl.run("explain", path)
    assert sentence in " ".join(printed.split())
    assert "<no description>" not in printed


def status(ready: str, reason: str) -> dict:
    found = {"status": ready, "reason": reason, "message": "…", "lastTransitionTime": SINCE, "observedGeneration": 1}
    conditions = [{"type": name, **found} for name in CONDITIONS]
    return {
        "observedGeneration": 1,
        "conditions": conditions,
        "database": {"systemIdentifier": "7451234567890123456", "dbname": "shop"},
        "pods": {"matched": 2, "injected": 2, "outdated": 0, "listening": 1, "delivering": 1},
        "summary": {"triggers": "3/3", "injected": "2/2", "listening": "1/2"},
    }


def test_kubectl_get_shows_at_a_glance_what_is_the_matter(shop):
    shop.apply(orders())
    wanted = status("False", "HalfOpen")
    shop.run("patch", "nch", "orders", "--subresource=status", "--type=merge", "-p", json.dumps({"status": wanted}))
    assert shop.get("nch", "orders")["status"] == wanted
    assert shop.get("nch", "orders")["metadata"]["generation"] == 1
    head, line = (row.split() for row in shop.run("get", "nch").splitlines())
    assert head == ["NAME", "READY", "TRIGGERS", "INJECTED", "LISTENING", "AGE"]
    assert line[:5] == ["orders", "False", "3/3", "2/2", "1/2"]
    head, line = (row.split() for row in shop.run("get", "nch", "-o", "wide").splitlines())
    assert head == ["NAME", "READY", "TRIGGERS", "INJECTED", "LISTENING", "REASON", "AGE"]
    assert line[5] == "HalfOpen"


def test_a_change_of_the_spec_does_not_touch_the_status_nor_the_other_way_round(shop):
    shop.apply(orders() | {"status": status("True", "Ready")})
    assert "status" not in shop.get("nch", "orders")


def test_a_channel_with_as_much_as_its_bounds_allow_is_taken(kubectl, kubeconfig, record_property):
    """The rules' cost at run time, with 1 MB of rules: the API server gives one object 10,000,000 units."""
    install(kubectl)
    values = [f"value {number:3}" for number in range(20)]
    when = {"allOf": [{"column": f"c{number}", "operator": "In", "values": values} for number in range(16)]}
    columns = [f"column {'x' * 22} {number:2}" for number in range(64)]
    rules = [{"name": f"r{n}", "events": ["Update"], "columns": columns, "when": when} for n in range(8)]
    lookup = {"schema": "s" * 63, "table": "t" * 63, "column": "c" * 63, "match": {f"m{n}": "c" * 63 for n in range(8)}}
    key = [{"name": f"{'k' * 62}{n}", "lookup": lookup} for n in range(8)]
    sources = [{"schema": "s" * 63, "table": f"t{n}", "key": key, "rules": rules} for n in range(16)]
    consumers = [{"group": f"g{n}", "endpoint": {"port": 1, "path": "/" + "p" * 1023}} for n in range(8)]
    resource = orders(sources=sources, consumers=consumers)
    size_bytes = len(json.dumps(resource))
    assert size_bytes > 1_000_000
    stored, causes = connected(kubeconfig).judge(resource)
    assert not causes
    assert from_object(stored)
    record_property("figures", f"a channel of {size_bytes / 1e6:.2f} MB is taken")
