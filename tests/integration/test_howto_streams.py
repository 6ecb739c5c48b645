"""docs/howto/streams.md: its channel, its commands and its code, with `notifychannel dev` and a real database."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import signal
import threading
import time
import urllib.request
from dataclasses import replace
from http.client import HTTPException

import aiohttp
import pytest
from aiohttp import web

from notifychannel_cli.embedded import free_port
from tests.listening import config
from tests.notification import payload
from tests.pages import ROOT, blocks
from tests.process import notifychannel
from tests.reading import reading
from tests.sidecar import SidecarProcess
from tests.streaming import streamed, streaming

PAGE = "streams.md"
BLOCKS = blocks((ROOT / "docs" / "howto" / PAGE).read_text())
(CHANNEL,) = [it.text for it in BLOCKS if it.language == "yaml"]
DEV, CURL = [it.text for it in BLOCKS if it.language == "sh"]
FOLLOW, PROXY = [it.text for it in BLOCKS if it.language == "python"]
(SCRIPT,) = [it.text for it in BLOCKS if it.language == "text"]
DOCUMENT = f"""<!doctype html><script>
const told = [], errors = [], banners = [];
const refetch = (key) => told.push(key.order_id), refetchEverything = () => told.push("everything");
const showBanner = (late) => banners.push(late);
{SCRIPT}
changes.onerror = () => errors.push(changes.readyState);
</script>"""
PATIENCE_S = 40
CHANGED = "SELECT pg_notify('nch_orders', $1)"
HTTP = web.AppKey("http", aiohttp.ClientSession)


@pytest.fixture(scope="session")
def server(newest):
    """What is shown is how to read."""
    return newest


class Enough(BaseException):
    """The end of a program that has none."""


@pytest.fixture
async def shop(database, tmp_path):
    """The page's table, and the words of its command, at a free port."""
    admin = await database.connect()
    await admin.execute("CREATE TABLE orders (tenant_id int, id int, PRIMARY KEY (tenant_id, id))")
    (tmp_path / "orders.yaml").write_text(CHANNEL)
    port = free_port()
    words = DEV.replace("orders.yaml", str(tmp_path / "orders.yaml")).replace('"$NOTIFYCHANNEL_DSN"', database.dsn())
    return admin, port, words.replace("9790", str(port)).split()[1:]


async def test_the_page_on_streams_is_typed_against_dev(shop):
    admin, port, words = shop
    looked = asyncio.Queue()
    async with notifychannel(*words) as dev:
        await dev.line("orders is read:", f"http://127.0.0.1:{port}/v1/stream?channel=orders")
        curl = await asyncio.create_subprocess_shell(
            CURL.replace("9790", str(port)).replace("curl ", "exec curl --silent "), stdout=asyncio.subprocess.PIPE
        )
        try:
            assert await told(curl, 'data: {"channel"') == []
            with following(port, looked):
                assert await asyncio.wait_for(looked.get(), PATIENCE_S) == "everything"
                await admin.execute("INSERT INTO orders VALUES (8, 1), (7, 42)")
                assert await told(curl, 'data: {"channel"') == [{"tenant_id": 7, "order_id": 42}]
                found = [await asyncio.wait_for(looked.get(), PATIENCE_S) for _ in range(2)]
                assert {"tenant_id": 8, "order_id": 1} in found
        finally:
            curl.kill()
            await curl.wait()
        dev.interrupt()
        assert await dev.ends() == 0
        assert "Removed what was installed." in dev.printed


async def told(curl, begin):
    """The keys of the next event whose line begins so."""
    async with asyncio.timeout(PATIENCE_S):
        while not (line := (await curl.stdout.readline()).decode()).startswith(begin):
            assert line, "curl ended"
    return [hint["key"] for hint in json.loads(line.removeprefix("data: "))["hints"]]


