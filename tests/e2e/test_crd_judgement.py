"""An API server and the parser are asked the same questions about the same NotifyChannels."""

from __future__ import annotations

import copy
import json
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from notifychannel_operator.manifest import SpecError, from_object, parse
from notifychannel_operator.resource import duration
from tests import crd
from tests.e2e.api_server import ApiServer, connected, install
from tests.refusals import DURABLE, ONLY_ACCEPTED, REFUSALS, WRITTEN, Judge, as_object
from tests.unit.test_crd import DURATIONS
from tests.unit.test_crd_object import GOODS
from tests.unit.test_manifest import SMALLEST, UNHURRIED, WHOLE, as_resource, channels
from tests.unit.test_manifest_errors import GOOD, LISTENING
from tests.unit.test_resource_page import ROWS, bounds_of, put

LOOKUP = {"schema": "a", "table": "b", "column": "c", "match": {"d": "e"}}
ANY = {"column": "a", "operator": "IsNull"}


@pytest.fixture(scope="module")
def server(kubectl, kubeconfig) -> ApiServer:
    install(kubectl)
    return connected(kubeconfig)


def made(text: str, **changes: object) -> dict:
    """A good resource with other values at paths: `spec__capture="Outbox"`, `spec__sources__0__key=[]`."""
    resource = yaml.safe_load(text)
    for path, value in changes.items():
        node, (*steps, last) = resource, path.split("__")
        for step in steps:
            node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
        node[last] = value
    return resource


def rule(*events: str, **others: object) -> dict:
    return made(SMALLEST, spec__sources__0__rules=[{"name": "r", "events": list(events), **others}])


def condition(**others: object) -> dict:
    return rule("Update", when={"allOf": [{"column": "a", **others}]})


def key(*parts: dict) -> dict:
    return made(SMALLEST, spec__sources__0__key=list(parts))


