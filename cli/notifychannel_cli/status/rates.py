"""Two looks at a group's sidecars → hints per second, and how long a change took. Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli.status.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING = Sample()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Between two looks; where nothing was delivered between them the times are those since the sidecars' start."""

    per_s: float
    p50_s: float | None
    """From the statement to the application's 2xx; None: never."""
    p99_s: float | None


def between(before: Mapping[str, Sample], after: Mapping[str, Sample], seconds: float) -> Rates:
    """By pod. One that was not there before, or has begun again, counts from now on."""
    delivered, buckets, since_start = 0.0, Counter[float](), Counter[float]()
    for pod, now in after.items():
        since_start.update(now.buckets)
        was = before.get(pod, NOTHING)
        if pod in before and was.delivered <= now.delivered:
            delivered += now.delivered - was.delivered
            buckets.update({bound: count - was.buckets.get(bound, 0.0) for bound, count in now.buckets.items()})
    told = buckets if delivered else since_start
    return Rates(per_s=delivered / seconds, p50_s=quantile(told, 0.5), p99_s=quantile(told, 0.99))


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """As PromQL's histogram_quantile: within a bucket evenly spread, past the last bound that bound.

    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
    """
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        return None
    rank = share * buckets[bounds[-1]]
    lower, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (rank - below) / (buckets[bound] - below)
        lower, below = bound, buckets[bound]
    return lower
