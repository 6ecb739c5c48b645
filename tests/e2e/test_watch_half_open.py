"""A watch that hears nothing any more. A file of its own: it waits for two and a half minutes, beside the others."""

from __future__ import annotations

import time

import pytest

from notifychannel_operator.kinds import CHANNELS
from tests.e2e.operated import installed, lead, until, with_crd
from tests.e2e.operator_process import kube, operator, wired
from tests.operating import resource
from tests.premises import build, channel, source

pytestmark = [pytest.mark.timeout(900), pytest.mark.parametrize("server", [18], indirect=True)]
GUARD_S = 280
"""Less than the 310 s after which the client opens every watch anew."""


@pytest.fixture
async def api(kubeconfig, cluster):
    await with_crd(cluster.kubectl)
    async with kube(kubeconfig) as made:
        yield made


@pytest.fixture
async def shop(api, database, namespace):
    """The namespace, with the Secret `db`."""
    site = await build(database)
    await site.grant(channel(source()))
    return await lead(api, namespace, site)


async def test_a_watch_whose_connections_hear_nothing_any_more_heals_by_itself(
    kubeconfig, api, shop, tmp_path, record_property
):
    """A half-open link: no error, no event. The lease has to outlive it, and the watch to be opened anew.

    Mutant: INACTIVITY_TIMEOUT_S of 3000: this test waits for the 310 s of the client timeout.
    """
    async with wired(kubeconfig, tmp_path) as (wire, through), operator(kubeconfig=through, namespace=shop) as running:
        await running.line("channels to look after")
        await api.create(CHANNELS, resource(namespace=shop))
        await until(api, CHANNELS, "orders", shop, installed)
        wire.strand()
        began_s = time.monotonic()
        await api.create(CHANNELS, resource("late", namespace=shop, channel="late"))
        await until(api, CHANNELS, "late", shop, installed, timeout_s=GUARD_S)
        record_property("figures", f"watch half-open → a new channel is seen: {time.monotonic() - began_s:.0f} s")
        assert running.process.returncode is None
        assert (await running.get("/livez"))[0] == 200
