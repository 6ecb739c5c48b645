"""Which channel is in which database, and which of them stand in each other's way: the older one wins, and of two that
were made in one second the one that is installed.

A channel's claim is what it said when it was last good, and the database that answered last. Filled from
`status.database` of all channels before the first pass, so that a restart changes no verdict. Asks nobody anything.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from notifychannel_operator import configmap
from notifychannel_operator.passes.whereabouts import Ref

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from notifychannel_operator.passes.whereabouts import Identity
    from notifychannel_operator.spec import Channel


class Standing(IntEnum):
    """What a channel has already; of those made in one second (creationTimestamp has no more) the lesser is older."""

    IN_FORCE = 0
    """Objects in a database, by the spec as it is."""
    INSTALLED = 1
    """Objects in a database, by an earlier spec or a pass that did not come to its end."""
    STEPPED_BACK = 2
    """Objects in a database, and since its last pass in the way of an older one."""
    ACCEPTED = 3
    NEW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one channel takes for itself."""

    ref: Ref
    uid: str
    created: str
    """metadata.creationTimestamp: RFC 3339 in UTC, so it sorts as text."""
    channel: Channel | None
    """None: it can't be read, and the rest is what it has in force."""
    secret: str
    groups: frozenset[str]
    """Of pods in its namespace that it serves."""
    has_sources: bool
    pg_channel: str
    database: Identity | None = None
    """None: nobody has reached it yet."""
    standing: Standing = Standing.NEW
    looked: int = 0
    """Grows with every look at a database: of two answers through one Secret the later one counts."""

    @property
    def age(self) -> tuple[str, Standing, str]:
        """The lesser one is the older channel."""
        return self.created, self.standing, self.uid

    def elsewhere(self, other: Claim) -> bool:
        """Both databases are known, and are two. One Secret leads to one database: a look may only be older."""
        same_secret = (self.ref.namespace, self.secret) == (other.ref.namespace, other.secret)
        return not same_secret and None not in (self.database, other.database) and self.database != other.database

    def together(self, other: Claim) -> bool:
        """Both databases are known, and are one."""
        same_secret = (self.ref.namespace, self.secret) == (other.ref.namespace, other.secret)
        return same_secret or (self.database is not None and self.database == other.database)

    def places(self) -> Iterator[Hashable]:
        """Where others may stand in its way."""
        for group in self.groups:
            yield "group", self.ref.namespace, group
        if self.has_sources:
            yield "channel", self.pg_channel


