"""The sidecar as a program: files, signals, exit codes, what it says about itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import pytest

from tests.application import Application, Hang, Say
from tests.listening import channel, config
from tests.sidecar import SidecarProcess
from tests.wire import Wire

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'nch/%' AND datname = $1"


@pytest.fixture(scope="session")
def server(newest):
    """Files, signals and answers are the same on each version; listener and inbox have their own tests."""
    return newest


@pytest.fixture
async def application():
    async with Application() as app:
        yield app


def text_channel(name, application, **changes):
    """A channel of what others NOTIFY, delivered at once."""
    now = {"window": 0.0, "poll_interval": 0.0, "path": "/hints", **changes}
    return channel(name, format="Text", key=("payload",), port=application.port, **now)


def orders(application, **changes):
    """The usual one."""
    return text_channel("orders", application, **changes)


def payloads(posts):
    return [hint["key"]["payload"] for post in posts for hint in post.body["hints"]]


async def test_a_change_reaches_the_application(database, application):
    admin = await database.connect()
    async with SidecarProcess(config=config(orders(application)), uri=database.dsn()) as sidecar:
        first = await application.next_post()
        assert (first.body["hints"], first.body["reason"], first.body["since"]) == ([], "start", None)
        assert first.body["mode"] == "Listening"
        await admin.execute("NOTIFY orders, 'one'")
        second = await application.next_post()
        assert second.body["reason"] == "change"
        assert second.hint["key"] == {"payload": "one"}
        status = await sidecar.says(lambda said: said["channels"]["orders"]["pending"] == 0)
        assert status["channels"]["orders"]["delivering"] is True
        assert await sidecar.metric("notifychannel_hints_delivered_total") == 1
        assert await sidecar.metric("notifychannel_change_to_delivery_seconds_count") == 1
        assert await sidecar.metric("notifychannel_listening") == 1


async def test_a_channel_that_is_suspended_no_more_is_looked_at_again_when_open_transactions_have_ended(
    database, application
):
    """Mutant: a listener that does not hand its round trips down, or a fence whose `start` takes nothing over."""
    admin, writer = await database.connect(), await database.connect()
    await admin.execute("CREATE TABLE t (id int)")
    quiet = orders(application, suspend=True)
    async with SidecarProcess(config=config(quiet), uri=database.dsn()) as sidecar:
        await sidecar.logs("listening to 1 channels")
        await writer.execute("BEGIN; INSERT INTO t VALUES (1)")
        sidecar.configure(config(orders(application)))
        assert (await application.next_post()).body["reason"] == "rules"
        await writer.execute("COMMIT")
        assert (await application.next_post()).body["reason"] == "rules"


async def test_a_wrong_password_corrected_in_the_file_is_taken_without_a_restart(database, application):
    """Mutant: `_look_at_secret` returns False for good after an error."""
    role = await database.role("listener")
    wrong = database.server.dsn(database.name, role, "wrong")
    async with SidecarProcess(config=config(orders(application)), uri=wrong) as sidecar:
        said = await sidecar.says(lambda status: status["reason"] == "AuthenticationFailed")
        assert "Secret" in said["remedy"]
        assert said["mode"] == "Polling"
        pid = sidecar.process.pid
        sidecar.write("secret/uri", database.dsn(role))
        await sidecar.listens()
        assert sidecar.process.pid == pid
        assert await sidecar.metric("notifychannel_reconnections_total") >= 1


async def test_files_may_come_later_and_nothing_in_them_ends_it(database, application):
    """Mutant: ConfigError or CredentialsError not caught in reload.py."""
    async with SidecarProcess() as sidecar:
        await sidecar.says(lambda status: status["reason"] == "NotConfigured")
        assert await sidecar.get("/livez") == "ok\n"
        for content in ("", "{", "[]", "\udcff", '{"version": 9}', "[" * 100_000):
            (sidecar.folder / "config.json").write_bytes(content.encode(errors="surrogateescape"))
            await sidecar.says(
                lambda status: status["config"]["error"] and "no such file" not in status["config"]["error"]
            )
        sidecar.configure(config(orders(application)))
        await sidecar.says(lambda status: status["reason"] == "NoSecret")
        for uri in ("", "postgresql://", "mysql://a/b", "postgresql://u@h:99999/d", "\n\n"):
            before = len(sidecar.logged)
            sidecar.write("secret/uri", uri)
            await sidecar.logs("the Secret can't be used", after=before)
        sidecar.write("secret/uri", database.dsn())
        await sidecar.listens()
        assert sidecar.process.returncode is None


async def test_a_bad_configuration_keeps_the_old_one_and_says_so(database, application):
    """Mutant: `config` set before it was parsed, or no `config_error`."""
    admin = await database.connect()
    async with SidecarProcess(config=config(orders(application)), uri=database.dsn()) as sidecar:
        good = (await sidecar.listens())["config"]["hash"]
        sidecar.write("config.json", '{"version": 1, "channels": 7}')
        said = await sidecar.says(lambda status: status["config"]["error"])
        assert said["config"]["hash"] == good
        assert said["state"] == "LISTENING"
        assert await sidecar.metric("notifychannel_config_reloads_total") == 2
        await application.next_post()
        await admin.execute("NOTIFY orders, 'still heard'")
        assert payloads([await application.next_post()]) == ["still heard"]
        sidecar.configure(config(orders(application)))
        await sidecar.says(lambda status: status["config"]["error"] is None)


async def test_what_it_says_holds_no_key_no_password_and_no_text_from_outside(database, application):
    """Mutant: the DSN, a payload or the application's body in /status, /metrics or a log line."""
    role = await database.role("listener")
    application.behaviour = Say(status=500, body=b"text-of-the-application")
    admin = await database.connect()
    async with SidecarProcess(config=config(orders(application)), uri=database.dsn(role)) as sidecar:
        sidecar.write("secret/token", "token-of-the-pod")
        await sidecar.listens()
        await admin.execute("NOTIFY orders, 'key-of-a-customer'")
        await sidecar.says(lambda status: status["channels"]["orders"]["delivering"] is False)
        await sidecar.says(lambda status: status["channels"]["orders"]["notifications"] == 1)
        said = await sidecar.get("/status") + await sidecar.get("/metrics") + "\n".join(sidecar.logged)
        for secret in ("key-of-a-customer", f"secret-of-{role}", "text-of-the-application", "token-of-the-pod", role):
            assert secret not in said


