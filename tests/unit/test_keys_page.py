"""docs/keys.md says what keys.py does."""

from __future__ import annotations

from pathlib import Path

import pytest

from notifychannel_operator.triggers import keys

PAGE = (Path(__file__).parents[2] / "docs" / "keys.md").read_text()
WRITTEN = {"float4": "real", "float8": "double precision"}


@pytest.mark.parametrize("type_", keys.PINS)
def test_every_pinned_setting_stands_in_the_row_of_its_type(type_):
    [row] = [
        line
        for line in PAGE.split("## Pinned settings")[1].split("##")[0].splitlines()
        if f"`{WRITTEN.get(type_, type_)}`" in line.rpartition("|")[0].rpartition("|")[0]
    ]
    assert all(f"{name} = {value}" in row for name, value in keys.PINS[type_])
    assert row.count(" = ") == len(keys.PINS[type_])
