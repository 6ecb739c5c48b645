"""The floor of an admission as a program: aiohttp over TLS that reads the JSON and says "allowed", and no more.

Started by the benchmark: python bare_webhook.py CERTIFICATE KEY; says `ready PORT` on standard output.
"""

from __future__ import annotations

import asyncio
import ssl
import sys

from aiohttp import web


async def main(certificate: str, key: str) -> None:
    """Answer until killed."""

    async def admit(request: web.Request) -> web.Response:
        review = await request.json()
        response = {"uid": review["request"]["uid"], "allowed": True}
        return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    application = web.Application()
    application.router.add_post("/inject", admit)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    print("ready", runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        runner = asyncio.run
    else:
        runner = uvloop.run
    runner(main(sys.argv[1], sys.argv[2]))
