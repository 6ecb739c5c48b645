"""How much TLS a `sslmode` asks for, as what asyncpg takes for `ssl=`.

https://www.postgresql.org/docs/current/libpq-ssl.html. asyncpg's own reading of `sslmode` looks for certificates in
PGSSLROOTCERT and ~/.postgresql; a context of our own knows only what the Secret holds.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal, assert_never

if TYPE_CHECKING:
    from collections.abc import Iterator

ALPN = ["postgresql"]
"""Asked for by servers that are spoken to in TLS from the first byte (sslnegotiation=direct)."""


class SslMode(Enum):
    """libpq's words."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class TlsError(Exception):
    """The certificates can't be used; the message names the one and says what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM texts, each None where there is none."""

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)


def mode_for(text: str | None, certificates: Certificates) -> SslMode:
    """The mode that is written, else the strictest one that the certificates are there for. Raises TlsError."""
    if text is None:
        if certificates.ca:
            return SslMode.VERIFY_FULL
        return SslMode.REQUIRE if certificates.certificate else SslMode.PREFER
    if text not in {mode.value for mode in SslMode}:
        raise TlsError(f"sslmode is not known; write one of {', '.join(mode.value for mode in SslMode)}")
    return SslMode(text)


def argument(mode: SslMode, certificates: Certificates) -> ssl.SSLContext | Literal["allow", "prefer", False]:
    """What asyncpg.connect takes for `ssl`; raises TlsError.

    `allow` and `prefer` stay words, for only asyncpg's own code can fall back. `require` with a CA verifies it, as
    libpq does. Without a CA, `verify-full` trusts the authorities of the system (libpq's `sslrootcert=system`).
    """
    match mode:
        case SslMode.DISABLE:
            return False
        case SslMode.ALLOW | SslMode.PREFER:
            if certificates.certificate:
                raise TlsError("tls.crt needs sslmode require, verify-ca or verify-full; write one of them")
            return "allow" if mode is SslMode.ALLOW else "prefer"
        case SslMode.REQUIRE | SslMode.VERIFY_CA | SslMode.VERIFY_FULL:
            return _context(mode, certificates)
        case _:
            assert_never(mode)


def _context(mode: SslMode, certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(ALPN)
    context.check_hostname = mode is SslMode.VERIFY_FULL
    if certificates.ca:
        _trust(context, certificates.ca)
    elif mode is SslMode.REQUIRE:
        context.verify_mode = ssl.CERT_NONE
    elif mode is SslMode.VERIFY_CA:
        raise TlsError("ca.crt is missing, which sslmode verify-ca needs; add it, or write verify-full")
    else:
        context.load_default_certs()
    if certificates.certificate or certificates.key:
        _present(context, certificates)
    return context


def _trust(context: ssl.SSLContext, ca: bytes) -> None:
    try:
        context.load_verify_locations(cadata=ca.decode("ascii", "ignore"))  # comments may hold anything
    except (ssl.SSLError, ValueError):
        raise TlsError("ca.crt holds no certificate; write it in PEM (-----BEGIN CERTIFICATE-----)") from None


def _present(context: ssl.SSLContext, certificates: Certificates) -> None:
    if not certificates.certificate or not certificates.key:
        missing = "tls.key" if certificates.certificate else "tls.crt"
        raise TlsError(f"{missing} is missing: a client certificate needs tls.crt and tls.key; add it")
    with _file(certificates.certificate) as chain, _file(certificates.key) as key:
        try:
            context.load_cert_chain(chain, key, password=_no_password)
        except (ssl.SSLError, ValueError):
            message = "tls.crt and tls.key don't fit together; write both in PEM, the key without a password"
            raise TlsError(message) from None


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A path to read the content from: OpenSSL, as Python offers it, takes a key only from a file.

    In memory on Linux, for the file system of a pod may be read-only; elsewhere on disk for as long as the call lasts.
    """
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("notifychannel"), "wb", buffering=0) as file:
            file.write(content)
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(prefix="notifychannel-") as named:
            named.write(content)
            named.flush()
            yield named.name


def _no_password() -> str:
    raise ValueError  # else OpenSSL would ask on the terminal
