"""`notifychannel dev`: a channel on one's own database until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from tests.application import Application
from tests.process import notifychannel

pytestmark = pytest.mark.slow

WAYS = [[signal.SIGHUP], [signal.SIGINT, signal.SIGINT], [signal.SIGINT, signal.SIGHUP]]
"""The terminal is closed; Ctrl-C twice; the terminal is closed after Ctrl-C."""

CHANNEL = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders}
spec:
  database: {secretRef: {name: orders-db}}
  sources:
    - schema: public
      table: orders
      key: [{column: id}]
      rules: [{name: any, events: [Insert, Update, Delete]}]
  consumers:
    - group: orders-api
      endpoint: {port: 8080, path: /hints}
      debounce: {window: 10ms}
"""
JOBS = CHANNEL.replace("spec:\n", "spec:\n  capture: Outbox\n").replace(
    "      debounce:", "      delivery: AtLeastOnce\n      debounce:"
)
LEFT = "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'notifychannel'"
WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass)"
KILL_LISTENERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name LIKE 'nch/%' AND datname = current_database()
"""


@pytest.fixture(scope="session")
def server(newest):
    """It installs by the pass and listens by the sidecar, which have their own tests on each version."""
    return newest


@pytest.fixture
async def shop(database, tmp_path):
    admin = await database.connect()
    await admin.execute("CREATE TABLE orders (id int PRIMARY KEY, status text)")
    manifest = tmp_path / "orders.yaml"
    manifest.write_text(CHANNEL)
    return admin, ("dev", "-f", str(manifest), "--dsn", database.dsn(), "--allow-superuser")


async def test_each_delivery_is_one_line_with_its_latency_and_ctrl_c_removes_everything(shop):
    """Mutant: `_remove` not pushed in session.run."""
    admin, arguments = shop
    async with notifychannel(*arguments, "--print") as dev:
        await dev.line("Listening as orders-api")
        await admin.execute("INSERT INTO orders VALUES (42, 'new')")
        line = await dev.line('{"id": 42}')
        assert "orders change 1 hint" in line
        assert "→ 204 in" in line
        assert "ms after the first change" in line
        dev.interrupt()
        assert await dev.ends() == 0
        assert "Removed what was installed." in dev.printed
    assert await admin.fetchval(LEFT) == 0
    await admin.execute("INSERT INTO orders VALUES (43, 'nobody hears')")


async def test_keep_leaves_the_triggers(shop):
    """Mutant: `_remove` without the question about `keep`."""
    admin, arguments = shop
    async with notifychannel(*arguments, "--print", "--keep") as dev:
        await dev.line("Listening as orders-api")
        dev.interrupt()
        assert await dev.ends() == 0
    assert await admin.fetchval(LEFT) > 0


async def test_exec_gets_the_body_on_standard_input_and_its_exit_code_is_the_answer(shop, tmp_path):
    """Mutant: `if True` for `if code == 0` in Executing."""
    admin, arguments = shop
    script, seen = tmp_path / "hook.py", tmp_path / "seen.jsonl"
    script.write_text(
        "import json, sys\n"
        "body = json.load(sys.stdin)\n"
        f"open({str(seen)!r}, 'a').write(json.dumps(body) + '\\n')\n"
        "sys.exit(3 if body['hints'] and body['hints'][0]['attempt'] == 1 else 0)\n"
    )
    async with notifychannel(*arguments, "--exec", f"{sys.executable} {script}") as dev:
        await dev.line("orders start")
        await admin.execute("INSERT INTO orders VALUES (7, 'new')")
        assert "→ 500" in await dev.line('{"id": 7}', "exit code 3")
        assert "→ 204" in await dev.line('{"id": 7}')
    bodies = [json.loads(line) for line in seen.read_text().splitlines()]
    assert [body["hints"] for body in bodies[:1]] == [[]]
    assert [hint["attempt"] for body in bodies[1:] for hint in body["hints"]] == [1, 2]


async def test_post_brings_body_and_idempotency_key_to_the_application_whose_answer_counts(shop, tmp_path):
    """Mutant: Posting without the key."""
    admin, arguments = shop
    (tmp_path / "orders.yaml").write_text(JOBS)
    async with Application() as application:
        async with notifychannel(*arguments, "--post", f"http://127.0.0.1:{application.port}/hints") as dev:
            await dev.line("orders start", "→ 200")
            await admin.execute("INSERT INTO orders VALUES (7, 'new')")
            assert "→ 200" in await dev.line('{"id": 7}')
        post = application.posts[-1]
    assert post.headers["Idempotency-Key"] == post.hint["id"]


async def test_a_superuser_is_refused_without_the_option(shop):
    """Mutant: `allow_superuser=True` for plan.of in install."""
    _, arguments = shop
    async with notifychannel(*(word for word in arguments if word != "--allow-superuser"), "--print") as dev:
        assert await dev.ends() == 1
    assert "is a superuser: trigger functions run with" in "\n".join(dev.printed)
    assert "--allow-superuser" in "\n".join(dev.printed)


async def test_a_wrong_password_is_said_in_a_sentence_without_the_password(shop, database):
    """Mutant: the DSN in identity.connected's error."""
    _, arguments = shop
    wrong = database.server.dsn(database.name, "postgres", "not-the-password")
    arguments = tuple(wrong if word == database.dsn() else word for word in arguments)
    async with notifychannel(*arguments, "--print") as dev:
        assert await dev.ends() == 3
    printed = "\n".join(dev.printed)
    assert "password" in printed
    assert "not-the-password" not in printed
    assert "Traceback" not in printed


