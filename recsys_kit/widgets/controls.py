"""Controls above a view: sliders wait for the release (`continuous_update=False`), nothing trains behind one."""

import html
import re
from collections.abc import Callable

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
from IPython.core.pylabtools import print_figure
from IPython.display import HTML

from recsys_kit.plots import shorten

CONTROL_WIDTH = "18em"  # minimum width of a control; controls that do not fit go to the next line
LEFT = r'<\1 style="text-align: left; padding: 0 0.6em 0 0">'  # JupyterLab's table style does not reach into a widget


def explore(view: Callable[..., object], **controls: ipywidgets.Widget) -> ipywidgets.Widget:
    """Return a box of controls above what the view draws and returns.

    The view is shown in an HTML widget. With an Output widget papermill sometimes waits for ever: its client answers on
    the channel where it awaits the end of the cell (nbclient issue 312).

    Args:
        view: called with the values of the controls.
        controls: by the name of the argument, which is also the description of a control that has none.
    """
    shown = ipywidgets.HTML()

    def redraw(change: object = None) -> None:
        try:
            shown.value = _render(lambda: view(**{name: control.value for name, control in controls.items()}))
        except Exception as problem:
            shown.value = f"<pre>{html.escape(str(problem))}</pre>"
            raise

    for name, control in controls.items():
        control.observe(redraw, names="value")
        control.description = control.description or name
        control.layout.min_width, control.layout.max_width = CONTROL_WIDTH, "100%"
        if control.has_trait("continuous_update"):
            control.continuous_update = False
    redraw()
    row = ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"})  # no control shrinks to nothing
    return ipywidgets.VBox([row, shown])


def explore_text(view: Callable[[str], object], text: str, *, width: str, **options: str) -> ipywidgets.Widget:
    """Explore a view by a text, with `options` of the box; it follows when the box is left or Enter is pressed."""
    box = ipywidgets.Text(value=text, layout={"width": width}, **options)
    return explore(lambda text: view(text) if text.strip() else None, text=box)


def _render(view: Callable[[], object]) -> str:
    """The figures that a view draws and the table or HTML that it returns, as HTML."""
    before = set(plt.get_fignums())
    result, shown = view(), ""
    for number in sorted({*plt.get_fignums()} - before):
        data = print_figure(plt.figure(number), bbox_inches=None, dpi=100, base64=True)
        plt.close(number)
        shown += f'<img style="max-width:100%" src="data:image/png;base64,{data}">'
    if isinstance(result, HTML):
        shown += result.data
    elif isinstance(result, pd.DataFrame):
        shown += _to_html(result)
    return shown


def _to_html(table: pd.DataFrame, **options: object) -> str:
    """Return an escaped HTML table, aligned to the left."""
    return re.sub("<(t[hd])>", LEFT, table.to_html(index=False, escape=True, border=0, **options))


def html_table(frame: pd.DataFrame, columns: list[str], caption: str) -> str:
    """Return an escaped HTML table of the columns that the frame has; long texts are shortened."""
    shown = frame.filter(columns)
    for column in shown.columns.intersection(["title", "reason", "category"]):
        shown[column] = shown[column].fillna("").map(lambda text: shorten(str(text), 60))
    body = _to_html(shown, na_rep="", float_format="{:.2f}".format)
    return f"<div><div><i>{html.escape(caption)}</i></div>{body}</div>"
