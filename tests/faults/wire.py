"""What happens to the way between sidecars and PostgreSQL."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.faults.fault import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.place import Place


@asynccontextmanager
async def _frozen(place: Place) -> AsyncIterator[None]:
    place.wire.freeze()
    try:
        yield None
    finally:
        place.wire.thaw()


@asynccontextmanager
async def _cut(place: Place) -> AsyncIterator[None]:
    await place.wire.refuse()
    place.wire.cut()
    try:
        yield None
    finally:
        await place.wire.accept()


FAULTS = (Fault(name="wire frozen", broken=_frozen), Fault(name="wire cut", broken=_cut))
