"""The way to the database from a Secret: as files in a folder, as a mapping, or as a URI.

Accepts what CloudNativePG and Crunchy write as it is. Complete on its own: PG* variables, ~/.pgpass and service
files are never looked at (asyncpg would). Shows no value, neither in errors nor in repr.
"""

from __future__ import annotations

import getpass
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from notifychannel_sidecar import dsn as uris
from notifychannel_sidecar import tls
from notifychannel_sidecar.dsn import DsnError
from notifychannel_sidecar.tls import Certificates, TlsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

KEYS = ("uri", "host", "port", "dbname", "user", "username", "password", "sslmode", "ca.crt", "tls.crt", "tls.key")
"""What is read of a Secret; `token` is another's business (`read_token`), the rest is left aside."""
CERTIFICATES = ("ca.crt", "tls.crt", "tls.key")
SESSIONS = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
MAX_PORT = 65_535
_PORT = re.compile(r"[0-9]{1,5}")
LOCAL = "/run/postgresql,/var/run/postgresql,/tmp,localhost"
"""Where a server of this machine is looked for, in this order, when a person's DSN names no host."""
MAX_FILE_BYTES = 1 << 20
"""Of a whole Secret in Kubernetes."""

MISSING = (
    "on Kubernetes the pod's Secret does not exist yet (annotation notifychannel.io/secret, by default"
    " notifychannel-<group>); elsewhere mount it there, or write one file per key"
)

_SALT = secrets.token_bytes(16)
"""So that a fingerprint that gets out of this process is of no use for guessing passwords."""


class CredentialsError(Exception):
    """The way to the database is not complete; the message names the key and what to write, never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Everything that is needed to connect; `repr` shows a digest and nothing else."""

    digest: str
    hosts: tuple[str, ...] = field(repr=False)
    ports: tuple[int, ...] = field(repr=False)
    dbname: str = field(repr=False)
    user: str = field(repr=False)
    password: str = field(repr=False)
    tls: SSLContext | Literal["allow", "prefer", False] = field(repr=False, compare=False)
    direct_tls: bool = field(repr=False)
    target_session_attrs: str = field(repr=False)
    server_settings: tuple[tuple[str, str], ...] = field(repr=False)

    def fingerprint(self) -> str:
        """Changes when anything in the Secret that matters changes; to be compared within one process only."""
        return self.digest

    def connect_arguments(self) -> dict[str, Any]:
        """Keyword arguments for asyncpg.connect; each is given, so that asyncpg looks for none of them elsewhere.

        Where no password is known an empty one is given: it does for `trust`, `peer` and certificates.
        """
        return {
            "host": list(self.hosts),
            "port": list(self.ports),
            "database": self.dbname,
            "user": self.user,
            "password": self.password,
            "ssl": self.tls,
            "direct_tls": self.direct_tls,
            "target_session_attrs": self.target_session_attrs,
            "server_settings": dict(self.server_settings),
        }


def read(directory: Path) -> Credentials:
    """From a Secret mounted as files; raises CredentialsError.

    The kubelet swaps all files at once by the link `..data`: all of them are read from where it leads at the start.
    """
    swapped = directory / "..data"
    folder = (swapped if swapped.exists() else directory).resolve()
    if not folder.is_dir():
        raise CredentialsError(f"{directory}: no such folder; {MISSING}")
    return from_mapping({key: value for key in KEYS if (value := _file(folder / key)) is not None})


def read_token(directory: Path) -> str | None:
    """The token of the local interface and of POSTs, where the Secret has one; raises CredentialsError."""
    value = _file(directory / "token")
    token = None if value is None else _text("token", value)
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise CredentialsError("token: has to be printable ASCII without spaces; write another one")
    return token or None


def from_mapping(secret: Mapping[str, bytes]) -> Credentials:
    """From a Secret's data, decoded from base64. `uri` wins over the single keys; raises CredentialsError."""
    given = {key: secret[key] for key in KEYS if secret.get(key, b"").strip()}
    texts = {key: _text(key, value) for key, value in given.items() if key not in CERTIFICATES}
    certificates = Certificates(ca=given.get("ca.crt"), certificate=given.get("tls.crt"), key=given.get("tls.key"))
    if "uri" in texts:
        parts = {**_sslmode(texts), **_take_apart("uri", texts["uri"])}
        return _credentials(parts, certificates, needs="the key uri")
    parts = {key: value for key, value in texts.items() if key != "username"}
    if "username" in texts:
        parts.setdefault("user", texts["username"])
    return _credentials(parts, certificates, needs="the Secret")


