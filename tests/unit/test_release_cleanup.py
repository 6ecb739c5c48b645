"""The end of a release: each channel gets its tries, and the last round is over soon whatever is away.

The cluster is in memory (tests/kube_memory.py), and no database answers.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from notifychannel_operator import release_cleanup
from notifychannel_operator.installation import InstallationError
from notifychannel_operator.kinds import CHANNELS
from notifychannel_operator.kube_error import Conflict
from notifychannel_operator.passes import cleanup
from notifychannel_operator.passes.away import LAST_S, Away
from notifychannel_operator.passes.conditions import Reason
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.finalizer import FINALIZER
from notifychannel_operator.passes.whereabouts import Identity, Ref
from notifychannel_operator.release_cleanup import (
    LAST_ROUND_S,
    LAST_TRIES,
    LAST_TRY_S,
    PATIENCE_S,
    RETRY_S,
    SAYING_S,
    TRY_S,
    let_all_go,
    nothing_is_installed,
)
from tests.kube_memory import KubeMemory
from tests.operating import CONSUMER, operating, resource

pytestmark = pytest.mark.looptime
CONNECT_S = 5.0
"""Of a host that does not answer."""
SOMEWHERE, ELSEWHERE = Identity("1", "shop"), Identity("2", "shop")
AT_ONCE = 10


class Release:
    """Its channels, and what leads nowhere."""

    def __init__(self, *, channels, secrets=1, connect=None):
        self.at_s = []
        """When somebody tried to connect."""
        self.away = Away(connect=connect or self._connect)
        self.operator = operating(connect=self.away.connected, now=self._now)
        for number in range(secrets):
            self.operator.secret(f"postgresql://u:x@db/s{number}", name=f"s{number}")
        for number in range(channels):
            secret = {"secretRef": {"name": f"s{number % secrets}"}}
            consumers = [{**CONSUMER, "group": f"g{number}"}]
            self.operator.apply(resource(f"c{number}", channel=f"c{number}", database=secret, consumers=consumers))
            self.operator.kube.find(CHANNELS, f"c{number}")["metadata"]["finalizers"] = [FINALIZER]

    async def goes(self):
        return await let_all_go(self.operator.edges, self.away, most=AT_ONCE)

    def held(self):
        return [body["metadata"]["name"] for body in self._channels() if body["metadata"]["finalizers"]]

    def said(self):
        """Of each channel's triggers, for good."""
        return [body["status"]["conditions"][0]["message"] for body in self._channels()]

    def _channels(self):
        return [body for (plural, _, _), body in self.operator.kube.objects.items() if plural == CHANNELS.plural]

    @staticmethod
    def _now():
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=asyncio.get_running_loop().time())

    @asynccontextmanager
    async def _connect(self, _credentials, _limit_s):
        self.at_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(CONNECT_S)
        raise Failed(Reason.UNREACHABLE, "the server does not answer in time")
        yield


async def test_channels_of_a_database_that_is_away_do_not_each_wait_for_it_once_more():
    """200 of them would connect for 100 s in the last round. Mutant: `_refused` answers None."""
    release = Release(channels=200)
    assert await release.goes()
    assert release.held() == []
    assert took_s() < PATIENCE_S + 2 * CONNECT_S + PATIENCE_S / 5  # a try under way, the longest pause, the last round
    assert len([event for event in release.operator.kube.events if event[1] == "CleanupIncomplete"]) == 200
    assert all("triggers may be left" in said and "DROP FUNCTION" in said for said in release.said())


async def test_the_last_round_ends_though_each_channel_has_a_secret_of_its_own():
    """Nobody was ever tried through most of them. Mutant: `_refused` without LAST_S."""
    release = Release(channels=400, secrets=400)
    assert await release.goes()
    assert release.held() == []
    assert max(release.at_s) <= PATIENCE_S + LAST_S + CONNECT_S
    assert asyncio.get_running_loop().time() < PATIENCE_S + LAST_S + 2 * CONNECT_S + PATIENCE_S / 5


def took_s():
    return asyncio.get_running_loop().time()


async def test_a_database_that_takes_connections_and_answers_nothing_is_given_up_in_time():
    """Each connection takes all the time that it gets, and the channel is told the SQL nevertheless.

    Mutant: `ends_s` not passed on in `_tried`.
    """
    limits = []

    @asynccontextmanager
    async def connect(_credentials, limit_s):
        limits.append(limit_s)
        await asyncio.sleep(limit_s)
        raise Failed(Reason.UNREACHABLE, "the server does not answer in time")
        yield

    release = Release(channels=40, connect=connect)
    assert await release.goes()
    assert release.held() == []
    assert len([event for event in release.operator.kube.events if event[1] == "CleanupIncomplete"]) == 40
    assert max(limits) == TRY_S - SAYING_S
    assert took_s() < PATIENCE_S + LAST_ROUND_S


async def test_a_try_that_never_ends_is_cut_and_ends_no_other(monkeypatch, caplog):
    """Mutant: no `asyncio.timeout` in `_tried`."""
    release, go = Release(channels=3), cleanup.release

    async def endless(edges, ref, **options):
        if ref.name == "c1":
            await asyncio.Event().wait()
        return await go(edges, ref, **options)

    monkeypatch.setattr(release_cleanup.cleanup, "release", endless)
    async with asyncio.timeout(1000):
        assert not await release.goes()
    assert release.held() == ["c1"]
    assert took_s() <= PATIENCE_S + LAST_TRIES * (LAST_TRY_S + RETRY_S)
    assert "shop/c1: not done within 15 s; given up" in caplog.text


