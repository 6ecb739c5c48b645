"""`notifychannel-operator cleanup`: before a release is removed, nothing of it stays behind but users' NotifyChannels.

Stops the operator, takes its Lease, lets every channel go as its deletion would (triggers by reclaimPolicy, finalizer,
ConfigMaps), then deletes what the operator has made for itself. Bounded: a database that stays away is left, with the
SQL for a person in a Warning Event, so that nobody's `helm uninstall` hangs.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from notifychannel_operator import installation
from notifychannel_operator.certificate_keeper import own_secrets
from notifychannel_operator.events import Event
from notifychannel_operator.installation import InstallationError
from notifychannel_operator.kinds import CONFIGMAPS, DEPLOYMENTS, LEASES
from notifychannel_operator.kube import Kube
from notifychannel_operator.kube_error import KubeError, NotFound
from notifychannel_operator.kube_login import login
from notifychannel_operator.leadership.lease import DURATION_S, Lease
from notifychannel_operator.passes import cleanup
from notifychannel_operator.passes.away import Away
from notifychannel_operator.passes.cleanup import Cleaned
from notifychannel_operator.passes.edges import Edges
from notifychannel_operator.passes.kept import Kept
from notifychannel_operator.passes.recall import recall
from notifychannel_operator.settings import CertificateSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifychannel_operator import inject
    from notifychannel_operator.leadership.deadline import Deadline
    from notifychannel_operator.passes.whereabouts import Ref
    from notifychannel_operator.settings import Settings

log = logging.getLogger(__name__)

# STOP_S, PATIENCE_S, LAST_ROUND_S, OWN_S and twice GIVE_BACK_S are all that the program may take: less than the 240 s
# after which the chart ends the Job, which is less than helm waits.
STOP_S = 30.0 + 3 * DURATION_S
"""For the operator to end and its lease to run out."""
PATIENCE_S = 90.0
"""For databases that are away."""
TRY_S = 30.0
"""One try at one channel, whatever it waits for."""
LAST_TRY_S = 15.0
LAST_TRIES = 3
"""At a channel whose patience is over: a word of the API server may be a passing one."""
SAYING_S = 5.0
"""Of each try, after its last connection: to tell the cluster how it ended."""
LAST_ROUND_S = 40.0
"""All last tries: who begins one when `away.LAST_S` is about to end still comes to its own end."""
OWN_S = 10.0
"""To delete what the operator has made for itself."""
GIVE_BACK_S = 5.0
"""To give the lease back, and again to delete it."""
RETRY_S = 2.0
SOMETHING_LEFT = 4


async def clean(settings: Settings, injection: inject.Settings, deadline: Deadline) -> int:
    """The exit code: 0, or 4 when something was left, which the log names. Raises LoginError, LeaseLostError."""
    configuration = await login(settings.place)
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(Kube(configuration, pod=settings.pod, may_write=deadline.is_open))
        free = await stack.enter_async_context(Kube(configuration, pod=settings.pod))
        try:
            lease = await stack.enter_async_context(
                Lease(
                    configuration, name=settings.fullname, namespace=settings.namespace, pod=settings.pod,
                    deadline=deadline,
                )
            )  # fmt: skip
            async with _within(STOP_S, "the operator does not give its lease back"):
                await _stop_operator(free, settings)
                await lease.acquire()
            async with _held(lease):
                async with _within(PATIENCE_S + LAST_ROUND_S, "the time is over, and some channels are not let go"):
                    if not await _release(kube, settings, injection):
                        return SOMETHING_LEFT
                async with _within(OWN_S, "what the operator has made for itself can't be deleted in time"):
                    await _delete_own(kube, settings)
            async with _within(GIVE_BACK_S, "the lease can't be deleted in time"):
                await free.delete(LEASES, settings.fullname, namespace=settings.namespace)
        except (KubeError, InstallationError, TimeoutError) as error:
            log.error("not everything is cleaned up: %s", error, extra=Event.CLEANUP_INCOMPLETE.tag)  # noqa: TRY400 the sentence is all there is
            return SOMETHING_LEFT
    log.info("cleaned up", extra=Event.CLEANED_UP.tag)
    return 0


async def _stop_operator(kube: Kube, settings: Settings) -> None:
    """So that nothing is put back: no replica, and below its lease is taken, which outlasts one that is stuck."""
    name = f"{settings.fullname}-operator"
    patch = {"spec": {"replicas": 0}}
    try:
        await kube.patch(DEPLOYMENTS, name, patch, namespace=settings.namespace, subresource="scale")
    except NotFound:
        log.info("there is no Deployment %s to stop", name, extra=Event.DEPLOYMENT_MISSING.tag)


@asynccontextmanager
async def _within(limit_s: float, sentence: str) -> AsyncIterator[None]:
    """The block has so much time; TimeoutError says what was not done."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError:
        raise TimeoutError(sentence) from None


