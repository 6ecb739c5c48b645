"""docs/howto/: what a page says is shown by tests that there are."""

from __future__ import annotations

import pytest

from tests.named_tests import ROOT, all_tests, lines, named, untested

PAGES = sorted((ROOT / "docs" / "howto").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_the_tests_that_show_what_it_says(page):
    text = page.read_text()
    assert lines(text, "statement")
    assert untested(text, "statement") == []
    assert set(named(text)) <= all_tests()
