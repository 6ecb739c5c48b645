"""What is wrong is named, with its remedy, and is over soon after it was put right: by the very command that is said.

The operator watches channels and pods, so what a person does to those is seen at once. Secrets and databases it does
not watch: what is put right there is found by the next pass, a minute later at most; here an interval of 5 s.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import shop as shops

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.e2e.shop import Shop

INTERVAL_S = 5
RELEASE_VALUES = (f"operator.passIntervalSeconds={INTERVAL_S}",)
GOAL_S = 1.1 * INTERVAL_S + 3
"""An interval with its jitter, and the pass itself."""
GUARD_S = 120.0

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """One thing that can be wrong with a channel of this name and its Secret, and how a person puts it right."""

    name: str
    kind: str
    reason: str
    words: str
    """A pattern of the message."""
    secret: dict[str, Any] | None
    """Arguments of PostgreSQL.secret; None: there is none."""
    correct: Callable[[Shop, str], Awaitable[object]]
    """Given the message."""
    table: str = "orders"
    may_follow: str | None = None
    """A reason that stands behind the first."""


async def by_the_said_command(shop: Shop, message: str) -> None:
    """Every `kubectl …` of the message; where it leaves the database open, the right one."""
    found = re.search(r"kubectl -n .*", message)
    assert found, message
    uri = shop.postgres.uri("installer")
    for command in found[0].split(" && "):
        words = [re.sub("postgresql://.*", uri, word) for word in shlex.split(command)[1:]]
        await asyncio.to_thread(shop.kubectl.run, *words)


async def by_the_said_sql(shop: Shop, message: str) -> None:
    """Every statement after `run: `, by the tables' owner."""
    statements = re.findall(r"run: (.*;)", message)
    assert statements, message
    owner = await shop.postgres.connect()
    for each in statements:
        await owner.execute(each)


def by_a_secret(name: str, role: str = "installer", **others: str) -> Callable[[Shop, str], Awaitable[object]]:
    """The Secret as it should have been."""

    async def correct(shop: Shop, _message: str) -> None:
        content = {key: value.format(password=shop.postgres.passwords[role]) for key, value in others.items()}
        await asyncio.to_thread(shop.postgres.secret, name, role, allowed=True, **content)

    return correct


async def by_a_table(shop: Shop, _message: str) -> None:
    await (await shop.postgres.connect()).execute("CREATE TABLE late (id bigint PRIMARY KEY)")


STANDBY = "postgresql://installer:{password}@postgres-standby,postgres/app"
CASES = (
    Wrong(
        name="absent", kind="ResolvedRefs", reason="SecretNotFound", words="create secret generic absent",
        secret=None, correct=by_the_said_command,
    ),
    Wrong(
        name="unlabelled", kind="ResolvedRefs", reason="SecretNotAllowed", words="label secret unlabelled",
        secret={"role": "installer", "allowed": False}, correct=by_the_said_command,
    ),
    Wrong(
        name="garbage", kind="ResolvedRefs", reason="SecretInvalid", words="the Secret garbage can't be used",
        secret={"role": "installer", "uri": "mysql://elsewhere"}, correct=by_a_secret("garbage"),
    ),
    Wrong(
        name="password", kind="TriggersInstalled", reason="AuthenticationFailed", words="correct them in the Secret",
        secret={"role": "installer", "uri": "postgresql://installer:wrong@postgres/app"},
        correct=by_a_secret("password"),
    ),
    Wrong(
        name="host", kind="TriggersInstalled", reason="Unreachable", words="name is not known|not answer in time",
        secret={"role": "installer", "uri": "postgresql://installer:{password}@nobody/app"},
        correct=by_a_secret("host"),
    ),
    Wrong(
        name="database", kind="TriggersInstalled", reason="WrongDatabase", words="no database of that name",
        secret={"role": "installer", "uri": "postgresql://installer:{password}@postgres/nothing"},
        correct=by_a_secret("database"),
    ),
    Wrong(
        name="table", kind="TriggersInstalled", reason="MissingTable", words=r"no table public\.late: create it",
        secret={"role": "installer"}, correct=by_a_table, table="late", may_follow="MissingPrivilege",
    ),
    Wrong(
        name="privilege", kind="TriggersInstalled", reason="MissingPrivilege", words="run: GRANT TRIGGER ON TABLE",
        secret={"role": "installer"}, correct=by_the_said_sql, table="guarded",
    ),
    Wrong(
        name="superuser", kind="TriggersInstalled", reason="Superuser", words="is a superuser.*sql --grants",
        secret={"role": "postgres"}, correct=by_a_secret("superuser"),
    ),
    Wrong(
        name="standby", kind="TriggersInstalled", reason="ReadOnlyReplica", words="connect to the primary",
        secret={"role": "installer", "uri": "postgresql://installer:{password}@postgres-standby/app"},
        correct=by_a_secret("standby", uri=f"{STANDBY}?target_session_attrs=primary"),
    ),
)  # fmt: skip


def made_wrong(shop: Shop, case: Wrong) -> dict[str, Any]:
    """Its Secret, as wrong as it is; and its channel."""
    if case.secret is not None:
        others = dict(case.secret)
        role, allowed = others.pop("role"), others.pop("allowed", True)
        content = {key: value.format(password=shop.postgres.passwords[role]) for key, value in others.items()}
        shop.postgres.secret(case.name, role, allowed=allowed, **content)
    return shops.channel(case.name, tables=(case.table,), group=case.name, database=case.name)


async def until(shop: Shop, name: str, kind: str, status: str, reason: str | None = None) -> dict[str, Any]:
    found, _ = await asyncio.to_thread(
        shops.until_condition, shop.kubectl, name, kind, status, reason, timeout_s=GUARD_S
    )
    return found


