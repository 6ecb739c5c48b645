"""The static site: mkdocs builds it without a warning, every page is in it, and every anchor is where GitHub has it."""

from __future__ import annotations

import html
import re
import subprocess
import sys

import pytest

from tests.pages import PAGES, ROOT, anchors, blocks


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Where it is built; mkdocs wants its docs_dir to be there before docs/site.py fills it."""
    (ROOT / ".cache" / "site" / "pages").mkdir(parents=True, exist_ok=True)
    to = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        ["nice", "-n", "19", sys.executable, "-m", "mkdocs", "build", "--site-dir", str(to)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}{done.stderr}: run `make docs`"
    return to


@pytest.mark.slow
def test_every_page_is_in_the_site_whole(site):
    """Mutants: a page that the navigation of mkdocs.yml leaves out; an indented block is left as it is."""
    for page in PAGES:
        path = page.relative_to(ROOT).with_suffix(".html")
        built = (site / (path.with_name("index.html") if page.name == "README.md" else path)).read_text()
        ids = set(re.findall(r'<h[1-6] id="(.*?)"', built))
        assert anchors(page.read_text()) <= {html.unescape(each) for each in ids}, page.name
        shown = html.unescape(re.sub(r"<.*?>", "", "".join(re.findall(r"<pre>(.*?)</pre>", built, re.DOTALL))))
        lost = [it.line for it in blocks(page.read_text()) if it.text.split()[-1] not in shown]
        assert lost == [], f"{page.name}: blocks that are none in the site"
        assert not re.findall(r"<p>[^<]*\n(?:- |\|)", built), f"{page.name}: a list or table that is none"
