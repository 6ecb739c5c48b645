"""Spans of an injected sidecar, by the chart's `sidecar.otlpEndpoint`, at a collector behind a Service.

The sidecar's image of the other tests is the default one, without OpenTelemetry; an image that is built a second time
would cost each run half a minute. So: `make e2e OTEL=1 E2E="-k test_tracing"`.
"""

from __future__ import annotations

import time

import pytest

from tests import collector
from tests.e2e import shop as shops

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.otel,
]
RELEASE_VALUES = ("sidecar.otlpEndpoint=http://collector:4318",)
TAKE = """
from aiohttp import web
taken = []
async def take(request):
    assert request.content_type == "application/x-protobuf", request.content_type
    taken.append((await request.read()).hex())
    return web.Response(content_type="application/x-protobuf")
async def show(request):
    return web.json_response(taken)
app = web.Application()
app.router.add_post("/v1/traces", take)
app.router.add_get("/healthz", show)
web.run_app(app, port=8080, print=None)
"""
ASK = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/healthz').read().decode())"
PATIENCE_S = 120


def taken(kubectl):
    """The spans that have come so far."""
    (pod,) = shops.pods(kubectl, app="collector")
    bodies = eval(kubectl.run("exec", pod, "--", "python3", "-c", ASK))  # noqa: S307 - a list of ours
    return [span for body in bodies for span in collector.spans(bytes.fromhex(body))]


def until_told_of_a_change(kubectl):
    """The spans of a POST."""
    deadline = time.monotonic() + PATIENCE_S
    while not (told := [it for it in taken(kubectl) if it.attributes["notifychannel.reason"] == "change"]):
        assert time.monotonic() < deadline
        time.sleep(1)  # the collector is asked; a sidecar sends every five seconds
    return told


async def test_the_collector_of_a_cluster_gets_the_spans_of_an_injected_sidecar(shop, images):
    """A pair for the POST: what was waited for, and the request."""
    made = shops.deployment(images, name="collector", group=None)
    made["spec"]["template"]["spec"]["containers"][0]["args"] = ["-c", TAKE]
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "collector"},
        "spec": {"selector": {"app": "collector"}, "ports": [{"port": 4318, "targetPort": 8080}]},
    }  # fmt: skip
    shop.kubectl.apply(made, service)
    shop.kubectl.rolled_out("deployment/collector")
    owner = await shop.open(shops.channel())
    (pod,) = shop.run(images)
    shops.until_heard(shop.kubectl, pod, None)
    await owner.execute("INSERT INTO orders VALUES (7, 'paid', 'hidden')")
    shops.until_heard(shop.kubectl, pod, {"id": 7})

    told = until_told_of_a_change(shop.kubectl)
    whole, post = sorted(told, key=lambda it: it.name, reverse=True)
    assert (whole.name, post.name, post.parent_id) == ("notifychannel hints", "POST", whole.span_id)
    assert (whole.attributes["notifychannel.channel"], whole.attributes["notifychannel.group"]) == (
        "orders",
        shops.GROUP,
    )
    assert whole.attributes["notifychannel.namespace"] == shop.release.served
    assert post.attributes["http.response.status_code"] == 200
    assert (post.resource["service.name"], post.resource["service.instance.id"]) == ("notifychannel-sidecar", pod)
    assert whole.start_ns <= post.start_ns < post.end_ns <= whole.end_ns
