"""The operator, wired: watch → work queue → passes, under a Lease, with health and metrics beside them.

    run() ── stand-by ── lease ──► leading: installation id, all channels, then watch, queue, canary, certificate
                                     └─ stop(): passes under way end, the lease is given back ──► end

The parts never build each other; this does. Refuses to touch signals and the environment: __main__ does.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, TypeVar

from notifychannel_operator import health, installation
from notifychannel_operator.certificate_keeper import CertificateKeeper
from notifychannel_operator.events import Event
from notifychannel_operator.kube import Kube
from notifychannel_operator.kube_error import NO_ANSWER, KubeError, NotFound, NotLeading
from notifychannel_operator.kube_login import login
from notifychannel_operator.leadership.lease import Lease
from notifychannel_operator.leadership.tenure import Tenure
from notifychannel_operator.metrics import Metrics
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.edges import Edges
from notifychannel_operator.passes.kept import Kept
from notifychannel_operator.passes.memory import Memory
from notifychannel_operator.passes.probe import Probe
from notifychannel_operator.passes.recall import recall
from notifychannel_operator.passes.reconcile import reconcile
from notifychannel_operator.passes.whereabouts import Ref
from notifychannel_operator.settings import CertificateSource
from notifychannel_operator.watch import handlers
from notifychannel_operator.watch.canary import Canary
from notifychannel_operator.watch.directory import Directory
from notifychannel_operator.watch.watch import watch
from notifychannel_operator.work.queue import PASS_LIMIT_S, Verdict, WorkQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg

    from notifychannel_operator import inject
    from notifychannel_operator.kube_login import Configuration
    from notifychannel_operator.leadership.deadline import Deadline
    from notifychannel_operator.settings import Settings
    from notifychannel_operator.work.schedule import Key
    from notifychannel_sidecar.credentials import Credentials

T = TypeVar("T")

log = logging.getLogger(__name__)

RETRY_S = 5.0
"""For what has to succeed before the first pass."""
HANGING_S = 2 * PASS_LIMIT_S


class Operator:
    """One replica: `await run()` once; `stop` may be called at any time, by signals."""

    def __init__(
        self,
        settings: Settings,
        *,
        injection: inject.Settings,
        deadline: Deadline,
        on_kopf: Callable[[], None],
    ) -> None:
        self.port: int | None = None
        """Of the health server, once it serves."""
        self._settings = settings
        self._injection = injection
        self._deadline = deadline
        self._on_kopf = on_kopf
        self._stop = asyncio.Event()
        self._metrics = Metrics(version=installed_version())
        self._directory = Directory()
        self._kept = Kept()
        self._memory = Memory()
        self._queue = WorkQueue(
            interval_s=settings.pass_interval_s, most=settings.concurrency,
            on_pass=self._metrics.on_pass,
        )  # fmt: skip

    def stop(self) -> None:
        """End in peace: passes under way are waited for, the lease is given back."""
        self._stop.set()

    async def run(self) -> None:
        """Until `stop`; raises LeaseLostError, LoginError, OSError (the port is taken), and what is a bug."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            configuration = await login(settings.place)
            kube = await stack.enter_async_context(
                Kube(configuration, pod=settings.pod, may_write=self._deadline.is_open)
            )
            lease = await stack.enter_async_context(self._lease(configuration))
            canary = Canary(kube=kube, namespace=settings.canary_namespace, name=self._canary_name)
            keeper = self._keeper(kube)
            self._measure(canary, keeper)
            self.port = await stack.enter_async_context(
                health.serve(
                    host=settings.http_host, port=settings.http_port, metrics=self._metrics.text,
                    illness=lambda: canary.illness() or self._hanging(),
                    unready=lambda: None if lease.has_spoken else "no word from the cluster about the lease yet",
                )
            )  # fmt: skip
            tenure = Tenure(lease=lease, stop=self._stop, drain=self._queue.drain)
            if await tenure.elected():
                await tenure.lead(self._work(kube, configuration, canary, keeper))

    async def _work(
        self, kube: Kube, configuration: Configuration, canary: Canary, keeper: CertificateKeeper | None
    ) -> None:
        """All that only the leader does; ends only by failing."""
        settings = self._settings
        async with Probe() as probe, self._kept, asyncio.TaskGroup() as group:
            if keeper is not None:
                group.create_task(keeper.run(), name="certificate")
            edges = await self._prepare(kube, probe)
            group.create_task(self._queue.run(partial(self._pass, edges)), name="queue")
            group.create_task(canary.run(), name="canary")
            group.create_task(self._keep_id(kube, edges.installation), name="installation id")
            await watch(
                registry=handlers.handlers(directory=self._directory, queue=self._queue, canary=canary),
                settings=handlers.settings(canary=self._canary_name),
                configuration=configuration, namespaces=settings.watch_namespaces, on_started=self._on_kopf,
            )  # fmt: skip

    async def _prepare(self, kube: Kube, probe: Probe) -> Edges:
        """Before the first pass: who we are, and which channels there are, so that no verdict changes by a restart."""
        settings = self._settings
        identity = await _persistent(
            "the installation id",
            lambda: installation.ensure(
                kube, namespace=settings.namespace, fullname=settings.fullname, watched=settings.watch_namespaces,
            ),
        )  # fmt: skip
        edges = Edges(
            kube=kube, connect=self._connect, probe=probe.read, injection=self._injection, installation=identity,
            now=lambda: datetime.now(UTC), namespaces=settings.watch_namespaces, namespace=settings.namespace,
            fullname=settings.fullname, memory=self._memory,
        )  # fmt: skip
        known = await _persistent("the list of NotifyChannels", lambda: recall(edges))
        for ref in known:  # the watch tells of each at once; this is for one that is deaf from the start
            self._queue.add(ref, in_s=settings.pass_interval_s)
        log.info("installation %s: %d channels to look after", identity, len(known), extra=Event.LOOKING_AFTER.tag)
        return edges

    async def _keep_id(self, kube: Kube, identity: str) -> None:
        settings = self._settings
        await installation.keep(kube, namespace=settings.namespace, fullname=settings.fullname, identity=identity)

    async def _pass(self, edges: Edges, key: Key) -> Verdict:
        outcome = await reconcile(edges, Ref(*key))
        if outcome.is_gone:
            self._directory.forget(key)
        return Verdict(next_in_s=outcome.next_in_s, is_gone=outcome.is_gone, wake=frozenset(outcome.wake))

    @asynccontextmanager
    async def _connect(self, credentials: Credentials) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """Behind the same fence as writes to the cluster."""
        if not self._deadline.is_open():
            raise NotLeading(status=NO_ANSWER, reason="NotLeading", message="this process no longer leads")
        try:
            async with self._kept.connected(credentials) as connection:
                yield connection
        except Failed as failure:
            self._metrics.on_connection_error(failure.reason.value)
            raise

    def _lease(self, configuration: Configuration) -> Lease:
        settings = self._settings
        return Lease(
            configuration, name=settings.fullname, namespace=settings.namespace, pod=settings.pod,
            deadline=self._deadline,
        )  # fmt: skip

    def _keeper(self, kube: Kube) -> CertificateKeeper | None:
        """None where the certificate is somebody else's."""
        settings = self._settings
        if settings.certificate is CertificateSource.EXTERNAL:
            return None
        return CertificateKeeper(
            kube=kube, namespace=settings.namespace, fullname=settings.fullname, tls_secret=settings.tls_secret,
            webhook=settings.webhook, on_error=self._metrics.on_certificate_error,
        )  # fmt: skip

    def _measure(self, canary: Canary, keeper: CertificateKeeper | None) -> None:
        self._metrics.ask(
            waiting=lambda: self._queue.waiting, running=lambda: self._queue.running,
            by_ready=self._directory.by_ready, is_leading=self._deadline.is_open, canary_late_s=canary.late_s,
            certificate_expires_s=keeper.expires_s if keeper is not None else None,
            outboxes=self._memory.known_outboxes, queues=lambda: self._memory.queues,
            pods=lambda: self._memory.pods, repairs=lambda: self._memory.repairs,
        )  # fmt: skip

    def _hanging(self) -> str | None:
        oldest_s = self._queue.oldest_s()
        return f"a pass hangs for {oldest_s:.0f} s" if oldest_s > HANGING_S else None

    @property
    def _canary_name(self) -> str:
        return f"{self._settings.fullname}.canary"


def installed_version() -> str:
    """Of this package."""
    try:
        return version("notifychannel")
    except PackageNotFoundError:
        return "unknown"


async def _persistent(what: str, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the cluster gives it: without it no pass can be right."""
    while True:
        try:
            return await ask()
        except NotFound:
            log.warning(
                "%s: not there: is the CRD notifychannels.notifychannel.io installed? Looking again in %.0f s",
                what,
                RETRY_S,
                extra=Event.CRD_MISSING.tag,
            )
        except KubeError as error:
            log.warning("%s: %s; trying again in %.0f s", what, error, RETRY_S, extra=Event.CLUSTER_UNREACHABLE.tag)
        except installation.InstallationError as error:
            log.error("%s; looking again in %.0f s", error, RETRY_S, extra=Event.INSTALLATION_UNUSABLE.tag)  # noqa: TRY400 the sentence is all there is
        await asyncio.sleep(RETRY_S)