@contextlib.contextmanager
def following(port, looked):
    """The page's Python in a thread of its own, until the end of the block."""
    loop = asyncio.get_running_loop()
    ended = threading.Event()

    def look(what):
        if ended.is_set():
            raise Enough
        loop.call_soon_threadsafe(looked.put_nowait, what)

    names = {
        "json": json, "time": time, "urllib": urllib, "suppress": contextlib.suppress, "HTTPException": HTTPException,
        "look_at_key": look, "look_at_every_key": lambda: look("everything"),
    }  # fmt: skip
    exec(FOLLOW, names)  # noqa: S102 - the page's own code is what is tested

    def run():
        with contextlib.suppress(Enough):
            names["follow"](f"http://127.0.0.1:{port}/v1/stream")

    threading.Thread(target=run, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


@contextlib.asynccontextmanager
async def proxied(sidecar, path):
    """The page's proxy in an application whose tenant is 7, of a sidecar at that port; its own port."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_read=40)) as http:
        names = {
            "web": web, "aiohttp": aiohttp, "suppress": contextlib.suppress, "log": logging.getLogger("page"),
            "HTTP": HTTP, "tenant_of": lambda _: 7, "SIDECAR": f"http://127.0.0.1:{sidecar}",
        }  # fmt: skip
        exec(PROXY, names)  # noqa: S102 - the page's own code is what is tested
        application = web.Application()
        application[HTTP] = http
        application.router.add_get(path, names["changes"])
        application.router.add_get("/", document)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


async def document(_):
    """With the page's script."""
    return web.Response(text=DOCUMENT, content_type="text/html")


async def test_a_browser_gets_its_events_by_the_pages_proxy_and_no_others(caplog):
    """It names another tenant in its query, which the proxy does not pass on."""
    async with streaming(streamed()) as parts, proxied(parts.port, "/v1/stream") as port:
        async with reading(port, "?key.tenant_id=8") as page:
            assert page.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert (await page.message()).is_resync
            parts.inbox.put("orders", foreign(8, 1), parts.now)
            parts.put(2)
            assert (await page.message()).keys == [{"tenant_id": 7, "order_id": 2}]
        parts.put(3)
        await parts.deliverer.finish(5)
        async with reading(port, last_id=page.last_id) as page:
            assert (await page.message()).keys == [{"tenant_id": 7, "order_id": 3}]
        parts.configure()
        async with reading(port) as page:
            assert (page.status, await page.next()) == (200, None)
        assert "no stream: " in caplog.text
        assert "knows no channel orders of this" in caplog.text


async def test_an_open_page_outlives_its_sidecar(database, browser, caplog):
    """Two errors are the end of its stream and an attempt while nobody serves it; a closed page is no traceback."""
    admin = await database.connect()
    local = {"NOTIFYCHANNEL_LOCAL_PORT": str(free_port())}
    read = config(replace(streamed(), sources=False, resync_spread=0.0))
    beside = functools.partial(SidecarProcess, config=read, uri=database.dsn(), environment=local)
    async with proxied(local["NOTIFYCHANNEL_LOCAL_PORT"], "/changes") as port:
        async with beside() as sidecar:
            await sidecar.listens()
            page = await browser.tab(f"http://127.0.0.1:{port}/")
            await page.wait_for_function("told.includes('everything')")
            await admin.execute(CHANGED, payload(1))
            await page.wait_for_function("told.at(-1) === 1")
            sidecar.signal(signal.SIGKILL)
            await sidecar.ends()
            await page.wait_for_function("errors.length >= 2")
        async with beside() as sidecar:
            await sidecar.listens()
            await page.wait_for_function("told.at(-1) === 'everything'")
            await admin.execute(CHANGED, payload(2))
            await page.wait_for_function("told.at(-1) === 2")
            assert 2 not in await page.evaluate("errors")
            assert await page.evaluate("banners.at(-1)") is False
            await page.close()
            await admin.execute(CHANGED, payload(3))
            await sidecar.says(lambda status: status["channels"]["orders"]["readers"] == 0)
    assert "Traceback" not in caplog.text


def foreign(tenant, order):
    """A payload about another tenant's."""
    return payload(order).replace("[7,", f"[{tenant},")
