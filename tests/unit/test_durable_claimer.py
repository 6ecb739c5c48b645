"""What a claimer does where the queue refuses: whose end each refusal is."""

from __future__ import annotations

import time

import asyncpg
import pytest

from notifychannel_sidecar.durable.claimer import Claimer
from notifychannel_sidecar.durable.durable import Durable
from notifychannel_sidecar.durable.escalation import Escalation
from notifychannel_sidecar.listener.backoff import Backoff
from notifychannel_sidecar.listener.target import Target
from tests.listening import config
from tests.notification import channel

TARGET = Target(config=config(), pod="api-1", fingerprint="1", arguments={})


class Refusing:
    """A session of which every call fails with this, once a claimer has entered."""

    def __init__(self, error=None):
        self.error = error
        self.calls = []

    async def enter(self, *_):
        return 1

    async def turn(self, *_):
        return self._answer("turn", ([], None))

    async def leave(self, *_):
        return self._answer("leave", None)

    def _answer(self, name, answer):
        self.calls.append(name)
        if self.error is not None:
            raise self.error
        return answer


async def acknowledges(*_):
    return True


async def entered(session, **settings):
    """A claimer with one channel, which the queue knows."""
    durable = Durable(on_due=lambda _: None, on_entered=lambda _: None)
    durable.configure([channel(**settings)])
    made = Claimer(durable=durable, backoff=Backoff(), escalation=Escalation(post=acknowledges))
    [agenda] = durable.agendas
    await made._try(session, agenda, TARGET)
    assert agenda.claimer == 1
    agenda.count_at = time.monotonic() + 1000.0
    return made, agenda


async def test_one_that_was_given_up_enters_anew():
    made, agenda = await entered(session := Refusing())
    session.error = asyncpg.ObjectNotInPrerequisiteStateError("no claimer")
    await made._try(session, agenda, TARGET)
    assert agenda.claimer is None


@pytest.mark.parametrize("error", [asyncpg.LockNotAvailableError, asyncpg.ObjectInUseError])
async def test_who_only_waited_for_a_lock_in_vain_is_not_taken_for_given_up(error):
    """It would enter a second time beside its first, which holds its rows and stands still. Mutant: `_try` or `_move`
    without the SQLSTATE, for asyncpg's class has these below it.
    """
    made, agenda = await entered(session := Refusing())
    session.error = error("busy")
    with pytest.raises(error):
        await made._try(session, agenda, TARGET)
    assert agenda.claimer == 1
    with pytest.raises(error):
        await made._move(session)
    assert session.calls == ["turn", "leave"]