@pytest.mark.slow
async def test_a_frozen_wire_is_found_and_left_within_sixteen_seconds_by_the_program_as_it_is_shipped(
    database, application
):
    """Mutant: a round trip every minute; or closing the old connection waits for the frozen server."""
    admin = await database.connect()
    async with Wire(target=database.server.port) as wire:
        uri = database.dsn().replace(f":{database.server.port}/", f":{wire.port}/")
        settings = config(orders(application, resync_spread=0.0))
        async with SidecarProcess(config=settings, uri=uri) as sidecar:
            await sidecar.listens()
            await application.next_post()
            wire.freeze()
            frozen_at = time.monotonic()
            await sidecar.logs("not listening, HalfOpen")
            assert time.monotonic() - frozen_at < 16
            await admin.execute("NOTIFY orders, 'unheard'")
            wire.thaw()
            post = await application.next_post()
            assert (post.body["reason"], post.body["hints"]) == ("reconnect", [])
            assert post.body["since"] is not None


async def test_an_application_that_is_down_at_the_start_is_told_when_it_comes(database, application):
    admin = await database.connect()
    await application.refuse()
    async with SidecarProcess(config=config(orders(application)), uri=database.dsn()) as sidecar:
        await sidecar.says(lambda status: status["channels"].get("orders", {}).get("breaker") == "open")
        await admin.execute("NOTIFY orders, 'early'")
        await sidecar.says(lambda status: status["channels"]["orders"]["notifications"] == 1)
        await application.listen()
        assert (await application.next_post()).body["reason"] in ("start", "change")
        await sidecar.says(lambda status: status["channels"]["orders"]["breaker"] == "closed")
        await sidecar.says(lambda status: status["channels"]["orders"]["pending"] == 0)


async def test_while_the_database_is_away_polls_go_on_and_say_so(application):
    """Mutant: the deliverer starts only when LISTENING."""
    settings = config(orders(application, poll_interval=0.2))
    async with SidecarProcess(config=settings, uri="postgresql://u:p@127.0.0.1:1/d") as sidecar:
        post = await application.next_post()
        assert (post.body["reason"], post.body["mode"]) == ("poll", "Polling")
        await application.next_post()
        assert (await sidecar.status())["reason"] == "Unreachable"


