"""What the person gave the doctor, kept in the remedies that call it again: they look where it looked. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from notifychannel_cli.doctor.finding import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notifychannel_cli.cluster import Place
    from notifychannel_cli.doctor.finding import Finding

DOCTOR = "notifychannel doctor"
COMMENT = "  # "
DSN = '--dsn "$DSN"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The options, as they were typed."""

    place: Place
    is_everywhere: bool
    files: tuple[str, ...]
    has_dsn: bool
    """By `--dsn`; what NOTIFYCHANNEL_DSN says need not be said again."""
    installation: str | None

    def kept(self, it: Finding) -> Finding:
        """The finding with remedies that say them, but where they say another of the same."""
        return replace(it, remedy=tuple(map(self._kept, it.remedy)))

    def _kept(self, remedy: str) -> str:
        files = " -f ".join(shlex.quote(name) for name in dict.fromkeys(self.files))
        remedy = remedy.replace(FILE, files) if files else remedy
        if not remedy.startswith(DOCTOR):
            return remedy
        command, sign, comment = remedy.partition(COMMENT)
        said = f"{command.removeprefix(DOCTOR)} "
        after = [option for option in self._database(files) if f" {option.split()[0]} " not in said]
        return " ".join((DOCTOR, *self._where(said), *said.split(), *after)) + sign + comment

    def _where(self, said: str) -> Iterator[str]:
        if self.place.kubeconfig:
            yield f"--kubeconfig {shlex.quote(self.place.kubeconfig)}"
        if self.place.context:
            yield f"--context {shlex.quote(self.place.context)}"
        if " -n " in said or " -A " in said:
            return
        if self.is_everywhere:
            yield "-A"
        elif self.place.namespace:
            yield f"-n {shlex.quote(self.place.namespace)}"

    def _database(self, files: str) -> Iterator[str]:
        if self.has_dsn:
            yield DSN
        if files:
            yield f"-f {files}"
        if self.installation:
            yield f"--installation {shlex.quote(self.installation)}"
