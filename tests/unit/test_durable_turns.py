"""What becomes of a turn where the queue refuses: whose end each refusal is."""

from __future__ import annotations

import time

import asyncpg
import pytest

from notifychannel_sidecar.durable.claimer import Claimer
from notifychannel_sidecar.durable.durable import Durable
from notifychannel_sidecar.durable.escalation import Escalation
from notifychannel_sidecar.durable.session import NOT_NOW
from notifychannel_sidecar.durable.turns import Turns
from notifychannel_sidecar.listener.backoff import Backoff
from notifychannel_sidecar.listener.target import Target
from tests.listening import config
from tests.notification import channel

TARGET = Target(config=config(), pod="api-1", fingerprint="1", arguments={})


class Refusing:
    """A session of which every call, or `only` one, fails with `error`."""

    def __init__(self, *, only=None):
        self.error = None
        self.only = only
        self.calls = []

    async def enter(self, *_):
        return 1

    async def turn(self, *_):
        return self._answer("turn", ([], None))

    async def escalated(self, *_):
        return self._answer("escalated", None)

    async def leave(self, *_):
        return self._answer("leave", None)

    def _answer(self, name, answer):
        self.calls.append(name)
        if self.error is not None and self.only in (None, name):
            raise self.error
        return answer


async def acknowledges(*_):
    return True


async def entered(session, **settings):
    """The turns of a claimer with one channel, which the queue knows."""
    durable = Durable(on_due=lambda _: None, on_entered=lambda _: None)
    durable.configure([channel(**settings)])
    made = Turns(durable=durable, escalation=Escalation(post=acknowledges), session=session, target=TARGET)
    [agenda] = durable.agendas
    await made.take(agenda)
    assert agenda.claimer == 1
    agenda.count_at = time.monotonic() + 1000.0
    return made, agenda


async def test_one_that_was_given_up_enters_anew():
    made, agenda = await entered(session := Refusing())
    session.error = asyncpg.ObjectNotInPrerequisiteStateError("no claimer")
    await made.take(agenda)
    assert agenda.claimer is None


@pytest.mark.parametrize("error", [asyncpg.LockNotAvailableError, asyncpg.ObjectInUseError])
async def test_who_only_waited_for_a_lock_in_vain_is_not_taken_for_given_up(error):
    """It would enter a second time beside its first, which holds its rows and stands still. Mutant: `take` without the
    SQLSTATE, for asyncpg's class has these below it.
    """
    made, agenda = await entered(session := Refusing())
    session.error = error("busy")
    with pytest.raises(error):
        await made.take(agenda)
    assert agenda.claimer == 1
    with pytest.raises(error):
        await Claimer(durable=made.durable, backoff=Backoff(), escalation=made.escalation)._move(session)
    assert session.calls == ["turn", "leave"]


@pytest.mark.parametrize("error", NOT_NOW)
async def test_a_row_that_somebody_has_locked_ends_no_session_when_it_was_escalated(error):
    """What the queue would not mark is said later; claims and signs of life come first. Mutants: `_mark` without
    NOT_NOW; before `_exchange`; `told` forgotten.
    """
    made, agenda = await entered(session := Refusing(only="escalated"), escalation_path="/escalations")
    agenda.escalate_at = time.monotonic() + 1000.0
    agenda.told.append("[1]")
    session.error = error("busy")
    await made.take(agenda)
    assert session.calls == ["turn", "escalated"]
    assert (agenda.told, agenda.escalated) == (["[1]"], 0)
    assert agenda.next_at > time.monotonic() + 0.5
    session.error, agenda.mark_at = None, time.monotonic()
    await made.take(agenda)
    assert (agenda.told, agenda.escalated) == ([], 1)


async def test_who_leaves_says_what_was_told_and_leaves_all_the_same_where_it_can_not():
    """Mutants: `leave` before it, or only after it."""
    made, agenda = await entered(session := Refusing(only="escalated"), escalation_path="/escalations")
    agenda.told.append("[1]")
    agenda.close()
    session.error = asyncpg.QueryCanceledError("busy")
    await made.take(agenda)
    assert session.calls == ["escalated", "leave"]
    assert agenda.has_left