def from_dsn(dsn: str) -> Credentials:
    """From a URI that a person wrote, with libpq's defaults for what is left out; raises CredentialsError."""
    parts = {"host": LOCAL, **_take_apart("the DSN", dsn)}
    if "user" not in parts:
        parts["user"] = _own_user()
    return _credentials(parts, Certificates(), needs="the DSN")


def _own_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have it (KeyError before Python 3.13)
        raise CredentialsError("user is missing in the DSN, and this process's user has no name; write it") from None


def _credentials(parts: dict[str, str], certificates: Certificates, *, needs: str) -> Credentials:
    if "host" not in parts:
        raise CredentialsError(f"host is missing in {needs}; write the server's name or address (or a uri with it)")
    if "user" not in parts:
        raise CredentialsError(f"user is missing in {needs}; write the role's name")
    certificates = _with_files(parts, certificates)
    hosts = tuple(parts["host"].split(","))
    if not all(map(_may_be_host, hosts)):
        raise CredentialsError(f"host is no host name in {needs}; write a name or an address, several with commas")
    attributes = parts.get("target_session_attrs", "any")
    if attributes not in SESSIONS:
        raise CredentialsError(f"target_session_attrs is not known; write one of {', '.join(SESSIONS)}")
    try:
        argument = tls.argument(tls.mode_for(parts.get("sslmode"), certificates), certificates)
    except TlsError as error:
        raise CredentialsError(str(error)) from None
    settings = uris.server_settings(parts)
    return Credentials(
        digest=_digest(parts, certificates),
        hosts=hosts,
        ports=_ports(parts.get("port", ""), len(hosts)),
        dbname=parts.get("dbname", parts["user"]),
        user=parts["user"],
        password=parts.get("password", ""),
        tls=argument,
        direct_tls=parts.get("sslnegotiation") == "direct",
        target_session_attrs=attributes,
        server_settings=tuple(sorted(settings.items())),
    )


def _sslmode(texts: Mapping[str, str]) -> dict[str, str]:
    """The one key that may complete a uri, which operators often write without it."""
    return {"sslmode": texts["sslmode"]} if "sslmode" in texts else {}


def _take_apart(name: str, uri: str) -> dict[str, str]:
    try:
        return uris.take_apart(uri)
    except DsnError as error:
        raise CredentialsError(f"{name} {error}") from None


def _with_files(parts: Mapping[str, str], certificates: Certificates) -> Certificates:
    """The certificates that a URI names as files, over those of the Secret."""
    root = parts.get("sslrootcert")
    return Certificates(
        ca=_named("sslrootcert", root) if root and root != "system" else certificates.ca,
        certificate=_named("sslcert", parts.get("sslcert")) or certificates.certificate,
        key=_named("sslkey", parts.get("sslkey")) or certificates.key,
    )


def _named(name: str, path: str | None) -> bytes | None:
    if path is None:
        return None
    value = _file(Path(path))
    if value is None:
        raise CredentialsError(f"{name} names a file that is not there; write its path on this machine")
    return value


def _may_be_host(text: str) -> bool:
    """What socket.getaddrinfo takes without raising UnicodeError, which nobody expects of a connection."""
    try:
        return bool(text.encode("idna"))
    except UnicodeError:
        return text.startswith("/")  # the folder of a socket


def _ports(text: str, count: int) -> tuple[int, ...]:
    """One port for all hosts, or one each; 5432 where none is written."""
    written = text.split(",") if text else [""]
    if len(written) not in {1, count}:
        raise CredentialsError(f"port has {len(written)} entries for {count} hosts; write one, or one for each")
    ports = [5432 if not port else int(port) if _PORT.fullmatch(port) else 0 for port in written]
    if not all(1 <= port <= MAX_PORT for port in ports):
        raise CredentialsError(f"port has to be a number from 1 to {MAX_PORT}; write for example 5432")
    return tuple(ports * (count // len(ports)))


def _file(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            value = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CredentialsError(f"{path}: can't be read ({error.strerror}); check its permissions") from None
    if len(value) > MAX_FILE_BYTES:
        raise CredentialsError(f"{path}: is larger than {MAX_FILE_BYTES} bytes; check the path")
    return value


def _text(key: str, value: bytes) -> str:
    """A value without the line break that editors and `echo` leave at its end."""
    try:
        text = value.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise CredentialsError(f"{key}: is not UTF-8; write it as text") from None
    if "\0" in text or "\n" in text:
        raise CredentialsError(f"{key}: holds a line break or a NUL byte; write one line")
    return text


def _digest(parts: Mapping[str, str], certificates: Certificates) -> str:
    values = {**parts, "ca": certificates.ca, "certificate": certificates.certificate, "key": certificates.key}
    return hashlib.blake2b(repr(sorted(values.items())).encode(), key=_SALT, digest_size=16).hexdigest()
