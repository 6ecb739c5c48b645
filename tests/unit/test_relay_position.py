"""Which rows a drain asks for: a model of the outbox in which transactions commit late, in any order."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifychannel_sidecar.relay.position import Drained, Position, Snapshot

ROWS = 3
"""Of each transaction."""
WHAT = ("begin", "commit", "drain", "take over")
LATE = [("begin", 0), ("begin", 0), ("commit", 1), ("drain", 0), ("take over", 0), ("commit", 0), ("drain", 0)]


class Outbox:
    """Transactions in the order of their ids, each with a few rows; visible when committed."""

    def __init__(self) -> None:
        self.next = 1
        self.running: set[int] = set()
        self.waiting: set[tuple[int, int]] = set()

    def begin(self) -> None:
        self.running.add(self.next)
        self.next += 1

    def commit(self, number: int) -> None:
        if self.running:
            ended = sorted(self.running)[number % len(self.running)]
            self.running.remove(ended)
            self.waiting |= {(ended, row) for row in range(ROWS)}

    def snapshot(self) -> Snapshot:
        """With an xmax one above the last that ended: what runs may be above it."""
        ended = set(range(1, self.next)) - self.running
        xmax = max(ended, default=0) + 1
        running = tuple(sorted(it for it in self.running if it < xmax))
        return Snapshot(xmin=min(running, default=xmax), xmax=xmax, running=running)

    def drain(self, position: Position, most: int) -> Drained:
        snapshot = self.snapshot()
        late = sorted(it for it in self.waiting if it[0] in position.late)[:most]
        ordered = sorted(it for it in self.waiting if it[0] >= position.low and it not in late)[:most]
        full = len(ordered) >= most
        taken = {*late, *ordered}
        self.waiting -= taken
        last = max(ordered)[0] if full else None
        more = full or len(late) >= most
        return Drained(taken=len(taken), hints=0, payloads=0, last=last, round=snapshot, more=more, held=False)


@settings(deadline=None)
@example(happenings=LATE, most=4)
@given(
    happenings=st.lists(st.tuples(st.sampled_from(WHAT), st.integers(0, 9)), max_size=80),
    most=st.integers(1, 4),
)
def test_whatever_commits_is_drained_by_the_next_whole_round(happenings, most):
    """By the same relay or another. Mutants: `proven` of the round's xmax; `late` forgotten; the next call goes on
    behind the last transaction instead of with it; the round's snapshot taken at its end; `advance` true where a round
    took several calls.
    """
    outbox, position = Outbox(), Position()
    for what, number in happenings:
        match what:
            case "begin":
                outbox.begin()
            case "commit":
                outbox.commit(number)
            case "take over":
                position = Position(position.proven)
            case _:
                before = set(outbox.waiting)
                if position.advance(outbox.drain(position, most)):
                    assert not before & outbox.waiting
    while outbox.running:
        outbox.commit(0)
    while not position.advance(outbox.drain(position, most)):
        pass
    assert not outbox.waiting


def test_a_drain_that_was_held_moves_nothing():
    """Mutant: no look at `held` in `advance`."""
    position = Position()
    snapshot = Snapshot(xmin=7, xmax=9, running=(7,))
    held = Drained(taken=0, hints=0, payloads=0, last=None, round=snapshot, more=False, held=True)
    assert not position.advance(held)
    assert (position.low, position.late) == (0, ())


def test_a_round_is_blocked_to_its_end_when_one_of_its_batches_left_rows():
    """Those after it begin behind them. Mutant: as the last batch says."""
    position, said = Position(), []
    for more, blocked in ((True, True), (True, False), (False, False), (False, False)):
        round_ = Snapshot(xmin=5, xmax=9)
        position.advance(
            Drained(taken=1, hints=1, payloads=1, last=7, round=round_, more=more, held=False, blocked=blocked)
        )
        said.append((position.is_blocked, position.goes_on_blocked))
    assert said == [(True, True), (True, True), (True, False), (False, False)]
