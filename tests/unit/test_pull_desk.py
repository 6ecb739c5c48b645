"""What a desk hands out and to whom, and what becomes of what is out; the queue's answers are put in by hand."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from notifychannel_sidecar.config import Way
from notifychannel_sidecar.durable.agenda import Waiting
from notifychannel_sidecar.durable.durable import Durable
from notifychannel_sidecar.durable.settlement import Outcome
from notifychannel_sidecar.hints import Mode
from notifychannel_sidecar.pull.desk import Desk
from notifychannel_sidecar.pull.desks import CROWDED, FINISHING, NOT_YET, OTHER_WAYS, Desks, RefusedError
from notifychannel_sidecar.pull.request import Acknowledging
from tests.notification import channel
from tests.unit.test_durable_hold import claim, resync

JOBS = {"port": 0, "path": "", "delivery": "AtLeastOnce", "timeout": 30.0}


class Queue:
    """The database's part: answers the calls that the agenda wants."""

    def __init__(self, **settings):
        self.durable = Durable(on_due=lambda _: self.desk.wake(), on_entered=lambda _: None)
        self.durable.configure([channel(**{**JOBS, **settings})])
        self.agenda = self.durable.agenda("orders")
        self.agenda.entered(1, time.monotonic())
        self.answers = []
        self.told = []
        self.desks = Desks(
            durable=self.durable, channels=lambda: [self.agenda.hold.config], on_answer=self.answers.append
        )
        self.desk = self.desks.make(self.agenda.hold.config, self.durable)

    def call(self, *rows):
        """One turn: what it tells, and as many of these rows as it asks for; how many that were."""
        settlements = self.agenda.hold.settlements.take(time.monotonic())
        self.told += [(it.claim.version, it.outcome.value, it.error) for it in settlements]
        began_s = time.monotonic()
        most = self.agenda.begin_claim(began_s)
        self.agenda.exchanged(settlements, rows[:most], most, time.monotonic())
        self.agenda.called(began_s, None, time.monotonic(), in_vain=False, timeout_s=self.agenda.hold.config.timeout)
        self.desk.wake()
        return most


@asynccontextmanager
async def working(**settings):
    """A queue, and its desk while it runs."""
    queue = Queue(**settings)
    running = asyncio.create_task(queue.desk.run())
    try:
        yield queue
    finally:
        running.cancel()
        await asyncio.wait([running])


async def asking(queue, most=1, wait_s=30.0):
    """A claim that waits by now."""
    task = asyncio.create_task(queue.desk.claim(most, wait_s))
    await asyncio.sleep(0)
    return task


def orders(tickets):
    return [hint.entry.version for ticket in tickets for hint in ticket.work.hints]


async def test_nothing_is_claimed_for_nobody_and_as_much_as_is_waited_for():
    """Mutants: `room` of a POSTed channel; `want` that is never taken back."""
    async with working() as queue:
        assert queue.call(claim(1)) == 0
        first, second = await asking(queue, 100), await asking(queue, 20)
        assert queue.call(*[claim(order) for order in range(90)]) == 120
        assert len(await first) == 90
        assert queue.agenda.hold.room() == 20
        second.cancel()
        await asyncio.wait({second})
        assert queue.agenda.hold.room() == 0


async def test_each_claim_has_one_hint_and_reads_as_a_post_with_two_fields_before():
    async with working() as queue:
        task = await asking(queue, 3)
        queue.call(claim(1), claim(2, alone=True), resync())
        tickets = await task
        assert [len(ticket.work.hints) for ticket in tickets] == [1, 1, 0]
        body = tickets[0].body(Mode.LISTENING).decode()
        assert body.startswith(f'{{"claim": "{tickets[0].token}", "expires_in": 30, "channel": "orders", ')
        assert '"hints": []' in tickets[2].body(Mode.LISTENING).decode()
        assert len({ticket.token for ticket in tickets}) == 3


async def test_who_asks_for_what_is_due_now_is_answered_when_the_queue_has_been_asked():
    """Not before, and not later. Mutants: `has_looked` that is always true; one that is never; `asked_s` of no call."""
    async with working() as queue:
        task = await asking(queue, wait_s=0.0)
        await asyncio.sleep(0.05)
        assert not task.done()
        queue.call()
        await asyncio.wait({task}, timeout=1.0)  # less than it waits where nothing is said
        assert task.done()
        assert task.result() == []
        began = asyncio.get_running_loop().time()
        assert await queue.desk.claim(1, 0.0) == [], "the queue says nothing"
        assert asyncio.get_running_loop().time() - began >= 1.9


