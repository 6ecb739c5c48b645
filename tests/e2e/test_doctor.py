"""`notifychannel doctor` on a real cluster: each thing is broken for real, that check fails, and only that; then it is
mended, and all is well. What a break does to the conditions of other channels follows from it, and is said so.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from notifychannel_cli.commands import cli
from notifychannel_cli.doctor import examination
from tests.e2e.breakages import BREAKS, Ward
from tests.e2e.shop import channel, until_condition

if TYPE_CHECKING:
    import asyncpg

ELSEWHERE = {"cluster/reachable": "test_a_cluster_that_is_away_ends_with_3"}
WHILE_ALL_WORKS = (
    "cluster/crd", "cluster/rbac", "channel/conditions", "channel/secret", "pods/injected", "pods/outdated",
    "pods/group", "pods/listening", "pods/probe",
)  # fmt: skip
WHILE_NOBODY_MENDS = ("cluster/certificate", "cluster/ca-bundle"), ("cluster/injector",)
"""The operator would put the first two right; the injector can't be judged by a certificate that is wrong."""


async def test_each_thing_that_is_broken_is_named_and_nothing_else_and_all_is_well_when_it_is_mended(shop, images):
    """Mutants: a condition is a failure although its cause is told; the group of a pod not looked at."""
    assert BREAKS.keys() | ELSEWHERE.keys() == {it.id for it in examination.OF_CLUSTER}
    assert BREAKS.keys() == {*WHILE_ALL_WORKS, *sum(WHILE_NOBODY_MENDS, ()), "cluster/leader"}
    owner = await shop.open(channel())
    ward = Ward(shop=shop, images=images)
    await asyncio.to_thread(shop.run, images)
    await asyncio.to_thread(until_condition, shop.kubectl, "orders", "Ready", "True")
    await asyncio.to_thread(ward.until)
    await _with_its_database(ward, owner)
    await asyncio.to_thread(_walk, ward)


async def _with_its_database(ward: Ward, owner: asyncpg.Connection) -> None:
    """The cluster says which channels should be in it; a trigger that a person disabled stays so."""
    dsn = ("--dsn", ward.shop.postgres.local_uri("installer"))
    found = await asyncio.to_thread(ward.examined, *dsn)
    assert [it for it in found if it["verdict"] != "ok"] == []
    named = "SELECT quote_ident(tgname) FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND NOT tgisinternal LIMIT 1"
    trigger = await owner.fetchval(named)
    await owner.execute(f"ALTER TABLE orders DISABLE TRIGGER {trigger}")
    found = await asyncio.to_thread(ward.examined, *dsn)
    assert {it["check"] for it in found if it["verdict"] in {"failed", "warning"}} == {"channel/enabled"}
    await owner.execute(f"ALTER TABLE orders ENABLE TRIGGER {trigger}")
    await asyncio.to_thread(ward.until)


def _walk(ward: Ward) -> None:
    unmade = {it["check"] for it in ward.examined() if it["verdict"] == "not checked"}
    assert unmade == {it.id for it in examination.OF_DATABASE}  # no DSN was given
    with ward.broken(*WHILE_ALL_WORKS):
        ward.until(*(BREAKS[check] for check in WHILE_ALL_WORKS))
    ward.until()
    with ward.broken("cluster/leader"):
        for checks in WHILE_NOBODY_MENDS:
            with ward.broken(*checks):
                ward.until(*(BREAKS[check] for check in ("cluster/leader", *checks)))
        ward.until(BREAKS["cluster/leader"])
    ward.until()


def test_a_cluster_that_is_away_ends_with_3(tmp_path):
    away = tmp_path / "kubeconfig"
    away.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "hidden"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }))  # fmt: skip
    result = CliRunner().invoke(cli, ["doctor", "--json", "--kubeconfig", str(away)], env={"NOTIFYCHANNEL_DSN": None})
    assert result.exit_code == 3, result.output
    found = json.loads(result.stdout)["findings"]
    assert {it["check"] for it in found if it["verdict"] != "not checked"} == {"cluster/reachable"}
    assert "hidden" not in result.output
