"""Each form of a Secret connects to a real server, in the clear and through TLS.

The embedded PostgreSQL is built without TLS, so `TlsFront` does the handshake in front of it.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager

import asyncpg
import pytest

from notifychannel_cli.embedded import free_port
from notifychannel_sidecar.credentials import from_dsn, from_mapping, read
from tests.certificates import authority
from tests.tls_front import TlsFront


@pytest.fixture(scope="session")
def server(newest):
    """A session begins alike on all versions."""
    return newest


@asynccontextmanager
async def connected(credentials):
    connection = await asyncpg.connect(**credentials.connect_arguments(), timeout=20)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


async def who(credentials) -> tuple[str, str]:
    async with connected(credentials) as connection:
        return await connection.fetchval("SELECT current_user"), await connection.fetchval("SELECT current_database()")


@pytest.fixture
async def reader(database):
    return await database.role("reader")


def single_keys(database, role: str, **others: str) -> dict[str, bytes]:
    keys = {
        "host": "127.0.0.1",
        "port": str(database.server.port),
        "dbname": database.name,
        "username": role,
        "password": database.passwords[role],
    }
    return {key: value.encode() for key, value in {**keys, **others}.items()}


async def test_every_form_of_a_secret_connects(database, reader, tmp_path):
    keys = single_keys(database, reader)
    for key, value in keys.items():
        (tmp_path / key).write_bytes(value + b"\n")
    forms = [
        from_mapping({"uri": database.dsn(reader).encode()}),
        from_mapping(keys),
        from_dsn(database.dsn(reader)),
        from_dsn(f"postgresql:///{database.name}?host=127.0.0.1&port={database.server.port}&user={reader}"
                 f"&password={database.passwords[reader]}&connect_timeout=9&channel_binding=prefer"),
        read(tmp_path),
    ]  # fmt: skip
    for form in forms:
        assert await who(form) == (reader, database.name)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
async def test_without_tls_in_the_server_the_weaker_modes_connect(database, reader, mode):
    assert (await who(from_mapping(single_keys(database, reader, sslmode=mode))))[0] == reader


async def test_a_server_without_tls_is_refused_where_tls_is_required(database, reader):
    with pytest.raises(ConnectionError):
        await who(from_mapping(single_keys(database, reader, sslmode="require")))


async def test_of_several_hosts_the_one_that_fits_is_taken(database, reader):
    dead, port = free_port(), database.server.port
    several = single_keys(database, reader, host="127.0.0.1,localhost", port=f"{dead},{port}")
    assert (await who(from_mapping(several)))[0] == reader
    uri = database.dsn(reader).replace("@", f"@127.0.0.1:{dead},") + "?target_session_attrs=read-write"
    assert (await who(from_mapping({"uri": uri.encode()})))[0] == reader


async def test_settings_in_a_uri_reach_the_session(database, reader):
    uri = f"{database.dsn(reader)}?application_name=mine&options=-c%20statement_timeout%3D4321"
    async with connected(from_mapping({"uri": uri.encode()})) as connection:
        assert await connection.fetchval("SELECT current_setting('application_name')") == "mine"
        assert await connection.fetchval("SELECT current_setting('statement_timeout')") == "4321ms"


async def test_a_password_from_the_environment_is_not_used(database, reader, monkeypatch):
    """Mutant: leave `password` out of connect_arguments where there is none."""
    monkeypatch.setenv("PGPASSWORD", database.passwords[reader])
    keys = single_keys(database, reader)
    del keys["password"]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await who(from_mapping(keys))


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture
async def front(database, trusted):
    certificate, key = trusted.issue("server", alternatives="DNS:localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(trusted.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    async with TlsFront(target=database.server.port, context=context) as front:
        yield front


def through(front, database, role, **others: bytes) -> dict[str, bytes]:
    return {**single_keys(database, role, host="localhost", port=str(front.port)), **others}


@pytest.mark.parametrize("mode", [b"require", b"verify-ca", b"verify-full", b""])
async def test_tls_with_the_right_authority_connects_in_every_mode(database, reader, front, trusted, mode):
    secret = through(front, database, reader, sslmode=mode, **{"ca.crt": trusted.ca.read_bytes()})
    assert (await who(from_mapping(secret)))[0] == reader
    assert front.peers == [""]
    assert front.plain == 0


async def test_tls_without_an_authority_is_taken_by_prefer_and_require(database, reader, front):
    for mode in (b"prefer", b"require"):
        assert (await who(from_mapping(through(front, database, reader, sslmode=mode))))[0] == reader
    assert len(front.peers) == 2


async def test_a_bundle_of_several_authorities_is_taken_whichever_comes_first(
    database, reader, front, trusted, tmp_path
):
    """As managed services hand out, with the next authority before it is used."""
    bundle = [trusted.ca.read_bytes(), authority(tmp_path).ca.read_bytes()]
    for several in (bundle, bundle[::-1]):
        secret = through(front, database, reader, sslmode=b"verify-full", **{"ca.crt": b"".join(several)})
        assert (await who(from_mapping(secret)))[0] == reader


async def test_a_server_of_another_authority_is_refused(database, reader, front, tmp_path):
    """Mutant: `context.verify_mode = ssl.CERT_NONE` for every mode."""
    other = authority(tmp_path).ca.read_bytes()
    for mode in (b"require", b"verify-ca", b"verify-full"):
        with pytest.raises(ssl.SSLCertVerificationError):
            await who(from_mapping(through(front, database, reader, sslmode=mode, **{"ca.crt": other})))
    with pytest.raises(ssl.SSLCertVerificationError):  # the system's authorities don't know it either
        await who(from_mapping(through(front, database, reader, sslmode=b"verify-full")))


async def test_another_host_s_certificate_is_refused_by_verify_full_only(database, reader, front, trusted):
    """Mutant: `check_hostname = False`."""
    secret = {**through(front, database, reader, **{"ca.crt": trusted.ca.read_bytes()}), "host": b"127.0.0.1"}
    with pytest.raises(ssl.SSLCertVerificationError):
        await who(from_mapping({**secret, "sslmode": b"verify-full"}))
    assert (await who(from_mapping({**secret, "sslmode": b"verify-ca"})))[0] == reader


async def test_a_client_certificate_is_shown_from_a_folder(database, reader, front, trusted, tmp_path):
    certificate, key = trusted.issue("the-sidecar", alternatives="DNS:sidecar")
    secret = through(
        front, database, reader,
        **{"ca.crt": trusted.ca.read_bytes(), "tls.crt": certificate.read_bytes(), "tls.key": key.read_bytes()},
    )  # fmt: skip
    for name, value in secret.items():
        (tmp_path / name).write_bytes(value)
    assert (await who(read(tmp_path)))[0] == reader
    assert front.peers == ["the-sidecar"]
