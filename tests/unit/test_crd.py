"""crds/notifychannels.yaml says what the parser does: fields, defaults, bounds, enums, patterns."""

from __future__ import annotations

import copy
import functools
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from notifychannel_operator import spec
from notifychannel_operator.manifest import SpecError, parse
from notifychannel_operator.passes import conditions, status
from notifychannel_operator.passes.whereabouts import Identity
from notifychannel_operator.resource import consumers, duration, grammar
from notifychannel_operator.resource.shape import API_VERSION, FIELDS, KIND
from tests import crd
from tests.refusals import ONLY_ACCEPTED, REFUSALS, WRITTEN
from tests.unit.test_manifest import UNHURRIED, WHOLE
from tests.unit.test_resource_page import PAGE, ROWS, bounds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = crd.named("spec")
ENUMS = {
    "spec.capture": spec.Capture,
    "spec.payload.format": spec.PayloadFormat,
    "spec.sources[].rules[].events[]": spec.Event,
    "spec.sources[].rules[].when.allOf[].operator": spec.Operator,
    "spec.sources[].rules[].when.allOf[].row": spec.Row,
    "spec.consumers[].delivery": spec.Delivery,
    "spec.reclaimPolicy": spec.ReclaimPolicy,
}
PATTERNS = {
    "spec.database.secretRef.name": grammar._SUBDOMAIN,
    "spec.sources[].rules[].name": grammar._RULE,
    "spec.consumers[].group": grammar._LABEL,
}
CHANNEL = spec.Channel(namespace="", name="", secret="", consumers=())
CONSUMER, SOURCE, RETRY = consumers.DEFAULT, spec.Source(schema="", table="", rules=()), spec.Retry()
DEFAULTS = {
    "spec.suspend": CHANNEL.suspend,
    "spec.capture": CHANNEL.capture,
    "spec.payload.format": CHANNEL.payload.format,
    "spec.sources[].maxKeys": SOURCE.max_keys,
    "spec.audit.enabled": CHANNEL.audit.enabled,
    "spec.audit.retention": CHANNEL.audit.retention,
    "spec.consumers[].endpoint.timeout": consumers.ENDPOINT.timeout,
    "spec.consumers[].endpoint.traceparent": consumers.ENDPOINT.traceparent,
    "spec.consumers[].claim.timeout": consumers.CLAIMING.timeout,
    "spec.consumers[].debounce.window": CONSUMER.debounce.window,
    "spec.consumers[].debounce.maxDelay": CONSUMER.debounce.max_delay,
    "spec.consumers[].debounce.minInterval": CONSUMER.debounce.min_interval,
    "spec.consumers[].batch.maxHints": CONSUMER.batch.max_hints,
    "spec.consumers[].batch.maxWait": CONSUMER.batch.max_wait,
    "spec.consumers[].poll.interval": CONSUMER.poll_interval,
    "spec.consumers[].resync.spread": CONSUMER.resync_spread,
    "spec.consumers[].delivery": CONSUMER.delivery,
    "spec.consumers[].retry.maxAttempts": RETRY.max_attempts,
    "spec.consumers[].retry.initialDelay": RETRY.initial_delay,
    "spec.consumers[].retry.maxDelay": RETRY.max_delay,
    "spec.reclaimPolicy": CHANNEL.reclaim_policy,
    "spec.cleanupTimeout": CHANNEL.cleanup_timeout,
}
LATER = {"spec.consumers[].endpoint.traceparent", "spec.consumers[].claim.timeout"}
"""Fields that came later. With a default in the CRD each stored channel would have them from its upgrade on, and the
operator that is still there, or there again, refuses what it does not know: all channels would be Invalid.
"""
IN_CEL = {"spec.sources[].key[].column", "spec.sources[].key[].name", "spec.sources"}
"""What is required only beside something else: by a rule, not by the schema."""
DURATIONS = {path for path, each in crd.SCHEMAS.items() if "h)?" in each.get("pattern", "")}
SECONDS = re.compile(r"timestamp\((\d+)\)(?: \+ duration\('(\d+ms)'\))?")


def written(value: object) -> object:
    """A value of the parser as a person writes it."""
    match value:
        case spec.Capture() | spec.PayloadFormat() | spec.Delivery() | spec.ReclaimPolicy():
            return value.value
        case float():
            return duration.write(value)
        case _:
            return value


