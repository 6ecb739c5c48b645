"""The installation's id while an operator works by it; the cluster is in memory (tests/kube_memory.py).

What the real API does with ten that make one at once is in tests/e2e/test_kube.py.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from notifychannel_operator import installation
from notifychannel_operator.installation import ID, LOOK_S, InstallationError
from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS
from notifychannel_operator.kube_error import Unreachable
from notifychannel_operator.passes.finalizer import FINALIZER
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


def lost(*, deleted=False):
    """No ConfigMap, and a channel that has something in a database."""
    kube = KubeMemory()
    kube.put(CHANNELS, resource())
    kube.find(CHANNELS, "orders")["metadata"]["finalizers"] = [FINALIZER]
    if deleted:
        kube.remove(CHANNELS, "orders")
    return kube


async def ensured(kube, *watched):
    return await installation.ensure(kube, namespace="nc", fullname="nc", watched=watched)


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("watched", [(), ("bank", "shop")])
async def test_an_id_that_is_lost_is_never_made_anew_while_a_channel_has_something_in_a_database(watched, deleted):
    """It would leave every trigger behind. Mutants: `refuse_lost` left out of `ensure`; only the first namespace asked
    in `held`; what is being deleted not counted there.
    """
    kube = lost(deleted=deleted)
    with pytest.raises(InstallationError) as error:
        await ensured(kube, *watched)
    assert kube.writes == []
    assert r"psql: \df+ notifychannel.*" in str(error.value)
    assert "shop/orders is one" in str(error.value)
    assert "kubectl -n nc create configmap nc.installation --from-literal=id=<the 8 hex digits>" in str(error.value)
    kube.put(CONFIGMAPS, configmap(id=IN_USE))
    assert await ensured(kube, *watched) == IN_USE


async def test_an_id_is_made_where_there_never_was_one():
    """Channels that nobody has installed yet, another's finalizer and others' namespaces are no reason to refuse.

    Mutants: in `held` every channel, or any finalizer, counted; or all namespaces asked.
    """
    kube = lost()
    kube.put(CHANNELS, resource("new", namespace="bank"))
    kube.find(CHANNELS, "new", "bank")["metadata"]["finalizers"] = ["example.org/theirs"]
    made = await ensured(kube, "bank")
    assert ID.fullmatch(made)
    assert kept(kube) == {"id": made}
    assert await ensured(kube, "bank") == made


async def test_no_id_is_made_before_it_can_be_asked_whether_there_was_one():
    """Mutant: KubeError suppressed in `refuse_lost`."""
    kube = lost()

    async def away(*_args, **_options):
        raise Unreachable(status=0, reason="Unreachable", message="away")

    kube.list = away
    with pytest.raises(Unreachable):
        await ensured(kube)
    assert kube.writes == []
