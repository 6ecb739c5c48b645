"""`notifychannel bench`: every figure comes with a floor of the same run, and programs can read it."""

from __future__ import annotations

import json

import pytest

from tests.process import notifychannel

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("bulk", ["bulk INSERT, default maxKeys", "bulk INSERT, all keys packed"]),
        ("memory", ["idle memory of the sidecar"]),
        (
            "latency",
            ["change → 2xx, p50, ratio", "change → 2xx, p99, ratio", "change → 2xx, p50", "change → 2xx, p99"],
        ),
        ("receive", ["receiving, ratio", "receiving"]),
        ("admission", ["admission at 50 pods/s, p50", "admission at 50 pods/s, p99"]),
        ("writers", ["commits kept, 1 writer", "commits kept, 8 writers", "commits kept, 32 writers"]),
        (
            "outbox",
            [
                f"commits kept by {capture}, {writers}{slower}"
                for slower in ("", ", fsync + 1 ms")
                for writers in ("1 writer", "8 writers", "32 writers")
                for capture in ("Outbox", "Notify")
            ],
        ),
    ],
)
async def test_the_figures_are_printed_as_json_beside_their_floors(what, names):
    async with notifychannel("bench", what, "--quick", "--json") as bench:
        assert await bench.ends(170) == 0, bench.printed
    figures = json.loads("\n".join(bench.printed))["figures"]
    assert [figure["name"] for figure in figures] == names
    for figure in figures:
        assert set(figure) == {"name", "value", "unit", "floor", "goal", "met"}
        assert figure["value"] > 0
        assert figure["floor"] > 0
        assert figure["met"] in (None, True, False)