async def test_what_comes_when_nobody_waits_any_more_goes_back_and_is_no_attempt():
    """Mutants: `Hold.claimed` that keeps it; `claim` that forgets what it was given when it is cancelled."""
    async with working() as queue:
        task = await asking(queue)
        most = queue.agenda.begin_claim(time.monotonic())
        task.cancel()
        await asyncio.wait({task})
        queue.agenda.exchanged([], [claim(1)], most, time.monotonic())
        queue.call()
        assert queue.told == [(1, "back", None)]
        task = await asking(queue)
        queue.call(claim(2))
        task.cancel()  # it has been given something, and has not gone on
        await asyncio.wait({task})
        queue.call()
        assert (queue.told[1:], queue.agenda.hold.claims) == ([(2, "back", None)], 0)


async def test_an_answer_is_done_when_the_queue_has_heard_of_it_and_gone_when_its_session_is_lost():
    """Mutants: `told` before the call; `lose` that says nothing of a call that is under way."""
    async with working() as queue:
        task = await asking(queue, 3)
        queue.call(claim(1), claim(2), claim(3))
        tokens = [ticket.token for ticket in await task]
        done = asyncio.create_task(queue.desks.acknowledge(Acknowledging(done=(tokens[0], "unknown"))))
        await asyncio.sleep(0.01)
        assert not done.done()
        queue.call()
        assert await done == {"done": 1, "retry": 0, "released": 0, "extended": 0, "gone": ["unknown"]}
        retry = asyncio.create_task(queue.desks.acknowledge(Acknowledging(retry=(tokens[1],), error="x")))
        await asyncio.sleep(0.01)
        queue.agenda.hold.settlements.take(time.monotonic())
        queue.agenda.lose()
        assert (await retry)["gone"] == [tokens[1]]
        assert (await queue.desks.acknowledge(Acknowledging(done=(tokens[2],))))["gone"] == [tokens[2]]
        assert (await queue.desks.acknowledge(Acknowledging(extend=(tokens[2],))))["gone"] == [tokens[2]]
        assert queue.told == [(1, "done", None)]
    assert [answer.word for answer in queue.answers] == ["claim", "retry"]


async def test_what_nobody_answers_in_time_is_an_attempt_and_an_answer_after_it_is_gone():
    async with working(timeout=1.0) as queue:
        task = await asking(queue, 2)
        queue.call(claim(1), claim(2))
        first, second = await task
        while not queue.told:
            assert (await queue.desks.acknowledge(Acknowledging(extend=(second.token,))))["extended"] == 1
            await asyncio.sleep(0.1)
            queue.call()
        assert queue.told == [(1, "retry", "timeout")]
        assert (await queue.desks.acknowledge(Acknowledging(done=(first.token,))))["gone"] == [first.token]
        assert [answer.word for answer in queue.answers] == ["timeout"]


async def test_an_answer_is_late_by_the_clock_though_nobody_has_looked_at_it():
    """Of a process that was frozen. Mutant: `settle` without the time."""
    queue = Queue(timeout=0.05)
    task = await asking(queue)
    queue.call(claim(1))
    [ticket] = await task
    time.sleep(0.06)  # noqa: ASYNC251 - nothing goes on meanwhile
    assert queue.desk.settle(ticket.token, Outcome.DONE) is None
    assert queue.desk.extend(ticket.token) is False


async def test_where_the_database_is_silent_nothing_goes_out_and_an_extension_ends_with_what_others_count_on():
    """Mutants: `next_due` without `_may_start`; `ours_until` of the time alone."""
    async with working() as queue:
        task = await asking(queue, 2)
        queue.call(claim(1))
        [ticket] = await task
        again = await asking(queue)
        began_s = queue.agenda.hold.proven_s = time.monotonic() - 100.0
        queue.agenda.hold.claimed([claim(2)], 1, time.monotonic())
        queue.desk.wake()
        assert not again.done()
        before = ticket.until_s
        assert queue.desk.extend(ticket.token)
        assert ticket.until_s == before, "100 s ago it was known to be ours, for 5 s and the timeout: less than it has"
        assert queue.durable.ours_until(ticket.work, time.monotonic()) == pytest.approx(began_s + 5.0 + 30.0)
        again.cancel()


