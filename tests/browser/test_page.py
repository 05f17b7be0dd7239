"""The page of a run in a real browser: it fits a phone and paper, asks for nothing, and runs nothing of the data."""

import pytest

from recsys_kit.workbook.report.page import write_report
from tests.browser.test_lab import CHROMIUM, QUIET, sync_api
from tests.workbook.test_report import folder  # noqa: F401  the run whose every word is hostile

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; on Debian: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.mark.parametrize("width", [360, 375, 768, 1280])
def test_a_page_is_no_wider_than_the_screen_and_asks_for_nothing(browser, folder, tmp_path, width):  # noqa: F811
    path = write_report(folder).rename(tmp_path / "index.html")
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked, dialogs, problems = [], [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.on("pageerror", lambda problem: problems.append(str(problem)))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (asked, dialogs, problems) == ([path.as_uri()], [], [])
    for text in page.locator("figure svg text").all():
        assert text.bounding_box()["height"] >= 8, "letters in a plot are too small to read"
    page.close()
