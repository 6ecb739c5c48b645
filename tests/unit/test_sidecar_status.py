"""What is taken of a /status, whoever wrote it; and that a real sidecar's words are all known."""

from __future__ import annotations

import dataclasses
import errno
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifychannel_operator.names import Owner
from notifychannel_operator.passes.conditions import Condition, Reason, Status, Type
from notifychannel_operator.passes.sidecar import ANSWERS, ODD_ANSWER, WHY, Sidecar, parse
from notifychannel_operator.passes.waiting import Waiting, judged
from notifychannel_sidecar.deliverer.answer import Fault, Reply, sentence
from notifychannel_sidecar.deliverer.carrier import NOTHING_YET
from notifychannel_sidecar.local.door import why_shut
from notifychannel_sidecar.pull.desk import CLAIMS
from notifychannel_sidecar.pull.silence import STEPS, silence
from notifychannel_sidecar.state import Phase, Why
from notifychannel_sidecar.stream.streamer import NOBODY, READS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
DOCUMENT = st.fixed_dictionaries(
    {"state": st.sampled_from([*(it.value for it in Phase), 1, None]), "reason": JSON, "channels": JSON}
)


def test_every_reason_of_the_sidecar_is_known_here():
    assert set(WHY) == {why.value for why in Why}


@pytest.mark.parametrize("phase", Phase)
def test_every_state_of_the_sidecar_is_known_here(phase):
    found = parse({"state": phase.value, "reason": None, "channels": {}})
    assert found is not None
    assert found.is_listening == (phase is Phase.LISTENING)


@pytest.mark.parametrize("fault", [None, *Fault])
@pytest.mark.parametrize("timeout_s", [0.1, 2.0, 30.0, 3600.0])
def test_every_answer_that_the_sidecar_can_tell_is_known_here(fault, timeout_s):
    values = {field.name: None for field in dataclasses.fields(Reply) if field.default is dataclasses.MISSING}
    reply = Reply(**{**values, "fault": fault, "status": None if fault else 503})
    said = sentence(reply, address="127.0.0.1:65535", timeout_s=timeout_s)
    assert any(pattern.fullmatch(said) for pattern in ANSWERS), said
    assert any(pattern.fullmatch(NOTHING_YET) for pattern in ANSWERS)


@pytest.mark.parametrize("said", [NOBODY, READS, CLAIMS, *[silence(seconds + 1.0) for seconds, _ in STEPS]])
def test_what_the_sidecar_tells_of_who_claims_is_known_here(said):
    """Mutant: another step, or another word, on one side alone."""
    assert any(pattern.fullmatch(said) for pattern in ANSWERS), said


@pytest.mark.parametrize("code", [errno.EADDRINUSE, errno.EACCES, errno.ENOBUFS])
def test_why_nobody_can_come_to_the_sidecar_is_known_here(code):
    said = why_shut(65535, OSError(code, "some text of the system"))
    assert any(pattern.fullmatch(said) for pattern in ANSWERS), said


def test_what_a_worker_says_of_a_failure_is_in_no_condition_and_what_the_sidecar_says_is():
    """Mutant: `_sentence` with every last error."""
    delivering = Condition(type=Type.DELIVERING, status=Status.TRUE, reason=Reason.DELIVERING, message="")
    owner = Owner(installation="i", namespace="shop", name="jobs")
    for error, shown in (("application: s3cret of key 7", False), ("timeout", True), (None, False)):
        found = Waiting(group="app", rows=1, dead=1, escalated=0, oldest_s=1.0, last_error=error)
        message = judged(delivering, [found], owner).message
        assert "has a dead letter" in message
        assert ("the last answer" in message) is shown
        assert "s3cret" not in message


@pytest.mark.parametrize(
    "answer",
    ["see http://evil.example", "the application answers 200\nReady: True", "x" * 10_000, None, 7, "", {"a": 1}],
)
def test_a_forged_answer_is_never_passed_on(answer):
    """Mutant: `_delivery` answering `said`; `match` in place of `fullmatch`."""
    channels = {"orders": {"delivering": False, "last_answer": answer}}
    found = parse({"state": "LISTENING", "reason": "<b>", "channels": channels})
    assert found == Sidecar(is_listening=True, why=None, deliveries={"orders": (False, ODD_ANSWER)})


@given(JSON | DOCUMENT)
def test_whatever_answers_there_is_a_sidecar_or_nothing(document):
    """Nothing of it gets out but values of closed sets."""
    found = parse(json.loads(json.dumps(document)))
    if found is not None:
        assert found.why is None or isinstance(found.why, Reason)
        for good, said in found.deliveries.values():
            assert isinstance(good, bool)
            assert said == ODD_ANSWER or any(pattern.fullmatch(said) for pattern in ANSWERS)
