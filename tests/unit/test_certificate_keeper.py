"""Whose Secrets the keeper writes, and leaves alone; the rest is tried on a real cluster in tests/e2e."""

from __future__ import annotations

import base64

import pytest

from notifychannel_operator import inject
from notifychannel_operator.app import Operator
from notifychannel_operator.certificate_keeper import CertificateKeeper, own_secrets
from notifychannel_operator.kinds import SECRETS
from notifychannel_operator.kube_login import Place
from notifychannel_operator.leadership.deadline import Deadline
from notifychannel_operator.settings import CertificateSource, Settings
from tests.kube_memory import KubeMemory

OURS = {"app.kubernetes.io/managed-by": "notifychannel"}
NAMES = ("nc-ca", "nc-injector-tls")


def keeper(api: KubeMemory) -> CertificateKeeper:
    errors: list[int] = []
    made = CertificateKeeper(
        kube=api, namespace="nch", fullname="nc", tls_secret="nc-injector-tls", webhook="",
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
    """Mutant: `== OURS` → `!= ""` in `managed_by.is_ours`. The other is not written either: it would not fit."""
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


async def test_a_secret_that_somebody_makes_at_the_same_moment_stays_whole_and_what_is_ours_is_repaired(caplog):
    """Mutants: `apply` for what is not there in `OwnSecret.write`, which mixes keys; `create` always."""

    class Late(KubeMemory):
        async def create(self, kind, body):
            self.theirs(body)
            return await super().create(kind, body)

        async def apply(self, kind, body, *, subresource=None, force=True):
            self.theirs(body)
            return await super().apply(kind, body, subresource=subresource, force=force)

        def theirs(self, body):
            if not self.writes and body["metadata"]["name"] == "nc-ca":
                put(self, "nc-ca", labels={}, theirs=b"theirs")

    api = Late()
    some = keeper(api)
    assert [await some.look(), await some.look()] == [False, False]
    assert api.find(SECRETS, "nc-ca", "nch")["data"] == {"theirs": base64.b64encode(b"theirs").decode()}
    assert api.writes == [("create", "secrets", "nc-ca")]
    assert "the Secret nch/nc-ca is not the operator's" in caplog.text
    api.remove(SECRETS, "nc-ca", namespace="nch")
    assert await some.look()
    put(api, "nc-ca", labels=OURS, ca_crt=b"garbage")
    assert await some.look()
    made = [("create", "secrets", name) for name in NAMES]
    assert api.writes[1:] == [*made, *(("apply", "secrets", name) for name in NAMES)]


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


@pytest.mark.parametrize("source", CertificateSource)
def test_a_certificate_of_somebody_else_has_no_keeper(source):
    """Its key is nothing that the operator should be able to read. Mutant: `_keeper` without its condition."""
    settings = Settings(
        namespace="nch", fullname="nc", pod="nc-1", place=Place(host="127.0.0.1", port="1"), certificate=source
    )
    operator = Operator(
        settings, injection=inject.Settings(image="sidecar:1"), deadline=Deadline(),
        on_kopf=lambda: None,
    )  # fmt: skip
    assert (operator._keeper(KubeMemory()) is None) == (source is CertificateSource.EXTERNAL)
