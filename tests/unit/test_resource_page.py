"""docs/resource.md says what the parser does: fields, defaults, bounds, examples and refusals."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from notifychannel_operator.manifest import SpecError, parse
from notifychannel_operator.resource import duration
from notifychannel_operator.resource.shape import FIELDS
from tests.unit.test_manifest_errors import REFUSED, REFUSED_LISTENING, REFUSED_OUTBOX, REFUSED_UNPOSTED

PAGE = (Path(__file__).parents[2] / "docs" / "resource.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
PARENTS = {
    "allOf": [{"column": "c"}],
    "lookup": {"schema": "s", "table": "t", "column": "c", "match": {"a": "b"}},
}


class Row(NamedTuple):
    path: str
    kind: str
    default: str
    bounds: str


ROWS = [
    Row(*(cell.strip(" `") for cell in line.split("|")[1:5]))
    for line in PAGE.splitlines()
    if re.match(r"\| `(spec|metadata)", line)
]
BESIDE = {
    "spec.consumers[].debounce.window": {"maxDelay": "1d"},
    "spec.consumers[].debounce.maxDelay": {"window": "0s"},
    "spec.consumers[].retry.initialDelay": {"maxDelay": "7d"},
    "spec.consumers[].retry.maxDelay": {"initialDelay": "10ms"},
    "spec.consumers[].escalation.after": {"path": "/"},
    "spec.payload.fields": {"format": "Json"},
    "spec.sources[].rules[].columns": {"events": ["Update"]},
    "spec.sources[].rules[].when.allOf[].values": {"operator": "NotIn"},
    "spec.sources[].key[].lookup.match": {},
}
"""What has to stand beside a field so that its bounds alone decide."""
ITEMS = {
    "spec.payload.fields": "f{}".format,
    "spec.sources": lambda i: {**base()["spec"]["sources"][0], "table": f"t{i}"},
    "spec.consumers": lambda i: {**base()["spec"]["consumers"][0], "group": f"g{i}"},
    "spec.sources[].key": lambda i: {"column": f"c{i}"},
    "spec.sources[].rules": lambda i: {"name": f"r{i}", "events": ["Insert"]},
    "spec.sources[].rules[].events": ["Insert", "Update", "Delete", "Truncate", "Insert"].__getitem__,
    "spec.sources[].rules[].columns": "c{}".format,
    "spec.sources[].rules[].when.allOf": lambda _: {"column": "c", "operator": "IsNull"},
    "spec.sources[].rules[].when.allOf[].values": "v{}".format,
}


def base() -> dict:
    """A resource in which every field of the page has a place."""
    consumer = {"group": "g", "endpoint": {"port": 1, "path": "/"}, "delivery": "AtLeastOnce"}
    rule = {"name": "r", "events": ["Insert"]}
    return {
        "apiVersion": "notifychannel.io/v1alpha1",
        "kind": "NotifyChannel",
        "metadata": {"name": "n"},
        "spec": {
            "database": {"secretRef": {"name": "db"}},
            "capture": "Outbox",
            "sources": [{"schema": "s", "table": "t", "key": [{"column": "k"}], "rules": [rule]}],
            "consumers": [consumer],
        },
    }


def put(path: str, value: object, *, listening: bool = False) -> dict:
    """The base with a value at a path of the page, and beside it what it needs."""
    resource = base()
    if listening:
        resource["spec"].update(sources=[], channel="c", capture="Notify", payload={"format": "Json"})
        resource["spec"]["consumers"][0]["delivery"] = "BestEffort"
    *steps, last = path.replace("[]", ".0").split(".")
    node = resource
    for step in steps:
        if isinstance(node, list):
            node.extend([{}] if not node else [])
            node = node[0]
        else:
            node = node.setdefault(step, copy.deepcopy(PARENTS.get(step, {})))
    if "lookup" in steps:
        resource["spec"]["sources"][0]["key"][0] = {"name": "k", "lookup": node}
    if "claim" in steps or last == "claim":
        del resource["spec"]["consumers"][0]["endpoint"]
    node.update(BESIDE.get(path, {}))
    node[last] = value
    return resource


def read(resource: dict):
    return parse(yaml.safe_dump(resource), file="page.yaml")


def accepted(resource: dict) -> bool:
    try:
        return bool(read(resource))
    except SpecError:
        return False


def bounds_of(row: Row) -> tuple[str, str]:
    least, _, most = row.bounds.split("`")[0].partition("..")
    return least, most


def test_every_field_of_the_parser_is_on_the_page_and_every_field_of_the_page_is_known():
    known = {f"{path}.{name}" for path, names in FIELDS.items() if path.startswith("spec") for name in names}
    assert {row.path for row in ROWS if row.path.startswith("spec")} == known
    assert {row.path for row in ROWS if not row.path.startswith("spec")} == {
        f"metadata.{name}" for name in ("name", "namespace", "annotations", "labels")
    }
    assert len(ROWS) == len({row.path for row in ROWS})


@pytest.mark.parametrize("row", [row for row in ROWS if row.default], ids=lambda row: row.path)
def test_writing_the_default_of_the_page_is_the_same_as_writing_nothing(row):
    listening = row.path == "spec.payload.fields"
    resource = put(row.path, yaml.safe_load(row.default))
    if row.path == "spec.capture":  # the base needs the other one
        resource["spec"]["consumers"][0]["delivery"] = "BestEffort"
    if listening:
        resource["spec"]["payload"] = {"fields": []}
    if row.path.endswith(".values"):
        resource["spec"]["sources"][0]["rules"][0]["when"]["allOf"][0]["operator"] = "IsNull"
    if row.path.endswith(".row"):
        resource["spec"]["sources"][0]["rules"][0]["when"]["allOf"][0]["operator"] = "IsNull"
    without = copy.deepcopy(resource)
    *steps, last = row.path.replace("[]", ".0").split(".")
    node = without
    for step in steps:
        node = node[0] if isinstance(node, list) else node[step]
    del node[last]
    assert read(resource) == read(without)


@pytest.mark.parametrize("row", [row for row in ROWS if "entries" in row.bounds], ids=lambda row: row.path)
def test_the_bounds_of_a_list_are_those_of_the_page(row):
    least, most = map(int, bounds_of(row))
    if row.path.endswith(".match"):
        made = [{f"a{i}": "b" for i in range(count)} for count in (least - 1, least, most, most + 1)]
    else:
        item = ITEMS[row.path]
        made = [[item(i) for i in range(count)] for count in (least - 1, least, most, most + 1)]
    listening = row.path == "spec.payload.fields"
    answers = [accepted(put(row.path, value, listening=listening)) for value in made]
    if listening or row.path == "spec.sources" or row.path.endswith(".values"):
        # None is for other formats and operators, and for channels that only listen.
        assert answers[2:] == [True, False]
    else:
        assert answers == [least == 0, True, True, False]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.bounds and "entries" not in row.bounds], ids=lambda row: row.path
)
def test_the_bounds_of_a_number_or_duration_are_those_of_the_page(row):
    if row.kind == "duration":
        low, high = (round(duration.parse(each) * 1000) for each in bounds_of(row))
        made = [duration.write(each / 1000) if each >= 0 else "-1ms" for each in (low - 1, low, high, high + 1)]
    else:
        low, high = map(int, bounds_of(row))
        made = [low - 1, low, high, high + 1]
    assert [accepted(put(row.path, value)) for value in made] == [False, True, True, False]


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_of_the_page_is_accepted(text):
    assert len(parse(text, file="resource.md")) == 1


def test_every_sentence_of_a_refusal_on_the_page_is_one_that_the_parser_says():
    section = PAGE[PAGE.index("## What is refused") :].replace("\n  ", " ")
    sentences = [each for each in re.findall(r"`([^`]+)`", section) if ";" in each]
    said = "\n".join(
        line for row in (*REFUSED, *REFUSED_OUTBOX, *REFUSED_UNPOSTED, *REFUSED_LISTENING) for line in row[1:]
    )
    assert len(sentences) >= 25
    assert [sentence for sentence in sentences if sentence not in said] == []