@pytest.mark.parametrize(("refusals", "goes"), [(2, True), (3, False)])
async def test_a_cluster_that_says_no_in_the_last_round_is_asked_three_times(refusals, goes):
    """Somebody edits the channel between its reading and the finalizer's end: read again. Mutant: LAST_TRIES = 1."""
    release, said = Release(channels=1), []
    patch = release.operator.kube.patch

    async def refused(kind, name, change, **options):
        if "finalizers" in change.get("metadata", {}) and len(said) < refusals:
            said.append(took_s())
            raise Conflict(status=409, reason="Conflict")
        return await patch(kind, name, change, **options)

    release.operator.kube.patch = refused
    assert await release.goes() is goes
    assert release.held() == ([] if goes else ["c0"])
    assert min(said) >= PATIENCE_S
    assert took_s() < PATIENCE_S + LAST_ROUND_S


async def test_what_is_left_is_said_before_the_finalizer_goes_and_again_when_that_fails():
    """Mutant: `drop_finalizer` before `_say_uninstalled`: the try after a failed one finds no finalizer, and says that
    nothing is left.
    """
    release, refused = Release(channels=1), []
    patch = release.operator.kube.patch

    async def patching(kind, name, change, *, subresource=None, **options):
        if subresource == "status" and not refused:
            refused.append(name)
            raise Conflict(status=409, reason="Conflict")
        return await patch(kind, name, change, subresource=subresource, **options)

    release.operator.kube.patch = patching
    assert await release.goes()
    assert (refused, release.held()) == (["c0"], [])
    (said,) = release.said()
    assert "triggers may be left" in said


@asynccontextmanager
async def connecting(_credentials, _limit_s):
    yield "a connection"


async def test_in_the_last_round_nobody_waits_for_a_turn_that_does_not_come(monkeypatch):
    """Mutant: `limit_s = TURN_S` in `cleanup._remove`, or `and not is_last` left out: its database is never asked."""
    release, asked = Release(channels=1, connect=connecting), []

    async def identify(_connection):
        return SOMEWHERE

    async def observe(_connection, _owners, **_options):
        asked.append(took_s())
        raise Failed(Reason.UNREACHABLE, "away")

    monkeypatch.setattr(cleanup, "identify", identify)
    monkeypatch.setattr(cleanup.database, "observe_removal", observe)
    async with release.operator.edges.memory.turns.of(SOMEWHERE):
        assert await release.goes()
    assert release.held() == []
    assert len(asked) == 1
    assert asked[0] >= PATIENCE_S
    assert took_s() < PATIENCE_S + LAST_ROUND_S


async def test_who_is_led_to_another_database_by_the_second_connection_removes_nothing_there(monkeypatch):
    """After a fail-over between the two it would hold that one's turn for the other. Mutant: `identify` once."""
    release, asked = Release(channels=1, connect=connecting), []
    found = iter([SOMEWHERE, ELSEWHERE])

    async def identify(_connection):
        return next(found)

    async def observe(_connection, _owners, **_options):
        asked.append(took_s())

    monkeypatch.setattr(cleanup, "identify", identify)
    monkeypatch.setattr(cleanup.database, "observe_removal", observe)
    edges = release.operator.edges
    cleaned = await cleanup.release(edges, Ref("shop", "c0"), since=edges.now())
    assert "another database" in cleaned.problem
    assert (asked, release.held()) == ([], ["c0"])


async def test_a_channel_that_breaks_ends_no_other_and_is_told(monkeypatch, caplog):
    """Mutant: no `except Exception` in `_let_go`: one bug leaves everybody's finalizers."""
    release, tries = Release(channels=3), []
    go = cleanup.release

    async def broken(edges, ref, **options):
        if ref.name == "c1":
            tries.append(ref)
            raise LookupError("secret words")
        return await go(edges, ref, **options)

    monkeypatch.setattr(release_cleanup.cleanup, "release", broken)
    assert not await release.goes()
    assert release.held() == ["c1"]
    assert len(tries) > 3
    assert "shop/c1: unexpected LookupError" in caplog.text
    assert "secret words" not in caplog.text


async def test_a_secret_through_which_somebody_gets_again_is_not_given_up():
    """Mutant: `_failed.pop` left out."""

    @asynccontextmanager
    async def connect(_credentials, _limit_s):
        if fails:
            raise Failed(Reason.UNREACHABLE, "away")
        yield "a connection"

    class Secret:
        def fingerprint(self):
            return "f"

    away, fails = Away(connect=connect), True
    with pytest.raises(Failed):
        async with away.connected(Secret()):
            pass
    fails = False
    async with away.connected(Secret()):
        away.give_up()
    async with away.connected(Secret()) as connection:
        assert connection == "a connection"


async def test_without_an_id_the_end_of_a_release_does_not_say_that_nothing_was_installed_where_something_was():
    """Mutant: `refuse_lost` left out: helm takes the operator away, and finalizers and triggers stay."""

    def settings(*watched):
        return SimpleNamespace(namespace="nc", fullname="nc", watch_namespaces=watched)

    kube = KubeMemory()
    kube.put(CHANNELS, resource())
    assert await nothing_is_installed(kube, settings())
    kube.find(CHANNELS, "orders")["metadata"]["finalizers"] = [FINALIZER]
    assert await nothing_is_installed(kube, settings("bank"))
    with pytest.raises(InstallationError, match="shop/orders is one"):
        await nothing_is_installed(kube, settings("shop"))
