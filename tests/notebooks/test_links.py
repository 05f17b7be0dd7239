"""Every relative link leads somewhere: of the documents, of the page of a run, of the chapters' pages."""

import html
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from recsys_kit.workbook.runner.places import project_root

DOCUMENTS = sorted(project_root().glob("*.md"))
IN_MARKDOWN = re.compile(r"\]\(([^)\s]+)[^)]*\)")
IN_HTML = re.compile(r"<(?:a|img|link|script|source)\b[^>]*?\s(?:href|src)=\"([^\"]+)\"")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.I)
BACK = "../index.html"


def links_of(path: Path) -> set[str]:
    """The relative links of a file, as they are followed."""
    text = path.read_text(encoding="utf-8")
    found = {html.unescape(link) for link in IN_HTML.findall(text)}
    if path.suffix == ".md":
        prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)
        found |= set(IN_MARKDOWN.findall(prose))
    return {link for link in found if not ELSEWHERE.match(link)}


def broken(path: Path) -> set[str]:
    """Links to files that are not there, and to places of the page itself that it does not have."""
    places = set(map(html.unescape, re.findall(r'\sid="([^"]+)"', path.read_text(encoding="utf-8"))))
    missing = set()
    for link in links_of(path):
        target, _, place = link.partition("#")
        if target and not (path.parent / unquote(target)).exists():
            missing.add(link)
        if not target and path.suffix == ".html" and not places & {place, unquote(place)}:
            missing.add(link)
    return missing


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "there.html").touch()
    page = tmp_path / "page.html"
    lines = [
        '<p id="top"><a href="there.html">1</a>',
        '<a href="../gone.md">2</a><a href="#top">3</a><a href="#no">4</a>',
    ]
    page.write_text("\n".join(lines))
    assert broken(page) == {"../gone.md", "#no"}
    document = tmp_path / "page.md"
    document.write_text("[a](there.html) [b](gone.png) ![c](https://example.org/x.png) `[d](code.md)`")
    assert broken(document) == {"gone.png"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_links_of_the_documents_lead_somewhere(document):
    assert broken(document) == set()


@pytest.mark.slow
def test_the_links_of_a_run_lead_somewhere_and_back(small_run):
    chapters = sorted((small_run.folder / "notebooks").glob("*.html"))
    assert len(chapters) == len(small_run.chapters)
    assert {page.name: broken(page) for page in [small_run.folder / "index.html", *chapters]} == {
        page.name: set() for page in [small_run.folder / "index.html", *chapters]
    }
    assert [page.name for page in chapters if BACK not in links_of(page)] == []
    others = {page.name: links_of(page) & {other.name for other in chapters} for page in chapters}
    assert all(others.values())
