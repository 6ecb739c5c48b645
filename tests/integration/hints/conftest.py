"""The stage of stage.py, set up on each server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from notifychannel_operator import sqlfile
from notifychannel_operator.spec import Capture
from tests.integration.hints.stage import PG_CHANNEL, Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def capture(request) -> Capture:
    """NOTIFY, but in modules that say `pytestmark = BY_EACH_CAPTURE`."""
    return getattr(request, "param", Capture.NOTIFY)


@pytest.fixture
async def stage(database, capture) -> AsyncIterator[Stage]:
    admin = await database.connect()
    app, installer = await database.role("app"), await database.role("installer")
    await admin.execute(f"""
        CREATE SCHEMA notifychannel AUTHORIZATION "{installer}";
        GRANT CREATE ON SCHEMA public TO "{app}";
        GRANT CREATE ON DATABASE "{database.name}" TO "{app}";
    """)
    installing = await database.connect(installer)
    await installing.execute(sqlfile.read("010_schema.sql"))
    if capture is Capture.OUTBOX:
        await installing.execute(sqlfile.read("020_outbox.sql"))
    made = Stage(
        database=database, admin=admin, app=await database.connect(app), installer=installing,
        app_role=app, installer_role=installer, capture=capture,
    )  # fmt: skip
    listener = await database.connect()

    def hear(_connection, _pid, _channel, payload):
        made.heard.put_nowait(payload)

    await listener.add_listener(PG_CHANNEL, hear)
    yield made
    await listener.remove_listener(PG_CHANNEL, hear)
