"""A shop with its database, and an operator over it: for tests of passes (test_reconcile*.py); others make theirs."""

from __future__ import annotations

import pytest

from tests.operating import Operating, operating
from tests.premises import Site, build, channel, source


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
