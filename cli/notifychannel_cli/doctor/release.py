"""The release in the cluster, judged: CRD, who leads, and what the operator may. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - a field's type
from typing import TYPE_CHECKING

from notifychannel_cli import shown
from notifychannel_cli.doctor.finding import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notifychannel_operator.inject import Settings

CRD = "notifychannels.notifychannel.io"
CHART = "charts/notifychannel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What the operator's Deployment says of itself."""

    namespace: str
    fullname: str
    account: str
    webhook: str
    """The name of the webhook configuration; the same as `fullname` but where it is somebody else's."""
    watched: tuple[str, ...]
    """Namespaces; empty for all."""
    certificate: str
    """The Secret with the injector's certificate."""
    has_own_certificate: bool
    helm_name: str = ""
    """What `helm list` calls it, which may differ from `fullname`; empty where it was not helm that installed it."""
    settings: Settings | None = field(repr=False)
    """Of injection; None where its variables can't be read."""

    @property
    def upgrade(self) -> str:
        """What puts back whatever the chart has made."""
        return f"helm -n {self.namespace} upgrade {self.helm_name or self.fullname} {CHART} --reset-then-reuse-values"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The CRD; `is_there` False: none."""

    is_there: bool
    is_served: bool = False
    version: str | None = None
    """Of the release that brought it, where a chart did."""
    ours: str = ""
    """Of this program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The Lease, and when it was looked at; None: not there, never renewed."""

    release: Release
    holder: str | None
    renewed_at: datetime | None
    duration_s: float
    now: datetime
    """By the clock of who looks."""
    is_renewed: bool = False
    """It was seen to be renewed, between two looks."""

    @property
    def is_late(self) -> bool:
        """By our clock, which may be behind as well as ahead."""
        return self.renewed_at is None or abs((self.now - self.renewed_at).total_seconds()) > self.duration_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the operator's account lacks: `verb resource in namespace`."""

    release: Release
    lacking: tuple[str, ...]


def definition(seen: Definition) -> Iterator[Trouble]:
    """Missing, not served, or of another release."""
    remedy = (f"helm upgrade --install notifychannel {CHART} --namespace notifychannel --create-namespace",)
    if not seen.is_there:
        yield Trouble(why=f"there is no CRD {CRD}: NotifyChannel is not installed", remedy=remedy)
    elif not seen.is_served:
        yield Trouble(why=f"the CRD {CRD} does not serve v1alpha1", remedy=remedy)
    elif seen.version not in (None, seen.ours):
        yield Trouble(
            why=f"the CRD is of version {seen.version}, this program of {seen.ours}",
            remedy=remedy,
            is_warning=True,
        )


def leader(seen: Leader) -> Iterator[Trouble]:
    """Nobody holds the Lease, or the holder is silent."""
    namespace, name = seen.release.namespace, seen.release.fullname
    remedy = (
        f"kubectl -n {namespace} get pods -l app.kubernetes.io/component=operator",
        f"kubectl -n {namespace} logs deployment/{name}-operator --tail=50",
        f"kubectl -n {namespace} rollout restart deployment/{name}-operator",
    )
    if not seen.holder or seen.renewed_at is None:
        yield Trouble(why=f"nobody leads: the Lease {namespace}/{name} has no holder", remedy=remedy)
        return
    if seen.is_late and not seen.is_renewed:
        age_s = max((seen.now - seen.renewed_at).total_seconds(), seen.duration_s)
        said = f"nobody leads: {seen.holder} has not renewed the Lease {namespace}/{name} for {shown.span(age_s)}"
        yield Trouble(why=said, remedy=remedy)


def rights(seen: Rights) -> Iterator[Trouble]:
    """What the operator asks for and is refused."""
    if seen.lacking:
        what = "\n".join(seen.lacking)
        why = f"the account {seen.release.namespace}/{seen.release.account} may not:\n{what}"
        yield Trouble(why=why, remedy=(seen.release.upgrade,))
