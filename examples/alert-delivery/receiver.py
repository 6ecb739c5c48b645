"""Somebody's webhooks: each path is one. PUT /<path> with a status makes it answer so from then on."""

from __future__ import annotations

import os

from aiohttp import web

answers: dict[str, int] = {}


async def receive(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    alert = await request.json()
    status = answers.get(name, 204)
    print(f"{name} got alert {alert['alert']} ({alert['message']}) and answers {status}", flush=True)
    return web.Response(status=status)


async def behave(request: web.Request) -> web.Response:
    answers[request.match_info["name"]] = int(await request.text())
    return web.Response(status=204)


if __name__ == "__main__":
    application = web.Application()
    application.router.add_post("/{name}", receive)
    application.router.add_put("/{name}", behave)
    web.run_app(application, port=int(os.environ.get("PORT", "8080")), print=None, access_log=None)
