"""Channels from the API server's objects: the same values and sentences as from the user's YAML."""

from __future__ import annotations

import copy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from notifychannel_operator.manifest import SpecError, from_object, parse
from notifychannel_operator.resource.shape import FIELDS, OWN_METADATA
from tests import crd
from tests.refusals import DURABLE, ONLY_ACCEPTED, REFUSALS, WRITTEN, Judge, as_object
from tests.unit.test_manifest import SMALLEST, UNHURRIED, WHOLE, as_resource, channels
from tests.unit.test_manifest_errors import GOOD, LISTENING
from tests.unit.test_resource_page import EXAMPLES

GOODS = [GOOD, LISTENING, DURABLE, SMALLEST, WHOLE, *EXAMPLES]
ASKED = [line for judge in (Judge.SCHEMA, Judge.CEL, Judge.ACCEPTED) for line in REFUSALS[judge]]


def complaints(body: dict) -> list[str]:
    with pytest.raises(SpecError) as caught:
        from_object(body)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("text", GOODS, ids=range(len(GOODS)))
def test_a_channel_that_the_api_server_has_defaulted_equals_the_one_in_the_file(text):
    """Mutant: another default in the CRD, or a stand-in for a field that Kubernetes gives as null."""
    resource = yaml.safe_load(text)
    assert (from_object(resource),) == (from_object(crd.defaulted(resource)),) == parse(text, file="-")


@UNHURRIED
@given(channels())
def test_any_good_channel_comes_back_from_its_object_with_and_without_defaults(channel):
    resource = as_resource(channel)
    assert from_object(resource) == from_object(crd.defaulted(resource)) == channel


@pytest.mark.parametrize("line", ASKED)
def test_what_is_wrong_with_an_object_is_said_as_of_a_file_but_without_file_and_line(line):
    """Mutant: Problem prints an empty file as `: spec…`."""
    assert sorted(complaints(as_object(line))) == sorted(WRITTEN[line][1])


@pytest.mark.parametrize(("text", "line"), ONLY_ACCEPTED, ids=range(len(ONLY_ACCEPTED)))
def test_what_the_api_server_lets_through_is_refused_here(text, line):
    assert complaints(yaml.safe_load(text)) == [line]


def test_after_defaulting_a_default_is_named_as_any_other_value():
    body = crd.defaulted(
        yaml.safe_load(GOOD.replace("      endpoint:", "      debounce: {window: 5s}\n      endpoint:"))
    )
    (line,) = complaints(body)
    assert "window 5s is longer than maxDelay 2s; write" in line


def test_what_only_kubernetes_writes_is_not_looked_at_not_even_what_a_later_one_will_write():
    body = yaml.safe_load(GOOD)
    wanted = from_object(body)
    body["metadata"] |= dict.fromkeys(FIELDS["metadata"], "anything") | {
        name: body["metadata"].get(name) for name in OWN_METADATA
    }
    body["metadata"] |= {"managedFields": [{"fieldsV1": {"f:spec": {".": {}}}}], "ofTomorrow": {"a": 1.5}}
    body |= {"status": {"conditions": [7]}, "ofTomorrow": 1}
    assert from_object(body) == wanted


def test_a_field_of_a_newer_crd_in_the_spec_is_refused_not_ignored():
    """Mutant: unknown fields of an object are dropped: the operator would install something else than was asked for."""
    body = yaml.safe_load(GOOD)
    body["spec"]["filter"] = {}
    assert [line.partition(";")[0] for line in complaints(body)] == ['spec: unknown field "filter"']


def test_another_version_or_kind_is_refused():
    body = yaml.safe_load(GOOD) | {"apiVersion": "notifychannel.io/v2", "kind": "Other"}
    assert complaints(body) == [
        'apiVersion: "notifychannel.io/v2" is not known; write notifychannel.io/v1alpha1',
        'kind: "Other" is not known; write NotifyChannel',
    ]


def test_an_object_is_not_changed_by_being_read():
    body = crd.defaulted(yaml.safe_load(WHOLE))
    before = copy.deepcopy(body)
    from_object(body)
    assert body == before


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@UNHURRIED
@given(st.data())
def test_an_object_with_one_value_replaced_by_any_json_gives_a_channel_or_a_spec_error(data):
    body = crd.defaulted(yaml.safe_load(WHOLE))
    node, last = body, None
    while isinstance(node, dict | list) and node and (last is None or data.draw(st.booleans() | st.just(value=True))):
        last = node, data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        node = last[0][last[1]]
    last[0][last[1]] = data.draw(_json)
    problems = ()
    try:
        from_object(body)
    except SpecError as error:
        problems = error.problems
    assert all(str(problem).isprintable() and problem.path for problem in problems)
