"""docs/howto/cloudnativepg.md: its Secret is a way to the database, its manifests have fields that CloudNativePG knows.

The fields are those of config/crd/bases of cloudnative-pg/cloudnative-pg, as of August 2026.
"""

from __future__ import annotations

import ssl

import pytest
import yaml

from notifychannel_sidecar.credentials import from_mapping
from tests.certificates import authority
from tests.pages import ROOT, blocks

PAGE = (ROOT / "docs" / "howto" / "cloudnativepg.md").read_text()
CLUSTER, SECRET, POLICY = (yaml.safe_load(it.text) for it in blocks(PAGE) if it.language == "yaml")
ROLE = {
    "bypassrls", "comment", "connectionLimit", "createdb", "createrole", "disablePassword", "ensure", "inRoles",
    "inherit", "login", "name", "passwordSecret", "replication", "superuser", "validUntil",
}  # fmt: skip


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("ca")).ca.read_bytes()


def test_the_page_s_secret_and_manifests_are_what_both_operators_read(ca):
    """Mutants: a key of the Secret or a field of the Cluster with another name."""
    data = {key: value.encode() for key, value in SECRET["stringData"].items()} | {"ca.crt": ca}
    made = from_mapping(data).connect_arguments()
    roles = {role["name"]: role for role in CLUSTER["spec"]["managed"]["roles"]}
    assert (made["host"], made["port"], made["database"]) == (["db-rw"], [5432], "shop")
    assert (made["ssl"].verify_mode, made["ssl"].check_hostname) == (ssl.CERT_REQUIRED, True)
    assert roles[made["user"]]["passwordSecret"] == {"name": SECRET["metadata"]["name"]}
    assert SECRET["metadata"]["labels"]["notifychannel.io/allow"] == "true"
    assert (SECRET["type"], {"username", "password"} <= data.keys()) == ("kubernetes.io/basic-auth", True)

    assert CLUSTER["apiVersion"] == "postgresql.cnpg.io/v1"
    assert CLUSTER["spec"].keys() <= {"instances", "storage", "bootstrap", "managed"}
    assert CLUSTER["spec"]["bootstrap"]["initdb"].keys() <= {"database", "owner"}
    assert all(role.keys() <= ROLE for role in roles.values())
    assert roles[CLUSTER["spec"]["bootstrap"]["initdb"]["owner"]]["inRoles"] == [made["user"]]
    assert POLICY["spec"]["podSelector"]["matchLabels"] == {"cnpg.io/cluster": CLUSTER["metadata"]["name"]}
