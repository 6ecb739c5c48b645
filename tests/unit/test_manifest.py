"""Good resources as values; and for any input at all, values or SpecError."""

from __future__ import annotations

import json
import string

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifychannel_operator.manifest import SpecError, load, parse
from notifychannel_operator.resource import duration
from notifychannel_operator.spec import (
    Audit,
    Batch,
    Capture,
    Channel,
    Condition,
    Consumer,
    Debounce,
    Delivery,
    Endpoint,
    Escalation,
    Event,
    KeyPart,
    Lookup,
    Operator,
    Payload,
    PayloadFormat,
    ReclaimPolicy,
    Retry,
    Row,
    Rule,
    Source,
)

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine is shared: a slow example is no finding."""
WHOLE = """\
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata:
  name: orders
  namespace: shop
  annotations: {notifychannel.io/take-over: "true", example.org/note: "7"}
  labels: {app: shop}
spec:
  suspend: true
  database: {secretRef: {name: orders-db}}
  channel: new_order
  capture: Outbox
  payload: {format: Keys}
  sources:
    - schema: public
      table: Order Lines
      key:
        - {column: id, name: order_id}
        - {name: region, lookup: {schema: public, table: tenants, column: region, match: {id: tenant_id}}}
      maxKeys: 5
      rules:
        - {name: created, events: [Insert], when: {allOf: [{column: status, operator: In, values: ["paid"], row: New}]}}
        - {name: changed, events: [Update], columns: [status]}
        - {name: removed, events: [Delete, Truncate]}
  audit: {enabled: true, retention: 14d}
  consumers:
    - group: orders-api
      endpoint: {port: 8080, path: /hints, timeout: 1s500ms, traceparent: true}
      debounce: {window: 0s, maxDelay: 1m, minInterval: 5s}
      batch: {maxHints: 7, maxWait: 10ms}
      poll: {interval: 0s}
      resync: {spread: 1m}
      delivery: AtLeastOnce
      retry: {maxAttempts: 3, initialDelay: 2s, maxDelay: 1h30m}
      escalation: {after: 30m, path: /escalations}
  reclaimPolicy: Retain
  cleanupTimeout: 1m
status: {conditions: [{type: Ready}], whatever: 1}
"""
SMALLEST = """\
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: a}
spec:
  database: {secretRef: {name: db}}
  sources: [{schema: s, table: t, rules: [{name: r, events: [Insert]}]}]
  consumers: [{group: g, endpoint: {port: 1, path: /}}]
