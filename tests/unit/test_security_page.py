"""docs/security.md: each line names tests that there are, and each threat that was asked for has its line."""

from __future__ import annotations

import pytest

from tests.named_tests import ROOT, all_tests, lines, named, untested

PAGE = (ROOT / "docs" / "security.md").read_text()
ASKED = [
    "another namespace", "host swap", "SQL in any string", "SSRF", "spoofed NOTIFY", "forged status",
    "webhook called from outside", "a token", "a redirect",
]  # fmt: skip


@pytest.mark.parametrize("name", named(PAGE))
def test_a_test_that_the_page_names_is_there(name):
    assert name in all_tests()


def test_every_line_of_a_threat_names_its_test():
    assert PAGE.count("| attempt |") == PAGE.count("\n## ") - 1
    assert len(lines(PAGE, "attempt")) > 40
    assert untested(PAGE, "attempt") == []


@pytest.mark.parametrize("threat", ASKED)
def test_a_threat_that_was_asked_for_has_a_line(threat):
    assert any(threat in line.split("|")[1] for line in lines(PAGE, "attempt"))
