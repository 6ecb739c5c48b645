"""Who let a question go unanswered, and when it is asked again."""

from __future__ import annotations

from notifychannel_operator.passes.silence import AGAIN_S, AT_FIRST_S, FORGOTTEN_S, Silence

ONE, OTHER = ("10.0.0.7", 9789), ("10.0.0.8", 9789)


def test_who_was_silent_once_is_asked_again_soon_and_twice_by_the_minute():
    """Mutant: AT_FIRST_S always: three hundred pods behind a network policy fill each pass with waiting."""
    silence = Silence()
    assert not silence.holds(ONE, 0.0)
    silence.unheard(ONE, 0.0)
    assert silence.holds(ONE, AT_FIRST_S - 0.1)
    assert not silence.holds(OTHER, 0.0)
    assert not silence.holds(ONE, AT_FIRST_S)
    silence.unheard(ONE, 10.0)
    assert silence.holds(ONE, 10.0 + AGAIN_S - 0.1)
    assert not silence.holds(ONE, 10.0 + AGAIN_S)
    silence.unheard(ONE, 70.0)
    assert silence.holds(ONE, 70.0 + AGAIN_S - 0.1)


def test_only_who_was_silent_twice_is_known_to_be_silent():
    """Mutant: `in self._since_s`: who hung for a moment waits behind hundreds that never answer."""
    silence = Silence()
    assert not silence.is_known(ONE)
    silence.unheard(ONE, 0.0)
    assert not silence.is_known(ONE)
    silence.unheard(ONE, 10.0)
    assert silence.is_known(ONE)
    assert not silence.is_known(OTHER)
    silence.heard(ONE)
    assert not silence.is_known(ONE)


def test_who_answers_begins_anew():
    """Mutant: `heard` does nothing."""
    silence = Silence()
    silence.unheard(ONE, 0.0)
    silence.heard(ONE)
    assert not silence.holds(ONE, 0.0)
    silence.unheard(ONE, 1.0)
    assert not silence.holds(ONE, 1.0 + AT_FIRST_S)


def test_whom_nobody_asks_any_more_is_forgotten():
    """Pods come and go. Mutant: `unheard` without its loop."""
    silence = Silence()
    for number in range(1000):
        silence.unheard((f"10.0.{number // 250}.{number % 250}", 9789), float(number))
    assert len(silence) <= FORGOTTEN_S + 1
    silence.unheard(ONE, 2000.0)
    assert len(silence) == 1
