"""Who follows a link of a page arrives: at a file, at a heading of it; and every page is reached from the README."""

from __future__ import annotations

import pytest

from tests.pages import PAGES, ROOT, anchors, blocks, links, slug


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_page_leads_to_a_file_and_to_a_heading_of_it(page):
    """Mutant: a heading is renamed, and a link goes to its old name."""
    astray = []
    for link in links(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            astray.append(link)
    assert astray == []


def test_every_page_is_reached_from_the_readme():
    """Mutant: a new page that nobody links to."""
    found, new = set(), {ROOT / "README.md"}
    while new:
        page = new.pop()
        found.add(page)
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page.read_text())}
        new |= {target for target in targets if target.suffix == ".md" and target.exists()} - found
    assert [name(page) for page in PAGES if page not in found] == []


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("`since`, and which margin to take", "since-and-which-margin-to-take"),
        ("A [link](x.md) and C++, so", "a-link-and-c-so"),
        ("maxKeys_2", "maxkeys_2"),
    ],
)
def test_an_anchor_is_as_github_makes_it(heading, anchor):
    assert slug(heading) == anchor


def test_what_is_no_heading_has_no_anchor_and_a_second_heading_has_a_number():
    assert anchors("# One\n```sh\n# not one\n```\n## Two\n## Two\n") == {"one", "two", "two-1"}
    assert [(it.line, it.language, it.marker) for it in blocks("a\n<!-- excerpt -->\n```sh\nls\n```\n")] == [
        (3, "sh", "excerpt")
    ]