BROKEN = {
    ("spec", 0): (made(SMALLEST, spec__sources=[]), "spec.sources",
        "Keys needs sources; write one, or payload: {format: Text} to hear what others NOTIFY"),
    ("spec", 1): (made(SMALLEST, spec__payload={"format": "Text"}), "spec.payload.format",
        "Text can't be used with sources; write Keys, or sources: []"),
    ("spec", 2): (made(LISTENING, spec__channel=None), "spec.channel",
        "is required without sources; write the PostgreSQL channel that others NOTIFY"),
    ("spec", 3): (made(LISTENING, spec__capture="Outbox"), "spec.capture", "Outbox needs sources; write Notify"),
    ("spec", 4): (made(SMALLEST, spec__audit__enabled=True), "spec.audit.enabled",
        "needs capture: Outbox; write false, or change capture"),
    ("spec", 5): (made(DURABLE, spec__capture="Notify"), "spec.consumers",
        "AtLeastOnce needs capture: Outbox; write BestEffort, or change capture"),
    ("spec.payload", 0): (made(LISTENING, spec__payload={"format": "Json"}), "spec.payload.fields",
        "Json needs fields; write 1 to 8 names of the payload's fields that are the key"),
    ("spec.payload", 1): (made(LISTENING, spec__payload__fields=["a"]), "spec.payload.fields",
        "can't be used with Text; remove it, or write format: Json"),
    ("spec.payload.fields", 0): (made(LISTENING, spec__payload={"format": "Json", "fields": ["a", "b", "b"]}),
        "spec.payload.fields", "b stands here a second time; remove one of them"),
    ("spec.sources", 0): (made(GOOD, spec__sources__1__key=[{"column": "id"}, {"column": "b"}]), "spec.sources",
        'the key of public.lines has other names; write the names of sources[0] in their order: ["id"]'),
    ("spec.sources[].key", 0): (key({"column": "a"}, {"column": "b"}, {"column": "c", "name": "a"}),
        "spec.sources[0].key", "a names a key part already; write another name"),
    ("spec.sources[].key[]", 0): (key({"name": "a"}), "spec.sources[0].key[0].column",
        "is required; write the column's name, or a lookup"),
    ("spec.sources[].key[]", 1): (key({"name": "a", "column": "a", "lookup": LOOKUP}), "spec.sources[0].key[0].column",
        "can't be used with lookup; remove one of them"),
    ("spec.sources[].key[]", 2): (key({"lookup": LOOKUP}), "spec.sources[0].key[0].name",
        "is required; write the name that the looked-up value has in the key"),
    ("spec.sources[].key[].lookup.match", 0): (key({"name": "a", "lookup": LOOKUP | {"match": {"": "a"}}}),
        "spec.sources[0].key[0].lookup.match", "is empty; write a name"),
    ("spec.sources[].key[].lookup.match", 1): (key({"name": "a", "lookup": LOOKUP | {"match": {"a" * 64: "a"}}}),
        "spec.sources[0].key[0].lookup.match", "names a column with more than 63 bytes; 63 is the most"),
    ("spec.sources[].rules[]", 0): (rule("Insert", columns=["a"]), "spec.sources[0].rules[0].columns",
        "can only be used with Update; remove it, or add Update to events"),
    ("spec.sources[].rules[]", 1): (rule("Insert", "Truncate", when={"allOf": [ANY]}), "spec.sources[0].rules[0].when",
        "can't be used with Truncate; give Truncate a rule of its own"),
    ("spec.sources[].rules[]", 2): (rule("Insert", when={"allOf": [ANY | {"row": "Old"}]}),
        "spec.sources[0].rules[0].when.allOf", "Old can't be used with Insert; write New"),
    ("spec.sources[].rules[]", 3): (rule("Insert", "Delete", when={"allOf": [ANY, ANY | {"row": "New"}]}),
        "spec.sources[0].rules[0].when.allOf", "New can't be used with Delete; leave it out"),
    ("spec.sources[].rules[].when.allOf[]", 0): (condition(operator="NotIn"),
        "spec.sources[0].rules[0].when.allOf[0].values", "NotIn needs values; write one or more"),
    ("spec.sources[].rules[].when.allOf[]", 1): (condition(operator="NotEquals", values=list("abc")),
        "spec.sources[0].rules[0].when.allOf[0].values", "NotEquals needs one value, not 3; write one, or use NotIn"),
    ("spec.sources[].rules[].when.allOf[]", 2): (condition(operator="IsNull", values=["a"]),
        "spec.sources[0].rules[0].when.allOf[0].values", "IsNull takes no values; remove them"),
    ("spec.consumers[]", 0): (made(SMALLEST, spec__consumers__0__retry={}), "spec.consumers[0].retry",
        "needs delivery: AtLeastOnce; remove it, or change delivery"),
    ("spec.consumers[]", 1): (made(SMALLEST, spec__consumers__0__escalation={"after": "1m", "path": "/"}),
        "spec.consumers[0].escalation", "needs delivery: AtLeastOnce; remove it, or change delivery"),
    ("spec.consumers[]", 2): (
        made(DURABLE, spec__consumers__0__endpoint=None, spec__consumers__0__escalation={"after": "1m", "path": "/"}),
        "spec.consumers[0].escalation",
        "needs an endpoint, for it is POSTed to its port; remove it, or write endpoint"),
    ("spec.consumers[]", 3): (made(SMALLEST, spec__consumers__0__claim={}), "spec.consumers[0].claim",
        "is for delivery: AtLeastOnce without an endpoint; remove it, or the endpoint"),
    ("spec.consumers[].debounce", 0): (made(SMALLEST, spec__consumers__0__debounce__window="1m"),
        "spec.consumers[0].debounce.window",
        "window 1m is longer than maxDelay 2s; write a longer maxDelay or a shorter window"),
    ("spec.consumers[].poll.interval", 1): (made(SMALLEST, spec__consumers__0__poll__interval="999ms"),
        "spec.consumers[0].poll.interval", "999ms is too short; write 1s or more, or 0s for no polls"),
    ("spec.consumers[].retry", 0): (made(DURABLE, spec__consumers__0__retry__initialDelay="5m1ms"),
        "spec.consumers[0].retry.initialDelay", "5m1ms is longer than maxDelay 5m; write a longer maxDelay"),
}  # fmt: skip
"""A rule of the CRD (the path it stands at, its number there) → who breaks only it, the field and the message."""


def bytes_broken(path: str) -> tuple[dict, str, str]:
    """32 characters of two bytes in a name of PostgreSQL."""
    long, plain = "é" * 32, path.removesuffix("[]").removesuffix("{}")
    value = [long] if path.endswith("[]") else {"a": long} if path.endswith("{}") else long
    resource = put(plain, value, listening=plain == "spec.payload.fields")
    at = plain.replace("[]", "[0]") + ("[0]" if path.endswith("[]") else "[a]" if path.endswith("{}") else "")
    if plain.endswith((".key[].column", ".key[].name")):
        resource["spec"]["sources"][0]["key"] = [{"column": "k"} | {plain.rpartition(".")[2]: long}]
    if ".allOf[]" in plain:
        resource["spec"]["sources"][0]["rules"][0]["when"]["allOf"][0] |= {"operator": "IsNull"}
    if ".lookup." in plain:
        lookup = LOOKUP | {plain.rpartition(".")[2]: value}
        resource["spec"]["sources"][0]["key"] = [{"name": "k", "lookup": lookup}]
    return resource, at, "has 64 bytes; 63 is the most"


def bound_broken(path: str) -> tuple[dict, str, str]:
    """A millisecond more than a duration may be."""
    (row,) = [row for row in ROWS if row.path == path]
    _, most = bounds_of(row)
    text = duration.write(duration.parse(most) + 0.001)
    message = crd.SCHEMAS[path][crd.RULES][0]["message"]
    return put(path, text), path.replace("[]", "[0]"), f"{text} {message}"