def test_names_version_and_fields_are_those_of_the_parser():
    group, _, version = API_VERSION.partition("/")
    names = crd.CRD["spec"]["names"]
    assert (crd.CRD["spec"]["group"], names["kind"], crd.VERSION["name"]) == (group, KIND, version)
    assert crd.CRD["metadata"]["name"] == f"{names['plural']}.{group}"
    assert set(SPEC) == {
        f"{path}.{name}" for path, names in FIELDS.items() if path.startswith("spec") for name in names
    }
    assert tuple(crd.ROOT["properties"]) == FIELDS[""]


def test_each_default_is_that_of_the_frozen_values_and_each_of_theirs_is_here():
    """Mutant: `default: 500ms` for the window. (An empty list is written as nothing.)"""
    scalars = {path: each["default"] for path, each in SPEC.items() if each["type"] != "object" and "default" in each}
    assert scalars == {path: written(value) for path, value in DEFAULTS.items() if path not in LATER}


def test_an_older_operator_finds_no_field_in_a_channel_that_nobody_has_written():
    """Mutant: `default: false` for `traceparent` in the CRD."""
    for path in LATER:
        *steps, name = path.replace("[]", ".0").split(".")
        resource = yaml.safe_load(WHOLE)
        *above, parent = steps
        at(resource, above).setdefault(parent, {}).pop(name, None)
        assert name not in at(crd.defaulted(resource), steps)


def at(resource, steps):
    """The node there."""
    return functools.reduce(
        lambda node, step: node[int(step)] if isinstance(node, list) else node[step], steps, resource
    )


def test_a_mapping_whose_fields_all_have_defaults_has_one_itself_but_for_what_needs_at_least_once():
    """Mutant: no default for `poll`: then its interval has none either. `retry` given by a default would be refused."""
    mappings = {path: each for path, each in SPEC.items() if each["type"] == "object"}
    defaulted = {path for path, each in mappings.items() if "default" in each}
    assert defaulted == {
        path
        for path, each in mappings.items()
        if "properties" in each and not each.get("required")
    } - {"spec.consumers[].retry", "spec.consumers[].claim"}  # fmt: skip
    for path in defaulted:
        wanted = {name: crd.SCHEMAS[f"{path}.{name}"].get("default") for name in mappings[path]["default"]}
        assert mappings[path]["default"] == wanted


def test_each_enum_is_the_one_of_the_frozen_values():
    enums = {path: each["enum"] for path, each in crd.SCHEMAS.items() if path.startswith("spec") and "enum" in each}
    assert enums == {path: [member.value for member in kind] for path, kind in ENUMS.items()}


@pytest.mark.parametrize("path", sorted(SPEC))
def test_a_field_is_required_when_the_parser_misses_it(path):
    """Mutant: `required: [name]` for a rule."""
    *steps, last = path.replace("[]", ".0").split(".")
    resource = node = yaml.safe_load(WHOLE)
    for step in steps:
        if step == "lookup":
            node = resource["spec"]["sources"][0]["key"][1]
        node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
    if path == "spec.sources[].key[].name":  # without a column beside it
        node = resource["spec"]["sources"][0]["key"][1]
    node.pop(last, None)
    parent = path.rpartition(".")[0]
    required = last in crd.SCHEMAS[parent].get("required", ())
    assert required != (path in IN_CEL) or not required
    assert (required or path in IN_CEL) == misses(resource, last)


def misses(resource: dict, name: str) -> bool:
    try:
        parse(yaml.safe_dump(resource), file="-")
    except SpecError as error:
        return any(
            problem.path.endswith(f".{name}")
            and ("is required" in problem.message or "needs sources" in problem.message)
            for problem in error.problems
        )
    return False


@pytest.mark.parametrize("row", [row for row in ROWS if row.bounds], ids=lambda row: row.path)
def test_the_bounds_are_those_of_the_page_which_are_those_of_the_parser(row):
    schema = crd.SCHEMAS[row.path]
    least, most = bounds_of(row)
    if "entries" in row.bounds:
        names = ("minProperties", "maxProperties") if schema["type"] == "object" else ("minItems", "maxItems")
        assert (schema.get(names[0], 0), schema[names[1]]) == (int(least), int(most))
    elif schema["type"] == "integer":
        assert (schema["minimum"], schema["maximum"]) == (int(least), int(most))
    else:
        assert row.path in DURATIONS
        rules = " ".join(each["rule"] for each in schema[crd.RULES])
        bounds = {int(whole) + (duration.parse(rest) if rest else 0.0) for whole, rest in SECONDS.findall(rules)}
        assert bounds - {0.0} == {duration.parse(least), duration.parse(most)} - {0.0}
        said = [each["message"] for each in schema[crd.RULES] if "out of bounds" in each.get("message", "")]
        least = "0s" if row.path.endswith("poll.interval") else least  # 0s turns it off
        assert said == [f"is out of bounds; write a duration from {least} to {most}"]


