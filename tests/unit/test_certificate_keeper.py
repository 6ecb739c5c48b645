"""Whose Secrets the keeper writes, reads and leaves alone; the rest is tried on a real cluster in tests/e2e."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from notifychannel_operator import certificates
from notifychannel_operator.certificate_keeper import CertificateKeeper, own_secrets
from notifychannel_operator.kinds import SECRETS
from notifychannel_operator.settings import CertificateSource
from tests.kube_memory import KubeMemory

OURS = {"app.kubernetes.io/managed-by": "notifychannel"}
NAMES = ("nc-ca", "nc-injector-tls")


def keeper(api: KubeMemory, *, source=CertificateSource.OWN, served="nc-injector-tls") -> CertificateKeeper:
    errors: list[int] = []
    made = CertificateKeeper(
        kube=api, namespace="nch", fullname="nc", tls_secret=served, webhook="", source=source,
        on_error=lambda: errors.append(1),
    )  # fmt: skip
    made.errors = errors
    return made


def put(api: KubeMemory, name: str, *, labels: dict[str, str], **values: bytes) -> dict:
    data = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in values.items()}
    return api.put(SECRETS, {"metadata": {"name": name, "namespace": "nch", "labels": labels}, "data": data})


@pytest.mark.parametrize("labels", [{}, {"app.kubernetes.io/managed-by": "Helm"}], ids=["no label", "Helm's"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_secret_of_somebody_else_with_our_name_is_left_as_it_is_and_said_once(caplog, name, labels):
    """Mutant: `== OURS` → `!= ""` in `own_secret._is_ours`. The other is not written either: it would not fit."""
    api = KubeMemory()
    before = put(api, name, labels=labels, ca_crt=b"theirs", tls_crt=b"theirs", tls_key=b"hush-hush")
    some = keeper(api)
    assert [await some.look(), await some.look()] == [False, False]
    assert api.writes == []
    assert api.find(SECRETS, name, "nch") == before
    assert some.errors == [1, 1]
    assert caplog.text.count(f"the Secret nch/{name} is not the operator's") == 1
    assert f"kubectl -n nch delete secret {name}" in caplog.text
    assert "hush" not in caplog.text


@pytest.mark.parametrize("name", NAMES)
async def test_when_the_other_secret_has_gone_the_operators_are_made(name):
    api = KubeMemory()
    put(api, name, labels={})
    some = keeper(api)
    assert not await some.look()
    api.remove(SECRETS, name, namespace="nch")
    assert await some.look()
    assert [write[2] for write in api.writes] == list(NAMES)
    assert some.expires_s() > 0


async def test_what_an_earlier_release_made_is_kept_and_what_is_broken_in_it_replaced():
    """Mutant: look for another label than the one that is written."""
    api = KubeMemory()
    assert await keeper(api).look()
    for name in NAMES:
        assert api.find(SECRETS, name, "nch")["metadata"]["labels"] == OURS
    api.writes.clear()
    assert await keeper(api).look()
    assert api.writes == []
    put(api, "nc-ca", labels=OURS, ca_crt=b"garbage")
    assert await keeper(api).look()
    assert [write[2] for write in api.writes] == list(NAMES)


async def test_the_first_write_yields_to_a_secret_made_at_the_same_moment_and_a_repair_does_not():
    """Mutant: `force=True` in `OwnSecret.write`."""
    forced = []

    class Watched(KubeMemory):
        async def apply(self, kind, body, *, subresource=None, force=True):
            forced.append((body["metadata"]["name"], force))
            return await super().apply(kind, body, subresource=subresource, force=force)

    api = Watched()
    assert await keeper(api).look()
    put(api, "nc-ca", labels=OURS, ca_crt=b"garbage")
    assert await keeper(api).look()
    assert forced == [("nc-ca", False), ("nc-injector-tls", False), ("nc-ca", True), ("nc-injector-tls", True)]


async def test_at_the_end_of_the_release_only_the_operators_own_secrets_go(caplog):
    """Mutant: `if True:` in `OwnSecret.remove`."""
    api = KubeMemory()
    put(api, "nc-ca", labels={})
    put(api, "nc-injector-tls", labels=OURS)
    for secret in own_secrets(api, namespace="nch", fullname="nc", tls_secret="nc-injector-tls"):
        await secret.remove()
        await secret.remove()
    assert api.writes == [("delete", "secrets", "nc-injector-tls")]
    assert api.reads[:3] == [("metadata", "secrets", name) for name in ("nc-ca", "nc-ca", "nc-injector-tls")]
    assert "the Secret nch/nc-ca is not the operator's: it stays" in caplog.text


async def test_of_a_certificate_of_yours_the_end_is_read_from_the_secret_that_the_injector_serves():
    """Mutant: `name=f"{fullname}-injector-tls"` in `own_secrets`."""
    api = KubeMemory()
    now = datetime.now(UTC)
    leaf = certificates.make_leaf(certificates.make_ca(now), ["x"], now - timedelta(days=80))
    put(api, "team-tls", labels={}, tls_crt=leaf.certificate_pem)
    some = keeper(api, source=CertificateSource.EXTERNAL, served="team-tls")
    assert await some.look()
    assert some.expires_s() == leaf.certificate.not_valid_after_utc.timestamp()
    assert api.reads == [("get", "secrets", "team-tls")]
    assert api.writes == []
