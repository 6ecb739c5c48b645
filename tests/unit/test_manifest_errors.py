"""Every refusal of the resource, word for word: what is changed in a good file → the lines a person reads."""

# ruff: noqa: E501  (the lines are what a person reads, unbroken)
from __future__ import annotations

import pytest

from notifychannel_operator.manifest import SpecError, load, parse

GOOD = """\
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: orders-db}}
  capture: Notify
  sources:
    - schema: public
      table: orders
      key: [{column: id}]
      rules:
        - name: created
          events: [Insert]
        - name: changed
          events: [Update]
    - {schema: public, table: lines, key: [{column: order_id, name: id}], rules: [{name: any, events: [Insert]}]}
  consumers:
    - group: orders-api
      endpoint: {port: 8080, path: /hints}
"""
LISTENING = """\
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: heard}
spec:
  database: {secretRef: {name: db}}
  channel: theirs
  payload: {format: Text}
  consumers: [{group: api, endpoint: {port: 80, path: /}}]
"""
CREATED = "events: [Insert]\n        - name: changed"
SOURCE = "10: spec.sources[0]"
RULE = "13: spec.sources[0].rules[0]"
CONSUMER = "18: spec.consumers[0]"
IN_SPEC = "capture: Notify"
"""A line of GOOD's spec that others can be put in the place of."""


def in_rule(text: str) -> tuple[str, str]:
    return CREATED, f"events: [Insert]\n          {text}\n        - name: changed"


def condition(text: str) -> tuple[str, str]:
    return in_rule(f"when: {{allOf: [{{{text}}}]}}")


def in_consumer(text: str) -> tuple[str, str]:
    return "      endpoint:", f"      {text}\n      endpoint:"


def unposted(text: str) -> tuple[str, str]:
    return "      endpoint: {port: 8080, path: /hints}\n", f"      {text}\n"


def in_endpoint(text: str) -> tuple[str, str]:
    return "{port: 8080, path: /hints}", text


WHEN = "14: spec.sources[0].rules[0].when.allOf[0]"
LABEL = "write at most 63 of a-z, 0-9 and -, with a letter or digit at both ends"
SUBDOMAIN = "write at most 253 of a-z, 0-9, - and ., with a letter or digit at both ends"
DURATION = 'is not a duration; write for example "250ms", "2s", "1h30m" or "7d"'

