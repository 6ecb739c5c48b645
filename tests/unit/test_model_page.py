"""docs/model: the page, the script and the model speak of the same variants."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "docs" / "model"
PAGE = (MODEL / "README.md").read_text()
SCRIPT = (MODEL / "check").read_text()
PROMELA = (MODEL / "doorbell.pml").read_text()
VARIANTS = re.findall(r"^([A-Z_]+) +(\S+) +(-D.*)$", SCRIPT, re.MULTILINE)
SIZES = {"WRITERS", "SIDECARS", "BREAKS", "HELD", "LEAKS"}


def test_the_page_explains_every_variant_that_is_checked_and_no_other():
    rows = re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE)
    assert rows == [name for name, _, _ in VARIANTS]


def test_every_switch_of_the_model_is_checked():
    """An #ifdef that nobody sets is a variant that nobody has seen fail."""
    asked = set(re.findall(r"(?:#ifn?def |defined\()([A-Z_]+)", PROMELA))
    given = {option for _, _, options in VARIANTS for option in re.findall(r"-D([A-Z_]+)", options)}
    assert asked == given | SIZES


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:sql|sidecar)/[\w/]+\.\w+)`", PAGE))))
def test_the_files_that_the_page_names_exist(path):
    assert (ROOT / path).is_file()
