"""Shelves, places, filters, ids and what a reader is sent, by themselves; all together in test_stream_property.py."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifychannel_sidecar.hints import Mode, Reason
from notifychannel_sidecar.stream import event_id, sse
from notifychannel_sidecar.stream.place import Place
from notifychannel_sidecar.stream.reader import Event, TooSlowError
from notifychannel_sidecar.stream.shelf import Shelf
from notifychannel_sidecar.stream.stream import Stream
from notifychannel_sidecar.stream.wanted import Wanted, forms
from tests.notification import channel
from tests.unit.test_stream_property import hint, hints, key, resync

EVERYTHING = Wanted.of([])


def streamed(**changes):
    return channel(**{"port": 0, "path": "", **changes})


def stream_of(*channels):
    made = Stream(mode=lambda: Mode.LISTENING)
    made.configure(channels or [streamed()])
    return made


def all_pieces(stream, place):
    found = []
    while (piece := stream.shelves.next(place)) is not None:
        found.append(piece)
    return found


def test_who_knows_the_last_version_of_a_key_is_told_the_change_and_who_may_not_is_told_all_of_them():
    shelf = Shelf(seq=1)
    shelf.put(hint(7, number=10, count=2), 2)
    shelf.put(hint(7, number=20, count=3), 3)
    (told,) = shelf.hints_after(1)
    assert (told.to(2).count, told.to(2).first_at_us) == (3, 20)
    assert (told.to(1).count, told.to(1).first_at_us, told.to(1).last_at_us) == (5, 10, 20)
    assert told.to(1).id == told.to(2).id == "k20"


def test_a_key_that_changes_goes_to_the_end_and_the_oldest_falls_off():
    shelf = Shelf(seq=1, keys=2)
    for seq, order in enumerate([1, 2, 1, 3], start=2):
        shelf.put(hint(order, number=seq), seq)
    assert [told.last.key for told in shelf.hints_after(0)] == [key(1), key(3)]
    assert shelf.floor == 3
    assert shelf.resync_after(2).reason is Reason.OVERFLOW
    assert shelf.resync_after(3) is None


def test_a_new_reader_starts_with_one_resync_for_each_channel_and_an_id_that_is_whole_only_after_the_last():
    stream = stream_of(streamed(), streamed(name="carts"))
    stream.put(hints(1))
    pieces = all_pieces(stream, Place(EVERYTHING))
    assert sorted(piece.channel for piece in pieces) == ["carts", "orders"]
    assert {piece.reason for piece in pieces} == {Reason.START}
    assert [piece.up_to for piece in pieces] == [0, stream.shelves.newest]


def test_events_hold_as_many_hints_as_a_batch_in_the_order_of_their_last_change():
    stream = stream_of(streamed(max_hints=2))
    place = Place(EVERYTHING)
    all_pieces(stream, place)
    stream.put(hints(1, 2, 3))
    stream.put(hints(1))
    assert [[it.key for it in piece.hints] for piece in all_pieces(stream, place)] == [[key(2), key(3)], [key(1)]]


def test_a_resync_is_told_once_with_its_since_to_who_knew_all_before_it():
    stream = stream_of()
    quick, late = Place(EVERYTHING), Place(EVERYTHING)
    all_pieces(stream, quick), all_pieces(stream, late)
    stream.put(hints(1))
    all_pieces(stream, quick)
    stream.put(resync(reason=Reason.POLL, since_us=5))
    (piece,) = all_pieces(stream, quick)
    assert (piece.reason, piece.since_us, piece.hints) == (Reason.POLL, 5, ())
    (piece,) = all_pieces(stream, late)
    assert (piece.reason, piece.since_us, piece.missed) == (Reason.POLL, None, False)


@pytest.mark.parametrize(
    ("value", "written", "other"),
    [
        (7, ["7"], ["7.0", '"7"', "07"]),
        ("7", ["7", '"7"'], ["7.0"]),
        ("a b", ["a b", '"a b"'], ["a", "a+b"]),
        ("é", ["é", '"é"', '"\\u00e9"'], ["e"]),
        (None, ["null"], ["", "None"]),
        (True, ["true"], ["True", "1"]),
        (1.50, ["1.5"], ["1.50"]),
    ],
    ids=str,
)
def test_a_value_is_asked_for_as_json_or_as_plain_text(value, written, other):
    found = forms(json.dumps({"id": value}))["id"]
    assert found >= set(written)
    assert found.isdisjoint(other)


def test_a_number_is_never_read_into_a_float():
    assert forms('{"id": 1.500000000000000000001}')["id"] == {"1.500000000000000000001"}


def test_the_same_name_is_any_of_both_and_another_name_is_both():
    wanted = Wanted.of([("key.tenant_id", "7"), ("key.order_id", "1"), ("key.order_id", "2"), ("channel", "orders")])
    assert wanted.has_key(key(1))
    assert wanted.has_key(key(2))
    assert not wanted.has_key(key(3))
    assert not wanted.has_key(json.dumps({"tenant_id": 8, "order_id": 1}))
    assert wanted.has_key(json.dumps({"room": "x"}))
    assert wanted.has_channel("orders")
    assert not wanted.has_channel("carts")


@given(st.text(), st.integers(0, 2**70))
def test_no_id_of_anybodys_is_believed_past_what_there_is(text, newest):
    assert event_id.seen(text, boot="0a1b2c3d", newest=0) == 0
    assert event_id.seen(f"0a1b2c3d-{newest}", boot="0a1b2c3d", newest=5) in {0, newest}
    assert event_id.seen(f"0a1b2c3d-{newest}", boot="0a1b2c3d", newest=5) <= 5


def test_an_id_of_this_run_is_believed():
    assert event_id.seen(event_id.written("0a1b2c3d", 4), boot="0a1b2c3d", newest=5) == 4


@given(st.text())
def test_whatever_is_in_a_key_an_event_stays_one_event(text):
    """A line break between the tokens of JSON would begin a field of its own."""
    data = f'{{"key":\r\n{json.dumps(text)}\n,\r"id: x": 1}}'
    lines = sse.written(Event(kind="hint", id="0a1b2c3d-1", data=data)).split("\n")
    assert lines[0] == "id: 0a1b2c3d-1"
    assert lines[-2:] == ["", ""]
    assert "\r" not in "".join(lines)
    assert all(line.startswith("data: ") for line in lines[1:-2])
    assert json.loads("\n".join(line.removeprefix("data: ") for line in lines[1:-2])) == {"key": text, "id: x": 1}


class Slow:
    """An Out that takes a while for each event."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.events = []
        self.heartbeats = []

    async def event(self, event):
        self.events.append(event)
        await asyncio.sleep(self.seconds)

    async def heartbeat(self, event_id):
        self.heartbeats.append((asyncio.get_running_loop().time(), event_id))


