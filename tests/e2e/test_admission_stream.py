"""Pods are made all the time: neither a renewed certificate nor a restart of the injector leaves one without ours."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from notifychannel_operator import certificates
from tests.e2e.admissions import admitting
from tests.e2e.issued import DAY, Issued
from tests.e2e.kubectl import CommandError
from tests.e2e.release import TWO_OF_EACH

if TYPE_CHECKING:
    from tests.e2e.admissions import Admissions
    from tests.e2e.release import Release

pytestmark = pytest.mark.timeout(900)
RELEASE_VALUES = TWO_OF_EACH
SETTLED = 40
"""Admissions after the last change: four seconds, longer than the API server takes to learn of anything."""


def assert_whole(admissions: Admissions) -> None:
    assert (admissions.missed, admissions.refused) == ([], [])


async def test_a_renewed_certificate_and_a_new_authority_cost_no_admission(release: Release, kubectl, record_property):
    """First a CA whose time has come, under a good leaf; then a leaf whose time has come, and a CA known for days.

    Mutant: `bundle` in certificates.py keeps none of the old ones (`kept = []`).
    """
    issued = Issued(release=release)
    now = datetime.now(UTC)
    old, new = certificates.make_ca(now - 500 * DAY), certificates.make_ca(now - 2 * DAY)
    async with admitting(kubectl, release.served) as admissions:
        await asyncio.to_thread(release.scale, "operator", 0)
        ends = await asyncio.to_thread(lambda: issued.write(authority=old, signer=old, age=10 * DAY))
        await asyncio.to_thread(issued.until_served, ends)
        before = issued.bundle()
        await asyncio.to_thread(release.scale, "operator", 1)
        await asyncio.to_thread(_until_trusted_beside, issued, before)
        assert issued.authority().certificate != old.certificate
        assert issued.expires_at() == ends, "a CA that nobody knows yet signs nothing"
        await admissions.further(SETTLED)

        await asyncio.to_thread(release.scale, "operator", 0)
        ends = await asyncio.to_thread(lambda: issued.write(authority=new, signer=old, age=61 * DAY))
        await asyncio.to_thread(issued.until_served, ends)
        await asyncio.to_thread(release.scale, "operator", 1)
        renewed = await asyncio.to_thread(issued.until_renewed, ends)
        took_s = await asyncio.to_thread(issued.until_served, renewed)
        await admissions.further(SETTLED)
    record_property("figures", f"CA and certificate renewed: {admissions}; served after {took_s:.1f} s")
    assert_whole(admissions)


def _until_trusted_beside(issued: Issued, before: bytes) -> None:
    """A new CA is in `caBundle`, and each one that was there still is."""
    name = issued.release.name
    issued.release.kubectl.until(
        "mutatingwebhookconfigurations", lambda _: issued.bundle() != before, f"--field-selector=metadata.name={name}"
    )
    assert set(certificates.parse(issued.bundle())) > set(certificates.parse(before))


async def test_a_rolling_restart_of_the_injector_costs_no_admission(release: Release, kubectl, record_property):
    """Mutant: DRAIN_S = 0 in injector/app.py: the pod is gone before the node's proxy and the API server know."""
    async with admitting(kubectl, release.served) as admissions:
        await admissions.further(10)
        await asyncio.to_thread(_restarted, release)
        await asyncio.to_thread(_evicted, release)
        await admissions.further(SETTLED)
    record_property("figures", f"injector restarted and evicted: {admissions}")
    assert_whole(admissions)


def _restarted(release: Release) -> None:
    before = release.pods("injector")
    release.kubectl.run("rollout", "restart", f"deployment/{release.name}-injector")
    release.kubectl.rolled_out(f"deployment/{release.name}-injector")
    for pod in before:
        release.kubectl.wait_for(f"pod/{pod}", "delete")


def _evicted(release: Release) -> None:
    """As `kubectl drain` does: one goes, and the other may not while the first is being replaced."""
    one, other = release.pods("injector")
    budget = (f"poddisruptionbudget/{release.name}-injector", "jsonpath={.status.disruptionsAllowed}=1")
    release.kubectl.wait_for(*budget)
    _evict(release, one)
    with pytest.raises(CommandError, match="disruption budget"):
        _evict(release, other)
    release.kubectl.wait_for(f"pod/{one}", "delete")
    release.kubectl.rolled_out(f"deployment/{release.name}-injector")
    release.kubectl.wait_for(*budget)
    _evict(release, other)
    release.kubectl.wait_for(f"pod/{other}", "delete")
    release.kubectl.rolled_out(f"deployment/{release.name}-injector")


def _evict(release: Release, pod: str) -> None:
    body = {
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": release.namespace},
    }  # fmt: skip
    url = f"/api/v1/namespaces/{release.namespace}/pods/{pod}/eviction"
    release.kubectl.run("create", "--raw", url, "-f", "-", stdin=json.dumps(body))
