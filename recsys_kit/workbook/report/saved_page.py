"""Export an executed notebook as one HTML file without scripts from the network; formulas become MathML.

Of raw HTML inside Markdown only `PLAIN_TAGS` stay; the rest is shown as text, so that markup in the title of an item
cannot do harm.
"""

import re
from html import escape
from pathlib import Path

from latex2mathml.converter import convert as to_mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from recsys_kit.workbook.runner.storage import write_atomically

PLAIN_TAGS = "details|summary|br|hr|sub|sup|kbd|b|i|em|strong|small|code|pre|p"
MARKUP = re.compile(rf"<(?!/?(?:{PLAIN_TAGS})\s*/?>)")
IS_THERE = re.compile(r"#|[a-z]+:|\d\d_\w+\.html", re.I)  # an address, an anchor of this page, the page of a chapter
TEMPLATE = Path(__file__).with_suffix(".html.j2").read_text(encoding="utf-8")


class SafeRenderer(IPythonRenderer):
    """Render Markdown without active markup, with formulas as MathML and links to the pages of other chapters."""

    def block_html(self, html: str) -> str:
        """Keep plain tags, show the rest as text.

        >>> SafeRenderer().block_html("<details><img src=x onerror=alert(1)>").strip()
        '<details>&lt;img src=x onerror=alert(1)>'
        """
        return MARKUP.sub("&lt;", html)

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
        return escape(text)

    @staticmethod
    def _mathml(body: str, display: str, otherwise: str) -> str:
        try:
            return to_mathml(body.strip(), display=display)
        except Exception:  # the converter raises many kinds of errors on unknown TeX
            return otherwise


def to_html(text: str) -> str:
    """Render Markdown with `SafeRenderer`."""
    return MarkdownWithMath(SafeRenderer(escape=False, allow_harmful_protocols=False)).render(text)


def write_page(notebook: NotebookNode, path: Path, *, title: str) -> None:
    """Write the HTML of a notebook."""
    exporter = HTMLExporter(raw_template=TEMPLATE, filters={"markdown2html": to_html}, embed_images=False)
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
