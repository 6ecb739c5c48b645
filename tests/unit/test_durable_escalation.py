"""What is told of rows that nobody has acknowledged, where the application refuses some of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import time

from notifychannel_sidecar.durable.agenda import ESCALATE_S, Agenda
from notifychannel_sidecar.durable.escalation import Escalation
from notifychannel_sidecar.durable.hold import Hold
from tests.notification import channel
from tests.unit.test_durable_hold import claim


class Application:
    """It refuses these, and notes what it was asked."""

    def __init__(self, *refused):
        self.refused = refused
        self.asked = []

    async def post(self, work, path):
        assert path == "/escalations"
        [order] = [json.loads(hint.key)["order_id"] for hint in work.hints]
        self.asked.append(order)
        return order not in self.refused


async def tell(application, *orders, ends_s=math.inf):
    """Until all is told or refused: the agenda then, and how often it was to be looked at."""
    agenda = Agenda(Hold(channel(escalation_path="/escalations"), epochs=itertools.count()))
    news, escalation = [], Escalation(post=application.post)
    claims = [claim(order) for order in orders]
    escalation.start(agenda, claims, ends_s=ends_s, on_told=lambda: news.append(1))
    async with asyncio.timeout(10):
        await asyncio.gather(*escalation._tasks.values())
    return agenda, len(news)


async def test_one_that_the_application_refuses_keeps_none_of_its_batch_from_being_told():
    """They come back together, the refused one first. Mutants: `return` at the refusal; not_told never or each time."""
    application = Application(1, 3)
    agenda, news = await tell(application, 1, 2, 3, 4, 5)
    assert application.asked == [1, 2, 3, 4, 5]
    assert (agenda.told, news) == (["[7,2]", "[7,4]", "[7,5]"], 3)
    assert agenda.escalate_at > time.monotonic()
    agenda.not_told(100.0)
    assert agenda.escalate_at == 100.0 + 2 * ESCALATE_S, "one refusal so far"


async def test_nothing_is_told_when_its_time_is_over_and_a_batch_without_a_refusal_is_none():
    """Mutant: without `ends_s`, what others have been given is told twice."""
    application = Application()
    agenda, _ = await tell(application, 1, 2, ends_s=-math.inf)
    assert (application.asked, agenda.told, agenda.escalate_at) == ([], [], -math.inf)
    agenda, _ = await tell(application, 1, 2)
    assert (agenda.told, agenda.escalate_at) == (["[7,1]", "[7,2]"], -math.inf)
