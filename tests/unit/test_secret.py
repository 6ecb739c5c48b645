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
