"""Secrets as operators and people write them, and what is said where a part is missing."""

# ruff: noqa: E501  (the lines are what a person reads, unbroken)
from __future__ import annotations

import getpass
import ssl
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from notifychannel_sidecar.credentials import (
    KEYS,
    CredentialsError,
    from_dsn,
    from_mapping,
    read,
    read_token,
)
from notifychannel_sidecar.dsn import SETTINGS, USED
from tests.certificates import authority, encrypted

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine is shared: a slow example is no finding."""
URI = "postgresql://me:pass@db.example:5433/shop"
MARK = "hunter2-is-the-password"


def arguments(**secret: str) -> dict:
    return from_mapping({key.replace("__", "."): value.encode() for key, value in secret.items()}).connect_arguments()


def refusal(**secret: str | bytes) -> str:
    with pytest.raises(CredentialsError) as caught:
        from_mapping(
            {
                key.replace("__", "."): value if isinstance(value, bytes) else value.encode()
                for key, value in secret.items()
            }
        )
    return str(caught.value)


def test_a_uri_is_everything():
    assert arguments(uri=URI) == {
        "host": ["db.example"],
        "port": [5433],
        "database": "shop",
        "user": "me",
        "password": "pass",
        "ssl": "prefer",
        "direct_tls": False,
        "target_session_attrs": "any",
        "server_settings": {},
    }


def test_single_keys_do_as_well():
    assert arguments(host="db.example", port="5433", dbname="shop", user="me", password="pass") == arguments(uri=URI)


def test_what_cloudnativepg_writes_is_taken_as_it_is():
    host, more = "shop-rw", {"jdbc-uri": "jdbc:postgresql://x", "pgpass": "shop-rw:5432:shop:app:pw\n"}
    made = arguments(
        dbname="shop", host=host, port="5432", user="app", username="app", password="pw",
        uri="postgresql://app:pw@shop-rw.ns:5432/shop", **{"fqdn-uri": "postgresql://x"}, **more,
    )  # fmt: skip
    assert (made["host"], made["user"], made["database"]) == (["shop-rw.ns"], "app", "shop")


def test_what_crunchy_writes_is_taken_as_it_is():
    uri = "postgresql://shop:p%3F%2F%5B%40%7C@shop-primary.ns.svc:5432/shop"
    more = {"jdbc-uri": "jdbc:x", "verifier": "SCRAM-SHA-256$4096:x", "pgbouncer-host": "shop-pgbouncer.ns.svc"}
    made = arguments(
        dbname="shop", host="shop-primary.ns.svc", port="5432", user="shop", password="p?/[@|", uri=uri, **more
    )
    assert (made["host"], made["port"], made["password"]) == (["shop-primary.ns.svc"], [5432], "p?/[@|")


def test_username_will_do_for_user_and_user_wins():
    assert arguments(host="h", username="me")["user"] == "me"
    assert arguments(host="h", username="me", user="you")["user"] == "you"


def test_several_hosts_keep_their_ports_and_what_is_wanted_of_the_session():
    made = arguments(uri="postgresql://me@a:1,b,[::1]:3/shop?target_session_attrs=read-write")
    assert (made["host"], made["port"]) == (["a", "b", "::1"], [1, 5432, 3])
    assert made["target_session_attrs"] == "read-write"
    assert arguments(host="a,b", port="7", user="me")["port"] == [7, 7]
    assert arguments(host="a,b", port="7,8", user="me")["port"] == [7, 8]


def test_the_trailing_line_break_of_an_editor_is_no_part_of_a_value():
    made = arguments(host="h\n", user="me\r\n", password=" pass \n")
    assert (made["host"], made["user"], made["password"]) == (["h"], "me", " pass ")


def test_without_a_database_it_is_the_user_s_as_in_libpq():
    assert arguments(host="h", user="me")["database"] == "me"


def test_an_unescaped_at_in_a_password_and_escapes_are_understood():
    made = arguments(uri="postgres://m%40e:p@ss@h/d%2Fb?application_name=a+b%20c")
    assert (made["user"], made["password"], made["database"]) == ("m@e", "p@ss", "d/b")
    assert made["server_settings"] == {"application_name": "a+b c"}


def test_what_only_libpq_understands_does_not_reach_the_server():
    """Neon writes channel_binding=require, others connect_timeout: sent on as settings they end the connection."""
    made = arguments(uri=f"{URI}?channel_binding=require&connect_timeout=5&gssencmode=disable&application_name=a")
    assert made["server_settings"] == {"application_name": "a"}


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (f"{URI}?schema=public", "uri has the parameter schema, which is not one of libpq's; leave it out (a setting of the server is written options=-c%20name%3Dvalue)"),
        ("postgresql://me:pa?ss=word@h/d", "uri has a parameter that is not one of libpq's; leave it out, and in a password write ? & = @ as %3F %26 %3D %40"),
        ("postgresql://h/d?user=me&password=pa&ss=word", "uri has a parameter that is not one of libpq's; leave it out, and in a password write ? & = @ as %3F %26 %3D %40"),
    ],
)  # fmt: skip
def test_a_parameter_that_libpq_does_not_know_is_named_unless_it_may_be_of_a_password(uri, message):
    """Other tools' words reached the server, which refused the session.

    Mutants: `take_apart` that refuses no name; `_unknown` with either question left out.
    """
    assert refusal(uri=uri) == message


def test_jdbc_s_word_for_tls_is_understood_as_by_libpq():
    assert arguments(uri=f"{URI}?ssl=true")["ssl"].verify_mode == ssl.CERT_NONE


def test_nothing_is_left_for_asyncpg_to_find_elsewhere(monkeypatch):
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGTARGETSESSIONATTRS", "PGSERVICE"):
        monkeypatch.setenv(name, "elsewhere")
    made = arguments(host="h", user="me")
    assert (made["password"], made["database"], made["port"]) == ("", "me", [5432])
    assert all(value is not None for value in made.values())


def test_a_person_s_dsn_has_the_defaults_of_libpq_for_host_and_user():
    made = from_dsn("postgresql:///shop").connect_arguments()
    assert made["host"][-1] == "localhost"
    assert (made["user"], made["database"]) == (getpass.getuser(), "shop")


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ({}, "host is missing in the Secret; write the server's name or address (or a uri with it)"),
        ({"host": "h"}, "user is missing in the Secret; write the role's name"),
        ({"uri": "postgresql://h/d"}, "user is missing in the key uri; write the role's name"),
        ({"uri": "postgresql://me:p@/d"}, "host is missing in the key uri; write the server's name or address (or a uri with it)"),
        ({"uri": "mysql://me:p@h/d"}, "uri has to start with postgresql://; write postgresql://user:password@host:5432/dbname"),
        ({"uri": f"{URI}?sslmode"}, "uri has a parameter without a value after its ?; write name=value&name=value"),
        ({"uri": f"{URI}?sslmode=maybe"}, "sslmode is not known; write one of disable, allow, prefer, require, verify-ca, verify-full"),
        ({"uri": f"{URI}?target_session_attrs=best"}, "target_session_attrs is not known; write one of any, primary, standby, read-write, read-only, prefer-standby"),
        ({"uri": f"{URI}?sslrootcert=/gone"}, "sslrootcert names a file that is not there; write its path on this machine"),
        ({"host": "h", "user": "u", "port": "x"}, "port has to be a number from 1 to 65535; write for example 5432"),
        ({"host": "h", "user": "u", "port": "1" * 5000}, "port has to be a number from 1 to 65535; write for example 5432"),
        *(
            ({"uri": uri}, "uri holds a NUL byte, written as %00; leave it out, for nothing in PostgreSQL can hold one")
            for uri in (
                "postgresql://u:p@h%00x/d", "postgresql://u%00:p@h/d", "postgresql://u:%00@h/d", "postgresql://u:p@h/d%00",
                f"{URI}?sslrootcert=%00", f"{URI}?sslcert=%00", f"{URI}?a%00b=c",
            )
        ),
        ({"host": "h", "user": "u", "port": "1,2"}, "port has 2 entries for 1 hosts; write one, or one for each"),
        ({"host": "a,,b", "user": "u"}, "host is no host name in the Secret; write a name or an address, several with commas"),
        ({"host": "a..b", "user": "u"}, "host is no host name in the Secret; write a name or an address, several with commas"),
        ({"host": "h", "user": "u", "password": b"\xff"}, "password: is not UTF-8; write it as text"),
        ({"host": "h", "user": "u", "password": "a\nb"}, "password: holds a line break or a NUL byte; write one line"),
        ({"host": "h", "user": "u", "ca__crt": "x"}, "ca.crt holds no certificate; write it in PEM (-----BEGIN CERTIFICATE-----)"),
        ({"host": "h", "user": "u", "sslmode": "verify-ca"}, "ca.crt is missing, which sslmode verify-ca needs; add it, or write verify-full"),
        ({"host": "h", "user": "u", "tls__crt": "x"}, "tls.key is missing: a client certificate needs tls.crt and tls.key; add it"),
        ({"host": "h", "user": "u", "tls__key": "x", "sslmode": "require"}, "tls.crt is missing: a client certificate needs tls.crt and tls.key; add it"),
        ({"host": "h", "user": "u", "tls__crt": "x", "tls__key": "x"}, "tls.crt and tls.key don't fit together; write both in PEM, the key without a password"),
        ({"host": "h", "user": "u", "tls__crt": "x", "sslmode": "prefer"}, "tls.crt needs sslmode require, verify-ca or verify-full; write one of them"),
    ],
)  # fmt: skip
def test_a_missing_or_wrong_part_is_named_with_what_to_write(secret, message):
    assert refusal(**secret) == message


@UNHURRIED
@given(st.dictionaries(st.sampled_from(["uri", "host", "port", "user", "sslmode", "ca__crt", "tls__crt"]), st.text()))
def test_no_value_of_a_secret_stands_in_an_error_or_a_repr(secret):
    """Mutant: put `{uri}` into DsnError's sentence."""
    marked = {key: f"{value}{MARK}".encode(errors="replace") for key, value in secret.items()}
    try:
        shown = repr(from_mapping({"password": MARK.encode(), **marked}))
    except CredentialsError as error:
        shown = repr(error) + str(error)
    assert MARK not in shown