@dataclass(slots=True)
class Databases:
    """Every channel's claim; all methods are atomic, for none of them awaits."""

    claims: dict[Ref, Claim] = field(default_factory=dict)
    _at: defaultdict[Hashable, set[Ref]] = field(default_factory=lambda: defaultdict(set), repr=False)
    _verdicts: dict[Ref, str] = field(default_factory=dict, repr=False)
    """Of who can't stand: as they were judged last."""
    _looks: int = 0

    def put(
        self,
        channel: Channel,
        *,
        uid: str,
        created: str,
        installation: str,
        database: Identity | None = None,
        standing: Standing = Standing.NEW,
    ) -> frozenset[Ref]:
        """What a channel says now; a `database` of None leaves the one that is known. The others whose verdict changed.

        Another object of that name (uid) begins anew.
        """
        ref = Ref(channel.namespace, channel.name)
        known = self.claims.get(ref)
        if known is not None and known.uid != uid:
            known = None
        claim = Claim(
            ref=ref,
            uid=uid,
            created=created,
            channel=channel,
            secret=channel.secret,
            groups=frozenset(consumer.group for consumer in channel.consumers),
            has_sources=bool(channel.sources),
            pg_channel=configmap.pg_channel(channel, installation=installation),
            database=database or (known.database if known else None),
            standing=standing,
            looked=known.looked if known and database is None else self._look(database),
        )
        return self._change(ref, claim)

    def hold(self, claim: Claim) -> frozenset[Ref]:
        """What a channel that can't be read has in force; as `put`, until it says something again."""
        return self._change(claim.ref, replace(claim, looked=self._look(claim.database)))

    def _look(self, database: Identity | None) -> int:
        self._looks += database is not None
        return self._looks if database is not None else 0

    def remove(self, ref: Ref) -> frozenset[Ref]:
        """The channel is gone; the others whose verdict changed."""
        return self._change(ref, None)

    def conflict(self, ref: Ref) -> str | None:
        """Why this channel can't stand beside an older one, with the remedy; None when it can, or is not known."""
        return self._verdicts.get(ref)

    def of_group(self, namespace: str, group: str) -> tuple[Claim, ...]:
        """The claims that name the group, by name of the channel."""
        return tuple(sorted(self._here(("group", namespace, group)), key=lambda claim: claim.ref))

    def database_of(self, namespace: str, group: str) -> Identity | None:
        """The database of a group: as the accepted channel that looked last saw it; None where nobody has looked."""
        seen = [it for it in self.of_group(namespace, group) if it.database and self.conflict(it.ref) is None]
        return max(seen, key=lambda claim: claim.looked).database if seen else None

    def _change(self, ref: Ref, claim: Claim | None) -> frozenset[Ref]:
        known = self.claims.get(ref)
        places = {*(known.places() if known else ()), *(claim.places() if claim else ())}
        near = self._near(places)
        self._forget(known)
        if claim is not None:
            self.claims[ref] = claim
            for place in claim.places():
                self._at[place].add(ref)
        return self._judge(near | self._near(places) | {ref}) - {ref}

    def _judge(self, near: set[Ref]) -> frozenset[Ref]:
        """Whose verdict is another one now: among these, and step by step among those whom a changed one touches."""
        known: dict[Ref, str | None] = {}
        changed: set[Ref] = set()
        waiting = set(near)
        while waiting:
            ref = waiting.pop()
            claim = self.claims.get(ref)
            verdict = None if claim is None else self._conflict(claim, known)
            if verdict == self._verdicts.get(ref):
                continue
            changed.add(ref)
            if claim is not None:
                waiting |= self._near(claim.places()) - {ref}
            if verdict is None:
                del self._verdicts[ref]
            else:
                self._verdicts[ref] = verdict
        return frozenset(changed)

    def _forget(self, claim: Claim | None) -> None:
        if claim is None:
            return
        del self.claims[claim.ref]
        for place in claim.places():
            self._at[place].discard(claim.ref)
            if not self._at[place]:
                del self._at[place]

    def _near(self, places: Iterable[Hashable]) -> set[Ref]:
        """Who stands at these places, if they are contended at all."""
        return {claim.ref for place in places for claim in self._contenders(place)}

    def _here(self, place: Hashable) -> list[Claim]:
        return [self.claims[ref] for ref in self._at.get(place, ())]

    def _contenders(self, place: Hashable) -> list[Claim]:
        """A group whose channels are all in one database, the usual case, is nobody's conflict."""
        here = self._here(place)
        if isinstance(place, tuple) and place[0] == "group" and len({it.database for it in here} - {None}) < 2:  # noqa: PLR2004
            return []
        return here

    def _conflict(self, claim: Claim, known: dict[Ref, str | None]) -> str | None:
        """Only an older channel that is accepted itself stands in the way, so this ends at the oldest."""
        if claim.ref not in known:
            known[claim.ref] = None
            older = sorted(
                (it for place in claim.places() for it in self._contenders(place) if it.age < claim.age),
                key=lambda it: it.age,
            )
            for other in dict.fromkeys(older):
                message = _between(claim, other)
                if message is not None and self._conflict(other, known) is None:
                    known[claim.ref] = message
                    break
        return known[claim.ref]


def _between(claim: Claim, older: Claim) -> str | None:
    """What is wrong between two channels."""
    same_channel = claim.has_sources and older.has_sources and claim.pg_channel == older.pg_channel
    if same_channel and claim.together(older):
        return (
            f"the older channel {older.ref} has sources on the PostgreSQL channel {claim.pg_channel} of the same "
            "database, and their hints can't be told apart: write another spec.channel, or leave it out"
        )
    shared = sorted(claim.groups & older.groups) if claim.ref.namespace == older.ref.namespace else []
    if shared and claim.elsewhere(older):
        return (
            f"the group {shared[0]} gets its hints from the database {older.database}, where the older channel "
            f"{older.ref} is, and this channel is in {claim.database}; a sidecar listens to one database: "
            "write another group, or the Secret of the same database"
        )
    return None
