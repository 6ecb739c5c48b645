"""Which functions in a database are a channel's, and whether they speak as it says: pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from notifychannel_operator import names
from notifychannel_operator.quote import literal

if TYPE_CHECKING:
    from notifychannel_operator.objects import Facts, Function
    from notifychannel_operator.spec import Channel


def ours(facts: Facts) -> tuple[Function, ...]:
    """The functions of the facts' owner; when it takes over, also those of its namespace and name elsewhere."""
    return tuple(it for it in facts.functions.values() if is_ours(it, facts))


def is_ours(function: Function, facts: Facts) -> bool:
    """By its marker."""
    if function.marker is None:
        return False
    owner = function.marker.owner
    if facts.take_over:
        owner = replace(owner, installation=facts.owner.installation)
    return owner == facts.owner


def is_in_force(channel: Channel, facts: Facts) -> bool:
    """Whether what there is in the database speaks as the channel says: its rules, on its PostgreSQL channel.

    False where all that is there is still of an older spec: sidecars, and the queue, have to go on as they are.
    """
    speaks = [_speaks(it, channel, facts) for it in ours(facts)]
    return any(speaks) or False not in speaks


def _speaks(function: Function, channel: Channel, facts: Facts) -> bool | None:
    """None: a suspended function says nothing."""
    if "pg_notify" not in function.body:
        return None
    return (
        f"'1{names.rules(channel)}U" in function.body
        and f"pg_notify({literal(facts.pg_channel)}, nch_payload)" in function.body
    )
