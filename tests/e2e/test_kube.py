"""Our client against a real API server: what it gives back, what it raises, and that no call takes for ever."""

from __future__ import annotations

import asyncio
import base64
import json
import time

import pytest

from notifychannel_operator import installation
from notifychannel_operator.installation import InstallationError
from notifychannel_operator.kinds import CONFIGMAPS, EVENTS, NAMESPACES, PODS, SECRETS
from notifychannel_operator.kube import Kube
from notifychannel_operator.kube_error import Conflict, Forbidden, KubeError, NotFound, NotLeading, Unreachable
from notifychannel_operator.kube_login import LoginError, Place, bearer_token, login
from tests.e2e.operated import with_crd
from tests.e2e.operator_process import kube, wired

LIMIT_S = 8.0
"""Enough for a busy API server that is not frozen."""


@pytest.fixture
async def api(kubeconfig):
    async with kube(kubeconfig) as made:
        yield made


def configmap(namespace, name="thing", **data):
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


async def test_an_object_lives_and_dies(api, namespace):
    made = await api.create(CONFIGMAPS, configmap(namespace, a="1"))
    assert (made["kind"], made["data"]) == ("ConfigMap", {"a": "1"})
    with pytest.raises(Conflict) as twice:
        await api.create(CONFIGMAPS, configmap(namespace))
    assert (twice.value.status, twice.value.reason) == (409, "AlreadyExists")
    patched = await api.patch(CONFIGMAPS, "thing", {"data": {"a": None, "b": "2"}}, namespace=namespace)
    assert patched["data"] == {"b": "2"}
    with pytest.raises(Conflict):
        await api.replace(CONFIGMAPS, made)
    assert (await api.replace(CONFIGMAPS, {**patched, "data": {"c": "3"}}))["data"] == {"c": "3"}
    assert (await api.get(CONFIGMAPS, "thing", namespace=namespace))["data"] == {"c": "3"}
    await api.delete(CONFIGMAPS, "thing", namespace=namespace)
    await api.delete(CONFIGMAPS, "thing", namespace=namespace)
    with pytest.raises(NotFound) as gone:
        await api.get(CONFIGMAPS, "thing", namespace=namespace)
    assert "thing" in str(gone.value)


async def test_apply_owns_its_fields_and_leaves_the_others(api, kubectl, namespace):
    kubectl.within(namespace).run("create", "configmap", "thing", "--from-literal=theirs=1")
    await api.apply(CONFIGMAPS, configmap(namespace, ours="1", more="1"))
    applied = await api.apply(CONFIGMAPS, configmap(namespace, ours="2"))
    assert applied["data"] == {"theirs": "1", "ours": "2"}
    assert {entry["manager"] for entry in applied["metadata"]["managedFields"]} >= {"notifychannel-operator"}


async def test_metadata_shows_the_labels_of_a_secret_and_not_its_data(api, namespace):
    """Mutant: ask for the whole object."""
    body = {
        "metadata": {"name": "db", "namespace": namespace, "labels": {"a": "b"}},
        "data": {"uri": base64.b64encode(b"x").decode()},
    }
    await api.create(SECRETS, body)
    told = await api.metadata(SECRETS, "db", namespace=namespace)
    assert told["kind"] == "PartialObjectMetadata"
    assert told["metadata"]["labels"] == {"a": "b"}
    assert "data" not in told


async def test_lists_come_whole_page_by_page_and_by_label(api, namespace, monkeypatch):
    """Mutant: ignore `continue`."""
    monkeypatch.setattr("notifychannel_operator.kube.PAGE", 3)
    for number in range(7):
        body = configmap(namespace, f"page-{number}")
        body["metadata"]["labels"] = {"odd": str(number % 2)}
        await api.create(CONFIGMAPS, body)
    names = [each["metadata"]["name"] for each in await api.list(CONFIGMAPS, namespace=namespace)]
    assert len([name for name in names if name.startswith("page-")]) == 7
    odd = await api.list(CONFIGMAPS, namespace=namespace, labels="odd=1")
    assert [each["metadata"]["name"] for each in odd] == ["page-1", "page-3", "page-5"]
    assert {(each["apiVersion"], each["kind"]) for each in odd} == {("v1", "ConfigMap")}
    assert namespace in {each["metadata"]["name"] for each in await api.list(NAMESPACES)}


async def test_an_event_is_seen_on_its_object_and_is_never_too_long(api, kubectl, namespace):
    thing = await api.create(CONFIGMAPS, configmap(namespace))
    await api.event(regarding=thing, type="Warning", reason="Invalid", note="é" * 2000)
    [event] = await api.list(EVENTS, namespace=namespace)
    assert (event["reason"], event["type"], event["regarding"]["name"]) == ("Invalid", "Warning", "thing")
    assert "Invalid" in await asyncio.to_thread(kubectl.within(namespace).run, "describe", "configmap", "thing") or (
        "Invalid" in await asyncio.to_thread(kubectl.within(namespace).run, "events", "--for", "configmap/thing")
    )


async def test_a_frozen_api_server_is_an_error_in_time(kubeconfig, namespace, tmp_path, record_property):
    """Mutant: no asyncio.timeout in `_call`."""
    async with wired(kubeconfig, tmp_path) as (wire, through), kube(through, timeout_s=LIMIT_S) as api:
        await api.get(NAMESPACES, namespace)
        wire.freeze()
        began_s = time.monotonic()
        with pytest.raises(Unreachable, match=f"no answer from the API server within {LIMIT_S:.0f} s"):
            await api.get(NAMESPACES, namespace)
        record_property("figures", f"API server frozen, limit {LIMIT_S:.0f} s: {time.monotonic() - began_s:.1f} s")
        wire.thaw()
        assert (await api.get(NAMESPACES, namespace))["metadata"]["name"] == namespace
        await wire.refuse()
        wire.cut()
        with pytest.raises(Unreachable):
            await api.get(NAMESPACES, namespace)