async def test_a_desk_that_ends_leaves_what_is_out_to_its_time_and_it_may_be_answered_until_then():
    """Mutants: `run` that gives it back at once; `Desks` that forget it."""
    async with working() as queue:
        task, waiting = await asking(queue, 2), None
        queue.call(claim(1), claim(2))
        first, second = await task
        waiting = await asking(queue)
    assert await waiting == []
    hold = queue.agenda.hold
    queue.durable.configure([channel(**{**JOBS, "port": 80, "path": "/hints"})])
    assert (hold.claims, hold.settlements.due_at) == (2, min(first.until_s, second.until_s))
    telling = asyncio.create_task(queue.desks.acknowledge(Acknowledging(done=(first.token,))))
    await asyncio.sleep(0.01)
    queue.call()
    assert (await telling)["done"] == 1
    assert [(it.claim.version, it.outcome.value) for it in hold.settlements.take(second.until_s)] == [(2, "back")]


async def test_finishing_waits_for_what_is_out_and_hands_out_nothing():
    async with working() as queue:
        task = await asking(queue)
        queue.call(claim(1))
        [ticket] = await task
        waiting = await asking(queue)
        finishing = asyncio.create_task(queue.desk.finish())
        assert await waiting == []
        assert not finishing.done()
        with pytest.raises(RefusedError) as refused:
            queue.desks.of("orders")
        assert (refused.value.status, str(refused.value)) == (503, FINISHING)
        queue.desk.settle(ticket.token, Outcome.DONE)
        await finishing


async def test_it_says_who_claims_and_that_nobody_does_where_something_waits(monkeypatch):
    """Mutants: no look at what waits; at what is out."""
    queue = Queue()
    assert queue.desk.delivering == (True, "nothing had to be delivered yet")
    waiting = Waiting(pending=1, claimed=0, retrying=0, dead=0, oldest_s=1.0)
    long_after = time.monotonic() + 90.0
    monkeypatch.setattr(time, "monotonic", lambda: long_after)
    assert queue.desk.delivering[0] is True, "nothing waits, as far as is known"
    for pending, retrying, said in ((1, 0, False), (0, 1, False), (0, 0, True)):
        queue.agenda.waiting = replace(waiting, pending=pending, retrying=retrying)
        assert queue.desk.delivering[0] is said
    queue.agenda.waiting = waiting
    assert queue.desk.delivering == (False, "nobody has claimed for more than a minute")
    task = await asking(queue)
    assert queue.desk.delivering == (True, "the application claims")
    task.cancel()
    await asyncio.wait({task})
    assert queue.desk.delivering == (True, "the application claims")
    task = await asking(queue)
    queue.call(claim(1))
    await task
    queue.agenda.waiting = waiting
    monkeypatch.setattr(time, "monotonic", lambda: long_after + 90.0)
    assert queue.desk.delivering == (True, "the application claims"), "it is at work"


async def test_a_channel_that_is_not_claimed_is_refused_by_its_way():
    queue = Queue()
    named = {"none": [], "jobs": [queue.agenda.hold.config]}
    posted, streamed = channel(name="posted"), channel(name="streamed", port=0, path="")
    assert (posted.way, streamed.way) == (Way.POST, Way.STREAM)
    cases = [
        (None, "orders", 503, NOT_YET),
        (named["none"], "orders", 404, "there is no such channel; to be claimed: none"),
        (named["jobs"], "other", 404, "there is no such channel; to be claimed: orders"),
        ([posted], "posted", 409, f"channel posted {OTHER_WAYS[Way.POST]}"),
        ([streamed], "streamed", 409, f"channel streamed {OTHER_WAYS[Way.STREAM]}"),
        ([replace(named["jobs"][0], name="new")], "new", 503, NOT_YET),
    ]
    for channels, name, status, sentence in cases:
        desks = Desks(durable=queue.durable, channels=lambda channels=channels: channels, on_answer=lambda _: None)
        with pytest.raises(RefusedError) as refused:
            desks.of(name)
        assert (refused.value.status, str(refused.value)) == (status, sentence)


async def test_no_more_than_so_many_wait_and_no_more_are_out(monkeypatch):
    """Mutants: either bound."""
    monkeypatch.setattr("notifychannel_sidecar.pull.desk.MOST_OUT", 5)
    monkeypatch.setattr("notifychannel_sidecar.pull.desk.MOST_WAITING", 2)
    async with working() as queue:
        task = await asking(queue, 100)
        assert queue.call(*[claim(order) for order in range(9)]) == 5
        assert len(await task) == 5
        waiting = [await asking(queue), await asking(queue)]
        assert queue.call(claim(9)) == 0
        with pytest.raises(RefusedError) as refused:
            queue.desks.of("orders")
        assert (refused.value.status, str(refused.value)) == (503, CROWDED)
        for it in waiting:
            it.cancel()


async def test_nobody_can_be_escalated_to():
    queue = Queue(escalation_path="/x")
    assert queue.agenda.escalates is False
    assert isinstance(queue.desk, Desk)
    assert await queue.desk.escalate(None, "/x") is False
