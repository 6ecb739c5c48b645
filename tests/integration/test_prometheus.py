"""A real Prometheus finds a real sidecar, injector and operator by the chart's PodMonitors, and every panel has data.

Real: PostgreSQL, passes, triggers, the sidecar's process with the configuration that a pass has written, the injector's
process, Prometheus with its relabelling. Stood in for: the cluster (kube_memory.py to passes, pod_discovery.py to
Prometheus), the Prometheus operator (prometheus_operator.py), and the operator's process: its metrics, served on its
port, are fed by real passes here; that it leads, and when its certificate ends, is said by the test.
"""

from __future__ import annotations

import asyncio
import math
import re
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jsonpatch
import pytest
import yaml

from notifychannel_operator import health, inject, names
from notifychannel_operator.kinds import CHANNELS
from notifychannel_operator.metrics import Metrics
from notifychannel_operator.passes.whereabouts import Ref
from notifychannel_operator.watch.directory import Directory
from notifychannel_operator.work.queue import Ending
from tests import injector as injectors
from tests.application import Application, Say
from tests.expressions import ALERTS, CHART, DASHBOARDS, filled_in, queries, selectors
from tests.operating import CONSUMER, EVENTS, ORDERS, SETTINGS, operating, owner, pod, resource
from tests.premises import build, channel, source
from tests.prometheus import Prometheus
from tests.prometheus_operator import scrape_configs
from tests.sidecar import SidecarProcess

if TYPE_CHECKING:
    from tests.operating import Operating
    from tests.premises import Site

pytestmark = pytest.mark.timeout(240)
MONITORS = list(yaml.safe_load_all((Path(__file__).parent / "golden" / "monitors.yaml").read_text()))
JOBS = Ref("shop", "jobs")
LIVE = Ref("shop", "live")
SHOWN = {"namespace": "shop", "channel": "jobs", "group": "app", "__rate_interval": "1m"}
"""The channel that is delivered AtLeastOnce has something for every panel but those of streams."""
QUICK = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
"""Instead of the monitors' 30 s."""
RELEASE = {"app.kubernetes.io/name": "notifychannel", "app.kubernetes.io/instance": "notifychannel"}
OPERATOR, INJECTOR = ({**RELEASE, "app.kubernetes.io/component": name} for name in ("operator", "injector"))
APPLICATION = {inject.GROUP_LABEL: "app"}


@pytest.fixture(scope="session")
def server(newest):
    """What is scraped comes from the programs; one version is enough."""
    return newest


def at(name: str, port: int, labels: dict[str, str], *, namespace: str = "release-ns", phase: str = "Running") -> dict:
    """A pod on this machine, with one port called `http`."""
    container = {"name": "it", "image": "it", "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}]}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "uid": name},
        "spec": {"containers": [container]},
        "status": {"phase": phase, "podIP": "127.0.0.1"},
    }


def injected(name: str, port: int, *, phase: str = "Running") -> dict:
    """An application's pod as the injector makes it, with the sidecar's port where ours listens."""
    made = at(name, 8080, APPLICATION, namespace="shop", phase=phase)
    made["metadata"]["annotations"] = {"notifychannel.io/status-port": str(port)}
    return jsonpatch.apply_patch(made, list(inject.decide(made, namespace="shop", settings=SETTINGS).patch))


def failing_once():
    """A judge: the first hints are answered with 500."""
    answers = iter([Say(status=500)])
    return lambda body: next(answers, Say()) if body["hints"] else Say()


def asked(operator: Operating, directory: Directory) -> Metrics:
    """The operator's metrics, wired to what passes remember, as app.py does it."""
    metrics, memory = Metrics(version="test"), operator.edges.memory
    metrics.ask(
        waiting=lambda: 0, running=lambda: 0, by_ready=directory.by_ready, is_leading=lambda: True,
        canary_late_s=lambda: 0.0, certificate_expires_s=lambda: 9e9, outboxes=memory.known_outboxes,
        queues=lambda: memory.queues, pods=lambda: memory.pods, repairs=lambda: memory.repairs,
    )  # fmt: skip
    return metrics


@dataclass(kw_only=True)
class Shop:
    """Three channels of one group, with everything that they need; one of them is streamed."""

    site: Site
    operator: Operating
    directory: Directory
    metrics: Metrics

    @classmethod
    async def on(cls, database, application: Application) -> Shop:
        """Installed, and nobody listens yet."""
        operator, directory = operating(), Directory()
        made = cls(
            site=await build(database), operator=operator, directory=directory, metrics=asked(operator, directory)
        )
        endpoint = {**CONSUMER, "endpoint": {"port": application.port, "path": "/hints"}}
        jobs = {"sources": [EVENTS], "capture": "Outbox", "consumers": [{**endpoint, "delivery": "AtLeastOnce"}]}
        operator.secret(database.dsn(made.site.installer))
        live = resource("live", consumers=[{"group": "app"}])
        operator.apply(resource(consumers=[endpoint]), resource("jobs", **jobs), live)
        operator.pods(pod("app-1"))
        await made.site.grant(channel(source(), source("events")))
        await made.passes()
        return made

    async def passes(self) -> None:
        """One over each channel, told as the operator's program does."""
        for ref in (ORDERS, JOBS, LIVE):
            await self.operator.run(ref)
            self.metrics.on_pass(Ending.DONE, 0.01)
            self.directory.see(self.operator.kube.find(CHANNELS, ref.name, ref.namespace))

    async def change(self) -> None:
        """Rows, for ever."""
        writer = await self.site.database.connect(self.site.app_role)
        for number in range(1, 10**6):
            await writer.execute("INSERT INTO orders VALUES ($1)", number)
            await writer.execute("INSERT INTO events VALUES ($1, '2026-01-02')", number)
            await asyncio.sleep(0.2)

    async def suffer(self) -> None:
        """The listener has to connect again; a trigger function is dropped and put back."""
        await self.site.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'nch/%'"
        )
        await self.site.admin.execute(
            f"DROP FUNCTION notifychannel.{names.function(owner(), 'public', 'orders')} CASCADE"
        )
        await self.passes()


