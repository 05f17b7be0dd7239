"""A saved chapter is one file: nothing fetched, nothing active, formulas readable."""

import nbformat
import pytest

from recsys_kit.workbook.report.saved_page import write_page


@pytest.fixture
def page_of(tmp_path):
    def write(*cells) -> str:
        notebook = nbformat.v4.new_notebook(cells=list(cells))
        notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
        write_page(notebook, tmp_path / "a.html", title="01 <b>")
        assert "widgets" in notebook.metadata  # the notebook itself is not changed
        return (tmp_path / "a.html").read_text(encoding="utf-8")

    return write


def markdown(text):
    return nbformat.v4.new_markdown_cell(text)


def shown(**data):
    cell = nbformat.v4.new_code_cell("view")
    cell.outputs = [nbformat.v4.new_output("display_data", data={k.replace("_", "/", 1): v for k, v in data.items()})]
    return cell


def test_nothing_is_fetched(page_of):
    page = page_of(markdown("# Hello"), shown(text_html="<table></table>"))
    for word in ("<script src", "cdnjs", "unpkg", "jsdelivr", "import("):
        assert word not in page
    assert "01 &lt;b&gt;" in page


def test_formulas_are_mathml(page_of):
    page = page_of(markdown(r"Inline $\frac{a}{b}$ and" + "\n\n" + r"$$\sum_{i} x_i$$"))
    assert page.count("<math") == 2
    assert "<mfrac>" in page
    assert 'display="block"' in page


def test_markup_in_markdown_is_text_and_folded_solutions_stay(page_of):
    evil = "<img src=x onerror=alert(1)> <script>alert(1)</script> [x](javascript:alert(1))"
    page = page_of(
        markdown("<details><summary>Solution</summary>\n\n```python\nanswer = 1\n```\n\n</details>"),
        markdown(evil),
        shown(text_markdown=f"*Skipped: {evil}*"),
    )
    assert "<details><summary>Solution</summary>" in page
    for active in ("<img src=x", "<script>alert", 'href="javascript'):
        assert active not in page


def test_the_code_of_a_folded_cell_opens_on_a_click_and_its_output_stays_in_sight(page_of):
    folded = shown(text_html="<b>Right.</b>")
    folded.metadata = nbformat.NotebookNode(tags=["hide-input"], jupyter={"source_hidden": True})
    page = page_of(folded)
    assert (
        page.index('<details class="rk-folded">') < page.index(">view<") < page.index("</details>") < page.index("<b>R")
    )
    assert "<details" not in page_of(shown(text_html="<b>Right.</b>"))


def test_a_picture_from_elsewhere_is_its_words(page_of):
    page = page_of(markdown("![a view](http://example.org/p.png) ![own](data:image/png;base64,AAAA)"))
    assert "example.org" not in page
    assert "a view" in page
    assert "data:image/png;base64,AAAA" in page


@pytest.mark.parametrize("text", ["encoding:  50%|#####     | 4/8", "candidates: 0it [00:00, ?it/s]"])
def test_a_progress_bar_is_left_out(page_of, text):
    view = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "a"},
        "text/plain": text,
    }
    cell = nbformat.v4.new_code_cell("encode")
    cell.outputs = [nbformat.v4.new_output("display_data", data=view)]
    assert "A live widget" not in page_of(cell)


def test_links_between_chapters_lead_to_pages(page_of):
    assert 'href="02_feature_extraction.html"' in page_of(markdown("[next](02_feature_extraction.ipynb)"))


def test_a_widget_is_a_sentence(page_of):
    view = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "a", "version_major": 2},
        "text/plain": "interactive(",
    }
    cell = nbformat.v4.new_code_cell("explore")
    cell.outputs = [nbformat.v4.new_output("display_data", data=view)]
    page = page_of(cell)
    assert "A live widget" in page
    assert "interactive(" not in page


def test_links_lead_to_what_travels_with_the_page_and_the_first_to_the_page_of_the_run(page_of):
    page = page_of(markdown("[own](../README.md) [next](02_feature_extraction.ipynb) [paper](https://example.org/p)"))
    for address in ("../index.html", "02_feature_extraction.html", "https://example.org/p"):
        assert f'href="{address}"' in page
    assert "README.md" not in page
    assert ">own" in page or " own" in page
