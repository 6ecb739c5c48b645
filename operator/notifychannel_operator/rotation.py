"""What the two Secrets of the injector's certificate should hold now, from what they hold: one pure step.

The keeper that calls this writes in one order: the CA's Secret, `caBundle`, and last the leaf's Secret. Refuses to
replace what is good: with two sound Secrets and nothing due, the step gives back what it was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator import certificates
from notifychannel_operator.certificates import CertificateError, Pair

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The data (not base64) that the Secrets and `caBundle` should hold."""

    ca_secret: dict[str, bytes]
    """`ca.crt`, `ca.key`: the newest authority. Only the operator may read it."""
    tls_secret: dict[str, bytes]
    """`tls.crt`, `tls.key`, `ca.crt` (the bundle): mounted into the injector."""
    bundle: bytes
    """For `caBundle`, to be written before `tls_secret`."""
    reasons: tuple[str, ...]
    """Why something is new, for the log; empty where nothing is."""
    expires_at: datetime
    """Of the leaf."""


def rotate(
    *,
    ca_secret: Mapping[str, bytes],
    tls_secret: Mapping[str, bytes],
    published: bytes | None,
    names: Collection[str],
    now: datetime,
) -> Rotation:
    """One step. Empty mappings where a Secret is not there; `published` is what `caBundle` holds now.

    Nothing found in a Secret raises: what can't be used is made anew, and `reasons` says why.
    """
    ca, why_ca = _ca(ca_secret, now)
    bundle = certificates.bundle(tls_secret.get("ca.crt", b""), published or b"", new=ca.certificate, now=now)
    leaf, why_leaf = _leaf(tls_secret, ca, bundle=bundle, names=names, now=now)
    return Rotation(
        ca_secret={"ca.crt": ca.certificate_pem, "ca.key": ca.key_pem},
        tls_secret={"tls.crt": leaf.certificate_pem, "tls.key": leaf.key_pem, "ca.crt": bundle},
        bundle=bundle,
        reasons=tuple(reason for reason in (why_ca, why_leaf) if reason),
        expires_at=leaf.certificate.not_valid_after_utc,
    )


def _ca(secret: Mapping[str, bytes], now: datetime) -> tuple[Pair, str | None]:
    try:
        found = Pair.parse(secret.get("ca.crt"), secret.get("ca.key"))
    except CertificateError as error:
        return certificates.make_ca(now), f"a new CA: {error}"
    if not certificates.is_ca(found.certificate):
        return certificates.make_ca(now), "a new CA: what was found is no authority"
    if certificates.needs_renewal(found.certificate, now):
        return certificates.make_ca(now), "a new CA: two thirds of the old one's life are over"
    return found, None


def _leaf(
    secret: Mapping[str, bytes], ca: Pair, *, bundle: bytes, names: Collection[str], now: datetime
) -> tuple[Pair, str | None]:
    try:
        found = Pair.parse(secret.get("tls.crt"), secret.get("tls.key"))
    except CertificateError as error:
        return certificates.make_leaf(ca, names, now), f"a new certificate: {error}"
    if certificates.names_of(found.certificate) != frozenset(names):
        return certificates.make_leaf(ca, names, now), "a new certificate: it is for other names"
    if not certificates.verifies(found.certificate, bundle, now):
        return certificates.make_leaf(ca, names, now), "a new certificate: no CA of the bundle vouches for it"
    if certificates.needs_renewal(found.certificate, now) and _is_known(ca, now):
        return certificates.make_leaf(ca, names, now), "a new certificate: two thirds of the old one's life are over"
    return found, None


def _is_known(ca: Pair, now: datetime) -> bool:
    """Whether the CA has been in the bundle for long enough to sign, while the old leaf still serves."""
    return now >= ca.certificate.not_valid_before_utc + certificates.SKEW + certificates.PROPAGATION
