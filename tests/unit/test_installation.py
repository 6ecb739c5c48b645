"""The installation's id while an operator works by it; the cluster is in memory (tests/kube_memory.py).

What the real API does with ten that make one at once is in tests/e2e/test_kube.py.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from notifychannel_operator import installation
from notifychannel_operator.installation import LOOK_S
from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS
from notifychannel_operator.kube_error import Unreachable
from notifychannel_operator.passes.cleanup import FINALIZER
from notifychannel_operator.release_cleanup import nothing_is_installed
from tests.kube_memory import KubeMemory
from tests.operating import resource

pytestmark = pytest.mark.looptime
NAME = "nc.installation"
IN_USE = "0123abcd"


@pytest.fixture
def kube():
    made = KubeMemory()
    made.put(CONFIGMAPS, configmap(id=IN_USE))
    return made


def configmap(**data):
    return {"metadata": {"name": NAME, "namespace": "nc"}, "data": data}


def kept(kube):
    found = kube.find(CONFIGMAPS, NAME, "nc")
    return None if found is None else found["data"]


@asynccontextmanager
async def keeping(kube):
    task = asyncio.create_task(installation.keep(kube, namespace="nc", fullname="nc", identity=IN_USE))
    yield
    assert not task.done(), "nothing ends it"
    task.cancel()
    await asyncio.wait([task])


async def test_an_id_that_was_deleted_is_put_back_within_a_minute_and_is_the_same(kube):
    """A new one would make every trigger an orphan. Mutant: `_look` by `ensure`."""
    async with keeping(kube):
        await asyncio.sleep(10 * LOOK_S + 1)
        assert kube.writes == [], "one read a minute, and no write"
        assert len(kube.reads) == 10
        kube.remove(CONFIGMAPS, NAME, namespace="nc")
        await asyncio.sleep(LOOK_S)
        assert kept(kube) == {"id": IN_USE}
        assert await installation.read(kube, namespace="nc", fullname="nc") == IN_USE


@pytest.mark.parametrize("data", [{"id": "ffffffff"}, {"id": "no id"}, {}])
async def test_an_id_that_somebody_changed_is_left_alone_and_said(kube, caplog, data):
    """Mutant: `found != identity` not asked; or written over."""
    kube.put(CONFIGMAPS, configmap(**data))
    async with keeping(kube):
        await asyncio.sleep(LOOK_S + 1)
    assert kept(kube) == data
    assert kube.writes == []
    (said,) = [it.getMessage() for it in caplog.records if it.levelname == "ERROR"]
    assert "nc/nc.installation" in said
    assert IN_USE in said


async def test_a_cluster_that_is_away_is_asked_again(kube, caplog):
    """Mutant: no `except KubeError` in `keep`: the operator ends."""
    get = kube.get

    async def away(*_args, **_options):
        raise Unreachable(status=0, reason="Unreachable", message="away")

    kube.get = away
    async with keeping(kube):
        await asyncio.sleep(LOOK_S + 1)
        kube.get = get
        kube.remove(CONFIGMAPS, NAME, namespace="nc")
        await asyncio.sleep(LOOK_S)
        assert kept(kube) == {"id": IN_USE}
    assert "looking again" in caplog.text


async def test_without_an_id_the_end_of_a_release_does_not_say_that_nothing_was_installed_where_something_was(
    kube, caplog
):
    """Mutant: `held` empty: helm takes the operator away, and finalizers and triggers stay."""
    kube.put(CHANNELS, resource())
    assert await nothing_is_installed(kube, ())
    kube.find(CHANNELS, "orders")["metadata"]["finalizers"] = [FINALIZER]
    assert not await nothing_is_installed(kube, ("shop",))
    assert await nothing_is_installed(kube, ("bank",))
    assert "shop/orders is one" in caplog.text