async def test_one_way_to_answer_has_to_be_chosen(shop):
    _, arguments = shop
    async with notifychannel(*arguments) as dev:
        assert await dev.ends() == 2
    assert "exactly one of --post URL, --exec CMD, --print" in " ".join(dev.printed)


async def test_sigterm_ends_it_like_ctrl_c_and_leaves_neither_triggers_nor_a_sidecar(shop):
    """Mutant: running.ENDING without SIGTERM."""
    admin, arguments = shop
    async with notifychannel(*arguments, "--print") as dev:
        await dev.line("Listening as orders-api")
        (sidecar,) = dev.children("notifychannel_sidecar")
        dev.process.terminate()
        assert await dev.ends() == 0
    assert not Path(f"/proc/{sidecar}").exists()  # noqa: ASYNC240
    assert await admin.fetchval(LEFT) == 0


@pytest.mark.parametrize("signals", WAYS, ids=lambda numbers: " ".join(number.name for number in numbers))
async def test_however_it_is_ended_no_process_is_left_and_the_triggers_go(shop, signals):
    """The sidecar hangs, so that the second signal meets the wait for it.

    Mutants: ENDING without SIGHUP; the handlers of running.py removed after the first signal (for Ctrl-C twice that is
    no difference: asyncio.run cancels by itself).
    """
    first, *again = signals
    admin, arguments = shop
    async with notifychannel(*arguments, "--print") as dev:
        await dev.line("Listening as orders-api")
        (sidecar,) = dev.children("notifychannel_sidecar")
        if again:
            os.kill(sidecar, signal.SIGSTOP)
        try:
            dev.process.send_signal(first)
            await dev.line("Ending ...")
            for number in again:
                dev.process.send_signal(number)
            assert await dev.ends() == 0
            assert dev.left() == []
        finally:
            with suppress(ProcessLookupError):
                os.kill(sidecar, signal.SIGCONT)
    assert "Removed what was installed." in dev.printed
    assert await admin.fetchval(LEFT) == 0


async def test_killed_it_takes_the_sidecar_along(shop):
    """Mutant: tether.py without prctl."""
    _, arguments = shop
    async with notifychannel(*arguments, "--print") as dev:
        await dev.line("Listening as orders-api")
        (sidecar,) = dev.children("notifychannel_sidecar")
        environment = Path(f"/proc/{sidecar}/environ").read_text()  # noqa: ASYNC240
        folder = environment.split("NOTIFYCHANNEL_SECRET=")[1].split("\0")[0]
        dev.process.kill()
        assert await dev.ends() == -signal.SIGKILL
        await dev.everybody_ends([sidecar])
    shutil.rmtree(Path(folder).parent)


async def test_a_command_that_is_no_command_is_refused_before_anything_is_installed(shop):
    admin, arguments = shop
    for command, said in (("echo 'x", "close its quotes"), (" ", "--exec is empty")):
        async with notifychannel(*arguments, "--exec", command) as dev:
            assert await dev.ends() == 2
        assert said in " ".join(dev.printed)
    assert await admin.fetchval(LEFT) == 0


async def test_what_was_installed_goes_when_a_later_channel_is_refused(shop, tmp_path):
    """Mutant: `_remove` not pushed in session.run."""
    admin, arguments = shop
    second = tmp_path / "second.yaml"
    second.write_text(CHANNEL.replace("name: orders}", "name: second}", 1).replace("table: orders", "table: nowhere"))
    async with notifychannel(*arguments, "-f", str(second), "--print") as dev:
        assert await dev.ends() == 1
    assert "public.nowhere" in "\n".join(dev.printed)
    assert await admin.fetchval(LEFT) == 0


async def test_triggers_that_were_there_before_stay(shop):
    """Mutant: `on_installed` called whatever was done."""
    admin, arguments = shop
    for ways in (("--print", "--keep"), ("--print",)):
        async with notifychannel(*arguments, *ways) as dev:
            await dev.line("Listening as orders-api")
            dev.interrupt()
            assert await dev.ends() == 0
    assert await admin.fetchval(LEFT) > 0


