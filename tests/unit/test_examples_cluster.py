"""The manifests of the README's way onto a cluster: the same application as under Compose, and one set of names."""

from __future__ import annotations

from pathlib import Path

import yaml

from notifychannel_operator.manifest import parse

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "examples" / "cluster"


def objects(name: str) -> dict[tuple[str, str], dict]:
    found = yaml.safe_load_all((CLUSTER / name).read_text())
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def test_the_application_is_the_one_of_the_compose_example():
    config = objects("application.yaml")["ConfigMap", "orders-api"]
    assert config["data"]["application.py"] == (ROOT / "examples" / "compose" / "application.py").read_text()


def test_the_channel_its_secrets_and_the_database_name_the_same_things():
    found = objects("orders.yaml")
    text = yaml.safe_dump(found["NotifyChannel", "orders"])
    (channel,) = parse(text, file="orders.yaml")
    (consumer,) = channel.consumers
    installer, listener = found["Secret", channel.secret], found["Secret", f"notifychannel-{consumer.group}"]
    assert installer["metadata"]["labels"] == {"notifychannel.io/allow": "true"}
    assert "labels" not in listener["metadata"]
    sql = objects("postgresql.yaml")["ConfigMap", "postgres"]["data"]["2-roles.sql"]
    for secret, role in ((installer, "notifychannel_installer"), (listener, "notifychannel_listener")):
        password = secret["stringData"]["uri"].partition(f"//{role}:")[2].partition("@")[0]
        assert f"CREATE ROLE {role} LOGIN PASSWORD '{password}'" in sql
    assert ("Service", "postgres") in objects("postgresql.yaml")
