"""What `notifychannel doctor` looks at: one check, by its id, as `database/notify-queue`. Knows no way to look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Section(Enum):
    """In the order in which they are printed: each stands on the ones before it."""

    CLUSTER = "cluster"
    CHANNEL = "channel"
    PODS = "pods"
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that can be well or not."""

    section: Section
    name: str
    sentence: str
    """What is so when all is well."""

    @property
    def id(self) -> str:
        """As it stands in the JSON and in docs/doctor.md; it does not change between versions."""
        return f"{self.section.value}/{self.name}"
