"""What the operator makes of the host names in a Secret of another namespace."""

import base64

import pytest

from notifychannel_operator.passes import secret


class OneSecret:
    """Stands in for the cluster: one Secret with the label."""

    def __init__(self, **data):
        content = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.body = {"metadata": {"labels": {secret.ALLOW: "true"}}, "data": content}

    async def metadata(self, kind, name, *, namespace):
        return self.body

    async def get(self, kind, name, *, namespace):
        return self.body


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("orders-db-rw", "orders-db-rw.shop.svc"),
        ("orders-db-rw.data", "orders-db-rw.data"),
        ("db.example.com", "db.example.com"),
        ("10.0.0.7", "10.0.0.7"),
        ("localhost", "localhost"),
        ("a,b.data", "a.shop.svc,b.data"),
    ],
)
async def test_a_short_host_name_is_a_service_of_the_secrets_namespace_as_for_its_pods(host, asked):
    """Mutant: `return read`: the operator asks its own namespace (or nobody) for a Service of the shop's."""
    found = await secret.read(
        OneSecret(host=host, user="installer", password="p", dbname="app"), namespace="shop", name="db"
    )
    assert ",".join(found.hosts) == asked


async def test_the_same_content_in_two_namespaces_is_two_databases():
    """Sessions are kept by the fingerprint. Mutant: `digest=read.digest`: a pass for prod is lent staging's session."""
    prints = [
        (await secret.read(OneSecret(uri="postgresql://i:p@db/app"), namespace=namespace, name="db")).fingerprint()
        for namespace in ("staging", "prod", "prod")
    ]
    assert prints[0] != prints[1] == prints[2]
    assert "staging" not in prints[0]


async def test_nothing_of_the_operators_own_completes_a_secret_that_leads_elsewhere(monkeypatch, tmp_path):
    """A host swap: who names another host has to name the password too. Mutant: `connect_arguments` without `password`.

    The operator's environment and home hold what libpq and asyncpg would look for.
    """
    (tmp_path / ".pgpass").write_text("*:*:*:*:of-the-operator")
    (tmp_path / ".pgpass").chmod(0o600)
    (tmp_path / "services").write_text("[s]\npassword=of-the-operator\n")
    settings = {"PASSWORD": "of-the-operator", "USER": "o", "SERVICEFILE": str(tmp_path / "services"), "SERVICE": "s"}
    for name, value in {**settings, "PASSFILE": str(tmp_path / ".pgpass"), "SSLKEY": str(tmp_path / "key")}.items():
        monkeypatch.setenv(f"PG{name}", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    uri = "postgresql://u@evil.example/app?service=s&passfile=/x&sslmode=disable"
    found = await secret.read(OneSecret(uri=uri), namespace="shop", name="db")
    asked = found.connect_arguments()
    assert (asked["host"], asked["user"], asked["password"], asked["ssl"]) == (["evil.example"], "u", "", False)
    assert "of-the-operator" not in repr(asked)


@pytest.mark.parametrize("leave_out", ["host", "user"])
async def test_a_secret_that_names_no_host_or_user_gets_none_of_the_operators(monkeypatch, leave_out):
    """Mutant: `_credentials` with a default for the host."""
    monkeypatch.setenv("PGHOST", "of-the-operator")
    monkeypatch.setenv("PGUSER", "of-the-operator")
    content = {"host": "db", "user": "u", "password": "p", "dbname": "app"}
    del content[leave_out]
    with pytest.raises(secret.Unresolved, match=f"{leave_out} is missing"):
        await secret.read(OneSecret(**content), namespace="shop", name="db")
