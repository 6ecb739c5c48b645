"""When the relay takes a claimer for dead or frozen, by its own clock and by the claimer's beats."""

from __future__ import annotations

from notifychannel_sidecar.relay.claimers import Claimer, Claimers, Verdict

TIMEOUT_S = 2.0
PATIENCE_S = 5.0 + TIMEOUT_S + 1.0
NOBODY = Verdict()


def claimer(*, beats=1, is_alive=True, holds=True, number=7):
    return Claimer(id=number, pid=4242, is_alive=is_alive, holds=holds, beats=beats, timeout_s=TIMEOUT_S)


def looks(claimers, it, *times_s):
    """The same at each of these times; the last verdict."""
    verdicts = [claimers.look([it], began_s=at_s, ended_s=at_s) for at_s in times_s]
    return verdicts[-1]


def test_one_that_beats_is_left_alone_however_long():
    """Mutant: the first look counts for all."""
    claimers = Claimers()
    assert all(
        claimers.look([claimer(beats=number)], began_s=7.0 * number, ended_s=7.0 * number) == NOBODY
        for number in range(1, 20)
    )


def test_the_rows_of_a_session_that_has_ended_are_given_to_others_when_its_last_post_must_be_over():
    """Mutants: at once; POST_WITHIN_S, timeout or margin left out."""
    claimers, dead = Claimers(), claimer(is_alive=False)
    assert looks(claimers, dead, 100.0, 100.0 + PATIENCE_S - 0.1) == NOBODY
    assert looks(claimers, dead, 100.0 + PATIENCE_S) == Verdict(reclaim=(dead,))


def test_how_long_it_stands_still_is_counted_from_its_last_beat_not_from_its_sessions_end():
    """Mutant: `_seen` forgets who has ended."""
    claimers = Claimers()
    looks(claimers, claimer(), 100.0, 104.0)
    dead = claimer(is_alive=False)
    assert looks(claimers, dead, 100.0 + PATIENCE_S) == Verdict(reclaim=(dead,))


def test_one_that_held_nothing_is_forgotten_as_soon_as_its_session_has_ended():
    """Mutant: the same patience for all."""
    dead = claimer(is_alive=False, holds=False)
    assert looks(Claimers(), dead, 100.0) == Verdict(reclaim=(dead,))


def test_a_session_that_lives_and_stands_still_is_ended_first():
    """Mutant: `reclaim` where `end` is said."""
    claimers, frozen = Claimers(), claimer()
    assert looks(claimers, frozen, 100.0, 100.0 + PATIENCE_S) == Verdict(end=(frozen,))


def test_one_that_could_not_be_ended_loses_its_rows_a_little_later():
    """Mutant: an `end` for ever."""
    claimers, frozen = Claimers(), claimer()
    assert looks(claimers, frozen, 100.0, 100.0 + PATIENCE_S + 5.0) == Verdict(reclaim=(frozen,))


def test_one_that_holds_nothing_may_be_silent_for_longer():
    """It may be in the middle of a claim, which nobody sees yet. Mutants: IDLE_S of 8; infinite."""
    claimers, idle = Claimers(), claimer(holds=False)
    assert looks(claimers, idle, 100.0, 129.0) == NOBODY
    assert looks(claimers, idle, 130.0) == Verdict(end=(idle,))


def test_an_answer_that_lay_in_the_socket_while_the_relay_was_frozen_condemns_nobody():
    """Mutants: `ended_s` for how long it stood still; `began_s` for when it was first seen so."""
    claimers = Claimers()
    claimers.look([claimer()], began_s=100.0, ended_s=120.0)
    assert claimers.look([claimer()], began_s=120.0, ended_s=160.0) == NOBODY
    assert claimers.look([claimer()], began_s=120.0 + PATIENCE_S - 0.1, ended_s=200.0) == NOBODY