REFUSED = [
    # the document
    (("notifychannel.io/v1alpha1", "notifychannel.io/v1"), '1: apiVersion: "notifychannel.io/v1" is not known; write notifychannel.io/v1alpha1'),
    (("apiVersion: notifychannel.io/v1alpha1\n", "---\n"), "2: apiVersion: is required; write notifychannel.io/v1alpha1"),
    (("kind: NotifyChannel", "kind: NotifyChanel"), '2: kind: "NotifyChanel" is not known; write NotifyChannel'),
    (("apiVersion: notifychannel.io/v1alpha1\nkind: NotifyChannel\n", ""), "1: kind: is required; write NotifyChannel"),
    (("spec:", "specs: {}\nspec:"), '4: unknown field "specs"; did you mean "spec"?'),
    (("metadata: {name: orders, namespace: shop}\n", ""), "1: metadata: is required; write {name: ...}"),
    (("name: orders, ", ""), "3: metadata.name: is required; write a name that is unique in its namespace"),
    (("name: orders,", "name: Orders,"), f"3: metadata.name: {SUBDOMAIN}"),
    (("namespace: shop", "namespace: shop.eu"), f"3: metadata.namespace: {LABEL}"),
    (("namespace: shop", "namespace: 7"), '3: metadata.namespace: 7 without quotes is a number in YAML; write "7"'),
    (("namespace: shop", "namspace: shop"), '3: metadata: unknown field "namspace"; did you mean "namespace"?'),
    (("namespace: shop", "annotations: {notifychannel.io/take-over: true}"),
     '3: metadata.annotations.notifychannel.io/take-over: true without quotes is true or false in YAML; write "true"'),
    (("namespace: shop", 'annotations: {notifychannel.io/take-over: "yes"}'),
     '3: metadata.annotations: notifychannel.io/take-over is "yes"; write "true", or remove it'),
    (("namespace: shop", 'annotations: {notifychannel.io/takeover: "true"}'),
     '3: metadata.annotations: "notifychannel.io/takeover" is not known; did you mean "notifychannel.io/take-over"?'),
    (("namespace: shop", "labels: [a]"), "3: metadata.labels: a list stands here; write fields, each as name: value"),
    # YAML itself
    (("  capture", "\tcapture"), "6: this is not YAML: found character '\\t' that cannot start any token; indent with spaces instead of tabs"),
    (("capture: Notify", "capture: Notify: x"), "6: this is not YAML: mapping values are not allowed here; mend the indentation, or quote a text that holds a colon"),
    (("capture: Notify", "capture: *gone"), "6: this is not YAML: found undefined alias 'gone'; define it with & above, or quote a text that starts with *"),
    (("capture: Notify", 'capture: "Notify'), "20: this is not YAML: found unexpected end of stream; close the quote or bracket"),
    (("capture: Notify", "capture: \x07"), "6: this is not YAML: it holds a control character; remove it"),
    (("capture: Notify", 'capture: "\\UFFFFFFFF"'), "this is not YAML: an escape or directive holds a number that is too large; mend it"),
    (("capture: Notify", "capture: " + "[" * 2000), "this is nested too deeply; a NotifyChannel needs ten levels"),
    (("capture: Notify", "capture: Notify\n  capture: Outbox"), '7: spec: "capture" stands here a second time; remove one of them'),
    (("capture: Notify", "[a]: b"), "6: spec: a field's name is a list or a mapping; write a text"),
    (("[{column: id}]", "&loop [*loop]"), f"{SOURCE}.key[0]: an alias of what it stands in stands here; write fields, each as name: value"),
    # spec
    (("database: {secretRef: {name: orders-db}}", "suspend: false"), "5: spec.database: is required; write {secretRef: {name: ...}}"),
    (("{secretRef: {name: orders-db}}", "{}"), "5: spec.database.secretRef: is required; write {name: ...}"),
    (("name: orders-db", ""), "5: spec.database.secretRef.name: is required; write the name of the Secret with the installer's role"),
    (("name: orders-db", "name: orders_db"), f"5: spec.database.secretRef.name: {SUBDOMAIN}"),
    (("name: orders-db", "name: db, namespace: other"), '5: spec.database.secretRef: unknown field "namespace"; known here: name'),
    (("{secretRef: {name: orders-db}}", "orders-db"), '5: spec.database: "orders-db" stands here; write fields, each as name: value'),
    ((IN_SPEC, "suspend: 1"), '6: spec.suspend: "1" stands here; write true or false'),
    ((IN_SPEC, "channel: 7"), '6: spec.channel: 7 without quotes is a number in YAML; write "7"'),
    ((IN_SPEC, f"channel: {'é' * 32}"), "6: spec.channel: has 64 bytes; 63 is the most"),
    ((IN_SPEC, 'channel: ""'), "6: spec.channel: is empty; write a name"),
    ((IN_SPEC, 'channel: "a\\0b"'), "6: spec.channel: holds a NUL byte, which PostgreSQL can't store; remove it"),
    ((IN_SPEC, 'channel: "\\ud800"'), "6: spec.channel: holds half of a surrogate pair; write the whole character"),
    ((IN_SPEC, "capture: Notfy"), '6: spec.capture: "Notfy" is not known; did you mean "Notify"?'),
    ((IN_SPEC, "capture: Polling"), '6: spec.capture: "Polling" is not known; write Notify or Outbox'),
    ((IN_SPEC, "payload: {format: Text}"), "6: spec.payload.format: Text can't be used with sources; write Keys, or sources: []"),
    ((IN_SPEC, "payload: {format: Json}"), "6: spec.payload.fields: Json needs fields; write 1 to 8 names of the payload's fields that are the key"),
    ((IN_SPEC, "payload: {fields: [a]}"), "6: spec.payload.fields: can't be used with Keys; remove it, or write format: Json"),
    ((IN_SPEC, "payload: {format: Json, fields: [a, a]}"), "6: spec.payload.fields[1]: stands here a second time; remove one of them"),
    ((IN_SPEC, "payload: {format: Json, fields: [a, b, c, d, e, f, g, h, i]}"), "6: spec.payload.fields: has 9 entries; 8 is the most"),
    ((IN_SPEC, "audit: {enabled: true}"), "6: spec.audit.enabled: needs capture: Outbox; write false, or change capture"),
    ((IN_SPEC, "audit: {retention: 7}"), f'6: spec.audit.retention: "7" {DURATION}'),
    ((IN_SPEC, "audit: {retention: 1m}"), "6: spec.audit.retention: 1m is out of bounds; write a duration from 1h to 3650d"),
    ((IN_SPEC, "reclaimPolicy: retain"), '6: spec.reclaimPolicy: "retain" is not known; did you mean "Retain"?'),
    ((IN_SPEC, "cleanupTimeout: 2d"), "6: spec.cleanupTimeout: 2d is out of bounds; write a duration from 0s to 1d"),
    ((IN_SPEC, "debounce: {}"), '6: spec: unknown field "debounce"; known here: suspend, database, channel, capture, payload, sources, audit, consumers, reclaimPolicy, cleanupTimeout'),
    # sources
    (("schema: public\n", "schema: ''\n"), "8: spec.sources[0].schema: is empty; write a name"),
    (("schema: public, ", ""), '16: spec.sources[1].schema: is required; write the schema of the table, for example "public"'),
    (("table: orders", "table: ~"), "9: spec.sources[0].table: is required; write the name of the table"),
    (("table: lines", "table: orders"), "16: spec.sources[1].table: public.orders is a source already; put the rules together"),
    (("table: lines", "tabel: lines"),
     '16: spec.sources[1]: unknown field "tabel"; did you mean "table"?'),
    (("[{column: id}]", "[{column: id}, {column: id}]"),
     f"{SOURCE}.key[1].column: id names a key part already; write another name"),
    (("[{column: id}]", "[{column: yes}]"), f'{SOURCE}.key[0].column: yes without quotes is true or false in YAML; write "yes"'),
    (("[{column: id}]", "[{name: id}]"), f"{SOURCE}.key[0].column: is required; write the column's name, or a lookup"),
    (("[{column: id}]", "{column: id}"), f"{SOURCE}.key: a mapping stands here; write a list"),
    (("[{column: id}]", "[id]"), f'{SOURCE}.key[0]: "id" stands here; write fields, each as name: value'),
    ((", name: id}", "}"), "16: spec.sources[1].key: has the names order_id; write the names of sources[0] in their order: id"),
    (("[{column: id}]", "[{name: id, column: id, lookup: {schema: a, table: b, column: c, match: {d: e}}}]"),
     f"{SOURCE}.key[0].column: can't be used with lookup; remove one of them"),
    (("[{column: id}]", "[{lookup: {schema: a, table: b, column: c, match: {d: e}}}]"),
     f"{SOURCE}.key[0].name: is required; write the name that the looked-up value has in the key"),
    (("[{column: id}]", "[{name: id, lookup: {schema: a, table: b, column: c, match: {}}}]"),
     f"{SOURCE}.key[0].lookup.match: is required; write pairs of a column of the looked-up table and a column of the source, for example {{id: tenant_id}}"),
    (("[{column: id}]", "[{name: id, lookup: {schema: a, table: b, column: c, match: {no: 1}}}]"),
     f'{SOURCE}.key[0].lookup.match.no: no without quotes is true or false in YAML; write "no"',
     f'{SOURCE}.key[0].lookup.match.no: 1 without quotes is a number in YAML; write "1"'),
    (("[{column: id}]", "[{name: id, lookup: {}}]"),
     f"{SOURCE}.key[0].lookup.match: is required; write pairs of a column of the looked-up table and a column of the source, for example {{id: tenant_id}}",
     f'{SOURCE}.key[0].lookup.schema: is required; write the schema of the table, for example "public"',
     f"{SOURCE}.key[0].lookup.table: is required; write the name of the looked-up table",
     f"{SOURCE}.key[0].lookup.column: is required; write the column whose value becomes the key part"),
    (("[{column: id}]", "[{column: id}]\n      maxKeys: 0"), "11: spec.sources[0].maxKeys: 0 is out of bounds; write a whole number from 1 to 100000"),
    (("[{column: id}]", '[{column: id}]\n      maxKeys: "9"'), '11: spec.sources[0].maxKeys: "9" stands here; write a whole number from 1 to 100000 without quotes'),
    (("[{column: id}]", "[{column: id}]\n      maxKeys: 1_0"), '11: spec.sources[0].maxKeys: "1_0" stands here; write a whole number from 1 to 100000'),
    (("rules: [{name: any, events: [Insert]}]", "rules: []"), "16: spec.sources[1].rules: is required; write at least one rule: a name and its events"),
    # rules
    (("name: changed", "name: created"), "14: spec.sources[0].rules[1].name: created names a rule already; write another name"),
    (("name: created", "name: on create"), "12: spec.sources[0].rules[0].name: write at most 63 of A-Z, a-z, 0-9, -, _ and ., with a letter or digit at both ends"),
    ((CREATED, CREATED.replace("[Insert]", "[]")), f"{RULE}.events: is required; write one or more of Insert, Update, Delete, Truncate"),
    ((CREATED, CREATED.replace("[Insert]", "Insert")), f'{RULE}.events: "Insert" stands here; write a list'),
    ((CREATED, CREATED.replace("[Insert]", "[insert]")), f'{RULE}.events[0]: "insert" is not known; did you mean "Insert"?'),
    ((CREATED, CREATED.replace("[Insert]", "[Insert, Insert]")), f"{RULE}.events[1]: stands here a second time; remove one of them"),
    (in_rule("columns: [status]"), "14: spec.sources[0].rules[0].columns: can only be used with Update; remove it, or add Update to events"),
    (("events: [Update]", "events: [Update]\n          columns: [a, a]"), "16: spec.sources[0].rules[1].columns[1]: stands here a second time; remove one of them"),
    ((CREATED, "events: [Insert, Truncate]\n          when: {allOf: [{column: a, operator: IsNull}]}\n        - name: changed"),
     "14: spec.sources[0].rules[0].when: can't be used with Truncate; give Truncate a rule of its own"),
    (in_rule("when: {}"), "14: spec.sources[0].rules[0].when.allOf: is required; write at least one condition, or leave out `when`"),
    (in_rule("when: status = 'paid'"), "14: spec.sources[0].rules[0].when: \"status = 'paid'\" stands here; write fields, each as name: value"),
    (in_rule("when: {anyOf: []}"), '14: spec.sources[0].rules[0].when: unknown field "anyOf"; known here: allOf',
     "14: spec.sources[0].rules[0].when.allOf: is required; write at least one condition, or leave out `when`"),
    # conditions
    (condition("column: a, operator: IsNull, row: Old"), f"{WHEN}.row: Old can't be used with Insert; write New"),
    ((CREATED, CREATED.replace("[Insert]", "[Delete]\n          when: {allOf: [{column: a, operator: IsNull, row: New}]}")), f"{WHEN}.row: New can't be used with Delete; write Old"),
    ((CREATED, CREATED.replace("[Insert]", "[Insert, Delete]\n          when: {allOf: [{column: a, operator: IsNull, row: New}]}")), f"{WHEN}.row: New can't be used with Delete; leave it out"),
    (condition("column: a, operator: IsNull, row: Both"), f'{WHEN}.row: "Both" is not known; write New or Old'),
    (condition("column: a, values: [b]"), f"{WHEN}.operator: is required; write one of In, NotIn, Equals, NotEquals, IsNull, IsNotNull, GreaterThan, LessThan"),
    (condition("column: a, operator: Equal, values: [b]"), f'{WHEN}.operator: "Equal" is not known; did you mean "Equals"?'),
    (condition("column: a, operator: '>', values: [b]"), f'{WHEN}.operator: ">" is not known; write In, NotIn, Equals, NotEquals, IsNull, IsNotNull, GreaterThan or LessThan'),
    (condition("operator: IsNull"), f"{WHEN}.column: is required; write the name of a column or of a looked-up key part"),
    (condition("column: a, operator: In, values: [yes]"), f'{WHEN}.values[0]: yes without quotes is true or false in YAML; write "yes"'),
    (condition("column: a, operator: In, values: [7]"), f'{WHEN}.values[0]: 7 without quotes is a number in YAML; write "7"'),
    (condition("column: a, operator: In, values: [1e3]"), f'{WHEN}.values[0]: 1e3 without quotes is a decimal number in YAML; write "1e3"'),
    (condition("column: a, operator: In, values: [2026-01-01]"), f'{WHEN}.values[0]: 2026-01-01 without quotes is a date in YAML; write "2026-01-01"'),
    (condition("column: a, operator: In, values: [null]"), f"{WHEN}.values[0]: nothing stands here; write a text"),
    (condition("column: a, operator: In, values: paid"), f'{WHEN}.values: "paid" stands here; write a list'),
    (condition("column: a, operator: In"), f"{WHEN}.values: In needs values; write one or more"),
    (condition("column: a, operator: Equals, values: [b, c]"), f"{WHEN}.values: Equals needs one value, not 2; write one, or use In"),
    (condition("column: a, operator: LessThan"), f"{WHEN}.values: LessThan needs one value, not 0; write one"),
    (condition("column: a, operator: IsNotNull, values: [b]"), f"{WHEN}.values: IsNotNull takes no values; remove them"),
    # consumers
    (in_endpoint("{port: 0, path: /hints}"), "19: spec.consumers[0].endpoint.port: 0 is out of bounds; write a whole number from 1 to 65535"),
    (in_endpoint("{path: /hints}"), "19: spec.consumers[0].endpoint.port: is required; write the port on which the application listens"),
    (in_endpoint("{port: 80}"), '19: spec.consumers[0].endpoint.path: is required; write the path to POST to, for example "/hints"'),
    (in_endpoint("{port: 80, path: hints}"), '19: spec.consumers[0].endpoint.path: has to start with "/"; write for example "/hints"'),
    (in_endpoint("{port: 80, path: '/a?b=c'}"), '19: spec.consumers[0].endpoint.path: holds "?", "#", a space, a control character or one beyond ASCII; write it percent-encoded'),
    (in_endpoint(f"{{port: 80, path: /{'a' * 1024}}}"), "19: spec.consumers[0].endpoint.path: has 1025 characters; 1024 is the most"),
    (in_endpoint("{port: 80, path: /, timeout: 0s}"), "19: spec.consumers[0].endpoint.timeout: 0s is out of bounds; write a duration from 10ms to 10m"),
    (in_endpoint("{port: 80, path: /, timeout: 2}"), f'19: spec.consumers[0].endpoint.timeout: "2" {DURATION}'),
    (("group: orders-api", "group: Orders"), f"{CONSUMER}.group: {LABEL}"),
    (("group: orders-api", "gruop: orders-api"), f'{CONSUMER}: unknown field "gruop"; did you mean "group"?'),
    (("    - group: orders-api\n", "    - {group: orders-api, endpoint: {port: 1, path: /}}\n    - group: orders-api\n"),
     "19: spec.consumers[1].group: orders-api is a consumer already; write another group"),
    (in_consumer("debonce: {window: 1s}"), '19: spec.consumers[0]: unknown field "debonce"; did you mean "debounce"?'),
    (in_consumer("debounce: {window: 5s}"), "19: spec.consumers[0].debounce.window: window 5s is longer than maxDelay 2s (the default); write a longer maxDelay or a shorter window"),
    (in_consumer("debounce: {maxDelay: 0s}"), "19: spec.consumers[0].debounce.maxDelay: window 250ms (the default) is longer than maxDelay 0s; write a longer maxDelay or a shorter window"),
    (in_consumer("debounce: {window: 0.5s}"), f'19: spec.consumers[0].debounce.window: "0.5s" {DURATION}'),
    (in_consumer("debounce: {window: 30m1h}"), f'19: spec.consumers[0].debounce.window: "30m1h" {DURATION}'),
    (in_consumer("debounce: {window: [1s]}"), '19: spec.consumers[0].debounce.window: a list stands here; write a duration, for example "2s"'),
    (in_consumer("batch: {maxHints: 0}"), "19: spec.consumers[0].batch.maxHints: 0 is out of bounds; write a whole number from 1 to 10000"),
    (in_consumer("batch: {maxWait: 1h}"), "19: spec.consumers[0].batch.maxWait: 1h is out of bounds; write a duration from 0s to 1m"),
    (in_consumer("poll: {interval: 500ms}"), "19: spec.consumers[0].poll.interval: 500ms is too short; write 1s or more, or 0s for no polls"),
    (in_consumer("resync: {spread: 2h}"), "19: spec.consumers[0].resync.spread: 2h is out of bounds; write a duration from 0s to 1h"),
    (in_consumer("delivery: ExactlyOnce"), '19: spec.consumers[0].delivery: "ExactlyOnce" is not known; write BestEffort or AtLeastOnce'),
    (in_consumer("delivery: AtLeastOnce"), "19: spec.consumers[0].delivery: AtLeastOnce needs capture: Outbox; write BestEffort, or change capture"),
    (in_consumer("retry: {maxAttempts: 3}"), "19: spec.consumers[0].retry: needs delivery: AtLeastOnce; remove it, or change delivery"),
    (in_consumer("claim: {timeout: 1m}"), "19: spec.consumers[0].claim: is for delivery: AtLeastOnce without an endpoint; remove it, or the endpoint"),
    (("endpoint: {port: 8080, path: /hints}", "claim: {}"), "19: spec.consumers[0].claim: is for delivery: AtLeastOnce without an endpoint; remove it, or the endpoint"),
    (in_consumer("escalation: {after: 30m, path: /late}"), "19: spec.consumers[0].escalation: needs delivery: AtLeastOnce; remove it, or change delivery"),
]  # fmt: skip
REFUSED_OUTBOX = [
    ("retry: {initialDelay: 10m}", "20: spec.consumers[0].retry.initialDelay: 10m is longer than maxDelay 5m; write a longer maxDelay"),
    ("retry: {maxAttempts: 0}", "20: spec.consumers[0].retry.maxAttempts: 0 is out of bounds; write a whole number from 1 to 1000"),
    ("escalation: {path: /late}", '20: spec.consumers[0].escalation.after: is required; write how long a key may wait, for example "30m"'),
    ("claim: {timeout: 1m}", "20: spec.consumers[0].claim: is for delivery: AtLeastOnce without an endpoint; remove it, or the endpoint"),
    ("escalation: {after: 30m}", '20: spec.consumers[0].escalation.path: is required; write the path to POST to, for example "/escalations"'),
]  # fmt: skip
REFUSED_UNPOSTED = [
    ("escalation: {after: 30m, path: /late}", "20: spec.consumers[0].escalation: needs an endpoint, for it is POSTed to its port; remove it, or write endpoint"),
    ("claim: {timeout: 500ms}", "20: spec.consumers[0].claim.timeout: 500ms is out of bounds; write a duration from 1s to 1h"),
]  # fmt: skip
REFUSED_LISTENING = [
    (("  channel: theirs\n", ""), "5: spec.channel: is required without sources; write the PostgreSQL channel that others NOTIFY"),
    (("format: Text", "format: Keys"), "5: spec.sources: Keys needs sources; write one, or payload: {format: Text} to hear what others NOTIFY"),
    (("format: Text", "format: Text}\n  capture: Outbox\n  audit: {"), "8: spec.capture: Outbox needs sources; write Notify"),
]  # fmt: skip


