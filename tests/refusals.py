"""Who refuses what: each refusal of the parser, by who says no first when it comes by `kubectl apply`.

The resources behind the lines are in tests/unit/test_manifest_errors.py; a test holds the two together, and
tests/e2e/test_crd.py asks an API server.
"""

# ruff: noqa: E501  (the lines are what a person reads, unbroken)
from __future__ import annotations

from enum import Enum

import yaml

from tests.unit.test_manifest_errors import (
    GOOD,
    LISTENING,
    REFUSED,
    REFUSED_LISTENING,
    REFUSED_OUTBOX,
    REFUSED_UNPOSTED,
    condition,
    in_consumer,
    unposted,
)


class Judge(Enum):
    """Who says no."""

    YAML = "it is about how the file is written: kubectl refuses it, or has read something else before anybody is asked"
    KUBERNETES = "what holds for every resource"
    SCHEMA = (
        "the structural schema: types, required and unknown fields, enums, bounds, patterns, things that stand twice"
    )
    CEL = "a rule of the CRD"
    ACCEPTED = "only the operator, by the condition Accepted: the CRD can't see it, or CEL can't afford it"


REFUSALS: dict[Judge, tuple[str, ...]] = {
    Judge.YAML: (
        "this is not YAML: found character '\\t' that cannot start any token; indent with spaces instead of tabs",
        "this is not YAML: mapping values are not allowed here; mend the indentation, or quote a text that holds a colon",
        "this is not YAML: found undefined alias 'gone'; define it with & above, or quote a text that starts with *",
        "this is not YAML: found unexpected end of stream; close the quote or bracket",
        "this is not YAML: it holds a control character; remove it",
        "this is not YAML: an escape or directive holds a number that is too large; mend it",
        "this is nested too deeply; a NotifyChannel needs ten levels",
        'spec: "capture" stands here a second time; remove one of them',
        "spec: a field's name is a list or a mapping; write a text",
        "spec.sources[0].key[0]: an alias of what it stands in stands here; write fields, each as name: value",
        "spec.channel: holds half of a surrogate pair; write the whole character",
        'spec.sources[0].key[0].column: yes without quotes is true or false in YAML; write "yes"',
        'spec.sources[0].key[0].lookup.match.no: no without quotes is true or false in YAML; write "no" | spec.sources[0].key[0].lookup.match.no: 1 without quotes is a number in YAML; write "1"',
        'spec.sources[0].maxKeys: "1_0" stands here; write a whole number from 1 to 100000',
        'spec.sources[0].rules[0].when.allOf[0].values[0]: yes without quotes is true or false in YAML; write "yes"',
        'spec.sources[0].rules[0].when.allOf[0].values[0]: 1e3 without quotes is a decimal number in YAML; write "1e3"',
        'spec.sources[0].rules[0].when.allOf[0].values[0]: 2026-01-01 without quotes is a date in YAML; write "2026-01-01"',
    ),
    Judge.KUBERNETES: (
        'apiVersion: "notifychannel.io/v1" is not known; write notifychannel.io/v1alpha1',
        "apiVersion: is required; write notifychannel.io/v1alpha1",
        'kind: "NotifyChanel" is not known; write NotifyChannel',
        "kind: is required; write NotifyChannel",
        'unknown field "specs"; did you mean "spec"?',
        "metadata: is required; write {name: ...}",
        "metadata.name: is required; write a name that is unique in its namespace",
        "metadata.name: write at most 253 of a-z, 0-9, - and ., with a letter or digit at both ends",
        "metadata.namespace: write at most 63 of a-z, 0-9 and -, with a letter or digit at both ends",
        'metadata.namespace: 7 without quotes is a number in YAML; write "7"',
        'metadata: unknown field "namspace"; did you mean "namespace"?',
        'metadata.annotations.notifychannel.io/take-over: true without quotes is true or false in YAML; write "true"',
        "metadata.labels: a list stands here; write fields, each as name: value",
    ),
    Judge.SCHEMA: (
        "spec.database: is required; write {secretRef: {name: ...}}",
        "spec.database.secretRef: is required; write {name: ...}",
        "spec.database.secretRef.name: is required; write the name of the Secret with the installer's role",
        "spec.database.secretRef.name: write at most 253 of a-z, 0-9, - and ., with a letter or digit at both ends",
        'spec.database.secretRef: unknown field "namespace"; known here: name',
        'spec.database: "orders-db" stands here; write fields, each as name: value',
        'spec.suspend: "1" stands here; write true or false',
        'spec.channel: 7 without quotes is a number in YAML; write "7"',
        "spec.channel: is empty; write a name",
        "spec.channel: holds a NUL byte, which PostgreSQL can't store; remove it",
        'spec.capture: "Notfy" is not known; did you mean "Notify"?',
        'spec.capture: "Polling" is not known; write Notify or Outbox',
        "spec.payload.fields: has 9 entries; 8 is the most",
        'spec.audit.retention: "7" is not a duration; write for example "250ms", "2s", "1h30m" or "7d"',
        'spec.reclaimPolicy: "retain" is not known; did you mean "Retain"?',
        'spec: unknown field "debounce"; known here: suspend, database, channel, capture, payload, sources, audit, consumers, reclaimPolicy, cleanupTimeout',
        "spec.sources[0].schema: is empty; write a name",
        'spec.sources[1].schema: is required; write the schema of the table, for example "public"',
        "spec.sources[0].table: is required; write the name of the table",
        "spec.sources[1].table: public.orders is a source already; put the rules together",
        'spec.sources[1]: unknown field "tabel"; did you mean "table"?',
        "spec.sources[0].key: a mapping stands here; write a list",
        'spec.sources[0].key[0]: "id" stands here; write fields, each as name: value',
        "spec.sources[0].key[0].lookup.match: is required; write pairs of a column of the looked-up table and a column of the source, for example {id: tenant_id}",
        'spec.sources[0].key[0].lookup.match: is required; write pairs of a column of the looked-up table and a column of the source, for example {id: tenant_id} | spec.sources[0].key[0].lookup.schema: is required; write the schema of the table, for example "public" | spec.sources[0].key[0].lookup.table: is required; write the name of the looked-up table | spec.sources[0].key[0].lookup.column: is required; write the column whose value becomes the key part',
        "spec.sources[0].maxKeys: 0 is out of bounds; write a whole number from 1 to 100000",
        'spec.sources[0].maxKeys: "9" stands here; write a whole number from 1 to 100000 without quotes',
        "spec.sources[1].rules: is required; write at least one rule: a name and its events",
        "spec.sources[0].rules[1].name: created names a rule already; write another name",
        "spec.sources[0].rules[0].name: write at most 63 of A-Z, a-z, 0-9, -, _ and ., with a letter or digit at both ends",
        "spec.sources[0].rules[0].events: is required; write one or more of Insert, Update, Delete, Truncate",
        'spec.sources[0].rules[0].events: "Insert" stands here; write a list',
        'spec.sources[0].rules[0].events[0]: "insert" is not known; did you mean "Insert"?',
        "spec.sources[0].rules[0].events[1]: stands here a second time; remove one of them",
        "spec.sources[0].rules[1].columns[1]: stands here a second time; remove one of them",
        "spec.sources[0].rules[0].when.allOf: is required; write at least one condition, or leave out `when`",
        "spec.sources[0].rules[0].when: \"status = 'paid'\" stands here; write fields, each as name: value",
        'spec.sources[0].rules[0].when: unknown field "anyOf"; known here: allOf | spec.sources[0].rules[0].when.allOf: is required; write at least one condition, or leave out `when`',
        'spec.sources[0].rules[0].when.allOf[0].row: "Both" is not known; write New or Old',
        "spec.sources[0].rules[0].when.allOf[0].operator: is required; write one of In, NotIn, Equals, NotEquals, IsNull, IsNotNull, GreaterThan, LessThan",
        'spec.sources[0].rules[0].when.allOf[0].operator: "Equal" is not known; did you mean "Equals"?',
        'spec.sources[0].rules[0].when.allOf[0].operator: ">" is not known; write In, NotIn, Equals, NotEquals, IsNull, IsNotNull, GreaterThan or LessThan',
        "spec.sources[0].rules[0].when.allOf[0].column: is required; write the name of a column or of a looked-up key part",
        'spec.sources[0].rules[0].when.allOf[0].values[0]: 7 without quotes is a number in YAML; write "7"',
        "spec.sources[0].rules[0].when.allOf[0].values[0]: nothing stands here; write a text",
        'spec.sources[0].rules[0].when.allOf[0].values: "paid" stands here; write a list',
        "spec.consumers[0].endpoint.port: 0 is out of bounds; write a whole number from 1 to 65535",
        "spec.consumers[0].endpoint.port: is required; write the port on which the application listens",
        'spec.consumers[0].endpoint.path: is required; write the path to POST to, for example "/hints"',
        'spec.consumers[0].endpoint.path: has to start with "/"; write for example "/hints"',
        'spec.consumers[0].endpoint.path: holds "?", "#", a space, a control character or one beyond ASCII; write it percent-encoded',
        "spec.consumers[0].endpoint.path: has 1025 characters; 1024 is the most",
        'spec.consumers[0].endpoint.timeout: "2" is not a duration; write for example "250ms", "2s", "1h30m" or "7d"',
        "spec.consumers[0].group: write at most 63 of a-z, 0-9 and -, with a letter or digit at both ends",
        'spec.consumers[0]: unknown field "gruop"; did you mean "group"?',
        "spec.consumers[1].group: orders-api is a consumer already; write another group",
        'spec.consumers[0]: unknown field "debonce"; did you mean "debounce"?',
        'spec.consumers[0].debounce.window: "0.5s" is not a duration; write for example "250ms", "2s", "1h30m" or "7d"',
        'spec.consumers[0].debounce.window: "30m1h" is not a duration; write for example "250ms", "2s", "1h30m" or "7d"',
        'spec.consumers[0].debounce.window: a list stands here; write a duration, for example "2s"',
        "spec.consumers[0].batch.maxHints: 0 is out of bounds; write a whole number from 1 to 10000",
        'spec.consumers[0].delivery: "ExactlyOnce" is not known; write BestEffort or AtLeastOnce',
        "spec.consumers[0].retry.maxAttempts: 0 is out of bounds; write a whole number from 1 to 1000",
        'spec.consumers[0].escalation.after: is required; write how long a key may wait, for example "30m"',
        'spec.consumers[0].escalation.path: is required; write the path to POST to, for example "/escalations"',
    ),
    Judge.CEL: (
        "spec.channel: has 64 bytes; 63 is the most",
        "spec.payload.format: Text can't be used with sources; write Keys, or sources: []",
        "spec.payload.fields: Json needs fields; write 1 to 8 names of the payload's fields that are the key",
        "spec.payload.fields: can't be used with Keys; remove it, or write format: Json",
        "spec.payload.fields[1]: stands here a second time; remove one of them",
        "spec.audit.enabled: needs capture: Outbox; write false, or change capture",
        "spec.audit.retention: 1m is out of bounds; write a duration from 1h to 3650d",
        "spec.cleanupTimeout: 2d is out of bounds; write a duration from 0s to 1d",
        "spec.sources[0].key[1].column: id names a key part already; write another name",
        "spec.sources[0].key[0].column: is required; write the column's name, or a lookup",
        "spec.sources[1].key: has the names order_id; write the names of sources[0] in their order: id",
        "spec.sources[0].key[0].column: can't be used with lookup; remove one of them",
        "spec.sources[0].key[0].name: is required; write the name that the looked-up value has in the key",
        "spec.sources[0].rules[0].columns: can only be used with Update; remove it, or add Update to events",
        "spec.sources[0].rules[0].when: can't be used with Truncate; give Truncate a rule of its own",
        "spec.sources[0].rules[0].when.allOf[0].row: Old can't be used with Insert; write New",
        "spec.sources[0].rules[0].when.allOf[0].row: New can't be used with Delete; write Old",
        "spec.sources[0].rules[0].when.allOf[0].row: New can't be used with Delete; leave it out",
        "spec.sources[0].rules[0].when.allOf[0].values: In needs values; write one or more",
        "spec.sources[0].rules[0].when.allOf[0].values: Equals needs one value, not 2; write one, or use In",
        "spec.sources[0].rules[0].when.allOf[0].values: LessThan needs one value, not 0; write one",
        "spec.sources[0].rules[0].when.allOf[0].values: IsNotNull takes no values; remove them",
        "spec.consumers[0].endpoint.timeout: 0s is out of bounds; write a duration from 10ms to 10m",
        "spec.consumers[0].debounce.window: window 5s is longer than maxDelay 2s (the default); write a longer maxDelay or a shorter window",
        "spec.consumers[0].debounce.maxDelay: window 250ms (the default) is longer than maxDelay 0s; write a longer maxDelay or a shorter window",
        "spec.consumers[0].batch.maxWait: 1h is out of bounds; write a duration from 0s to 1m",
        "spec.consumers[0].poll.interval: 500ms is too short; write 1s or more, or 0s for no polls",
        "spec.consumers[0].resync.spread: 2h is out of bounds; write a duration from 0s to 1h",
        "spec.consumers[0].delivery: AtLeastOnce needs capture: Outbox; write BestEffort, or change capture",
        "spec.consumers[0].retry: needs delivery: AtLeastOnce; remove it, or change delivery",
        "spec.consumers[0].escalation: needs delivery: AtLeastOnce; remove it, or change delivery",
        "spec.consumers[0].claim: is for delivery: AtLeastOnce without an endpoint; remove it, or the endpoint",
        "spec.consumers[0].retry.initialDelay: 10m is longer than maxDelay 5m; write a longer maxDelay",
        "spec.consumers[0].escalation: needs an endpoint, for it is POSTed to its port; remove it, or write endpoint",
        "spec.consumers[0].claim.timeout: 500ms is out of bounds; write a duration from 1s to 1h",
        "spec.channel: is required without sources; write the PostgreSQL channel that others NOTIFY",
        "spec.sources: Keys needs sources; write one, or payload: {format: Text} to hear what others NOTIFY",
        "spec.capture: Outbox needs sources; write Notify",
    ),
    Judge.ACCEPTED: (
        'metadata.annotations: notifychannel.io/take-over is "yes"; write "true", or remove it',
        'metadata.annotations: "notifychannel.io/takeover" is not known; did you mean "notifychannel.io/take-over"?',
    ),
}
"""What the parser says, all lines in one, without the lines' numbers."""

