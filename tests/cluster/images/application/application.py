"""The application of the tests: hears hints at POST /hints, answers as it was told, and can be asked what it heard.

GET /hints     every body it was posted, in order: {"posts": [{"at", "status", "body"}], "acknowledged": [...]}, where
               `acknowledged` are the hints (and resyncs, whose `hints` is []) that it answered with 2xx and did not
               name in `retry`
GET /acknowledged?wanted={"key": …, "channel": …, "after": …, "timeout_s": …}
               the first of those that is so, once there is one: of that key (null: a resync), of that channel (null:
               of any), at or after that Unix time; null when there was none within so many seconds
POST /answer   what to answer from now on: {"status": 200, "retry": [], "delay_s": 0, "headers": {}}
GET /healthz   200; GET /status too, as applications have it that know nothing of a sidecar's

It also prints each post as one line of JSON, for `kubectl logs` of a pod that has gone. At SIGTERM it finishes what it
is answering; with LINGER_S it first goes on for so many seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time

from aiohttp import web

POSTS: web.AppKey[list[dict]] = web.AppKey("posts", list)
ANSWER: web.AppKey[dict] = web.AppKey("answer", dict)
MORE: web.AppKey[asyncio.Condition] = web.AppKey("more", asyncio.Condition)


def acknowledged(posts: list[dict]) -> list[dict]:
    """What the sidecar may forget: each hint with channel and reason, a resync as one with no id."""
    found = []
    for post in posts:
        if not 200 <= post["status"] < 300:
            continue
        frame = {"channel": post["body"].get("channel"), "reason": post["body"].get("reason"), "at": post["at"]}
        hints = post["body"].get("hints", [])
        found += [{**frame, **hint} for hint in hints if hint.get("id") not in post["retry"]]
        if not hints:
            found.append({**frame, "id": None})
    return found


def wanted_of(posts: list[dict], wanted: dict) -> dict | None:
    """The first one of these that was acknowledged."""
    for each in acknowledged(posts):
        is_so = each["id"] is None if wanted["key"] is None else each.get("key") == wanted["key"]
        if is_so and each["at"] >= wanted["after"] and wanted["channel"] in (None, each["channel"]):
            return each
    return None


def say(what: dict) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def hear(request: web.Request) -> web.Response:
    body = await request.json()
    told = dict(request.app[ANSWER])
    await asyncio.sleep(told["delay_s"])
    post = {
        "at": time.time(),
        "status": told["status"],
        "retry": told["retry"],
        "body": body,
        "authorized": "Authorization" in request.headers,
    }
    request.app[POSTS].append(post)
    say(post)
    async with request.app[MORE]:
        request.app[MORE].notify_all()
    answer = {"retry": told["retry"]} if told["retry"] else {}
    return web.json_response(answer, status=told["status"], headers=told["headers"])


async def heard(request: web.Request) -> web.Response:
    posts = request.app[POSTS]
    return web.json_response({"pod": os.environ.get("HOSTNAME"), "posts": posts, "acknowledged": acknowledged(posts)})


async def once_acknowledged(request: web.Request) -> web.Response:
    wanted = json.loads(request.query["wanted"])
    posts, more = request.app[POSTS], request.app[MORE]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wanted["timeout_s"]), more:
            await more.wait_for(lambda: wanted_of(posts, wanted))
    return web.json_response(wanted_of(posts, wanted))


async def told(request: web.Request) -> web.Response:
    request.app[ANSWER].update(await request.json())
    return web.json_response(request.app[ANSWER])


async def alive(_: web.Request) -> web.Response:
    return web.json_response({})


def application() -> web.Application:
    app = web.Application()
    app[POSTS] = []
    app[MORE] = asyncio.Condition()
    app[ANSWER] = {"status": 200, "retry": [], "delay_s": 0, "headers": {}}
    app.router.add_post(os.environ.get("HINTS_PATH", "/hints"), hear)
    app.router.add_get("/hints", heard)
    app.router.add_get("/acknowledged", once_acknowledged)
    app.router.add_post("/answer", told)
    app.router.add_get("/healthz", alive)
    app.router.add_get("/status", alive)
    return app


async def main() -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    runner = web.AppRunner(application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=int(os.environ.get("PORT", "8080"))).start()
    say({"started": time.time()})
    await stopped.wait()
    await asyncio.sleep(float(os.environ.get("LINGER_S", "0")))
    await runner.cleanup()
    say({"stopped": time.time()})


if __name__ == "__main__":
    asyncio.run(main())
