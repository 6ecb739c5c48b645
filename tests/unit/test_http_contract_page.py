"""docs/http-contract.md says what the sidecar does: its bodies are real, its code runs, its tables are the tests'."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from notifychannel_sidecar.deliverer import message
from notifychannel_sidecar.deliverer.answer import Outcome
from notifychannel_sidecar.hints import EVENTS, STRENGTH, Mode, Reason
from notifychannel_sidecar.pull.request import LONGEST_WAIT_S, MOST_ERROR, MOST_HINTS
from notifychannel_sidecar.pull.ticket import Ticket
from tests.answers import TABLE
from tests.notification import channel, inbox_with, payload
from tests.unit.test_durable_hold import claim as channel_claim
from tests.unit.test_durable_hold import holding

PAGE = (Path(__file__).parents[2] / "docs" / "http-contract.md").read_text()
CONFIG = channel(poll_interval=30.0)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def table(head: str) -> list[list[str]]:
    """The cells below a header line that starts so."""
    lines = PAGE[PAGE.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def body(work) -> dict:
    return json.loads(message.body(work, mode=Mode.LISTENING, next_within=message.next_within(CONFIG)))


def test_the_example_of_a_hint_is_a_real_body():
    inbox = inbox_with(CONFIG)
    inbox.put("orders", payload(42, event="I"), 0.0)
    for _ in range(55):
        inbox.put("orders", payload(42), 0.1)
    inbox.put("orders", payload(42, seconds=0.84), 0.2)
    real = body(inbox.take("orders", 2.0))
    example = json.loads(blocks("json")[0])
    assert len(real["hints"][0]["id"]) == len(example["hints"][0]["id"])
    real["hints"][0]["id"] = example["hints"][0]["id"]
    assert list(real) == list(example)
    assert list(real["hints"][0]) == list(example["hints"][0])
    assert real == example


def test_the_example_of_a_resync_is_a_real_body():
    inbox = inbox_with(CONFIG)
    inbox.resync("orders", Reason.RECONNECT, 0.0, since="2026-01-01T00:00:00Z")
    assert body(inbox.take("orders", 0.0)) == json.loads(blocks("json")[1])


def test_the_table_of_answers_is_the_one_that_the_tests_walk():
    rows = table("the answer")
    assert [(row[0], row[-1]) for row in rows] == [(line.answer, line.attempt) for line in TABLE]
    assert [line.outcome for line in TABLE] == [
        Outcome.ACKNOWLEDGED,
        Outcome.PARTLY,
        Outcome.ONE_BY_ONE,
        Outcome.FAILED,
        Outcome.TROUBLE,
    ]
    assert set(Outcome) == {line.outcome for line in TABLE}


def test_every_field_reason_and_event_is_explained():
    example = json.loads(blocks("json")[0])
    explained = {name for row in table("field") for name in re.findall(r"`(?:hints\[\]\.)?(\w+)`", row[0])}
    assert explained == {*example, *example["hints"][0]} - {"hints"}
    assert [row[0].strip("`") for row in table("`reason` | why everything")] == [reason.value for reason in STRENGTH]
    assert set(STRENGTH) == set(Reason) - {Reason.CHANGE}
    assert all(f"`{word}`" in PAGE for word in EVENTS.values())


def application() -> dict:
    """The page's Python as an application whose looks are noted."""
    looks: list = []
    names = {
        "looks": looks,
        "look_at_key": looks.append,
        "look_at_every_key": lambda since: looks.append(("everything", since)),
        "math": math,
        "time": Ticking(),
    }
    for code in blocks("python"):
        exec(code, names)  # noqa: S102 - the page's own code is what is tested
    return names


class Silence(Exception):  # noqa: N818 - the end of a test, not an error
    pass


class Ticking:
    """A clock that ends the watch after ten minutes."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > 600:
            raise Silence


def test_the_pages_application_reads_hints_and_resyncs():
    app = application()
    for example in blocks("json")[:2]:
        app["handle"](json.loads(example))
    assert app["looks"] == [{"tenant_id": 7, "order_id": 42}, ("everything", "2026-01-01T00:00:00.000000Z")]


@pytest.mark.parametrize(("next_within", "looks"), [(33, [66, 186, 306, 426, 546]), (None, [])])
def test_the_pages_application_looks_by_itself_when_it_hears_nothing(next_within, looks):
    app = application()
    app["heard"](next_within)
    at = []
    app["look_at_every_key"] = lambda _since: at.append(app["time"].now)
    with pytest.raises(Silence):
        app["watch"]()
    assert at == looks


def test_the_example_of_a_claim_is_a_real_one():
    """Its two fields before the body of a POST with one hint."""
    (example,) = json.loads(blocks("json")[2])["claims"]
    hold = holding(port=0, path="", delivery="AtLeastOnce", timeout=30.0)
    hold.want(1)
    hold.claimed([channel_claim(1)], 1, 0.0)
    ticket = Ticket(work=hold.take(0.0), taken_s=100.0, until_s=130.0)
    real = json.loads(ticket.body(Mode.LISTENING))
    assert list(real) == list(example)
    assert list(real["hints"][0]) == list(example["hints"][0])
    assert len(real["claim"]) == len(example["claim"])
    assert real["expires_in"] == example["expires_in"]


def test_the_page_names_every_field_of_claims_and_answers():
    claiming, acknowledging = PAGE.partition("## Claiming")[2].partition("## `since`")[0].split("POST /v1/ack")
    for name in ("channel", "max", "wait"):
        assert f"| `{name}` |" in claiming
    for name in ("done", "retry", "release", "extend", "`gone` in the answer"):
        assert f"| {name if '`' in name else f'`{name}`'} |" in acknowledging
    assert str(MOST_HINTS) in claiming
    assert f"{LONGEST_WAIT_S:g}" in claiming
    assert str(MOST_ERROR) in acknowledging
