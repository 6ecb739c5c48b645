"""`bench durable`: AtLeastOnce from the commit to the application's 2xx through a real sidecar, beside the rivals.

One server, one run, in turn: changes enqueued per second in statements of 100; a backlog of changes worked off, from
the first that is handled to the last; how long one takes at a low rate. Ours has the HTTP hop, the others call a
function. The floor is a queue made by hand. Rivals are measured where they are installed.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from notifychannel_cli.bench.contender_ours import Ours
from notifychannel_cli.bench.contender_program import Program
from notifychannel_cli.bench.figure import Figure, Floor, Goal
from notifychannel_cli.bench.pace import percentiles
from notifychannel_cli.bench.rivals import GOAL_BY, rivals
from notifychannel_cli.console import complaints

if TYPE_CHECKING:
    from notifychannel_cli.bench.contender import Contender
    from notifychannel_cli.bench.rig import Rig

CHANGES = 50_000
AT_A_TIME = 100
PER_SECOND = 200
SECONDS = 10
ROUNDS = 3
BY_HAND = Path(__file__).with_name("bare_queue.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that is measured of all, and what we want to be against the rival that goals are set by."""

    name: str
    unit: str
    side: Goal
    goal_ratio: float | None


ENQUEUED = Measure(name="enqueued", unit="/s", side=Goal.AT_LEAST, goal_ratio=None)
HANDLED = Measure(name="commit → acknowledged", unit="/s", side=Goal.AT_LEAST, goal_ratio=1.0)
P50 = Measure(name=f"{PER_SECOND}/s, p50", unit="ms", side=Goal.AT_MOST, goal_ratio=1.5)
P99 = Measure(name=f"{PER_SECOND}/s, p99", unit="ms", side=Goal.AT_MOST, goal_ratio=2.0)
MEASURES = (ENQUEUED, HANDLED, P50, P99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Of one contender, a list for each measure; medians count."""

    contender: Contender
    measured: dict[Measure, list[float]] = field(default_factory=lambda: {measure: [] for measure in MEASURES})

    def of(self, measure: Measure) -> float:
        """The median."""
        return statistics.median(self.measured[measure])


async def measure(rig: Rig) -> list[Figure]:
    """Rounds of all contenders in turn."""
    ours, floor, *others = [Results(contender=contender) for contender in _contenders(rig)]
    everybody = [ours, floor, *others]
    for results in everybody:
        await results.contender.prepare()
    for _ in range(rig.rounds(ROUNDS)):
        for results in everybody:
            await _round(rig, results)
    return [figure for each in MEASURES for figure in _figures(each, ours, floor, others)]


def _contenders(rig: Rig) -> list[Contender]:
    found: list[Contender] = [
        Ours(rig=rig), Program(name="by hand", command=(sys.executable, str(BY_HAND)), dsn=rig.dsn())
    ]  # fmt: skip
    for rival in rivals():
        if rival.command is None:
            complaints().print(
                f"{rival.name} is not installed and not measured; to have it: {rival.remedy}", markup=False
            )
        else:
            found.append(Program(name=rival.name, command=rival.command, dsn=rig.dsn()))
    return found


async def _round(rig: Rig, results: Results) -> None:
    contender, changes = results.contender, rig.rounds(CHANGES, least=500)
    seconds = await contender.enqueue(changes, at_a_time=AT_A_TIME)
    results.measured[ENQUEUED].append(changes / seconds)
    await contender.forget()
    await _backlog(rig, contender, changes)
    async with contender.working(changes, eager=True) as handled:
        times = (await handled()).values()
    results.measured[HANDLED].append(changes / (max(times) - min(times)))
    await contender.forget()
    for measured, value in zip((P50, P99), await _low_rate(rig, contender), strict=True):
        results.measured[measured].append(value)
    await contender.forget()


async def _backlog(rig: Rig, contender: Contender, changes: int) -> None:
    """Ours comes from single-row statements, as applications have them; to the others it makes no difference."""
    await rig.configure({"synchronous_commit": "off"})
    await contender.enqueue(changes, at_a_time=1 if isinstance(contender, Ours) else AT_A_TIME)
    await rig.configure({"synchronous_commit": "on"})


async def _low_rate(rig: Rig, contender: Contender) -> tuple[float, float]:
    changes = PER_SECOND * rig.rounds(SECONDS)
    async with contender.working(changes, eager=False) as handled:
        made = await contender.paced(changes, per_second=PER_SECOND)
        came = await handled()
    return percentiles([(came[number] - at) * 1000 for number, at in made.items()])


def _figures(measure: Measure, ours: Results, floor: Results, others: list[Results]) -> list[Figure]:
    value = ours.of(measure)
    absolute = Figure(
        name=f"durable, {measure.name}", value=value, unit=measure.unit,
        floor=Floor(floor.of(measure), f"{measure.unit}, {floor.contender.name}"), side=measure.side,
    )  # fmt: skip
    return [absolute] + [
        Figure(
            name=f"durable, {measure.name}, ratio to {other.contender.name}", value=value / other.of(measure), unit="x",
            floor=Floor(other.of(measure), f"{measure.unit}, {other.contender.name}"), side=measure.side,
            goal=measure.goal_ratio if other.contender.name == GOAL_BY else None,
        )
        for other in others
    ]  # fmt: skip