@asynccontextmanager
async def lasting(work):
    """It goes on while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def watched(shop: Shop, application: Application, folder: Path):
    """The sidecar, and Prometheus that finds it and the others."""
    uri = shop.site.database.dsn(shop.site.listener)
    _, leaf = injectors.issue()
    injectors.put(folder, leaf)
    serving = health.serve(
        host="127.0.0.1", port=0, metrics=shop.metrics.text, illness=lambda: None, unready=lambda: None
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        sidecar = await stack.enter_async_context(SidecarProcess(config=shop.operator.config(), uri=uri))
        port = await stack.enter_async_context(serving)
        injector = await stack.enter_async_context(injectors.injector(folder))
        pods = [
            injected("app-1", sidecar.port),
            injected("app-finished", sidecar.port, phase="Succeeded"),
            at("app-without-sidecar", 8081, APPLICATION, namespace="shop"),
            at("operator-1", port, OPERATOR),
            at("operator-of-another-release", port, OPERATOR, namespace="elsewhere"),
            at("injector-1", injector.http_port, INJECTOR),
        ]
        jobs = [{**job, **QUICK} for each in MONITORS for job in scrape_configs(each, pods)]
        config = {
            "global": {"evaluation_interval": QUICK["scrape_interval"]},
            "rule_files": [str(CHART / "alerts" / "notifychannel.yaml")],
            "scrape_configs": jobs,
        }
        yield sidecar, await stack.enter_async_context(Prometheus(config=config))


def is_shown(found: list[dict]) -> bool:
    """A number, and not only the quotient of nothing."""
    return any(not math.isnan(float(sample["value"][1])) for sample in found)


async def test_every_panel_of_both_dashboards_has_data_and_the_targets_are_those_that_the_monitors_mean(
    database, tmp_path
):
    """Mutants: `honorLabels: false` in golden/monitors.yaml (a channel's namespace is lost); its relabeling to `group`
    taken out; another name for the port in inject/container.py; a matcher with a value that no program uses in a panel.
    """
    async with Application() as application:
        application.judge = failing_once()
        shop = await Shop.on(database, application)
        async with watched(shop, application, tmp_path) as (sidecar, prometheus), lasting(shop.change()):
            await prometheus.until("up", lambda up: [sample["value"][1] for sample in up] == ["1"] * 3)
            await the_targets_are_right(prometheus, sidecar)
            await shop.suffer()
            for query in queries():
                shown = {**SHOWN, "channel": LIVE.name} if "_stream_" in query.expression else SHOWN
                for sample in await prometheus.until(filled_in(query.expression, shown), is_shown):
                    assert set(re.findall(r"{{(\w+)}}", query.legend)) <= set(sample["metric"]), query.where
                    assert sample["metric"].get("namespace", "shop") == "shop", query.where
            await the_variables_find_the_channel(prometheus)
            await the_alerts_are_still(prometheus)


async def the_targets_are_right(prometheus: Prometheus, sidecar: SidecarProcess) -> None:
    """Not the finished pod, not the one without the sidecar, not the other release's."""
    targets = (await prometheus.get("targets", state="active"))["activeTargets"]
    found = {target["labels"]["pod"]: target for target in targets}
    assert set(found) == {"app-1", "operator-1", "injector-1"}
    assert found["app-1"]["discoveredLabels"]["__meta_kubernetes_pod_container_init"] == "true"
    assert found["app-1"]["labels"] == {
        "namespace": "shop", "pod": "app-1", "container": "notifychannel", "endpoint": "notifychannel",
        "group": "app", "job": "release-ns/notifychannel-sidecars", "instance": f"127.0.0.1:{sidecar.port}",
    }  # fmt: skip
    assert found["operator-1"]["labels"]["namespace"] == "release-ns"


async def the_alerts_are_still(prometheus: Prometheus) -> None:
    """Their metrics are there, Prometheus can evaluate them on what it has scraped, and none fires."""
    for name, rule in ALERTS.items():
        for metric, _ in selectors(rule["expr"]):
            assert await prometheus.until(f"count({metric})"), name
    rules = [rule for group in (await prometheus.get("rules"))["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == set(ALERTS)
    assert {rule["health"] for rule in rules} == {"ok"}, rules
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []


async def the_variables_find_the_channel(prometheus: Prometheus) -> None:
    for dashboard in DASHBOARDS.values():
        for variable in dashboard["templating"]["list"][1:]:
            asked_for = filled_in(variable["query"]["query"], SHOWN).removeprefix("label_values(").removesuffix(")")
            selector, _, label = asked_for.rpartition(", ")
            assert SHOWN[label] in await prometheus.get(f"label/{label}/values", **{"match[]": selector})
