"""What every test may ask for: a real PostgreSQL (16 and 18), a fresh database on it, connections that get closed."""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
import os
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg
import pytest

from notifychannel_cli.embedded_binaries import FOLDERS
from tests import leaks
from tests.servers import quick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from notifychannel_cli.embedded import Server

SLOW = {
    "test_bench", "test_checker", "test_claims", "test_claims_wire", "test_consumers_switch", "test_demo", "test_dev",
    "test_dev_services", "test_durable", "test_durable_wire", "test_example_alert_delivery",
    "test_example_build_status", "test_example_iot_alerts", "test_example_log_stream", "test_example_note_analytics",
    "test_faults", "test_howto_claims", "test_outbox", "test_prometheus", "test_queue_machine", "test_sidecar",
    "test_stream_wire",
    "test_doctor_database", "test_reconcile_queue", "test_rivals",
}  # fmt: skip
"""Files whose tests mostly wait: ten seconds and more each, in the last line a minute and more all of them."""
_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Without this, Python 3.11 makes pytest-asyncio a loop of the main thread that nobody closes, a warning."""
    asyncio.set_event_loop(None)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported and collected is no garbage, and stays to the end: to look through it takes a second or two."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Four of six workers begin with the slow tests, which mostly wait, and the others keep the cores busy meanwhile.

    Begun last, slow tests would be waited for alone; begun by all workers, they leave the cores idle for minutes. Who
    has run out of tests takes from the ends of others' shares, where the quickest are: those that need no server.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slow = [item for item in items if item.path.stem in SLOW and item.path.parent.name == "integration"]
    are_slow = set(slow)
    quick = iter([item for item in items if item not in are_slow])
    waiting = max(1, workers * 2 // 3)
    ordered, left = [], len(items)
    for number in range(workers):  # as pytest-xdist deals them out: each its part of what is left, in one piece
        part = left // (workers - number)
        mine = slow[number::waiting] if number < waiting else []
        ordered += [*mine, *itertools.islice(quick, max(0, part - len(mine)))]
        left -= part
    if len(ordered) == len(items):  # not so where nearly all of a selection is slow
        items[:] = ordered


def pytest_terminal_summary(terminalreporter):
    """The figures that tests have measured (`record_property("figures", ...)`), for whoever reads the run."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figures" and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {value}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """In CI a skipped test is a failed run: what was not run proves nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("A test was skipped, which CI does not accept.", red=True)
        session.exitstatus = 1


@pytest.fixture(scope="session", autouse=True)
def _no_password_in_a_log():
    """In no line of all that the tests of this worker have made our programs say."""
    with leaks.watching() as found:
        yield
    assert not found, f"a password stands in {len(found)} lines of logs, the first of them: {found[0]}"


@pytest.fixture(scope="session")
def _servers() -> Iterator[Callable[[int], Server]]:
    """Each begun when it is first asked for, and ended with the worker: what it steals may be of either version."""
    with ExitStack() as stack:
        yield functools.cache(lambda version: stack.enter_context(quick(version)))


@pytest.fixture(scope="session", params=sorted(FOLDERS), ids=lambda version: f"pg{version}")
def server(request, _servers) -> Server:
    """A server of each version, one for all tests of a worker: never stop or reconfigure it (make your own)."""
    return _servers(request.param)


@pytest.fixture(scope="session")
def newest(_servers) -> Server:
    """That of the newest version: a module says `server` is this one where versions make no difference to its tests."""
    return _servers(max(FOLDERS))


@dataclass(kw_only=True)
class Database:
    """A fresh database; roles made by `role` have names no other test uses."""

    server: Server
    name: str
    stack: AsyncExitStack = field(repr=False)
    number: int
    passwords: dict[str, str] = field(default_factory=dict)
    clerk: asyncpg.Connection | None = field(default=None, repr=False)
    """A superuser's session that is there anyway, in whatever database: it makes the roles."""

    def dsn(self, user: str = "postgres") -> str:
        """A libpq URI for that role."""
        return self.server.dsn(self.name, user, self.passwords.get(user))

    async def connect(self, user: str = "postgres") -> asyncpg.Connection:
        """A connection that is closed at the end of the test."""
        connection = await asyncpg.connect(self.dsn(user), ssl=False)  # the servers have none, and to ask takes longer
        self.stack.push_async_callback(connection.close, timeout=5)
        return connection

    async def role(self, name: str, options: str = "") -> str:
        """Make a login role that may do nothing; its real name, unique in the cluster."""
        real = f"{name}_{os.getpid()}_{self.number}"
        self.passwords[real] = f"secret-of-{real}"
        clerk = self.clerk or await self.connect()
        await clerk.execute(f"CREATE ROLE \"{real}\" LOGIN PASSWORD '{self.passwords[real]}' {options}")
        return real


@pytest.fixture
def template() -> str:
    """What a fresh database is a copy of; a module may say another."""
    return "template1"


@pytest.fixture
async def database(server: Server, template: str) -> AsyncIterator[Database]:
    """A fresh database on each server, dropped afterwards with the roles that the test made."""
    number = next(_numbers)
    name = f"test_{os.getpid()}_{number}"
    admin = await asyncpg.connect(server.dsn(), ssl=False)
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE {template} STRATEGY FILE_COPY')
        async with AsyncExitStack() as stack:
            made = Database(server=server, name=name, stack=stack, number=number, clerk=admin)
            yield made
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        for role in made.passwords:
            await admin.execute(f'DROP ROLE "{role}"')
    finally:
        await admin.close()
