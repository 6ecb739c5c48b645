"""The injector's certificate and whether the API server believes it, by `caBundle`. Pure; of public halves only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from notifychannel_cli.doctor.finding import Trouble, Unseen
from notifychannel_operator import certificates
from notifychannel_operator.certificates import CertificateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notifychannel_cli.doctor.release import Release

SOON, NEARLY = timedelta(days=30), timedelta(days=7)
"""The operator renews its own with a third of its life left; 7 days is also the alert's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is served, and what is believed."""

    release: Release
    leaf: bytes = field(repr=False)
    """PEM of the certificate, without its key."""
    authorities: bytes | None = field(repr=False)
    """`caBundle`, PEM; None: no webhook configuration."""
    now: datetime


def days(seen: Certificate) -> Iterator[Trouble]:
    """It ends soon, has ended, or can't be read."""
    try:
        left = certificates.expires_at(seen.leaf) - seen.now
    except CertificateError as error:
        yield Trouble(why=f"the Secret {seen.release.certificate} holds no certificate: {error}", remedy=_renew(seen))
        return
    if left > SOON:
        return
    ends = f"ends in {left.days} days" if left > timedelta() else "has ended"
    why = f"the injector's certificate {ends}"
    yield Trouble(why=why, remedy=_renew(seen), is_warning=left > NEARLY)


def ca_bundle(seen: Certificate) -> Iterator[Trouble | Unseen]:
    """None of its authorities has signed what the injector serves."""
    name = seen.release.webhook
    if seen.authorities is None:
        why = f"there is no MutatingWebhookConfiguration {name}, or it has no webhook: nothing is injected"
        yield Trouble(why=why, remedy=(seen.release.upgrade,))
        return
    try:
        leaf, *_ = certificates.parse(seen.leaf)
    except CertificateError:
        leaf = None
    if leaf is None or leaf.not_valid_after_utc <= seen.now:
        yield Unseen(why="there is no certificate to be believed: mend cluster/certificate first")
        return
    if certificates.verifies(leaf, seen.authorities, seen.now):
        return
    yield Trouble(
        why=f"caBundle of the MutatingWebhookConfiguration {name} has not signed the injector's certificate\n"
        "The API server does not believe the injector, and pods start without the sidecar. The operator mends its own "
        "within a minute",
        remedy=(
            f"kubectl -n {seen.release.namespace} logs deployment/{seen.release.fullname}-operator --tail=50",
            f"kubectl -n {seen.release.namespace} rollout restart deployment/{seen.release.fullname}-operator",
        ),
    )


def faults(seen: Certificate) -> Iterator[Trouble]:
    """Why the API server would not believe it."""
    for it in (*days(seen), *ca_bundle(seen)):
        if isinstance(it, Trouble) and not it.is_warning:
            yield it


def _renew(seen: Certificate) -> tuple[str, ...]:
    """The operator makes a new one where its own is gone; another's is renewed by whoever made it."""
    if seen.release.has_own_certificate:
        return (f"kubectl -n {seen.release.namespace} delete secret {seen.release.certificate}",)
    return (f"kubectl -n {seen.release.namespace} describe secret {seen.release.certificate}  # who makes it?",)