ODD = st.one_of(
    st.text(),
    st.text(alphabet="%0123456789abAF\0\n\t@:/?&=,[].-x"),
    st.sampled_from(["%00", "1" * 5000, "\u0661", "a" * 70, "[::1]", "xn--", ".", "/", "%C0%80"]),
)
URIS = st.builds(
    "postgresql://{}:{}@{}:{}/{}?{}={}".format,
    ODD, ODD, ODD, ODD, ODD, st.one_of(st.sampled_from(sorted(USED | SETTINGS | {"ssl", "schema"})), ODD), ODD,
)  # fmt: skip
ODD_BYTES = st.one_of(st.binary(), ODD.map(lambda text: text.encode(errors="surrogatepass")))


@UNHURRIED
@given(
    st.dictionaries(st.sampled_from(KEYS), ODD_BYTES),
    st.one_of(st.none(), URIS.map(lambda text: text.encode(errors="surrogatepass"))),
)
@example({"port": b"1" * 5000}, None)
@example({}, b"postgresql://u:p@h/d%00")
@example({}, b"postgresql://u:p@h/d?sslrootcert=%00")
def test_whatever_a_secret_holds_it_makes_credentials_or_says_what_is_wrong(secret, uri):
    """Mutant: `_ports` with isdigit alone, or `take_apart` that lets a NUL through: the sidecar ends."""
    content = {"host": b"h", "user": b"u", **secret} if uri is None else {**secret, "uri": uri}
    with suppress(CredentialsError):
        made = from_mapping(content)
        assert not any("\0" in text for text in (*made.hosts, made.user, made.password, made.dbname))


