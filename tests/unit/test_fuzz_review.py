"""Whatever is POSTed to the injector: an answer that allows, or no review; and the pod is only added to."""

from __future__ import annotations

import json

import jsonpatch
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifychannel_operator import inject
from notifychannel_operator.injector import review as reviews
from notifychannel_operator.injector.review import MOST_COMMAS, NoReviewError
from tests.injector import POD, patch_of, review

FUZZ = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)
SETTINGS = inject.Settings(image="notifychannel/sidecar:1.2.3")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=10,
)
WHOLE = json.dumps(review({**POD, "spec": {**POD["spec"], "volumes": [{"name": "data"}], "initContainers": []}}))


def answered(body: bytes):
    """The answer's document, None where the body is no review."""
    try:
        asked = reviews.parse(body)
    except NoReviewError:
        return None
    found = reviews.answer(asked, settings=SETTINGS)
    assert found.reason is not inject.Reason.INTERNAL_ERROR
    response = found.body["response"]
    assert (response["uid"], response["allowed"]) == (asked.uid, True)
    assert all(each.isprintable() for each in response.get("warnings", []))
    return found.body


@FUZZ
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_answered_or_is_no_review(body):
    """Mutant: `parse` that takes a request for a mapping."""
    answered(body)


@FUZZ
@given(start=st.integers(0, len(WHOLE)), length=st.integers(0, 30), text=st.text('{}[],:"\\ 0e-\x00é', max_size=9))
def test_a_good_review_with_something_pasted_into_it_is_answered_or_is_no_review(start, length, text):
    answered((WHOLE[:start] + text + WHOLE[start + length :]).encode(errors="surrogatepass"))


@FUZZ
@given(st.data())
def test_a_good_review_with_one_value_replaced_by_any_is_answered_and_nothing_of_the_pod_is_lost(data):
    """Mutants: `_is_creation_of_a_pod` that asks no types; `add` of a list where one is."""
    document = json.loads(WHOLE)
    node, last = document, None
    while isinstance(node, dict | list) and node and (last is None or data.draw(st.booleans())):
        last = node, data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        node = last[0][last[1]]
    last[0][last[1]] = data.draw(JSON)
    body = answered(json.dumps(document).encode())
    if body is None or not (patch := patch_of(body)):
        return
    assert {each["op"] for each in patch} == {"add"}
    before = document["request"]["object"]
    after = jsonpatch.apply_patch(before, patch)
    names = {each.get("name") for each in after["spec"]["containers"]}
    assert names == {each.get("name") for each in before["spec"]["containers"]}
    assert after["spec"]["containers"] == before["spec"]["containers"]


@pytest.mark.parametrize("filling", ["[]", "{}", "0"])
def test_a_body_of_more_values_than_a_pod_has_is_not_read(filling):
    """Mutant: no MOST_COMMAS."""
    many = ",".join([filling] * (MOST_COMMAS + 2))
    body = json.dumps(review({})).replace("{}", f'{{"metadata": [{many}]}}', 1).encode()
    with pytest.raises(NoReviewError, match="more values than a pod has"):
        reviews.parse(body)
