"""The injector's certificate is replaced in place, by one of another kind of key too, on either event loop."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import uvloop
from aiohttp import web

from notifychannel_operator import certificates
from notifychannel_operator.injector import server
from notifychannel_operator.injector.certificate import ServedCertificate
from tests.injector import HOST, NAME, POD, injector, issue, issue_rsa, put, review, trusting

KINDS = {"RSA": issue_rsa, "ECDSA": lambda ca: issue(ca)[1]}
ORDERS = [("RSA", "ECDSA", "RSA"), ("ECDSA", "RSA", "ECDSA")]
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.fixture(scope="module")
def authority():
    return issue()[0]


async def met(port: int, authority, *, name: str, version: ssl.TLSVersion) -> tuple[int, str | None]:
    """Serial number and ALPN that a new client gets; without a `name` it sends none (SNI)."""
    context = trusting(authority)
    context.check_hostname = bool(name)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with asyncio.timeout(20):
        _, writer = await asyncio.open_connection(HOST, port, ssl=context, server_hostname=name)
        connection = writer.get_extra_info("ssl_object")
        found = int(connection.getpeercert()["serialNumber"], 16), connection.selected_alpn_protocol()
        writer.close()
        await writer.wait_closed()
    return found


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_a_certificate_of_another_kind_of_key_takes_the_place_of_the_one_before(tmp_path, authority, loop, order):
    """With and without a server's name from the client, in TLS 1.2 and 1.3.

    Mutants: `fresh = self.context` or `fresh = self._in_force or _context()` in `_take` (OpenSSL keeps a certificate
    per kind of key); `_choose` returns where there is no name; no `set_alpn_protocols`.
    """

    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    async def scenario() -> None:
        served = ServedCertificate(folder=tmp_path / "tls", on_reload=lambda _good: None)
        assert served.context.minimum_version == ssl.TLSVersion.TLSv1_2
        async with server.serve(answer, host=HOST, port=0, context=served.context) as port:
            for kind in order:
                leaf = KINDS[kind](authority)
                put(tmp_path / "tls", leaf)
                served.look()
                for name, version in itertools.product((NAME, ""), VERSIONS):
                    found = await met(port, authority, name=name, version=version)
                    assert found == (leaf.certificate.serial_number, "http/1.1"), (kind, name, version)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(scenario())


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
async def test_the_process_serves_whichever_kind_of_key_its_folder_holds(tmp_path, authority, order):
    put(tmp_path / "tls", KINDS[order[0]](authority))
    async with injector(tmp_path / "tls") as running:
        await running.until("/readyz", 200)
        for number, kind in enumerate(order[1:], start=2):
            leaf = KINDS[kind](authority)
            put(tmp_path / "tls", leaf)
            await running.until("/metrics", 200, f'certificate_reloads_total{{result="ok"}} {number}.0')
            found = await met(running.port, authority, name=NAME, version=ssl.TLSVersion.TLSv1_3)
            assert found[0] == leaf.certificate.serial_number, kind
            assert (await running.ask(review(POD), context=trusting(authority)))[0] == 200


async def test_a_certificate_that_is_not_valid_yet_takes_the_place_of_a_good_one_when_it_is(tmp_path, authority):
    """A node's clock may be behind. Mutants: `_take` without `_due_at`, or `look` without `_is_due`."""
    reloads = []
    served = ServedCertificate(folder=tmp_path / "tls", on_reload=reloads.append)
    put(tmp_path / "tls", issue(authority)[1])
    served.look()
    before = served.expires_at
    early = certificates.make_leaf(authority, [NAME], datetime.now(UTC) + certificates.SKEW + timedelta(seconds=8))
    put(tmp_path / "tls", early)
    for _ in range(3):
        served.look()
    assert (served.expires_at, served.problem(), reloads) == (before, None, [True, False])
    async with asyncio.timeout(60):
        while served.expires_at == before:
            await asyncio.sleep(0.1)
            served.look()
    assert datetime.now(UTC) >= early.certificate.not_valid_before_utc
    assert (served.expires_at, served.problem()) == (early.certificate.not_valid_after_utc, None)
    assert reloads == [True, False, True]


async def test_before_there_is_a_certificate_a_handshake_fails_and_after_it_one_succeeds(tmp_path, authority):
    served = ServedCertificate(folder=tmp_path / "tls", on_reload=lambda _good: None)

    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    async with server.serve(answer, host=HOST, port=0, context=served.context) as port:
        with pytest.raises(OSError):
            await met(port, authority, name=NAME, version=ssl.TLSVersion.TLSv1_3)
        leaf = issue(authority)[1]
        put(tmp_path / "tls", leaf)
        served.look()
        found, _ = await met(port, authority, name=NAME, version=ssl.TLSVersion.TLSv1_3)
        assert found == leaf.certificate.serial_number