@asynccontextmanager
async def _held(lease: Lease) -> AsyncIterator[None]:
    """The block runs as the leader that this is; a lost lease cancels it and is raised."""
    keeping = asyncio.create_task(lease.keep())
    block = asyncio.current_task()
    keeping.add_done_callback(lambda task: block.cancel() if block and not task.cancelled() else None)
    try:
        yield
    except asyncio.CancelledError:
        if keeping.done() and not keeping.cancelled():
            keeping.result()
        raise
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        with suppress(TimeoutError):  # then it runs out
            async with asyncio.timeout(GIVE_BACK_S):
                await lease.release()


async def _release(kube: Kube, settings: Settings, injection: inject.Settings) -> bool:
    """Whether all channels could be let go."""
    try:
        identity = await installation.read(kube, namespace=settings.namespace, fullname=settings.fullname)
    except NotFound:
        return await nothing_is_installed(kube, settings)
    async with Kept() as kept:
        away = Away(connect=lambda credentials, limit_s: kept.connected(credentials, limit_s=limit_s))
        edges = Edges(
            kube=kube, connect=away.connected, probe=_nobody, injection=injection, installation=identity,
            namespace=settings.namespace, fullname=settings.fullname, now=lambda: datetime.now(UTC),
            namespaces=settings.watch_namespaces,
        )  # fmt: skip
        return await let_all_go(edges, away, most=settings.concurrency)


async def nothing_is_installed(kube: Kube, settings: Settings) -> bool:
    """Without an id nothing was ever installed, unless a channel says so: then InstallationError, it was lost."""
    await installation.refuse_lost(
        kube, namespace=settings.namespace, fullname=settings.fullname, watched=settings.watch_namespaces
    )
    log.info("no installation id: nothing was ever installed", extra=Event.NOTHING_INSTALLED.tag)
    return True


async def let_all_go(edges: Edges, away: Away, *, most: int) -> bool:
    """Every channel, `most` at once; whether all could be. Raises KubeError when they can't be listed."""
    refs = await recall(edges)
    at_once = asyncio.Semaphore(most)
    return all(await asyncio.gather(*(_let_go(edges, away, ref, at_once) for ref in refs)))


async def _let_go(edges: Edges, away: Away, ref: Ref, at_once: asyncio.Semaphore) -> bool:
    """Try until it is done; past the patience the last tries give up on the database and say the SQL.

    False when the cluster did not even allow that, or something broke: no other channel is left for it.
    """
    since, last_tries = edges.now(), 0
    while True:
        async with at_once:
            left_s = PATIENCE_S - (edges.now() - since).total_seconds()
            if left_s <= 0:
                last_tries += 1
            cleaned = await _tried(edges, away, ref, since=since, left_s=left_s)
        if cleaned.problem is None:
            log.info("%s: let go", ref, extra=Event.CHANNEL_LET_GO.tag)
            return True
        if last_tries == LAST_TRIES:
            log.error("%s: %s; given up", ref, cleaned.problem, extra=Event.CHANNEL_GIVEN_UP.tag)
            return False
        log.warning("%s: %s; trying again", ref, cleaned.problem, extra=Event.CHANNEL_NOT_LET_GO.tag)
        left_s = PATIENCE_S - (edges.now() - since).total_seconds()
        await asyncio.sleep(min(cleaned.next_in_s or RETRY_S, PATIENCE_S / 5, max(left_s, RETRY_S)))


async def _tried(edges: Edges, away: Away, ref: Ref, *, since: datetime, left_s: float) -> Cleaned:
    """One try, which ends in time whatever it meets; with no patience left it is a last one. Never raises."""
    is_last = left_s <= 0
    if is_last:
        away.give_up()
    limit_s = LAST_TRY_S if is_last else min(TRY_S, left_s)
    ends_s = asyncio.get_running_loop().time() + limit_s - min(SAYING_S, limit_s / 2)
    bounded = replace(edges, connect=partial(away.connected, ends_s=ends_s))
    try:
        async with asyncio.timeout(limit_s):
            return await cleanup.release(bounded, ref, since=since, is_last=is_last)
    except TimeoutError:
        return Cleaned(problem=f"not done within {limit_s:.0f} s")
    except KubeError as error:  # a Conflict too: the next try reads the channel again
        return Cleaned(problem=str(error))
    except Exception as error:  # noqa: BLE001 one channel that breaks never stops the others
        return Cleaned(problem=f"unexpected {type(error).__name__}")  # its text could quote a Secret


async def _delete_own(kube: Kube, settings: Settings) -> None:
    """The id goes last but the lease: while there is one, this can be run again."""
    name, namespace = settings.fullname, settings.namespace
    await kube.delete(CONFIGMAPS, f"{name}.canary", namespace=settings.canary_namespace)
    if settings.certificate is CertificateSource.OWN:
        for secret in own_secrets(kube, namespace=namespace, fullname=name, tls_secret=settings.tls_secret):
            await secret.remove()
    await kube.delete(CONFIGMAPS, installation.configmap_name(name), namespace=namespace)


async def _nobody(_host: str, _port: int) -> None:
    """No sidecar is asked."""