@pytest.mark.looptime
async def test_a_reader_is_given_up_when_nothing_gets_through_for_thirty_seconds():
    loop = asyncio.get_running_loop()
    stream = stream_of()
    with stream.reading(EVERYTHING, None) as reader:
        with pytest.raises(TooSlowError):
            await reader.carry(Slow(seconds=31))
        assert loop.time() == pytest.approx(30)
    assert stream.tally.slow_readers == 1
    with stream.reading(EVERYTHING, None) as reader:
        out = Slow(seconds=29)
        carrying = asyncio.create_task(reader.carry(out))
        for number in range(10):
            stream.put(hints(number))
        await stream.drained()
        assert loop.time() > 60
        carrying.cancel()
    assert stream.tally.slow_readers == 1


@pytest.mark.looptime
async def test_silence_is_filled_every_fifteen_seconds():
    stream = stream_of()
    with stream.reading(EVERYTHING, None) as reader:
        out = Slow()
        carrying = asyncio.create_task(reader.carry(out))
        await asyncio.sleep(40)
        assert [at for at, _ in out.heartbeats] == [15, 30]
        assert {it for _, it in out.heartbeats} == {stream.shelves.event_id(stream.shelves.newest)}
        stream.put(hints(1))
        await asyncio.sleep(14)
        assert len(out.heartbeats) == 2
        carrying.cancel()


@pytest.mark.looptime
async def test_what_is_not_asked_for_wakes_nobody_and_the_id_goes_on():
    stream = stream_of()
    with stream.reading(Wanted.of([("key.order_id", "1")]), None) as reader:
        out = Slow()
        carrying = asyncio.create_task(reader.carry(out))
        await asyncio.sleep(1)
        stream.put(hints(2, 3))
        assert reader.idle.is_set()
        await asyncio.sleep(15)
        assert out.heartbeats[-1][1] == stream.shelves.event_id(stream.shelves.newest)
        assert [event.kind for event in out.events] == ["mode", "hint"]
        carrying.cancel()