async def corrected(shop: Shop, case: Wrong, message: str) -> float:
    """Seconds from the correction to triggers that are there."""
    await case.correct(shop, message)
    began_s = time.monotonic()
    if case.may_follow is not None:
        body = await until(shop, case.name, case.kind, "False", case.may_follow)
        await by_the_said_sql(shop, shops.message(body, case.kind))
        began_s = time.monotonic()
    await until(shop, case.name, "TriggersInstalled", "True", "Installed")
    return time.monotonic() - began_s


async def test_each_thing_that_is_wrong_is_named_with_a_remedy_that_works(shop, record_property):
    """Mutant: in `passes/secret.py`, leave `_permit` out: the unlabelled Secret is read."""
    # by default a few threads: who waits for one would count as not put right yet
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(len(CASES)))
    owner = await shop.open(shops.channel("right"))
    await owner.execute("CREATE TABLE guarded (id bigint PRIMARY KEY)")
    await asyncio.to_thread(shop.postgres.standby)
    channels = [made_wrong(shop, case) for case in CASES]
    began_s = time.monotonic()
    shop.kubectl.apply(*channels)
    bodies = await asyncio.gather(*(until(shop, it.name, it.kind, "False", it.reason) for it in CASES))
    named_s = time.monotonic() - began_s
    messages = [shops.message(body, case.kind) for body, case in zip(bodies, CASES, strict=True)]
    for case, body, message in zip(CASES, bodies, messages, strict=True):
        assert re.search(case.words, message), message
        assert shops.condition(body, "Ready") == ("False", case.reason), "the summary says the same"
        assert not any(each in json.dumps(body["status"]) for each in shop.postgres.passwords.values())
    took = await asyncio.gather(*(corrected(shop, *it) for it in zip(CASES, messages, strict=True)))
    each = ", ".join(f"{case.name} {seconds:.1f}" for case, seconds in zip(CASES, took, strict=True))
    record_property(
        "figures",
        f"{len(CASES)} wrong channels applied → all named: {named_s:.1f} s; corrected → installed (goal {GOAL_S:.1f} s "
        f"at an interval of {INTERVAL_S} s): {each} s",
    )
    assert max(took) < GUARD_S


async def a_second_after(created: str) -> None:
    """The API server knows the age of its objects by the second; within one, their uids decide which is older."""
    left = datetime.fromisoformat(created) + timedelta(seconds=1) - datetime.now(UTC)
    await asyncio.sleep(max(left.total_seconds(), 0))


async def test_two_on_one_postgresql_channel_and_the_older_wins_until_it_goes(shop, record_property):
    """What is done to a channel is seen at once. Mutant: `wake` of `leaving.leave` is empty."""
    await shop.open(shops.channel("older", channel="shared"))
    body = await until(shop, "older", "TriggersInstalled", "True")
    await a_second_after(body["metadata"]["creationTimestamp"])
    shop.kubectl.apply(shops.channel("younger", channel="shared"))
    body = await until(shop, "younger", "Accepted", "False", "Conflict")
    message = shops.message(body, "Accepted")
    assert "the older channel" in message
    assert "older has sources on the PostgreSQL channel shared of the same database" in message
    assert shops.condition(body, "TriggersInstalled") == ("False", "Pending")
    shop.kubectl.apply(shops.channel("younger", channel="own"))
    began_s = time.monotonic()
    await until(shop, "younger", "TriggersInstalled", "True")
    renamed_s = time.monotonic() - began_s
    shop.kubectl.apply(shops.channel("younger", channel="shared"))
    await until(shop, "younger", "Accepted", "False", "Conflict")
    shop.kubectl.run("delete", "notifychannel", "older")
    began_s = time.monotonic()
    body = await until(shop, "younger", "Accepted", "True")
    record_property(
        "figures",
        f"conflict: spec corrected → installed {renamed_s:.1f} s, older one deleted → accepted "
        f"{time.monotonic() - began_s:.1f} s (goal 5, at once)",
    )


async def test_another_installation_s_triggers_for_the_same_channel_are_named_and_can_be_claimed(shop, record_property):
    """A restored database, or a second cluster on it. Mutant: `_duplicates` returns ()."""
    await shop.open()
    resource = shops.channel()
    stranger = {**resource, "metadata": {"name": "orders", "namespace": shop.release.served}}
    await shop.postgres.grant(json.dumps(stranger))
    command = [sys.executable, "-m", "notifychannel_cli", "sql", "-f", "-", "--installation", "0ff51de5"]
    command += ["--dsn", shop.postgres.local_uri("installer")]
    done = await asyncio.to_thread(
        subprocess.run, command, input=json.dumps(stranger), capture_output=True, text=True, check=True
    )
    installer = await shop.postgres.connect("installer")
    await installer.execute("\n".join(line for line in done.stdout.splitlines() if not line.startswith("\\")))  # psql's
    shop.kubectl.apply(resource)
    body = await until(shop, "orders", "TriggersInstalled", "False", "DuplicateOwner")
    message = shops.message(body, "TriggersInstalled")
    assert "the installation 0ff51de5 has triggers" in message
    await by_the_said_command(shop, message.partition("; if it lives on")[0])
    began_s = time.monotonic()
    await until(shop, "orders", "TriggersInstalled", "True", "Installed")
    took_s = time.monotonic() - began_s
    left = await installer.fetchval("SELECT count(*) FROM pg_description WHERE description LIKE '%0ff51de5%'")
    assert left == 0, "the stranger's functions are ours now"
    record_property("figures", f"two owners: claimed → installed {took_s:.1f} s (goal 5, at once)")
