"""The table of answers in docs/http-contract.md, as the tests walk it."""

from __future__ import annotations

from dataclasses import dataclass

from notifychannel_sidecar.deliverer.answer import Outcome
from tests.application import Behaviour, Close, Say

ELSEWHERE = {"Location": "/elsewhere"}
ACCEPTED: list[Behaviour] = [Say(status=status) for status in (200, 201, 202, 204, 299)]
NOT_ACCEPTED: list[Behaviour] = [
    Say(status=status, headers=ELSEWHERE)
    for status in (300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 409, 410, 422, 500, 501, 505, 599)
]
TROUBLE: list[Behaviour] = [
    *(Say(status=status) for status in (429, 502, 503, 504)),
    Close(),
    Close(reset=True),
    Close(within_body=True),
]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table: its first and last column, what is tried, what must come of it."""

    answer: str
    attempt: str
    behaviours: list[Behaviour]
    outcome: Outcome


TABLE = [
    Line(answer="2xx", attempt="no", behaviours=ACCEPTED, outcome=Outcome.ACKNOWLEDGED),
    Line(answer='2xx with `{"retry": ["<id>"]}`', attempt="of those ids", behaviours=[], outcome=Outcome.PARTLY),
    Line(
        answer="any other answer to more than one hint",
        attempt="no",
        behaviours=NOT_ACCEPTED,
        outcome=Outcome.ONE_BY_ONE,
    ),
    Line(
        answer="3xx, 4xx, 500, 501, 505 and up, or none within `timeout`, to one hint or a resync",
        attempt="yes",
        behaviours=NOT_ACCEPTED,
        outcome=Outcome.FAILED,
    ),
    Line(
        answer="429, 502, 503, 504, connection refused, closed or reset",
        attempt="no",
        behaviours=TROUBLE,
        outcome=Outcome.TROUBLE,
    ),
]