async def test_a_reload_amid_traffic_loses_no_key(database, application):
    """Mutant: `_on_change` configures the inbox anew, from nothing: keys that wait for their window are dropped."""
    admin = await database.connect()
    written = []
    enough = asyncio.Event()

    async def write() -> None:
        while not enough.is_set():
            await admin.execute(f"NOTIFY orders, 'k{len(written)}'")
            written.append(f"k{len(written)}")
            await asyncio.sleep(0.001)

    async with SidecarProcess(config=config(orders(application)), uri=database.dsn()) as sidecar:
        await sidecar.listens()
        await application.next_post()
        writing = asyncio.create_task(write())
        for turn in range(3):
            before, count = len(sidecar.logged), len(written)
            more = text_channel(f"more{turn}", application)
            sidecar.configure(config(orders(application, window=0.3 + 0.01 * turn), more))
            await sidecar.logs("is in force", after=before)
            assert len(written) > count
        enough.set()
        await writing
        await application.until(lambda posts: set(written) <= set(payloads(posts)))
        ours = [post.body["reason"] for post in application.posts if post.body["channel"] == "orders"]
        assert ours.count("start") == 1
        assert set(ours) == {"start", "change"}


async def test_sigusr1_delivers_what_is_pending_and_stays_and_sigterm_then_ends_at_once(database, application):
    """Mutant: `finish` stops the deliverer without `deliverer.finish`: the hint that waits for its window is lost."""
    admin = await database.connect()
    lazy = config(orders(application, window=600.0, max_delay=600.0))
    async with SidecarProcess(config=lazy, uri=database.dsn()) as sidecar:
        await sidecar.listens()
        await application.next_post()
        await admin.execute("NOTIFY orders, 'waiting'")
        await sidecar.says(lambda status: status["channels"]["orders"]["pending"] == 1)
        sidecar.signal(signal.SIGUSR1)
        assert payloads([await application.next_post()]) == ["waiting"]
        await sidecar.logs("finished")
        said = await sidecar.status()
        assert (said["state"], said["mode"]) == ("FINISHED", "Polling")
        assert await sidecar.get("/livez") == "ok\n"
        async with asyncio.timeout(30):
            while await admin.fetchval(SESSIONS, database.name):  # noqa: ASYNC110 - the server takes a moment to notice
                await asyncio.sleep(0.01)
        sidecar.signal(signal.SIGTERM)
        assert await sidecar.ends() == 0
        assert payloads(application.posts) == ["waiting"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_sigterm_without_a_sigusr1_before_it_finishes_first(database, application, number):
    """Mutant: `stop` sets only `_stop`."""
    admin = await database.connect()
    lazy = config(orders(application, window=600.0, max_delay=600.0))
    async with SidecarProcess(config=lazy, uri=database.dsn()) as sidecar:
        await sidecar.listens()
        await application.next_post()
        await admin.execute("NOTIFY orders, 'waiting'")
        await sidecar.says(lambda status: status["channels"]["orders"]["pending"] == 1)
        sidecar.signal(number)
        assert await sidecar.ends() == 0
        assert payloads(application.posts) == ["waiting"]


async def test_finishing_is_bounded_and_a_second_sigterm_ends_at_once(database, application):
    """Mutant: the second signal calls `stop` again: it waits for the application that hangs."""
    async with SidecarProcess(config=config(orders(application, timeout=600.0)), uri=database.dsn()) as sidecar:
        application.behaviour = Hang()
        await application.next_post()
        sidecar.signal(signal.SIGTERM)
        await sidecar.logs("finishing")
        sidecar.signal(signal.SIGTERM)
        assert await sidecar.ends() == 0
        assert not any("finished" in line for line in sidecar.logged)


async def test_an_application_that_hangs_holds_the_end_for_five_seconds_and_no_longer(database, application):
    async with SidecarProcess(config=config(orders(application, timeout=600.0)), uri=database.dsn()) as sidecar:
        application.behaviour = Hang()
        await application.next_post()
        sidecar.signal(signal.SIGTERM)
        assert await sidecar.ends() == 0
        assert any("finished" in line for line in sidecar.logged)


async def test_a_setting_that_cannot_be_used_is_exit_code_2_and_one_sentence():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "notifychannel_sidecar",
        env={**os.environ, "NOTIFYCHANNEL_CONFIG": "/c", "NOTIFYCHANNEL_SECRET": "/s", "NOTIFYCHANNEL_LOG": "xml"},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode() == "notifychannel-sidecar: NOTIFYCHANNEL_LOG is 'xml': write json or text\n"


async def test_a_taken_status_port_is_exit_code_1(database, application):
    async with SidecarProcess() as first:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "notifychannel_sidecar",
            env={
                **os.environ, "NOTIFYCHANNEL_CONFIG": "/c", "NOTIFYCHANNEL_SECRET": "/s",
                "NOTIFYCHANNEL_STATUS_HOST": "127.0.0.1", "NOTIFYCHANNEL_STATUS_PORT": str(first.port),
            },
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await process.communicate()
        assert process.returncode == 1
        assert "the status port can't be served" in errors.decode()
