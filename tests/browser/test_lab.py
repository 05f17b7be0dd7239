"""The widget in a real JupyterLab in a headless Chromium: run all cells, turn the slider, see the list change."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
LAB = [
    "--no-browser",
    "--allow-root",
    "--ip=127.0.0.1",
    "--IdentityProvider.token=",
    "--ServerApp.password=",
    "--LabApp.news_url=",
]
CHAPTER = "05_case_study"
HANDLE = ".widget-slider .noUi-handle"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; on Debian: apt-get install chromium"),
]


@pytest.fixture
def notebook(small_run, tmp_path) -> Path:
    """A copy of the case study that reads a copy of the small run."""
    chapter = next((c for c in small_run.chapters if c.name == CHAPTER), None)
    if chapter is None:
        pytest.skip(f"{CHAPTER} is not there yet")
    folder = small_run.copy(tmp_path / "run")
    copied = nbformat.read(chapter.path, as_version=4)
    cell = next(cell for cell in copied.cells if cell.id == "parameters")
    cell.source = cell.source.replace(f'"{chapter.parameters["run_dir"].default}"', repr(str(folder)))
    path = tmp_path / "lab" / chapter.path.name
    path.parent.mkdir()
    nbformat.write(copied, path)
    return path


@pytest.fixture
def lab(notebook, tmp_path) -> Iterator[str]:
    """The address of a JupyterLab on the notebook's folder, with settings of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *LAB, f"--port={port}", f"--ServerApp.root_dir={notebook.parent}"],
        env={**os.environ, **own, "JUPYTER_PREFER_ENV_PATH": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api")
        yield f"http://127.0.0.1:{port}/lab/tree/{notebook.name}?reset"
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def _run_all(page) -> None:
    """Run all cells; again where the kernel was not there yet and forgot the request."""
    started = page.locator(".jp-InputPrompt").filter(has_text=re.compile(r"\[(\*|\d+)\]"))
    deadline = time.monotonic() + 90
    while started.count() == 0 and time.monotonic() < deadline:
        page.wait_for_timeout(3_000)
        for button in page.locator(".jp-Dialog button.jp-mod-accept").all():  # which kernel? the one that is offered
            button.click()
        page.click("text=Run >> nth=0")
        page.click('text="Run All Cells"')
        page.wait_for_timeout(1_000)


def test_turning_the_slider_changes_the_list(lab):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(lab, timeout=90_000)
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        _run_all(page)
        page.wait_for_selector(HANDLE, state="attached", timeout=240_000)
        page.wait_for_selector(".jp-InputPrompt:has-text('[*]')", state="detached", timeout=240_000)
        assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
        shown = page.locator(".widget-html table").last
        shown.scroll_into_view_if_needed()
        before = after = shown.inner_text()
        page.locator(HANDLE).last.press("End")
        deadline = time.monotonic() + 60
        while after == before and time.monotonic() < deadline:  # the kernel answers, then the list is drawn anew
            page.wait_for_timeout(500)
            after = shown.inner_text() if shown.count() else before
        browser.close()
    assert before.count("\n") == after.count("\n") > 5  # as many products as before
    assert after != before
