"""The injector's certificate in a real cluster: two Secrets, one webhook configuration, and who may change them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from notifychannel_operator import certificates
from notifychannel_operator.certificate_keeper import CertificateKeeper
from notifychannel_operator.kinds import SECRETS, WEBHOOKS
from notifychannel_operator.kube_error import NotFound
from tests.e2e.operator_process import kube


@pytest.fixture
async def api(kubeconfig):
    async with kube(kubeconfig) as made:
        yield made


@pytest.fixture
async def webhook(api, namespace):
    """A configuration of two webhooks that never match anything."""
    name = f"edge-{namespace}"
    hooks = [
        {
            "name": f"{each}.notifychannel.test", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "failurePolicy": "Ignore", "namespaceSelector": {"matchLabels": {"edge": "never"}},
            "clientConfig": {"service": {"name": "nc-injector", "namespace": namespace, "path": "/inject"}},
        }
        for each in ("one", "two")
    ]  # fmt: skip
    await api.create(WEBHOOKS, {"metadata": {"name": name}, "webhooks": hooks})
    yield name
    await api.delete(WEBHOOKS, name)


def keeper(api, namespace, webhook=""):
    errors = []
    made = CertificateKeeper(
        kube=api, namespace=namespace, fullname="nc", tls_secret="nc-injector-tls", webhook=webhook,
        on_error=lambda: errors.append(1),
    )  # fmt: skip
    made.errors = errors
    return made


async def values(api, namespace, name):
    data = (await api.get(SECRETS, name, namespace=namespace))["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}


async def bundles(api, webhook):
    hooks = (await api.get(WEBHOOKS, webhook))["webhooks"]
    return [base64.b64decode(each["clientConfig"].get("caBundle", "")) for each in hooks]


async def test_from_nothing_everything_is_made_and_stays_as_it_is(api, namespace, webhook):
    some = keeper(api, namespace, webhook)
    assert await some.look()
    tls = await values(api, namespace, "nc-injector-tls")
    leaf = certificates.parse(tls["tls.crt"])[0]
    assert f"nc-injector.{namespace}.svc" in certificates.names_of(leaf)
    for bundle in await bundles(api, webhook):
        assert certificates.verifies(leaf, bundle, datetime.now(UTC))
    assert some.expires_s() == leaf.not_valid_after_utc.timestamp()
    kept = [await api.get(SECRETS, name, namespace=namespace) for name in ("nc-ca", "nc-injector-tls")]
    before = (await api.get(WEBHOOKS, webhook))["metadata"]["resourceVersion"]
    assert await keeper(api, namespace, webhook).look()
    assert [await api.get(SECRETS, name, namespace=namespace) for name in ("nc-ca", "nc-injector-tls")] == kept
    assert (await api.get(WEBHOOKS, webhook))["metadata"]["resourceVersion"] == before
    assert (kept[1]["type"], set(tls)) == ("kubernetes.io/tls", {"tls.crt", "tls.key", "ca.crt"})


@pytest.mark.parametrize("broken", ["nc-ca", "nc-injector-tls", "bundle"])
async def test_what_somebody_deletes_is_put_back_and_fits(api, namespace, webhook, broken):
    """Mutant: write only what is missing, not what no longer fits to it."""
    some = keeper(api, namespace, webhook)
    assert await some.look()
    if broken == "bundle":
        hooks = (await api.get(WEBHOOKS, webhook))["webhooks"]
        del hooks[1]["clientConfig"]["caBundle"]
        await api.patch(WEBHOOKS, webhook, {"webhooks": hooks})
    else:
        await api.delete(SECRETS, broken, namespace=namespace)
    assert await some.look()
    leaf = certificates.parse((await values(api, namespace, "nc-injector-tls"))["tls.crt"])[0]
    assert all(certificates.verifies(leaf, bundle, datetime.now(UTC)) for bundle in await bundles(api, webhook))


async def test_a_new_leaf_is_written_only_after_the_bundle_that_vouches_for_it(api, namespace, webhook):
    """Mutant: write the leaf's Secret before `caBundle`."""
    written = []

    class Watched:
        def __getattr__(self, name):
            async def call(kind, *args, **kwargs):
                if name in ("create", "apply", "patch"):
                    written.append(args[0] if isinstance(args[0], str) else args[0]["metadata"]["name"])
                return await getattr(api, name)(kind, *args, **kwargs)

            return call

    assert await keeper(Watched(), namespace, webhook).look()
    assert written == ["nc-ca", webhook, "nc-injector-tls"]


async def test_where_the_webhook_is_not_there_nothing_breaks_and_it_is_counted(api, namespace):
    some = keeper(api, namespace, "edge-not-there")
    assert not await some.look()
    assert some.errors == [1]
    with pytest.raises(NotFound):
        await api.get(SECRETS, "nc-ca", namespace=namespace)


@pytest.mark.parametrize("name", ["nc-ca", "nc-injector-tls"])
async def test_a_secret_of_somebody_else_with_our_name_stays_as_it_is(api, namespace, webhook, name):
    """Mutant: `== OURS` → `!= ""` in `managed_by.is_ours`."""
    data = {"ca.crt": base64.b64encode(b"theirs").decode(), "tls.crt": base64.b64encode(b"theirs").decode()}
    before = await api.create(SECRETS, {"metadata": {"name": name, "namespace": namespace}, "data": data})
    some = keeper(api, namespace, webhook)
    assert not await some.look()
    assert some.errors == [1]
    after = await api.get(SECRETS, name, namespace=namespace)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert await bundles(api, webhook) == [b"", b""]
    await api.delete(SECRETS, name, namespace=namespace)
    assert await some.look()


async def test_a_secret_that_somebody_makes_at_the_same_moment_is_not_overwritten(api, namespace, webhook):
    """Nor mixed with ours. Mutant: `apply` for what is not there in `OwnSecret.write`, forced or not."""
    data = {"theirs": base64.b64encode(b"theirs").decode()}

    class Late:
        def __getattr__(self, name):
            return getattr(api, name)

        async def create(self, kind, body):
            await self._theirs(body)
            return await api.create(kind, body)

        async def apply(self, kind, body, **options):
            await self._theirs(body)
            return await api.apply(kind, body, **options)

        async def _theirs(self, body):
            if body["metadata"]["name"] == "nc-ca":
                await api.create(SECRETS, {"metadata": {"name": "nc-ca", "namespace": namespace}, "data": data})

    some = keeper(Late(), namespace, webhook)
    assert not await some.look()
    assert await values(api, namespace, "nc-ca") == {"theirs": b"theirs"}