def test_each_duration_of_the_page_is_one_here():
    assert {row.path for row in ROWS if row.kind == "duration"} == DURATIONS


@UNHURRIED
@given(st.text(st.sampled_from("0123456789dhms -.\n٣"), max_size=36) | st.from_regex(duration._PARTS, fullmatch=True))
def test_a_text_is_a_duration_by_the_crd_if_it_is_one_by_the_parser(text):
    (pattern,) = {crd.SCHEMAS[path]["pattern"] for path in DURATIONS}
    ((least, most),) = {(crd.SCHEMAS[path]["minLength"], crd.SCHEMAS[path]["maxLength"]) for path in DURATIONS}
    assert all(f"'{pattern}'" in rule["rule"] for path in DURATIONS for rule in crd.SCHEMAS[path][crd.RULES])
    try:
        duration.parse(text)
        understood = True
    except ValueError:
        understood = False
    assert (least <= len(text) <= most and bool(re.fullmatch(pattern, text))) == understood


@UNHURRIED
@given(st.text(st.characters(max_codepoint=300), max_size=6).map(lambda text: "/" + text) | st.text(max_size=6))
def test_a_text_is_a_path_by_the_crd_if_it_is_one_by_the_parser(text):
    paths = [each for path, each in SPEC.items() if path.endswith(".path")]
    ((pattern, most),) = {(each["pattern"], each["maxLength"]) for each in paths}
    assert most == grammar.PATH_CHARACTERS
    assert bool(re.fullmatch(pattern, text)) == (grammar.url_path(text) is None)


def test_names_have_the_parser_s_patterns_and_bounds():
    found = {path: each for path, each in crd.SCHEMAS.items() if path in PATTERNS}
    assert {path: each["pattern"] for path, each in found.items()} == {
        path: f"^{pattern.pattern}$" for path, pattern in PATTERNS.items()
    }
    assert [each["maxLength"] for each in found.values()] == [
        grammar.SUBDOMAIN_CHARACTERS, grammar.LABEL_CHARACTERS, grammar.LABEL_CHARACTERS,
    ]  # fmt: skip


def test_each_name_in_postgresql_is_bounded_in_characters_and_in_bytes():
    names = {row.path + ("[]" if row.kind == "list of names" else "") for row in ROWS if "name" in row.kind}
    names = {f"{path}{{}}" if path.endswith(".match") else path for path in names}
    for path in names:
        schema = crd.SCHEMAS[path]
        assert (schema["minLength"], schema["maxLength"], schema["pattern"]) == (
            1,
            grammar.MAX_IDENTIFIER_BYTES,
            r"^[^\x00]*$",
        )
        assert [rule["rule"] for rule in schema[crd.RULES]] == [f"size(bytes(self)) <= {grammar.MAX_IDENTIFIER_BYTES}"]
    values = crd.SCHEMAS["spec.sources[].rules[].when.allOf[].values[]"]
    assert (values["maxLength"], values["pattern"]) == (grammar.VALUE_BYTES, r"^[^\x00]*$")


def test_everything_has_bounds_and_nothing_unknown_is_kept():
    """So that an object can't grow without end, and CEL's cost can be estimated."""
    for path, schema in crd.SCHEMAS.items():
        assert not [name for name in schema if "preserve" in name or "int-or-string" in name], path
        if not path.startswith(("spec", "status")):
            continue
        match schema["type"]:
            case "array":
                assert "maxItems" in schema, path
                assert schema["x-kubernetes-list-type"] in {"map", "set", "atomic"}, path
            case "string":
                assert "maxLength" in schema or "enum" in schema, path
            case "integer":
                assert "format" in schema, path
                assert "minimum" in schema, path
            case "object":
                assert "properties" in schema or "maxProperties" in schema, path


def test_lists_merge_by_what_names_their_entries_and_not_at_all_where_the_order_counts():
    lists = {path: each for path, each in crd.SCHEMAS.items() if each["type"] == "array"}
    keys = {
        path: each["x-kubernetes-list-map-keys"]
        for path, each in lists.items()
        if each["x-kubernetes-list-type"] == "map"
    }
    assert keys == {
        "spec.sources": ["schema", "table"],
        "spec.sources[].rules": ["name"],
        "spec.consumers": ["group"],
        "status.conditions": ["type"],
    }
    atomic = {path for path, each in lists.items() if each["x-kubernetes-list-type"] == "atomic"}
    assert atomic == {"spec.sources[].key", "spec.payload.fields", "spec.sources[].rules[].when.allOf"}


