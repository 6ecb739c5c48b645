"""The injector's own certificate authority and leaf: what to make of what the two Secrets hold, at a moment.

Pure but for fresh keys: no files, no cluster, no clock. Two promises hold at every moment of a rotation: a leaf
verifies against a bundle that is up to a day older or newer than itself, and what is broken is replaced, with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

CA_LIFE = timedelta(days=730)
"""A third of it is longer than a leaf lives, so that no leaf outlives the CA that signed it."""
LEAF_LIFE = timedelta(days=90)
SKEW = timedelta(hours=1)
"""Certificates are valid from an hour ago: the API server's clock may be late."""
PROPAGATION = timedelta(days=1)
"""A CA that young signs nothing while the leaf is good: its place in the bundle may not be known everywhere yet."""


class CertificateError(Exception):
    """What was found is no usable certificate or key; the sentence says why, and never shows a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def parse(cls, certificate_pem: bytes | None, key_pem: bytes | None) -> Self:
        """From a Secret's values; raises CertificateError."""
        if not certificate_pem or not key_pem:
            raise CertificateError("it is missing")
        certificate = parse(certificate_pem)[0]
        try:
            key = serialization.load_pem_private_key(key_pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise CertificateError("its key can't be read") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise CertificateError("its key belongs to another certificate")
        return cls(certificate=certificate, key=key)

    @property
    def certificate_pem(self) -> bytes:
        """For `tls.crt` or `ca.crt`."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """For `tls.key` or `ca.key`."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """The names that the API server (the first) and anybody else in the cluster call a Service by.

    https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#service-reference
    """
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local")


def make_ca(now: datetime) -> Pair:
    """A new authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    name = _name(f"notifychannel injector CA {serial:040x}"[:58])  # two of them in one bundle have different names
    builder = (
        _builder(subject=name, issuer=name, key=key, until=now + CA_LIFE, now=now)
        .serial_number(serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return Pair(certificate=builder.sign(key, hashes.SHA256()), key=key)


def make_leaf(ca: Pair, names: Iterable[str], now: datetime) -> Pair:
    """A new server certificate for these DNS names, which never outlives its CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + LEAF_LIFE, ca.certificate.not_valid_after_utc)
    builder = (
        _builder(subject=_name("notifychannel injector"), issuer=ca.certificate.subject, key=key, until=until, now=now)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(_authority(ca.certificate), critical=False)
    )
    return Pair(certificate=builder.sign(ca.key, hashes.SHA256()), key=key)


def parse(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM text, at least one; raises CertificateError."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("it is no certificate in PEM") from None


def expires_at(pem: bytes) -> datetime:
    """When the first certificate of a PEM text ends (UTC); raises CertificateError."""
    return parse(pem)[0].not_valid_after_utc


def starts_at(pem: bytes) -> datetime:
    """From when on it is valid (UTC); raises CertificateError."""
    return parse(pem)[0].not_valid_before_utc


def needs_renewal(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether two thirds of its life are over, or it is not valid yet (a clock was wrong)."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return not start <= now < start + (end - start) * 2 / 3


def bundle(*old: bytes, new: x509.Certificate, now: datetime) -> bytes:
    """For `caBundle`: the new CA, and those of the old bundles that are still valid. What can't be read is left out."""
    kept = [ca for pem in old for ca in _readable(pem) if is_ca(ca) and ca.not_valid_after_utc > now]
    unique = {ca.fingerprint(hashes.SHA256()): ca for ca in (new, *kept)}
    return b"".join(ca.public_bytes(serialization.Encoding.PEM) for ca in unique.values())


def verifies(leaf: x509.Certificate, authorities: bytes, now: datetime) -> bool:
    """Whether one CA of the bundle has signed the leaf, and both are valid now."""
    return _is_valid(leaf, now) and any(_is_valid(ca, now) and _has_signed(ca, leaf) for ca in _readable(authorities))


def names_of(leaf: x509.Certificate) -> frozenset[str]:
    """The DNS names that it is for."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    return frozenset(found.value.get_values_for_type(x509.DNSName))


def _readable(pem: bytes) -> list[x509.Certificate]:
    try:
        return parse(pem)
    except CertificateError:
        return []


def _builder(
    *, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .not_valid_before((now - SKEW).astimezone(UTC))
        .not_valid_after(until.astimezone(UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _authority(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether it may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _has_signed(ca: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
