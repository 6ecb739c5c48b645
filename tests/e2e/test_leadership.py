"""Two replicas and one Lease: one works, the other waits; nobody writes whose lease may have run out."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from notifychannel_operator.kinds import LEASES
from notifychannel_operator.kube_error import NotFound
from tests.e2e.operated import with_crd
from tests.e2e.operator_process import FULLNAME, PATIENCE_S, kube, operator, wired

pytestmark = pytest.mark.timeout(900)
LEADING = "leading as"
GOAL_S = 30


@pytest.fixture(autouse=True)
async def _crd(cluster):
    """A leader that finds none waits for it."""
    await with_crd(cluster.kubectl)


async def test_the_standby_is_ready_and_takes_over_when_the_leader_is_killed(kubeconfig, namespace, record_property):
    async with (
        operator(kubeconfig=kubeconfig, namespace=namespace, pod="a") as first,
        operator(kubeconfig=kubeconfig, namespace=namespace, pod="b") as second,
    ):
        for each in (first, second):
            await each.line("waiting for the lease")
        await asyncio.wait(
            [asyncio.create_task(each.line("channels to look after")) for each in (first, second)],
            return_when=asyncio.FIRST_COMPLETED,
        )
        leader, other = (first, second) if any(LEADING in line for line in first.lines) else (second, first)
        async with asyncio.timeout(PATIENCE_S):  # it says that it waits before it has asked the cluster
            while (await other.get("/readyz"))[0] != 200:  # noqa: ASYNC110 - the other process can only be asked
                await asyncio.sleep(0.05)
        assert (await other.get("/livez"))[0] == 200
        assert (
            await other.metric("notifychannel_operator_leading"),
            await leader.metric("notifychannel_operator_leading"),
        ) == (0, 1)
        killed_s = time.monotonic()
        leader.send(signal.SIGKILL)
        await other.line("channels to look after")
        took_s = time.monotonic() - killed_s
        record_property("figures", f"killed leader → another reconciles: {took_s:.1f} s (goal {GOAL_S} s)")


async def test_a_leader_that_ends_in_peace_gives_the_lease_back(kubeconfig, namespace, record_property):
    """Mutant: no `lease.release()` in `Tenure.lead`: it is not given back, and the other one waits for 15 s."""
    async with operator(kubeconfig=kubeconfig, namespace=namespace, pod="a") as first:
        await first.line("channels to look after")
        async with operator(kubeconfig=kubeconfig, namespace=namespace, pod="b") as second:
            await second.line("waiting for the lease")
            ended_s = time.monotonic()
            first.send(signal.SIGTERM)
            assert await first.ends() == 0
            await first.line("was given back")
            await second.line(LEADING)
            took_s = time.monotonic() - ended_s
            record_property("figures", f"ended leader → another leads: {took_s:.1f} s")
            assert not [line for line in first.lines if "Warning" in line or "ERROR" in line]


async def test_a_leader_cut_off_from_the_cluster_is_gone_before_another_one_leads(kubeconfig, namespace, tmp_path):
    """Mutant: RENEW_DEADLINE_S and LAST_S of 60 s: the old leader still lives when the new one leads."""
    async with wired(kubeconfig, tmp_path) as (wire, through):  # noqa: SIM117
        async with operator(kubeconfig=through, namespace=namespace, pod="a") as first:
            await first.line("channels to look after")
            async with operator(kubeconfig=kubeconfig, namespace=namespace, pod="b") as second:
                await second.line("waiting for the lease")
                wire.freeze()
                leads = asyncio.create_task(second.line(LEADING))
                assert await first.ends() == 3
                assert not leads.done(), "two leaders"
                await leads
            assert any("lease" in line and "lost" in line for line in first.lines)


async def test_a_leader_frozen_for_longer_than_its_lease_writes_nothing_when_it_thaws(kubeconfig, namespace, tmp_path):
    """Mutant: no `setitimer` in Deadline.extend: the thawed process sends its next renewal."""
    async with (
        wired(kubeconfig, tmp_path) as (wire, through),
        operator(kubeconfig=through, namespace=namespace, pod="a") as first,
    ):
        await first.line("channels to look after")
        async with operator(kubeconfig=kubeconfig, namespace=namespace, pod="b") as second:
            await second.line("waiting for the lease")
            first.send(signal.SIGSTOP)
            await second.line("channels to look after")
            before = wire.sent_bytes
            first.send(signal.SIGCONT)
            assert await first.ends() == 3
            assert wire.sent_bytes == before, "it has spoken after its time"
            assert any("the lease has run out" in line for line in first.lines)


async def test_a_lease_taken_away_ends_the_leader_at_once(kubeconfig, namespace, record_property):
    """Mutant: `_on_holder` does nothing: it goes on leading for its renew deadline of 10 s, and nobody is named."""
    async with kube(kubeconfig) as api, operator(kubeconfig=kubeconfig, namespace=namespace) as first:
        await first.line("channels to look after")
        taken = {"spec": {"holderIdentity": "somebody-else"}}
        await api.patch(LEASES, FULLNAME, taken, namespace=namespace)
        taken_s = time.monotonic()
        assert await first.ends() == 3
        record_property(
            "figures", f"lease taken away → the leader has ended: {time.monotonic() - taken_s:.1f} s (goal 8)"
        )
        assert any("somebody-else holds it" in line for line in first.lines)
        lease = await api.get(LEASES, FULLNAME, namespace=namespace)
        assert lease["spec"]["holderIdentity"] == "somebody-else", "it was not taken back"


async def test_a_standby_ends_at_once_and_leaves_the_lease_alone(kubeconfig, namespace):
    async with kube(kubeconfig) as api, operator(kubeconfig=kubeconfig, namespace=namespace) as first:
        await first.line("channels to look after")
        async with operator(kubeconfig=kubeconfig, namespace=namespace, pod="b") as second:
            await second.line("waiting for the lease")
            second.send(signal.SIGTERM)
            assert await second.ends() == 0
        lease = await api.get(LEASES, FULLNAME, namespace=namespace)
        assert lease["spec"]["holderIdentity"].startswith("a_")
        assert first.process.returncode is None


async def test_where_no_lease_can_be_written_it_says_so_and_goes_on_trying(kubeconfig, namespace):
    async with operator(kubeconfig=kubeconfig, namespace="edge-not-there") as lost:
        await lost.line("the lease edge-not-there/nc can't be written: Not Found", "trying again")
        assert (await lost.get("/livez"))[0] == 200
        with pytest.raises(NotFound):
            async with kube(kubeconfig) as api:
                await api.get(LEASES, FULLNAME, namespace="edge-not-there")
