"""What the applications beside the sidecars do: fail, hang, restart. All of them at once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.faults.fault import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.place import Place


@asynccontextmanager
async def _failing(place: Place) -> AsyncIterator[str]:
    for pod in place.pods:
        pod.is_down, pod.down_status = True, 500
    try:
        yield "500"
    finally:
        for pod in place.pods:
            pod.is_down = False


@asynccontextmanager
async def _hanging(place: Place) -> AsyncIterator[None]:
    """What hung is not done when it ends, for nobody waits for the answer any more."""
    over = asyncio.Event()
    for pod in place.pods:
        pod.hangs = over
    try:
        yield None
    finally:
        for pod in place.pods:
            pod.hangs = None
        over.set()


@asynccontextmanager
async def _restarting(place: Place) -> AsyncIterator[None]:
    for pod in place.pods:
        await pod.refuse()
    try:
        yield None
    finally:
        for pod in place.pods:
            await pod.listen()


FAULTS = (
    Fault(name="application failing", broken=_failing),
    Fault(name="application hanging", broken=_hanging),
    Fault(name="application restarting", broken=_restarting),
)
