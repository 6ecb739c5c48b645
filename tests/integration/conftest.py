"""A shop with its database, and an operator over it, for tests of passes (test_reconcile*.py); a browser, for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser import Browser, chromium
from tests.operating import Operating, operating
from tests.premises import Site, build, channel, source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def site(database) -> Site:
    """The installer may do what orders and events need."""
    made = await build(database)
    await made.grant(channel(source(), source("events")))
    return made


@pytest.fixture
def operator(site) -> Operating:
    """The Secret `db` of its namespace `shop` leads to the site."""
    made = operating()
    made.secret(site.database.dsn(site.installer))
    return made


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, one for a test: a start takes half a second."""
    async with chromium() as started:
        yield started