def complaints(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse(text, file="orders.yaml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("orders.yaml:") for line in lines)
    return [line.removeprefix("orders.yaml:").removeprefix(" ") for line in lines]


@pytest.mark.parametrize(("edit", "expected"), [(row[0], list(row[1:])) for row in REFUSED])
def test_what_is_wrong_is_said_word_for_word_with_its_line(edit, expected):
    assert edit[0] in GOOD
    assert complaints(GOOD.replace(*edit, 1)) == expected


@pytest.mark.parametrize(("text", "expected"), REFUSED_OUTBOX)
def test_what_is_wrong_with_durable_delivery_is_said_word_for_word(text, expected):
    durable = GOOD.replace("Notify\n  sources", "Outbox\n  sources").replace(*in_consumer("delivery: AtLeastOnce"), 1)
    assert complaints(durable.replace(*in_consumer(text), 1)) == [expected]


@pytest.mark.parametrize(("text", "expected"), REFUSED_UNPOSTED)
def test_what_is_wrong_with_claims_is_said_word_for_word(text, expected):
    durable = GOOD.replace("Notify\n  sources", "Outbox\n  sources").replace(*in_consumer("delivery: AtLeastOnce"), 1)
    assert complaints(durable.replace(*unposted(text), 1)) == [expected]


@pytest.mark.parametrize(("edit", "expected"), REFUSED_LISTENING)
def test_what_is_wrong_with_a_channel_that_only_listens_is_said_word_for_word(edit, expected):
    assert complaints(LISTENING.replace(*edit, 1)) == [expected]


def test_the_file_that_everything_is_changed_in_is_good_itself():
    assert [channel.name for channel in parse(GOOD + "---\n" + LISTENING, file="good.yaml")] == ["orders", "heard"]


def test_all_problems_of_all_documents_come_at_once_in_the_order_of_their_lines():
    text = GOOD.replace("capture: Notify", "capture: Ntify") + "---\n" + LISTENING.replace("port: 80,", "port: x,")
    assert complaints(text) == [
        '6: spec.capture: "Ntify" is not known; did you mean "Notify"?',
        '28: spec.consumers[0].endpoint.port: "x" stands here; write a whole number from 1 to 65535',
    ]


@pytest.mark.parametrize(
    ("edit", "field", "meant"),
    [
        (("\nspec:", "\nspce:"), "spce", "spec"),
        (("  database:", "  databse:"), "databse", "database"),
        (("{secretRef:", "{secretref:"), "secretref", "secretRef"),
        (("  sources:", "  sorces:"), "sorces", "sources"),
        (("key: [{column: id}]", "key: [{colum: id}]"), "colum", "column"),
        (("key: [{column: id}]", "key: [{name: id, lokup: {schema: s}}]"), "lokup", "lookup"),
        (("          events: [Update]", "          event: [Update]\n          columns: [a]"), "event", "events"),
        (condition("column: a, operater: IsNull"), "operater", "operator"),
        (condition("column: a, operator: Equals, value: [b]"), "value", "values"),
        (("  consumers:", "  consumer:"), "consumer", "consumers"),
        (("      endpoint:", "      endpiont:"), "endpiont", "endpoint"),
        (in_consumer("delivry: AtLeastOnce\n      retry: {maxAttempts: 3}"), "delivry", "delivery"),
    ],
)
def test_a_slip_of_the_pen_is_one_problem(edit, field, meant):
    """What is missing for it is not asked for. Mutants: `require` that always says it; `sound` of what is misspelt."""
    assert GOOD.replace(*edit, 1) != GOOD
    (said,) = complaints(GOOD.replace(*edit, 1))
    assert said.endswith(f'unknown field "{field}"; did you mean "{meant}"?')


def test_a_field_that_is_unknown_and_one_that_is_missing_are_two_problems_where_they_are_not_alike():
    assert [it.partition("; ")[0] for it in complaints(GOOD.replace("group: orders-api", "pods: orders-api"))] == [
        '18: spec.consumers[0]: unknown field "pods"', "18: spec.consumers[0].group: is required",
    ]  # fmt: skip


def test_what_is_wrong_with_one_document_does_not_silence_the_next():
    """Mutant: one Report for all documents."""
    second = GOOD.replace(*in_consumer("delivery: AtLeastOnce"), 1)
    assert complaints(GOOD.replace("capture: Notify", "capture: Ntify") + "---\n" + second) == [
        '6: spec.capture: "Ntify" is not known; did you mean "Notify"?',
        "39: spec.consumers[0].delivery: AtLeastOnce needs capture: Outbox; write BestEffort, or change capture",
    ]


def test_a_syntax_error_does_not_hide_what_was_wrong_before_it():
    assert complaints(GOOD.replace("capture: Notify", "capture: Ntify") + "---\n[") == [
        '6: spec.capture: "Ntify" is not known; did you mean "Notify"?',
        "21: this is not YAML: expected the node content, but found '<stream end>'; close the quote or bracket",
    ]


@pytest.mark.parametrize(
    ("field", "most"), [("sources", 16), ("consumers", 8)]
)  # the other lists are in the table above and in test_resource_page.py
def test_a_list_that_is_too_long_is_counted(field, most):
    lines = {
        "sources": lambda i: f"    - {{schema: s, table: t{i}, rules: [{{name: r, events: [Insert]}}]}}",
        "consumers": lambda i: f"    - {{group: g{i}, endpoint: {{port: 1, path: /}}}}",
    }
    head, _, tail = GOOD.partition(f"  {field}:\n")
    tail = tail[tail.index("  consumers:") :] if field == "sources" else ""
    items = "\n".join(map(lines[field], range(most + 1)))
    line = head.count("\n") + 2
    assert complaints(f"{head}  {field}:\n{items}\n{tail}") == [
        f"{line}: spec.{field}: has {most + 1} entries; {most} is the most"
    ]


def test_a_file_without_a_channel_says_so():
    assert complaints("apiVersion: v1\nkind: Service\nmetadata: {name: a, name: b}\n") == [
        "holds no NotifyChannel; write one, or leave this file out"
    ]
    assert complaints("") == ["holds no NotifyChannel; write one, or leave this file out"]


def test_a_document_that_is_no_resource_says_what_a_resource_is():
    assert complaints("just text\n") == [
        '1: "just text" stands here; write a resource: apiVersion, kind, metadata and spec'
    ]


def test_a_problem_inside_a_list_of_kubectl_has_the_whole_path():
    body = "".join(f"    {line}\n" for line in LISTENING.replace("port: 80,", "port: 0,").splitlines())
    text = "apiVersion: v1\nkind: List\nitems:\n  -\n" + body
    assert complaints(text) == [
        "12: items[0].spec.consumers[0].endpoint.port: 0 is out of bounds; write a whole number from 1 to 65535"
    ]


def test_lists_of_lists_by_aliases_are_not_followed():
    levels = "".join(f"a{i}: &a{i} {{kind: List, items: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 60))
    text = "a0: &a0 {kind: List}\n" + levels + "kind: List\nitems: [*a59]\n"
    assert complaints(text) == ["holds no NotifyChannel; write one, or leave this file out"]


def test_a_file_that_cannot_be_read_says_why_and_what_to_do(tmp_path):
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: b\nc: \xe9\n")
    for path, message in [
        (tmp_path / "gone.yaml", f"{tmp_path}/gone.yaml: no such file; check the path"),
        (tmp_path, f"{tmp_path}: is a folder; name the files in it"),
        (latin, f"{latin}:2: is not UTF-8; save it as UTF-8"),
    ]:
        with pytest.raises(SpecError) as caught:
            load(path)
        assert str(caught.value) == message
