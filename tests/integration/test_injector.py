"""The injector as a process over real TLS: what it answers, when it is ready, how it ends."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import jsonpatch
import pytest

from notifychannel_operator import certificates, inject
from notifychannel_operator.injector.server import MAX_BODY_BYTES
from tests.injector import HOST, IMAGE, NAME, POD, Injector, injector, issue, patch_of, put, review, trusting

if TYPE_CHECKING:
    import ssl

SETTINGS = inject.Settings(image=IMAGE)


@pytest.fixture(scope="module")
def authority():
    return issue()[0]


@pytest.fixture
async def served(tmp_path, authority):
    """A ready injector and what a client of it trusts."""
    put(tmp_path / "tls", issue(authority)[1])
    async with injector(tmp_path / "tls") as running:
        await running.until("/readyz", 200)
        yield running, trusting(authority)


async def test_a_labelled_pod_comes_back_with_what_decide_says(served):
    running, context = served
    status, answer = await running.ask(review(POD, uid="7f3e"), context=context)
    assert status == 200
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == "7f3e"
    assert answer["response"]["allowed"] is True
    assert answer["response"]["patchType"] == "JSONPatch"
    assert answer["response"]["auditAnnotations"] == {"reason": "Injected"}
    assert patch_of(answer) == inject.decide(POD, namespace="shop", settings=SETTINGS).patch
    assert inject.is_injected(jsonpatch.apply_patch(POD, patch_of(answer)))


async def test_a_pod_that_cannot_have_it_is_allowed_with_a_warning_and_counted_by_reason(served):
    running, context = served
    pod = {**POD, "spec": {**POD["spec"], "hostNetwork": True}}
    _, answer = await running.ask(review(pod), context=context)
    assert answer["response"]["allowed"] is True
    assert "patch" not in answer["response"]
    assert "hostNetwork" in answer["response"]["warnings"][0]
    _, metrics = await running.get("/metrics")
    assert 'notifychannel_injector_admissions_total{reason="HostNetwork"} 1.0' in metrics
    assert "notifychannel_injector_admission_seconds_count 1.0" in metrics
    assert await running.program.line("HostNetwork", "shop")


REVIEWS = [
    ({"operation": "UPDATE"}, "NotACreation"),
    ({"operation": "DELETE", "object": None}, "NotACreation"),
    ({"subResource": "ephemeralcontainers"}, "NotACreation"),
    ({"resource": {"group": "apps", "version": "v1", "resource": "deployments"}}, "NotACreation"),
    ({"resource": "pods"}, "NotACreation"),
    ({"object": None}, "Unreadable"),
    ({"object": [1]}, "Unreadable"),
    ({"object": {"metadata": {"name": "plain"}, "spec": {"containers": []}}}, "NoLabel"),
    ({"object": {"metadata": {"labels": {"notifychannel.io/inject": "g"}}, "spec": 7}}, "Unreadable"),
    ({"dryRun": True}, "Injected"),
    ({"namespace": None}, "Injected"),
]


async def test_whatever_a_review_holds_it_is_allowed(served):
    running, context = served
    for request, reason in REVIEWS:
        status, answer = await running.ask(review(POD, **request), context=context)
        assert status == 200, request
        assert answer["response"]["uid"] == "u-1", request
        assert answer["response"]["allowed"] is True, request
        assert answer["response"]["auditAnnotations"] == {"reason": reason}, request
        assert ("patch" in answer["response"]) == (reason == "Injected"), request


async def test_an_older_review_is_answered_in_its_own_version(served):
    running, context = served
    _, answer = await running.ask({**review(POD), "apiVersion": "admission.k8s.io/v1beta1"}, context=context)
    assert answer["apiVersion"] == "admission.k8s.io/v1beta1"
    assert answer["response"]["allowed"] is True


NO_REVIEWS = [
    (b"{}", "text/plain", 415),
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b"\xff\xfe", "application/json", 400),
    (b"[" * 100_000, "application/json", 400),
    (b"[]", "application/json", 400),
    (json.dumps({**review(POD), "kind": "Pod"}).encode(), "application/json", 400),
    (b'{"kind": "AdmissionReview"}', "application/json", 400),
    (b'{"kind": "AdmissionReview", "request": {"uid": 7}}', "application/json", 400),
    (b'{"kind": "AdmissionReview", "request": {"uid": ""}}', "application/json", 400),
    (b" " * (MAX_BODY_BYTES + 1), "application/json", 413),
]


async def test_what_is_no_review_is_refused_and_the_next_one_answered(served):
    running, context = served
    for body, content_type, status in NO_REVIEWS:
        found, answer = await running.ask(body, context=context, content_type=content_type)
        assert found == status, body[:80]
        assert set(answer) == {"error"}, body[:80]
        assert (await running.ask(review(POD), context=context))[0] == 200, body[:80]
    _, metrics = await running.get("/metrics")
    for status, count in ((415, 1), (400, 9), (413, 1)):
        assert f'notifychannel_injector_refused_requests_total{{status="{status}"}} {count}.0' in metrics


async def test_nothing_of_a_pod_is_in_the_log(served):
    """Mutant: `log.info("%s", pod)` anywhere on the way."""
    running, context = served
    pod = json.loads(json.dumps(POD))
    pod["spec"] |= {"hostNetwork": True, "containers": [{"name": "app", "env": [{"name": "X", "value": "hush-hush"}]}]}
    await running.ask(review(pod, namespace="hush-hush\nlevel=error"), context=context)
    await running.ask(review({**POD, "spec": {"containers": "hush-hush"}}), context=context)
    await running.ask(b'{"kind": "hush-hush"}', context=context)
    running.stop()
    assert await running.program.ends() == 0
    assert "hush-hush" not in "\n".join(running.program.printed)


async def test_it_is_not_ready_before_there_is_a_certificate_and_then_becomes_so(tmp_path, authority):
    async with injector(tmp_path / "tls") as running:
        assert await running.until("/readyz", 503) == "there is no certificate yet\n"
        assert (await running.get("/livez"))[0] == 200
        put(tmp_path / "tls", issue(authority)[1])
        await running.until("/readyz", 200)
        assert (await running.ask(review(POD), context=trusting(authority)))[0] == 200


async def test_an_expired_certificate_makes_it_not_ready_and_the_metrics_say_when_it_ended(tmp_path):
    """Mutant: `problem` without the comparison with now → ready, and every admission fails."""
    ca, leaf = issue(now=datetime.now(UTC) - certificates.LEAF_LIFE - timedelta(minutes=1))
    put(tmp_path / "tls", leaf)
    async with injector(tmp_path / "tls") as running:
        assert await running.until("/readyz", 503, "expired") == "the certificate has expired\n"
        _, metrics = await running.get("/metrics")
        said = float(re.search(r"^\S+_certificate_expiry_timestamp_seconds (\S+)", metrics, re.MULTILINE)[1])
        assert said == leaf.certificate.not_valid_after_utc.timestamp()
        assert "notifychannel_injector_ready 0.0" in metrics
        put(tmp_path / "tls", issue(ca)[1])
        await running.until("/readyz", 200)
        assert "notifychannel_injector_ready 1.0" in (await running.get("/metrics"))[1]


async def test_a_certificate_that_is_not_valid_yet_makes_it_not_ready(tmp_path):
    """Mutant: `problem` without `_starts_at` → ready, and every admission fails."""
    ca, leaf = issue(now=datetime.now(UTC) + timedelta(days=1))
    put(tmp_path / "tls", leaf)
    async with injector(tmp_path / "tls") as running:
        said = await running.until("/readyz", 503, "not valid")
        starts_at = leaf.certificate.not_valid_before_utc.isoformat(timespec="seconds")
        assert said == f"the certificate is not valid before {starts_at}\n"
        put(tmp_path / "tls", certificates.make_leaf(ca, [NAME], datetime.now(UTC)))
        await running.until("/readyz", 200)


@pytest.mark.parametrize("kind", ["garbage", "other key", "half"])
async def test_a_certificate_that_cannot_be_used_is_said_and_the_last_one_stays_in_force(tmp_path, authority, kind):
    """Mutant: `fresh = self._in_force or _context()` in `_take` → with another key no handshake succeeds any more."""
    tls = tmp_path / "tls"
    good, bad = issue(authority)[1], issue(authority)[1]
    put(tls, good)
    async with injector(tls) as running:
        await running.until("/readyz", 200)
        certificate = {"garbage": b"no certificate", "other key": bad.certificate_pem, "half": b""}[kind]
        (tls / "..data" / "tls.crt").write_bytes(certificate)
        await running.until("/metrics", 200, 'certificate_reloads_total{result="bad"} 1.0')
        assert (await running.ask(review(POD), context=trusting(authority)))[0] == 200
        assert (await running.get("/readyz"))[0] == 200
        assert "stays in force" in await running.program.line("looking again")


async def serial_of(running: Injector, context: ssl.SSLContext) -> int:
    """Of the certificate that a new connection gets."""
    _, writer = await asyncio.open_connection(HOST, running.port, ssl=context, server_hostname=NAME)
    serial = int(writer.get_extra_info("peercert")["serialNumber"], 16)
    writer.close()
    await writer.wait_closed()
    return serial


async def test_a_rotation_under_a_stream_of_admissions_fails_none_of_them(tmp_path, authority):
    """On new connections all the time, and on one that lives; to a leaf of another CA that the bundle holds too."""
    successor, fresh = issue()
    context = trusting(authority, successor)
    put(tmp_path / "tls", issue(authority)[1])
    async with injector(tmp_path / "tls") as running, aiohttp.ClientSession() as kept:
        await running.until("/readyz", 200)
        outcomes: list[int] = []
        ended = asyncio.Event()

        async def new_connections() -> None:
            while not ended.is_set():
                outcomes.append((await running.ask(review(POD), context=context))[0])

        async def one_connection() -> None:
            while not ended.is_set():
                async with kept.post(running.url, json=review(POD), ssl=context, server_hostname=NAME) as answer:
                    outcomes.append(answer.status)
                    await answer.read()

        async with asyncio.TaskGroup() as stream:
            for _ in range(3):
                stream.create_task(new_connections())
            stream.create_task(one_connection())
            before = len(outcomes)
            put(tmp_path / "tls", fresh)
            async with asyncio.timeout(30):
                while await serial_of(running, context) != fresh.certificate.serial_number:
                    pass
            after = len(outcomes)
            async with asyncio.timeout(30):
                while len(outcomes) < after + 50:
                    assert (await running.ask(review(POD), context=context))[0] == 200
            ended.set()
        assert after > before + 10
        assert set(outcomes) == {200}
        assert (await running.ask(review(POD), context=trusting(successor)))[0] == 200


async def test_sigterm_makes_it_not_ready_and_it_goes_on_answering_until_it_ends_with_zero(served):
    """Mutant: no `asyncio.sleep(DRAIN_S)` → admissions of API servers that still know this endpoint are refused."""
    running, context = served
    running.stop()
    await running.until("/readyz", 503, "ending")
    status, answer = await running.ask(review(POD), context=context)
    assert (status, answer["response"]["auditAnnotations"]["reason"]) == (200, "Injected")
    assert (await running.get("/livez"))[0] == 200
    assert await running.program.ends() == 0


async def test_while_it_ends_every_answer_closes_its_connection(served):
    running, context = served
    async with aiohttp.ClientSession() as session:
        async with session.post(running.url, json=review(POD), ssl=context, server_hostname=NAME) as answer:
            assert "Connection" not in answer.headers
        running.stop()
        await running.until("/readyz", 503, "ending")
        async with session.post(running.url, json=review(POD), ssl=context, server_hostname=NAME) as answer:
            assert answer.headers["Connection"] == "close"


async def test_a_second_signal_ends_it_at_once(served):
    running, _ = served
    running.stop()
    await running.until("/readyz", 503, "ending")
    running.stop()
    assert await running.program.ends(4) == 0


async def test_a_missing_setting_is_a_sentence_and_exit_code_two(tmp_path):
    async with injector(tmp_path, remove=["NOTIFYCHANNEL_SIDECAR_IMAGE"]) as running:
        assert await running.program.ends() == 2
        assert running.program.printed == [
            "notifychannel-injector: NOTIFYCHANNEL_SIDECAR_IMAGE is missing: it says which image the sidecars run"
        ]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("NOTIFYCHANNEL_SIDECAR_MEMORY", "12Mi", "write a Kubernetes quantity like 128Mi, at least 67108864"),
        ("NOTIFYCHANNEL_SIDECAR_CPU_LIMIT", "fast", "write a Kubernetes quantity like 200m, at least 0.001"),
        ("NOTIFYCHANNEL_SIDECAR_CPU_REQUEST", "0.3", "write at most NOTIFYCHANNEL_SIDECAR_CPU_LIMIT, which is '200m'"),
        ("NOTIFYCHANNEL_SIDECAR_PULL_POLICY", "Sometimes", "write IfNotPresent or Always or Never"),
        ("NOTIFYCHANNEL_PORT", "tcp://10.0.0.1:443", "write a whole number from 0 to 65535"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_named(tmp_path, name, value, complaint):
    """Mutant: no `_check_cpu` → a pod with CPU limits is refused by the API server, for our container's sake."""
    async with injector(tmp_path, **{name: value}) as running:
        assert await running.program.ends() == 2
        assert running.program.printed == [f"notifychannel-injector: {name} is {value!r}: {complaint}"]