@UNHURRIED
@given(URIS | ODD)
@example("postgresql://u@" + "a" * 70 + "/d")
def test_whatever_a_dsn_is_it_makes_credentials_or_says_what_is_wrong(dsn):
    """Mutant: `_may_be_host` that catches no UnicodeError."""
    with suppress(CredentialsError):
        assert all(made := from_dsn(dsn).hosts), made


def test_who_runs_this_is_asked_only_where_the_dsn_names_no_user(monkeypatch):
    """A pod's user id often has no name. Mutant: getpass.getuser() before the DSN is read."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert from_dsn(URI).user == "me"
    with pytest.raises(CredentialsError, match=r"^user is missing in the DSN, and this process's user has no name"):
        from_dsn("postgresql://h/d")


def test_repr_and_str_show_no_value():
    """Mutant: leave out `repr=False` at one field of Credentials."""
    made = from_mapping({"uri": b"postgresql://me-user:me-pass@me-host:54321/me-db?options=me-path"})
    assert "me-" not in repr(made) + str(made)
    assert "54321" not in repr(made)


def test_a_folder_is_read_file_by_file(tmp_path):
    for key, value in {"host": "h\n", "username": "me\n", "password": "pass\n", "other": "left aside"}.items():
        (tmp_path / key).write_text(value)
    (tmp_path / "token").write_text("t0ken\n")
    assert read(tmp_path).connect_arguments() == arguments(host="h", user="me", password="pass")
    assert read_token(tmp_path) == "t0ken"


def test_a_folder_or_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(CredentialsError) as missing:
        read(tmp_path / "gone")
    assert str(missing.value) == (
        f"{tmp_path / 'gone'}: no such folder; on Kubernetes the pod's Secret does not exist yet (annotation"
        " notifychannel.io/secret, by default notifychannel-<group>); elsewhere mount it there, or write one file per key"
    )
    (tmp_path / "uri").mkdir()
    with pytest.raises(CredentialsError, match=r"uri: can't be read \(Is a directory\); check its permissions"):
        read(tmp_path)


def test_files_that_the_kubelet_swaps_are_all_of_one_version(tmp_path, monkeypatch):
    """Mutant: read from `directory` instead of where `..data` leads."""
    for version in ("old", "new"):
        (tmp_path / version).mkdir()
        for key in ("host", "user", "password"):
            (tmp_path / version / key).write_text(version)
    (tmp_path / "..data").symlink_to("old")
    for key in ("host", "user", "password"):
        (tmp_path / key).symlink_to(f"..data/{key}")
    before = type(tmp_path).open

    def swapped(path, *rest):
        opened = before(path, *rest)
        (tmp_path / "next").symlink_to("new")
        (tmp_path / "next").rename(tmp_path / "..data")
        return opened

    monkeypatch.setattr(type(tmp_path), "open", swapped)
    assert read(tmp_path).connect_arguments() == arguments(host="old", user="old", password="old")
    assert read(tmp_path).connect_arguments() == arguments(host="new", user="new", password="new")


def test_there_may_be_no_token_and_a_bad_one_is_not_shown(tmp_path):
    assert read_token(tmp_path) is None
    (tmp_path / "token").write_text("\n")
    assert read_token(tmp_path) is None
    (tmp_path / "token").write_text(f"{MARK} ü")
    with pytest.raises(CredentialsError, match="token: has to be printable ASCII") as caught:
        read_token(tmp_path)
    assert MARK not in str(caught.value)


def test_the_fingerprint_changes_with_everything_that_matters_and_only_then():
    secret = {"host": b"h", "user": b"u", "password": b"p"}
    same = from_mapping({**secret, "password": b"p\n", "jdbc-uri": b"other"}).fingerprint()
    assert same == from_mapping(secret).fingerprint()
    others = [{"password": b"q"}, {"port": b"1"}, {"sslmode": b"disable"}, {"dbname": b"d"}]
    assert len({same, *(from_mapping({**secret, **other}).fingerprint() for other in others)}) == len(others) + 1


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("ca"))


def context(certificates, **secret: str) -> ssl.SSLContext | str | bool:
    return arguments(host="localhost", user="me", ca__crt=certificates.ca.read_text(), **secret)["ssl"]


@pytest.mark.parametrize(
    ("mode", "verify", "hostname"),
    [
        (None, ssl.CERT_REQUIRED, True),
        ("verify-full", ssl.CERT_REQUIRED, True),
        ("verify-ca", ssl.CERT_REQUIRED, False),
        ("require", ssl.CERT_REQUIRED, False),
    ],
)
def test_with_an_authority_every_mode_from_require_on_verifies_as_in_libpq(certificates, mode, verify, hostname):
    made = context(certificates, **({"sslmode": mode} if mode else {}))
    assert (made.verify_mode, made.check_hostname) == (verify, hostname)
    assert made.get_ca_certs()[0]["subject"] == ((("commonName", "Test CA"),),)


def test_without_an_authority_require_encrypts_and_verify_full_trusts_the_system():
    required = arguments(host="h", user="u", sslmode="require")["ssl"]
    assert (required.verify_mode, required.check_hostname) == (ssl.CERT_NONE, False)
    full = arguments(host="h", user="u", sslmode="verify-full")["ssl"]
    assert (full.verify_mode, full.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(("mode", "expected"), [("disable", False), ("allow", "allow"), ("prefer", "prefer")])
def test_the_weaker_modes_are_left_to_asyncpg_which_can_fall_back(certificates, mode, expected):
    assert context(certificates, sslmode=mode) == expected


def test_the_sslmode_of_the_uri_wins_over_the_key_s_which_completes_it():
    assert arguments(uri=f"{URI}?sslmode=disable", sslmode="require")["ssl"] is False
    assert arguments(uri=URI, sslmode="disable")["ssl"] is False


def test_a_key_under_a_password_is_refused_instead_of_asked_for(certificates):
    certificate, key = certificates.issue("client", alternatives="DNS:client")
    sealed = encrypted(key)
    files = {"tls__crt": certificate.read_bytes(), "tls__key": sealed.read_bytes()}
    assert refusal(host="h", user="u", **files) == (
        "tls.crt and tls.key don't fit together; write both in PEM, the key without a password"
    )


def test_a_uri_may_name_its_certificates_as_files(certificates):
    certificate, key = certificates.issue("file-client", alternatives="DNS:client")
    uri = f"{URI}?sslmode=verify-full&sslrootcert={certificates.ca}&sslcert={certificate}&sslkey={key}"
    assert arguments(uri=uri)["ssl"].check_hostname
    assert from_dsn(uri).connect_arguments()["ssl"].get_ca_certs()