"""


def test_every_field_arrives():
    assert parse(WHOLE, file="-") == (
        Channel(
            namespace="shop",
            name="orders",
            secret="orders-db",
            suspend=True,
            pg_channel="new_order",
            capture=Capture.OUTBOX,
            sources=(
                Source(
                    schema="public",
                    table="Order Lines",
                    key=(
                        KeyPart(name="order_id", column="id"),
                        KeyPart(
                            name="region",
                            lookup=Lookup(
                                schema="public", table="tenants", column="region", match=(("id", "tenant_id"),)
                            ),
                        ),
                    ),
                    max_keys=5,
                    rules=(
                        Rule(
                            name="created",
                            events=(Event.INSERT,),
                            when=(Condition(column="status", operator=Operator.IN, values=("paid",), row=Row.NEW),),
                        ),
                        Rule(name="changed", events=(Event.UPDATE,), columns=("status",)),
                        Rule(name="removed", events=(Event.DELETE, Event.TRUNCATE)),
                    ),
                ),
            ),
            audit=Audit(enabled=True, retention=14 * 86400.0),
            consumers=(
                Consumer(
                    group="orders-api",
                    endpoint=Endpoint(port=8080, path="/hints", timeout=1.5, traceparent=True),
                    debounce=Debounce(window=0.0, max_delay=60.0, min_interval=5.0),
                    batch=Batch(max_hints=7, max_wait=0.01),
                    poll_interval=0.0,
                    resync_spread=60.0,
                    delivery=Delivery.AT_LEAST_ONCE,
                    retry=Retry(max_attempts=3, initial_delay=2.0, max_delay=5400.0),
                    escalation=Escalation(after=1800.0, path="/escalations"),
                ),
            ),
            reclaim_policy=ReclaimPolicy.RETAIN,
            cleanup_timeout=60.0,
            take_over=True,
        ),
    )


def test_what_is_left_out_has_the_defaults_of_the_design():
    (channel,) = parse(SMALLEST, file="-")
    assert channel.namespace == "default"
    assert (channel.suspend, channel.pg_channel, channel.capture) == (False, None, Capture.NOTIFY)
    assert (channel.reclaim_policy, channel.cleanup_timeout) == (ReclaimPolicy.DELETE, 300.0)
    assert (channel.sources[0].key, channel.sources[0].max_keys) == ((), 1000)
    assert channel.audit == Audit(enabled=False, retention=7 * 86400.0)
    assert channel.consumers == (
        Consumer(
            group="g",
            endpoint=Endpoint(port=1, path="/", timeout=2.0),
            debounce=Debounce(window=0.25, max_delay=2.0, min_interval=0.0),
            batch=Batch(max_hints=100, max_wait=0.0),
            poll_interval=30.0,
            resync_spread=10.0,
            delivery=Delivery.BEST_EFFORT,
        ),
    )


def test_durable_delivery_without_retry_gets_the_defaults_of_retry():
    text = SMALLEST.replace("{group: g,", "{group: g, delivery: AtLeastOnce,").replace(
        "spec:", "spec:\n  capture: Outbox"
    )
    assert parse(text, file="-")[0].consumers[0].retry == Retry(max_attempts=10, initial_delay=1.0, max_delay=300.0)


@pytest.mark.parametrize(
    "payload", [Payload(format=PayloadFormat.TEXT), Payload(format=PayloadFormat.JSON, fields=("a", "b"))]
)
def test_a_channel_may_listen_to_what_others_notify(payload):
    channel = Channel(
        namespace="n",
        name="a",
        secret="s",
        pg_channel="theirs",
        payload=payload,
        consumers=(Consumer(group="g", endpoint=Endpoint(port=1, path="/")),),
    )
    assert parse(yaml.safe_dump(as_resource(channel)), file="-") == (channel,)


def test_other_resources_in_the_file_are_ignored_whatever_is_in_them():
    text = f"kind: Deployment\nspec: {{a: 1, a: 2}}\n---\n{SMALLEST}---\n---\nkind: Service\n"
    assert parse(text, file="-") == parse(SMALLEST, file="-")


def test_a_list_as_kubectl_prints_it_is_read_through():
    items = [yaml.safe_load(SMALLEST), {"kind": "Service"}, yaml.safe_load(WHOLE)]
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items})
    assert [channel.name for channel in parse(text, file="-")] == ["a", "orders"]


def test_json_is_yaml_too():
    text = json.dumps(yaml.safe_load(SMALLEST.replace("table: t", "table: \U0001f40d")))
    assert "\\ud83d\\udc0d" in text
    assert parse(text, file="-")[0].sources[0].table == "\U0001f40d"


def test_anchors_aliases_and_merges_are_fine():
    text = SMALLEST.replace(
        "[{group: g, endpoint: {port: 1, path: /}}]", "[&g {group: g, endpoint: &e {port: 1, path: /}}]"
    )
    text += "    \n"
    text = text.replace("[&g", "\n    - &g").replace(
        "}}]", "}}\n    - {<<: *g, group: h}\n    - {group: i, endpoint: *e}"
    )
    (channel,) = parse(text, file="-")
    assert [(c.group, c.endpoint.port) for c in channel.consumers] == [("g", 1), ("h", 1), ("i", 1)]


def test_aliases_that_multiply_cost_no_more_than_their_text():
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 60)]
    with pytest.raises(SpecError, match='unknown field "a59"'):
        parse(SMALLEST + "\n".join(lines) + "\n", file="-")


def test_the_order_in_which_a_lookup_s_columns_are_written_is_no_change_of_the_rules():
    key = "key: [{name: k, lookup: {schema: s, table: t, column: c, match: {MATCH}}}], rules"
    one, other = (SMALLEST.replace("rules", key.replace("MATCH", match)) for match in ("a: b, c: d", "c: d, a: b"))
    assert parse(one, file="-") == parse(other, file="-")


def test_null_is_as_good_as_nothing():
    text = SMALLEST.replace("spec:\n", "spec:\n  capture:\n  channel: ~\n  audit: null\n")
    assert parse(text, file="-") == parse(SMALLEST, file="-")


def test_a_file_is_read_as_utf_8(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_bytes(SMALLEST.replace("table: t", "table: straße").encode())
    assert load(path)[0].sources[0].table == "straße"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("2s", 2.0), ("5m", 300.0), ("7d", 604800.0), ("1h30m", 5400.0), ("0s", 0.0), ("1s5ms", 1.005)],
)
def test_a_duration_is_whole_numbers_with_units(text, seconds):
    assert duration.parse(text) == seconds
    assert duration.write(seconds) == text


@pytest.mark.parametrize("text", ["", "s", "1", "-1s", "1.5s", "1S", "1s1h", "1s1s", "1 s", "٣s", "9" * 31 + "ms"])
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError, match="not a duration"):
        duration.parse(text)


# Any YAML-ish input.

_words = st.sampled_from(
    [
        *("apiVersion", "kind", "metadata", "spec", "database", "secretRef", "sources", "rules", "events", "when"),
        *("allOf", "values", "consumers", "endpoint", "key", "lookup", "match", "name", "List", "items", "Insert"),
        *("NotifyChannel", "notifychannel.io/v1alpha1", "Old", "&a", "*a", "<<:", "-", "?", ":", "{", "}", "[", "]"),
        *(
            ",",
            "|",
            ">",
            "'",
            '"',
            "#",
            "%",
            "@",
            "`",
            "~",
            "!!int",
            "!!binary",
            "!x",
            "---",
            "...",
            "\\",
            "\n",
            "\n  ",
        ),
        *("", "yes", "7", "1e3", "0x1", "2026-01-01", "\t", "\ufeff", "%YAML 1.1", '"\\x', '"\\U', "\u2028", "\x85"),
    ]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=12,
)


def judged(text: str) -> None:
    try:
        channels = parse(text, file="any.yaml")
    except SpecError as error:
        channels, problems = (), error.problems
    else:
        problems = ()
    assert channels or problems
    for problem in problems:
        assert str(problem).isprintable()
        assert 0 <= problem.line <= sum(map(text.count, "\n\r\x85\u2028\u2029")) + 2


@UNHURRIED
@given(st.text() | st.lists(_words | st.text(max_size=3), max_size=40).map(" ".join))
def test_any_text_gives_channels_or_a_spec_error(text):
    judged(text)


@UNHURRIED
@given(st.lists(_words, max_size=12).map(" ".join), st.integers(0, len(WHOLE)), st.integers(0, 40))
def test_a_good_file_with_something_pasted_into_it_gives_channels_or_a_spec_error(text, start, length):
    judged(WHOLE[:start] + text + WHOLE[start + length :])


@UNHURRIED
@given(st.data())
def test_a_good_resource_with_one_value_replaced_by_any_gives_channels_or_a_spec_error(data):
    resource = yaml.safe_load(WHOLE)
    node, last = resource, None
    while isinstance(node, dict | list) and node and (last is None or data.draw(st.booleans() | st.just(value=True))):
        last = node, data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        node = last[0][last[1]]
    last[0][last[1]] = data.draw(_values)
    judged(yaml.safe_dump(resource, allow_unicode=True))


# Any good channel.

_names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
_identifiers = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=15)
_paths = st.text(st.sampled_from(string.ascii_letters + "/%-_.~!$&'()*+,;=:@\\"), max_size=20).map("/".__add__)
_ms = 1000


def _seconds(least_ms: int, most_ms: int):
    return st.integers(least_ms, most_ms).map(lambda ms: ms / _ms)


@st.composite
def _conditions(draw, events):
    operator = draw(st.sampled_from(Operator))
    if operator in {Operator.IN, Operator.NOT_IN}:
        values = draw(st.lists(st.text(_identifiers.map(lambda t: t[0])), min_size=1, max_size=3, unique=True))
    else:
        values = [] if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL} else [draw(_identifiers)]
    rows = [
        None,
        *([Row.NEW] if Event.DELETE not in events else []),
        *([Row.OLD] if Event.INSERT not in events else []),
    ]
    row = draw(st.sampled_from(rows))
    return Condition(column=draw(_identifiers), operator=operator, values=tuple(values), row=row)


@st.composite
def _rules(draw, name):
    events = tuple(draw(st.lists(st.sampled_from(Event), min_size=1, unique=True)))
    columns = draw(st.lists(_identifiers, max_size=2, unique=True)) if Event.UPDATE in events else ()
    when = draw(st.lists(_conditions(events), max_size=2)) if Event.TRUNCATE not in events else ()
    return Rule(name=name, events=events, columns=tuple(columns), when=tuple(when))


@st.composite
def _sources(draw, schema, names):
    def part(name):
        if draw(st.booleans()):
            return KeyPart(name=name, column=draw(_identifiers))
        match = draw(st.dictionaries(_identifiers, _identifiers, min_size=1, max_size=2))
        table, column = draw(_identifiers), draw(_identifiers)
        return KeyPart(
            name=name, lookup=Lookup(schema=schema, table=table, column=column, match=tuple(sorted(match.items())))
        )

    rules = draw(st.lists(_names, min_size=1, max_size=3, unique=True))
    return Source(
        schema=schema,
        table=draw(_identifiers),
        key=tuple(part(name) for name in names),
        max_keys=draw(st.integers(1, 100_000)),
        rules=tuple(draw(_rules(name)) for name in rules),
    )


@st.composite
def _consumers(draw, group, capture):
    window_ms = draw(st.integers(0, 3_600_000))
    delivery = draw(st.sampled_from(Delivery)) if capture is Capture.OUTBOX else Delivery.BEST_EFFORT
    durable = delivery is Delivery.AT_LEAST_ONCE
    first_ms = draw(st.integers(10, 3_600_000))
    retry = Retry(
        max_attempts=draw(st.integers(1, 1000)),
        initial_delay=first_ms / _ms,
        max_delay=draw(_seconds(first_ms, 604_800_000)),
    )
    late = Escalation(after=draw(_seconds(1000, 2_592_000_000)), path=draw(_paths)) if draw(st.booleans()) else None
    return Consumer(
        group=group,
        endpoint=Endpoint(
            port=draw(st.integers(1, 65535)),
            path=draw(_paths),
            timeout=draw(_seconds(10, 600_000)),
            traceparent=draw(st.booleans()),
        ),
        debounce=Debounce(
            window=window_ms / _ms,
            max_delay=draw(_seconds(window_ms, 86_400_000)),
            min_interval=draw(_seconds(0, 86_400_000)),
        ),
        batch=Batch(max_hints=draw(st.integers(1, 10_000)), max_wait=draw(_seconds(0, 60_000))),
        poll_interval=draw(st.just(0.0) | _seconds(1000, 604_800_000)),
        resync_spread=draw(_seconds(0, 3_600_000)),
        delivery=delivery,
        retry=retry if durable else None,
        escalation=late if durable else None,
    )


@st.composite
def channels(draw):
    capture = draw(st.sampled_from(Capture))
    names = draw(st.lists(_identifiers, max_size=3, unique=True))
    schemas = draw(st.lists(_identifiers, min_size=1, max_size=2, unique=True))
    groups = draw(st.lists(_names, min_size=1, max_size=2, unique=True))
    return Channel(
        namespace=draw(_names),
        name=draw(_names),
        secret=draw(_names),
        suspend=draw(st.booleans()),
        pg_channel=draw(st.none() | _identifiers),
        capture=capture,
        sources=tuple(draw(_sources(schema, names)) for schema in schemas),
        audit=Audit(
            enabled=capture is Capture.OUTBOX and draw(st.booleans()),
            retention=draw(_seconds(3_600_000, 3650 * 86_400_000)),
        ),
        consumers=tuple(draw(_consumers(group, capture)) for group in groups),
        reclaim_policy=draw(st.sampled_from(ReclaimPolicy)),
        cleanup_timeout=draw(_seconds(0, 86_400_000)),
        take_over=draw(st.booleans()),
    )


def as_resource(channel: Channel) -> dict:
    """The resource that a channel may have been read from."""
    spec = {
        "suspend": channel.suspend,
        "database": {"secretRef": {"name": channel.secret}},
        "channel": channel.pg_channel,
        "capture": channel.capture.value,
        "payload": {"format": channel.payload.format.value, "fields": list(channel.payload.fields)},
        "sources": [_source_as_resource(source) for source in channel.sources],
        "audit": {"enabled": channel.audit.enabled, "retention": duration.write(channel.audit.retention)},
        "consumers": [_consumer_as_resource(consumer) for consumer in channel.consumers],
        "reclaimPolicy": channel.reclaim_policy.value,
        "cleanupTimeout": duration.write(channel.cleanup_timeout),
    }
    annotations = {"notifychannel.io/take-over": str(channel.take_over).lower()}
    return {
        "apiVersion": "notifychannel.io/v1alpha1",
        "kind": "NotifyChannel",
        "metadata": {"name": channel.name, "namespace": channel.namespace, "annotations": annotations},
        "spec": spec,
    }


def _source_as_resource(source: Source) -> dict:
    return {
        "schema": source.schema,
        "table": source.table,
        "key": [_part_as_resource(part) for part in source.key],
        "maxKeys": source.max_keys,
        "rules": [_rule_as_resource(rule) for rule in source.rules],
    }


def _part_as_resource(part: KeyPart) -> dict:
    if part.lookup is None:
        return {"name": part.name, "column": part.column}
    lookup = part.lookup
    place = {"schema": lookup.schema, "table": lookup.table, "column": lookup.column, "match": dict(lookup.match)}
    return {"name": part.name, "lookup": place}


def _rule_as_resource(rule: Rule) -> dict:
    made = {"name": rule.name, "events": [event.value for event in rule.events]}
    if rule.columns:
        made["columns"] = list(rule.columns)
    if rule.when:
        made["when"] = {
            "allOf": [
                {
                    "column": each.column,
                    "operator": each.operator.value,
                    "values": list(each.values),
                    "row": each.row and each.row.value,
                }
                for each in rule.when
            ]
        }
    return made


def _consumer_as_resource(consumer: Consumer) -> dict:
    made = {
        "group": consumer.group,
        "endpoint": {
            "port": consumer.endpoint.port,
            "path": consumer.endpoint.path,
            "timeout": duration.write(consumer.endpoint.timeout),
            "traceparent": consumer.endpoint.traceparent,
        },
        "debounce": {
            "window": duration.write(consumer.debounce.window),
            "maxDelay": duration.write(consumer.debounce.max_delay),
            "minInterval": duration.write(consumer.debounce.min_interval),
        },
        "batch": {"maxHints": consumer.batch.max_hints, "maxWait": duration.write(consumer.batch.max_wait)},
        "poll": {"interval": duration.write(consumer.poll_interval)},
        "resync": {"spread": duration.write(consumer.resync_spread)},
        "delivery": consumer.delivery.value,
    }
    if consumer.retry:
        made["retry"] = {
            "maxAttempts": consumer.retry.max_attempts,
            "initialDelay": duration.write(consumer.retry.initial_delay),
            "maxDelay": duration.write(consumer.retry.max_delay),
        }
    if consumer.escalation:
        made["escalation"] = {
            "after": duration.write(consumer.escalation.after),
            "path": consumer.escalation.path,
        }
    return made


def _as_yaml(value: object) -> str:
    """Quoted throughout: PyYAML writes 08 and 1e3 plain, which kubectl's YAML takes for numbers."""
    return yaml.safe_dump(value, default_style='"')


def _as_json(value: object) -> str:
    """With DEL escaped, which JSON leaves as it is and YAML forbids."""
    return json.dumps(value).replace("\x7f", "\\u007f")


@UNHURRIED
@given(channels(), st.sampled_from([_as_yaml, _as_json]))
def test_any_good_channel_written_as_yaml_or_json_reads_back_equal(channel, write):
    assert parse(write(as_resource(channel)), file="-") == (channel,)
