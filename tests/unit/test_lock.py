"""What stands in the Lease: times are UTC, wherever the operator runs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.aio.client import ApiClient, V1LeaseSpec
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord

from notifychannel_operator.leadership.lock import Lock

A_MINUTE = timedelta(minutes=1)
LONG_AGO = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["Asia/Tokyo", "America/New_York", "UTC"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
async def lock():
    client = ApiClient()
    yield Lock(
        name="nc", namespace="nc", identity="me", client=client,
        on_written=lambda _sent_s: None, on_holder=lambda _holder: None,
    )  # fmt: skip
    await client.close()


def record(holder="me"):
    """As the election of the client library makes it: local time, and no zone in it."""
    now = str(datetime.now())  # noqa: DTZ005 that is what it does
    return LeaderElectionRecord(holder, "15", now, now)


async def test_the_times_in_the_lease_are_utc_in_every_zone(lock, zone):
    """Mutant: `update_lease` answering the base class's: Tokyo renews nine hours in the future."""
    made = lock.update_lease(record())
    for at in (made.renew_time, made.acquire_time):
        assert at.utcoffset() == timedelta()
        assert abs(at - datetime.now(UTC)) < A_MINUTE
    assert (made.holder_identity, made.lease_duration_seconds) == ("me", 15)


@pytest.mark.parametrize(("holder", "stays"), [("me", True), ("another", False)])
async def test_the_time_of_acquiring_stays_while_the_holder_does(lock, holder, stays):
    """Mutant: `is_mine = True`: the new leader's time is the old one's."""
    present = V1LeaseSpec(holder_identity=holder, acquire_time=LONG_AGO, renew_time=LONG_AGO)
    made = lock.update_lease(record(), present)
    assert (made.acquire_time == LONG_AGO) is stays
    assert abs(made.renew_time - datetime.now(UTC)) < A_MINUTE