async def test_without_a_host_both_families_reach_both_of_its_ports(tmp_path, authority):
    """A pod in an IPv6-only cluster. Mutant: `create_server(("", port))` for both families in port.py."""
    put(tmp_path / "tls", issue(authority)[1])
    async with injector(tmp_path / "tls", remove=["NOTIFYCHANNEL_HOST"]) as running, aiohttp.ClientSession() as session:
        await running.until("/readyz", 200)
        for host in ("127.0.0.1", "[::1]"):
            async with session.get(f"http://{host}:{running.http_port}/livez") as livez:
                assert livez.status == 200
            url = f"https://{host}:{running.port}/inject"
            async with session.post(url, json=review(POD), ssl=trusting(authority), server_hostname=NAME) as answer:
                assert answer.status == 200


async def test_a_taken_port_is_a_sentence_and_exit_code_one(served, tmp_path):
    running, _ = served
    async with injector(tmp_path / "tls", NOTIFYCHANNEL_PORT=str(running.port)) as second:
        assert await second.program.ends() == 1
        assert any("a port can't be served: " in line for line in second.program.printed)


@pytest.mark.parametrize(
    ("argument", "said"), [("--version", "notifychannel-injector "), ("--help", "docs/injection.md")]
)
async def test_it_says_what_it_is(argument, said):
    command = [sys.executable, "-m", "notifychannel_operator.injector", argument]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0
    assert said in printed.decode()