async def test_beside_another_dev_it_leaves_alone_what_is_no_matter_of_its_and_refuses_to_take_its_consumer(
    shop, tmp_path
):
    """Mutants: `_narrowed` that keeps channels without consumers; `others.check` not called; `on_installed` told of
    what was only changed.
    """
    admin, arguments = shop
    scraping = JOBS.replace("name: orders}", "name: jobs}", 1).replace("group: orders-api", "group: scraper")
    jobs = tmp_path / "jobs.yaml"
    jobs.write_text(scraping)
    arguments = (*arguments, "-f", str(jobs), "--print")
    there = "SELECT array_agg(channel || ' ' || \"group\") FROM notifychannel.consumer"
    async with notifychannel(*arguments, "--group", "scraper") as first:
        assert "to: jobs." in await first.line("Listening as scraper")
        async with notifychannel(*arguments, "--group", "orders-api") as second:
            assert "to: orders." in await second.line("Listening as orders-api")
            second.interrupt()
            assert await second.ends() == 0
        assert "Removed what was installed." in second.printed
        jobs.write_text(scraping + "    - {group: other, endpoint: {port: 1, path: /}}\n")
        async with notifychannel(*arguments, "--group", "other") as second:
            assert await second.ends() == 1
        assert "jobs is installed with the consumer scraper, whom another" in " ".join(second.printed)
        assert await admin.fetchval(there) == ["jobs scraper"]
        jobs.write_text(scraping.replace("10ms", "20ms"))
        async with notifychannel(*arguments, "--group", "scraper") as second:
            await second.line("Listening as scraper")
            second.interrupt()
            assert await second.ends() == 0
        assert await admin.fetchval(there) == ["jobs scraper"]
        await admin.execute("INSERT INTO orders VALUES (42, 'new')")
        await first.line('{"id": 42}')
        first.interrupt()
        assert await first.ends() == 0
    assert await admin.fetchval(LEFT) == 0


async def test_it_says_when_it_does_not_listen_and_when_it_listens_again(shop, database):
    """Mutant: `_watch` that always goes on to the next look."""
    admin, arguments = shop
    other = await asyncpg.connect(database.server.dsn())
    database.stack.push_async_callback(other.close, timeout=5)
    allow = f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS '
    async with notifychannel(*arguments, "--print") as dev:
        await dev.line("Listening as orders-api")
        await other.execute(allow + "false")
        await admin.execute(KILL_LISTENERS)
        await dev.line("Not listening:", "Trying again")
        await other.execute(allow + "true")
        await dev.line("Listening again.")


async def test_ctrl_c_while_the_removal_waits_says_what_stays_and_how_to_remove_it(shop):
    """Mutant: `_remove` that lets the cancellation through."""
    admin, arguments = shop
    async with notifychannel(*arguments, "--print") as dev:
        await dev.line("Listening as orders-api")
        (sidecar,) = dev.children("notifychannel_sidecar")
        async with admin.transaction():
            await admin.execute("LOCK TABLE orders IN ACCESS SHARE MODE")
            dev.interrupt()
            await dev.everybody_ends([sidecar])
            await _waits_for_a_lock(admin)
            dev.interrupt()
            assert await dev.ends() == 1
    printed = "\n".join(dev.printed)
    assert "Asked again to end." in printed
    assert "The triggers are still in the database." in printed
    assert "--installation dev --remove | psql" in printed


async def _waits_for_a_lock(admin):
    async with asyncio.timeout(30):
        while not await admin.fetchval(WAITING):
            pass


async def test_a_removal_that_fails_says_what_stays_and_how_to_remove_it(shop):
    """Mutant: `_remove` that never raises."""
    admin, arguments = shop
    async with notifychannel(*arguments, "--print") as dev:
        await dev.line("Listening as orders-api")
        async with admin.transaction():
            await admin.execute("LOCK TABLE orders IN ACCESS SHARE MODE")
            dev.interrupt()
            assert await dev.ends() == 1
    printed = "\n".join(dev.printed)
    assert "The triggers are still in the database." in printed
    assert "--installation dev --remove | psql" in printed


async def test_jobs_are_delivered_and_what_the_application_did_not_take_stays_unless_forced(shop, tmp_path):
    """Mutants: `_narrowed` that returns all: the other group's keys wait for ever; `force` not handed on; the
    hint without --force.
    """
    admin, arguments = shop
    other = "    - {group: other, endpoint: {port: 1, path: /}, delivery: AtLeastOnce}\n"
    (tmp_path / "orders.yaml").write_text(JOBS + other)
    arguments = (*arguments, "--group", "orders-api")
    async with notifychannel(*arguments, "--print") as dev:
        await dev.line("Listening as orders-api")
        await admin.execute("INSERT INTO orders VALUES (42, 'new')")
        assert "orders change 1 hint" in await dev.line('{"id": 42}')
        dev.interrupt()
        assert await dev.ends() == 0, dev.printed
    assert await admin.fetchval(LEFT) == 0
    async with notifychannel(*arguments, "--exec", "false") as dev:
        await dev.line("Listening as orders-api")
        await dev.line("→ 500")
        dev.interrupt()
        assert await dev.ends() == 1
    printed = " ".join(" ".join(dev.printed).split())
    assert "the group orders-api has 1 key that no application has acknowledged" in printed
    assert "--installation dev --remove --force | psql" in printed
    assert await admin.fetchval("SELECT count(*) FROM notifychannel.queue") == 1
    await admin.execute("DROP SCHEMA notifychannel CASCADE")
    async with notifychannel(*arguments, "--exec", "false", "--force") as dev:
        await dev.line("Listening as orders-api")
        dev.interrupt()
        assert await dev.ends() == 0
    assert await admin.fetchval(LEFT) == 0
