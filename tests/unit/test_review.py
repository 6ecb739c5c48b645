"""A review is answered whatever our own code does."""

from __future__ import annotations

import logging

from notifychannel_operator import inject
from notifychannel_operator.injector import review as reviews
from tests.injector import review

SETTINGS = inject.Settings(image="notifychannel/sidecar:1.2.3")


class Hostile(dict):
    """JSON can't be this; a bug of ours can look like it."""

    def get(self, *_):
        raise RuntimeError("secret-of-the-pod")


def test_a_bug_of_ours_is_a_pod_without_a_sidecar_and_a_line_without_its_content(caplog):
    """Mutants: no `except Exception` in review.answer; `log.exception` in its place."""
    asked = reviews.Review(version=reviews.VERSION, uid="u", request=review(Hostile())["request"])
    with caplog.at_level(logging.INFO):
        answer = reviews.answer(asked, settings=SETTINGS)
    assert answer.reason is inject.Reason.INTERNAL_ERROR
    assert answer.body["response"]["allowed"] is True
    assert "patch" not in answer.body["response"]
    assert "report it" in answer.body["response"]["warnings"][0]
    assert "RuntimeError in get:" in caplog.text
    assert "secret-of-the-pod" not in caplog.text
    assert "Traceback" not in caplog.text