async def test_behind_a_closed_fence_everything_is_read_and_nothing_written(kubeconfig, namespace, tmp_path):
    """Mutant: drop the check of `may_write` in `_call`."""
    async with wired(kubeconfig, tmp_path) as (wire, through), kube(through, may_write=lambda: False) as api:
        await api.get(NAMESPACES, namespace)
        before = wire.sent_bytes
        for write in (
            api.create(CONFIGMAPS, configmap(namespace)),
            api.apply(CONFIGMAPS, configmap(namespace)),
            api.patch(CONFIGMAPS, "kube-root-ca.crt", {}, namespace=namespace),
            api.delete(CONFIGMAPS, "kube-root-ca.crt", namespace=namespace),
        ):
            with pytest.raises(NotLeading):
                await write
        assert wire.sent_bytes == before


async def test_an_invalid_object_is_refused_with_the_servers_sentence(api, namespace):
    with pytest.raises(KubeError, match="Invalid value") as refused:
        await api.create(CONFIGMAPS, configmap(namespace, name="Not A Name"))
    assert (refused.value.status, refused.value.reason) == (422, "Invalid")


@pytest.fixture
def account(kubectl, namespace, kubeconfig, tmp_path):
    """A service account that may only `get` ConfigMaps of its namespace, as a pod has it: token and CA as files."""
    within = kubectl.within(namespace)
    within.run("create", "serviceaccount", "small")
    within.run("create", "role", "small", "--verb=get", "--resource=configmaps")
    within.run("create", "rolebinding", "small", "--role=small", f"--serviceaccount={namespace}:small")
    config = json.loads(kubectl.run("config", "view", "--raw", "--minify", "-o", "json"))["clusters"][0]["cluster"]
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(config["certificate-authority-data"]))
    (tmp_path / "token").write_text(within.run("create", "token", "small").strip())
    host, _, port = config["server"].removeprefix("https://").rpartition(":")
    return Place(host=host, port=port, token=tmp_path / "token", ca=tmp_path / "ca.crt")


async def test_as_a_pod_what_rbac_does_not_allow_is_forbidden_with_its_name(account, namespace):
    async with Kube(await login(account), pod="test") as api:
        assert await api.get(CONFIGMAPS, "kube-root-ca.crt", namespace=namespace)
        with pytest.raises(Forbidden, match=f'{namespace}:small" cannot list resource "pods"'):
            await api.list(PODS, namespace=namespace)


async def test_a_rotated_token_is_read_again(account, kubectl, namespace):
    """The library looks at the file once a minute; the minute is moved here."""
    configuration = await login(account)
    first = await bearer_token(configuration)
    async with Kube(configuration, pod="test") as api:
        await api.get(CONFIGMAPS, "kube-root-ca.crt", namespace=namespace)
        account.token.write_text("not.a.token")
        loader = configuration.refresh_api_key_hook.__closure__[0].cell_contents
        loader.token_expires_at -= loader._token_refresh_period
        with pytest.raises(KubeError) as expired:  # and not Forbidden: that would be said of somebody's Secret
            await api.get(CONFIGMAPS, "kube-root-ca.crt", namespace=namespace)
        assert (type(expired.value), expired.value.status) == (KubeError, 401)
        second = await asyncio.to_thread(kubectl.within(namespace).run, "create", "token", "small")
        account.token.write_text(second)
        loader.token_expires_at -= loader._token_refresh_period
        await api.get(CONFIGMAPS, "kube-root-ca.crt", namespace=namespace)
        assert await bearer_token(configuration) == second.strip() != first


async def test_without_a_way_to_the_cluster_the_sentence_says_what_is_missing(tmp_path):
    with pytest.raises(LoginError, match="can't log in to the cluster"):
        await login(Place(kubeconfig=tmp_path / "nowhere"))
    with pytest.raises(LoginError, match="token file does not exist"):
        await login(Place(host="127.0.0.1", port="1", token=tmp_path / "token", ca=tmp_path / "ca"))


async def test_ten_replicas_that_make_the_installation_id_at_once_agree(api, cluster, namespace):
    """Mutant: return the id that was made instead of reading what won."""
    await with_crd(cluster.kubectl)
    making = {"namespace": namespace, "fullname": "nc", "watched": (namespace,)}
    ids = await asyncio.gather(*(installation.ensure(api, **making) for _ in range(10)))
    assert len(set(ids)) == 1
    assert await installation.read(api, namespace=namespace, fullname="nc") == ids[0]


@pytest.mark.parametrize("data", [{"id": "ABCDEF12"}, {"id": ""}, {}, {"id": "0123456789"}])
async def test_garbage_for_an_installation_id_is_an_error_and_is_left_alone(api, namespace, data):
    """Mutant: write a new id over it: every trigger in every database would be an orphan."""
    await api.create(CONFIGMAPS, configmap(namespace, "nc.installation", **data))
    with pytest.raises(InstallationError, match="Put the old one back"):
        await installation.ensure(api, namespace=namespace, fullname="nc", watched=(namespace,))
    assert (await api.get(CONFIGMAPS, "nc.installation", namespace=namespace)).get("data", {}) == data
