"""A pass beside a real sidecar on a real PostgreSQL: told by the ConfigMap, counted by its session and its /status.

Only the cluster is in memory (tests/kube_memory.py).
"""

from __future__ import annotations

import pytest

from notifychannel_operator.passes.probe import Probe
from tests.application import Application
from tests.operating import CONSUMER, operating, pod, resource
from tests.sidecar import SidecarProcess

POD = "api-7f9c"


@pytest.fixture(scope="session")
def server(newest):
    """What pods say is no matter of the database; test_reconcile.py has passes on each version."""
    return newest


async def now(sidecar):
    """What it says of itself, and not what it said a moment ago."""
    async with Probe(timeout_s=20.0) as probe:
        return await probe.read("127.0.0.1", sidecar.port)


async def test_a_real_sidecar_is_counted_by_its_session_and_by_its_status(site):
    """What the operator writes is what it reads, and its session's name is the one that is looked for."""
    async with Application() as application:
        operator = operating()
        operator.secret(site.database.dsn(site.installer))
        operator.apply(resource(consumers=[{**CONSUMER, "endpoint": {"port": application.port, "path": "/hints"}}]))
        operator.pods(pod(POD))
        await operator.run()
        assert operator.says("Listening") == ("False", "Unknown")
        uri = site.database.dsn(site.listener)
        async with SidecarProcess(config=operator.config(), uri=uri, environment={"NOTIFYCHANNEL_POD": POD}) as sidecar:
            await sidecar.listens()
            await operator.run()  # nobody can be asked for /status
            assert operator.says("Listening") == ("True", "Listening")
            assert operator.says("Delivering") == ("Unknown", "Unknown")
            assert operator.says("Ready") == ("True", "Ready")
            operator.statuses["10.0.0.7"] = await now(sidecar)
            await operator.run()
            assert operator.says("Delivering") == ("True", "Delivering")
            assert operator.status()["pods"] == {
                "matched": 1, "injected": 1, "outdated": 0, "listening": 1, "delivering": 1,
            }  # fmt: skip
            sidecar.write("secret/uri", site.database.dsn(site.listener).replace("secret-of", "wrong"))
            await sidecar.says(lambda status: status["reason"] == "AuthenticationFailed")
            operator.statuses["10.0.0.7"] = await now(sidecar)
            await operator.run()
            assert operator.says("Listening") == ("False", "AuthenticationFailed")
