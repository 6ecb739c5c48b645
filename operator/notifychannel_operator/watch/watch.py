"""kopf, run inside our loop and under our login, for as long as this process leads.

Its own peering, webhooks, posting and logging stay off. It ends only by being cancelled, or by failing, which ends
the process: a half-dead watch is worse than a restart.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import kopf

from notifychannel_operator.kube_login import bearer_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_operator.kube_login import Configuration

LOGIN_LIFE = timedelta(minutes=5)
"""Of what kopf knows; then it asks again. The kubelet replaces a token when a fifth of its hour is left: 12 minutes."""


async def watch(
    *,
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    configuration: Configuration,
    namespaces: tuple[str, ...],
    on_started: Callable[[], None],
) -> NoReturn:
    """Watch until cancelled. `on_started` is called when kopf has taken the signals of the process for itself."""

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await _connection(configuration)

    others = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry, settings=settings, standalone=True,
        clusterwide=not namespaces, namespaces=namespaces,
    )  # fmt: skip
    on_started()
    await kopf.run_tasks(tasks, ignored=others)
    raise RuntimeError("kopf has ended by itself")


async def _connection(configuration: Configuration) -> kopf.ConnectionInfo:
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert or None,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file or None,
        private_key_path=configuration.key_file or None,
        token=await bearer_token(configuration),
        expiration=datetime.now(UTC) + LOGIN_LIFE,
    )