def example(at: tuple[str, int]) -> tuple[dict, str, str]:
    """Who breaks that rule."""
    if at in BROKEN:
        return BROKEN[at]
    return bound_broken(at[0]) if at[0] in DURATIONS else bytes_broken(at[0])


OF_A_CHANGE = {("spec.database.secretRef.name", 0)}
"""Rules that only a change can break: in test_crd.py."""


@pytest.mark.parametrize("at", sorted(crd.rules().keys() - OF_A_CHANGE), ids=str)
def test_each_rule_refuses_who_breaks_only_it_by_its_field_with_its_message(server, at):
    """Mutant: any rule replaced by `true`."""
    resource, field, message = example(at)
    stored, causes = server.judge(resource)
    assert stored is None
    assert [(cause.field, said(cause)) for cause in causes] == [(field, message)]
    with pytest.raises(SpecError):
        from_object(resource)


def said(cause) -> str:
    """The sentence, without what Kubernetes puts before it."""
    return re.sub(r'^(Invalid value: "\w+"|Required value|Forbidden): ', "", cause.message)


@pytest.mark.parametrize("text", GOODS, ids=range(len(GOODS)))
def test_what_the_parser_takes_the_api_server_takes_and_defaults_to_the_same(server, text):
    resource = yaml.safe_load(text)
    resource.pop("status", None)
    stored, causes = server.judge(resource)
    assert not causes
    assert stored["spec"] == crd.defaulted(resource)["spec"]
    stored["metadata"]["namespace"] = resource["metadata"].get("namespace", "default")
    assert (from_object(stored),) == parse(text, file="-")


@pytest.mark.parametrize("line", [*REFUSALS[Judge.SCHEMA], *REFUSALS[Judge.CEL], *REFUSALS[Judge.KUBERNETES]])
def test_what_the_parser_refuses_the_api_server_refuses_too_where_it_can(server, line):
    body = as_object(line)
    if body.get("metadata", {}).get("namespace") == "shop":
        del body["metadata"]["namespace"]
    stored, causes = server.judge_raw(body)
    assert stored is None
    if line in REFUSALS[Judge.KUBERNETES]:
        return
    at = line.partition(": ")[0].rpartition(".")[0]  # of two that don't go together, each may name the other one
    assert any(cause.field in line or at in cause.field or at in cause.message for cause in causes), causes


@pytest.mark.parametrize("line", REFUSALS[Judge.CEL])
def test_a_rule_says_what_the_parser_says(server, line):
    body = as_object(line)
    _, causes = server.judge(body)
    sentence = line.partition(": ")[2].replace(" (the default)", "")
    if "has the names" in sentence or "second time" in sentence:  # with the table and the name that CEL has to add
        sentence = sentence.partition("; ")[2].partition(": ")[0]
    assert any(sentence in said(cause) for cause in causes), causes


@pytest.mark.parametrize(("text", "line"), ONLY_ACCEPTED, ids=range(len(ONLY_ACCEPTED)))
def test_what_is_left_to_the_condition_accepted_is_stored_and_refused_by_the_operator(server, text, line):
    stored, causes = server.judge(yaml.safe_load(text))
    assert not causes
    with pytest.raises(SpecError) as caught:
        from_object(stored)
    assert str(caught.value) == line


def test_every_refusal_is_in_one_of_these_tests():
    assert {line for judge in Judge for line in REFUSALS[judge]} == set(WRITTEN)


@settings(UNHURRIED, max_examples=60)
@given(channel=channels())
def test_any_good_channel_is_stored_and_comes_back_equal(server, channel):
    stored, causes = server.judge(as_resource(channel))
    assert not causes
    stored["metadata"]["namespace"] = channel.namespace
    assert from_object(stored) == channel


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.sampled_from(["Insert", "Update", "Delete", "Truncate", "New", "Old", "In", "Keys", "Text", "Json", "5s", "1d",
                       "AtLeastOnce", "BestEffort", "Outbox", "Notify", "id", "/x"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["name", "column", "a"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(UNHURRIED, max_examples=300)
@given(data=st.data())
def test_whatever_replaces_one_value_both_say_the_same(server, data):
    """What only Accepted refuses is not among what is drawn: no long texts, no annotations."""
    resource = made(data.draw(st.sampled_from([WHOLE, GOOD, LISTENING, SMALLEST])))
    resource.pop("status", None)
    node, last = resource["spec"], None
    while isinstance(node, dict | list) and node and (last is None or data.draw(st.integers(0, 5))):
        last = node, data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        node = last[0][last[1]]
    if data.draw(st.booleans()) and isinstance(last[0], dict):
        del last[0][last[1]]
    else:
        last[0][last[1]] = data.draw(_json)
    stored, causes = server.judge(copy.deepcopy(resource))
    if stored:
        from_object(stored)
    else:
        with pytest.raises(SpecError):
            from_object(json.loads(json.dumps(resource)))
        assert all("evaluating rule" not in cause.message for cause in causes), causes