LONG = "é" * 40
ONLY_ACCEPTED = [
    # CEL sees of the metadata only the name.
    *((GOOD.replace(*edit, 1), line.partition(": ")[2]) for edit, line, *_ in REFUSED if "notifychannel.io/take" in line and "YAML" not in line),
    # A schema counts characters, and bytes of so many values or of a map's names cost more than CEL may.
    (GOOD.replace(*condition(f"column: a, operator: In, values: [{'é' * 513}]"), 1),
     "spec.sources[0].rules[0].when.allOf[0].values[0]: has 1026 bytes; 1024 is the most"),
    (GOOD.replace("[{column: id}]", f"[{{name: id, lookup: {{schema: a, table: b, column: c, match: {{{LONG}: d}}}}}}]", 1),
     f"spec.sources[0].key[0].lookup.match.{LONG}: has 80 bytes; 63 is the most"),
    (GOOD.replace("[{column: id}]", '[{name: id, lookup: {schema: a, table: b, column: c, match: {"a\\0b": d}}}]', 1),
     "spec.sources[0].key[0].lookup.match.a\\x00b: holds a NUL byte, which PostgreSQL can't store; remove it"),
]  # fmt: skip
"""All that an API server takes and the operator refuses, and what it says."""

DURABLE = GOOD.replace("Notify\n  sources", "Outbox\n  sources").replace(*in_consumer("delivery: AtLeastOnce"), 1)


def unnumbered(line: str) -> str:
    """`6: spec.capture: …` → `spec.capture: …`."""
    number, _, rest = line.partition(": ")
    return rest if number.isdigit() else line


WRITTEN: dict[str, tuple[str, list[str]]] = {
    " | ".join(map(unnumbered, lines)): (text, [unnumbered(line) for line in lines])
    for text, lines in (
        *((GOOD.replace(*row[0], 1), row[1:]) for row in REFUSED),
        *((DURABLE.replace(*in_consumer(text), 1), (line,)) for text, line in REFUSED_OUTBOX),
        *((DURABLE.replace(*unposted(text), 1), (line,)) for text, line in REFUSED_UNPOSTED),
        *((LISTENING.replace(*edit, 1), (line,)) for edit, line in REFUSED_LISTENING),
    )
}
"""All lines in one → the whole resource as text, and the lines."""


def as_object(line: str) -> dict:
    """The resource of a line as kubectl reads it, as far as YAML itself does not stand in the way."""
    return yaml.safe_load(WRITTEN[line][0])
