"""Export an executed notebook as one HTML file without scripts from the network; formulas become MathML.

Of raw HTML inside Markdown only `PLAIN_TAGS` stay; the rest is shown as text, so that markup in the title of an item
cannot do harm.
"""

import copy
import html
import re
from pathlib import Path

from latex2mathml.converter import convert as to_mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from traitlets.config import Config

from recsys_kit.workbook.runner.storage import write_atomically

PLAIN_TAGS = "details|summary|br|hr|sub|sup|kbd|b|i|em|strong|small|code|pre|p"
MARKUP = re.compile(rf"<(?!/?(?:{PLAIN_TAGS})\s*/?>)")
IS_THERE = re.compile(r"#|[a-z]+:|\d\d_\w+\.html", re.I)  # an address, an anchor of this page, the page of a chapter
VIEW = "application/vnd.jupyter.widget-view+json"
LIVE = '<p class="rk-live">A live widget: open this notebook in JupyterLab to move it.</p>'
TEMPLATE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block body_header %}{{ super() }}
<p class="rk-home"><a href="../index.html">The page of this run</a></p>{% endblock %}
{% block html_head_css %}<style>
main { max-width: 60rem; margin: 0 auto; } .jp-InputPrompt, .jp-OutputPrompt { display: none; }
.rk-live { color: #666; font-style: italic; } .rk-home { margin: 1em 64px; font-size: 14px; }
math[display=block] { margin: 1em 0; } img { max-width: 100%; height: auto; }
.jp-Cell-outputWrapper, .jp-OutputArea-output { overflow-x: auto; }
.highlight pre { font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 13px; line-height: 1.4; }
</style>{% endblock %}
{% block input_group %}{% if 'hide-input' in cell.metadata.get('tags', []) %}<details class="rk-folded">
<summary style="font: 13px sans-serif; color: #666">Code</summary>{{ super() }}</details>
{% else %}{{ super() }}{% endif %}{% endblock %}
"""


class SafeRenderer(IPythonRenderer):
    """Render Markdown without active markup, with formulas as MathML and links to the pages of other chapters."""

    def block_html(self, markup: str) -> str:
        """Keep plain tags, show the rest as text.

        >>> SafeRenderer().block_html("<details><img src=x onerror=alert(1)>").strip()
        '<details>&lt;img src=x onerror=alert(1)>'
        """
        return MARKUP.sub("&lt;", markup)

    inline_html = block_html

    def inline_math(self, body: str) -> str:
        """Render an inline formula; as typed if it cannot be converted."""
        return self._mathml(body, "inline", super().inline_math(body))

    def block_math(self, body: str) -> str:
        """Render a formula on its own line."""
        return self._mathml(body, "block", super().block_math(body))

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """Link to the pages of other chapters; links to other files of the project become text."""
        url = re.sub(r"^(\d\d_\w+)\.ipynb", r"\1.html", url)
        return super().link(text, url, title) if IS_THERE.match(url) else text

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Show pictures that the page contains; others become their text."""
        if url.startswith(("data:image/", "attachment:")):
            return super().image(text, url, title)
        return html.escape(text)

    @staticmethod
    def _mathml(body: str, display: str, otherwise: str) -> str:
        try:
            return to_mathml(body.strip(), display=display)
        except Exception:  # the converter raises many kinds of errors on unknown TeX
            return otherwise


class PageExporter(HTMLExporter):
    """The lab template of nbconvert without network access."""

    raw_template = TEMPLATE

    def default_filters(self):
        """Yield the exporter's filters with our own Markdown."""
        yield from super().default_filters()
        yield (
            "markdown2html",
            lambda text: MarkdownWithMath(SafeRenderer(escape=False, allow_harmful_protocols=False)).render(text),
        )


def _is_progress(output: NotebookNode) -> bool:
    """Whether an output is a progress bar of tqdm, which says nothing on a page."""
    shown = output.get("data", {})
    return VIEW in shown and bool(re.search(r"\d+%\||\d+it \[", shown.get("text/plain", "")))


def write_page(notebook: NotebookNode, path: Path, *, title: str) -> None:
    """Write the HTML of a notebook; the notebook is not changed."""
    page = copy.deepcopy(notebook)
    page.metadata.pop("widgets", None)  # the state of widgets, which are not interactive here
    page.metadata["title"] = title
    for cell in (cell for cell in page.cells if cell.cell_type == "code"):
        cell["outputs"] = [output for output in cell["outputs"] if not _is_progress(output)]
        for output in [output for output in cell["outputs"] if VIEW in output.get("data", {})]:
            output.data = {"text/html": LIVE}
    text, _ = PageExporter(config=Config({"HTMLExporter": {"embed_images": False}})).from_notebook_node(page)
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