def test_every_field_is_described_in_one_or_two_sentences():
    """What `kubectl explain` prints."""
    for path, schema in crd.SCHEMAS.items():
        if path == "metadata":
            continue  # Kubernetes allows none
        text = schema.get("description", "")
        assert re.fullmatch(r"[A-Z].*\.", text), f"{path}: {text}"
        assert len(re.findall(r"\.(?= |$)", text)) <= 2, f"{path}: {text}"
        assert len(text) <= 240, f"{path}: {text}"


def test_every_refusal_of_the_parser_has_a_judge_and_only_one():
    listed = [line for lines in REFUSALS.values() for line in lines]
    assert sorted(listed) == sorted(WRITTEN)


def test_what_is_left_to_the_condition_is_on_the_page():
    for _, line in ONLY_ACCEPTED:
        sentence = line.partition(": ")[2].partition(";")[0]
        assert f"`{sentence}" in PAGE or "takeover" in sentence, sentence


def test_status_is_what_the_operator_writes():
    fields = {path.removeprefix("status."): each["type"] for path, each in crd.named("status").items()}
    condition = ("type", "status", "reason", "message", "lastTransitionTime")
    pods = ("matched", "injected", "outdated", "listening", "delivering")
    assert fields == {
        "observedGeneration": "integer",
        "conditions": "array",
        **{f"conditions[].{name}": "string" for name in condition},
        "conditions[].observedGeneration": "integer",
        "database": "object", "database.systemIdentifier": "string", "database.dbname": "string",
        "pods": "object", **{f"pods.{name}": "integer" for name in pods},
        "summary": "object", **{f"summary.{name}": "string" for name in ("triggers", "injected", "listening")},
    }  # fmt: skip
    assert crd.VERSION["subresources"] == {"status": {}}
    leaves = {f"status.{path}" for path, kind in fields.items() if kind != "object" and "[]" not in path}
    assert set(re.findall(r"^\| `(status\.[\w.]+)`", PAGE, re.MULTILINE)) == leaves


def test_a_status_that_the_operator_writes_fits():
    """Mutant: a reason or a message that the API server refuses: then nothing of the status arrives."""
    said = [
        conditions.true(kind, reason, "m") for kind, reason in zip(conditions.Type, conditions.Reason, strict=False)
    ]
    made = status.document(
        {},
        status.Said(conditions=said, database=Identity("7451234567890123456", "shop")),
        generation=1,
        now=datetime.now(tz=UTC),
    )
    assert set(leaves(made, "status")) == {
        path for path in crd.named("status") if "properties" not in crd.SCHEMAS[path]
    }
    condition = {path.rpartition(".")[2]: each for path, each in crd.SCHEMAS.items() if "conditions[]." in path}
    assert condition["message"]["maxLength"] >= conditions.MAX_MESSAGE
    assert all(re.fullmatch(condition["reason"]["pattern"], each.value) for each in conditions.Reason)
    assert all(re.fullmatch(condition["type"]["pattern"], each.value) for each in conditions.Type)
    assert [each.value for each in conditions.Status] == condition["status"]["enum"]
    assert len(conditions.Type) <= crd.SCHEMAS["status.conditions"]["maxItems"]


def leaves(value: dict, path: str) -> Iterator[str]:
    """The paths in a value, but for those of mappings."""
    for name, below in value.items():
        if isinstance(below, dict):
            yield from leaves(below, f"{path}.{name}")
            continue
        yield f"{path}.{name}"
        for item in below if isinstance(below, list) else ():
            yield from leaves(item, f"{path}.{name}[]")


def test_the_columns_are_what_a_person_looks_for():
    columns = [(each["name"], each.get("priority", 0)) for each in crd.VERSION["additionalPrinterColumns"]]
    assert columns == [("Ready", 0), ("Triggers", 0), ("Injected", 0), ("Listening", 0), ("Reason", 1), ("Age", 0)]
    assert crd.CRD["spec"]["names"]["shortNames"] == ["nch"]


def test_defaulting_in_these_tests_changes_nothing_that_is_written():
    resource = yaml.safe_load(WHOLE)
    assert crd.defaulted(copy.deepcopy(resource)) == resource
