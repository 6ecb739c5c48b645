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
from notifychannel_operator.passes import cleanup
from notifychannel_operator.passes.away import LAST_S, Away
from notifychannel_operator.passes.conditions import Reason
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.finalizer import FINALIZER
from notifychannel_operator.release_cleanup import PATIENCE_S, let_all_go, nothing_is_installed
from tests.kube_memory import KubeMemory
from tests.operating import CONSUMER, operating, resource

pytestmark = pytest.mark.looptime
CONNECT_S = 5.0
"""Of a host that does not answer."""
AT_ONCE = 10


class Release:
    """Its channels, and what leads nowhere."""

    def __init__(self, *, channels, secrets=1):
        self.at_s = []
        """When somebody tried to connect."""
        self.away = Away(connect=self._connect)
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

    def _channels(self):
        return [body for (plural, _, _), body in self.operator.kube.objects.items() if plural == CHANNELS.plural]

    @staticmethod
    def _now():
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=asyncio.get_running_loop().time())

    @asynccontextmanager
    async def _connect(self, _credentials):
        self.at_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(CONNECT_S)
        raise Failed(Reason.UNREACHABLE, "the server does not answer in time")
        yield


async def test_channels_of_a_database_that_is_away_do_not_each_wait_for_it_once_more():
    """200 of them would connect for 100 s in the last round. Mutant: `_refused` answers None."""
    release = Release(channels=200)
    assert await release.goes()
    assert release.held() == []
    took_s = asyncio.get_running_loop().time()
    assert took_s < PATIENCE_S + 2 * CONNECT_S + PATIENCE_S / 5  # a try under way, the longest pause, the last round
    assert len([event for event in release.operator.kube.events if event[1] == "CleanupIncomplete"]) == 200


async def test_the_last_round_ends_though_each_channel_has_a_secret_of_its_own():
    """Nobody was ever tried through most of them. Mutant: `_refused` without LAST_S."""
    release = Release(channels=400, secrets=400)
    assert await release.goes()
    assert release.held() == []
    assert max(release.at_s) <= PATIENCE_S + LAST_S + CONNECT_S
    assert asyncio.get_running_loop().time() < PATIENCE_S + LAST_S + 2 * CONNECT_S + PATIENCE_S / 5


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
    async def connect(_credentials):
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
