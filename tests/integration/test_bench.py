"""`notifychannel bench`: every figure comes with a floor of the same run, and programs can read it."""

from __future__ import annotations

import json

import pytest

from notifychannel_cli.bench import MEASURES
from tests.process import notifychannel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


NAMES = {
    "bulk": [f"bulk INSERT{by}, {keys}" for by in ("", " by Outbox") for keys in ("default maxKeys", "all keys packed")]
    + ["bulk UPDATE, one watched column", "bulk UPDATE, any column"]
    + [f"INSERT of one row{by}, many in a transaction" for by in ("", " by Outbox")],
    "memory": ["idle memory of the sidecar"],
    "latency": ["change → 2xx, p50, ratio", "change → 2xx, p99, ratio", "change → 2xx, p50", "change → 2xx, p99"],
    "receive": ["receiving, ratio", "receiving"],
    "admission": ["admission at 50 pods/s, p50", "admission at 50 pods/s, p99"],
    "writers": ["commits kept, 1 writer", "commits kept, 8 writers", "commits kept, 32 writers"],
    "outbox": [
        f"commits kept by {capture}, {writers}{slower}"
        for slower in ("", ", fsync + 1 ms")
        for writers in ("1 writer", "8 writers", "32 writers")
        for capture in ("Outbox", "Outbox, logged", "Notify", "a naive trigger")
    ],
    "outbox-latency": [f"change → POST by Outbox, {which}" for which in ("low rate, p50", "200/s, p50", "200/s, p99")],
    "outbox-size": [f"largest {table}, 2,000 changes" for table in ("outbox", "outbox_logged", "queue")],
    "listeners": [
        f"commits kept by {capture}, {listeners} listeners"
        for listeners in (10, 100, 500)
        for capture in ("Outbox", "Notify")
    ],
    "durable": [f"durable, {it}" for it in ("enqueued", "commit → acknowledged", "200/s, p50", "200/s, p99")],
}
RUNS = [
    ("outbox", "outbox-size", "memory"), ("durable", "bulk", "writers"), ("outbox-latency", "receive"),
    ("latency", "listeners", "admission"),
]  # fmt: skip
"""Several share a server, as in `bench all`, and each takes as long as the others. What `outbox` leaves must not keep
`outbox-size` waiting, which looks at the queue.
"""


def test_every_part_is_in_a_run():
    assert sorted(part for run in RUNS for part in run) == sorted(NAMES) == sorted(MEASURES)


@pytest.mark.parametrize("run", RUNS, ids=" ".join)
async def test_the_figures_are_printed_as_json_beside_their_floors(run):
    async with notifychannel("bench", *run, "--quick", "--json") as bench:
        assert await bench.ends(170) == 0, bench.printed
    # Standard error comes first: how to install rivals.
    figures = json.loads("\n".join(bench.printed[bench.printed.index("{") :]))["figures"]
    # Beside rivals where they are installed, which here they need not be.
    names = [figure["name"] for figure in figures if "ratio to" not in figure["name"]]
    assert names == [name for part in run for name in NAMES[part]]
    for figure in figures:
        assert set(figure) == {"name", "value", "unit", "floor", "goal", "met"}
        assert figure["value"] > 0
        assert figure["floor"] > 0
        assert figure["met"] in (None, True, False)
