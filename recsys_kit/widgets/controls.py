"""Controls above a view: sliders wait for the release (`continuous_update=False`), nothing trains behind one."""

import base64
import html
import io
from collections.abc import Callable

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML

from recsys_kit.plots import shorten

CONTROL_WIDTH = "18em"  # minimum width of a control; controls that do not fit go to the next line


def explore(view: Callable[..., object], **controls: ipywidgets.Widget) -> ipywidgets.Widget:
    """Return a box of controls above what the view draws and returns.

    The view is shown in an HTML widget. With an Output widget papermill sometimes waits for ever: its client answers on
    the channel where it awaits the end of the cell (nbclient issue 312).
    """
    shown = ipywidgets.HTML()

    def redraw(change: object = None) -> None:
        try:
            shown.value = _render(lambda: view(**{name: control.value for name, control in controls.items()}))
        except Exception as problem:
            shown.value = f"<pre>{html.escape(str(problem))}</pre>"
            raise

    for control in controls.values():
        control.observe(redraw, names="value")
        control.layout.min_width = control.layout.min_width or CONTROL_WIDTH
        control.layout.max_width = "100%"
    redraw()
    row = ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"})  # no control shrinks to nothing
    return ipywidgets.VBox([row, shown])


def _render(view: Callable[[], object]) -> str:
    """The figures that a view draws and the table or HTML that it returns, as HTML."""
    before = set(plt.get_fignums())
    result = view()
    parts = []
    for number in [number for number in plt.get_fignums() if number not in before]:
        picture = io.BytesIO()
        plt.figure(number).savefig(picture, format="png", dpi=100)
        plt.close(number)
        data = base64.b64encode(picture.getvalue()).decode()
        parts.append(f'<img style="max-width:100%" src="data:image/png;base64,{data}">')
    if isinstance(result, HTML):
        parts.append(result.data)
    elif isinstance(result, pd.DataFrame):
        parts.append(_align_left(result.to_html(index=False, escape=True, border=0)))
    return "".join(parts)


def _align_left(table: str) -> str:
    """Align a table to the left: JupyterLab's table style does not reach into a widget."""
    for tag in ("th", "td"):
        table = table.replace(f"<{tag}>", f'<{tag} style="text-align: left; padding: 0 0.6em 0 0">')
    return table


def html_table(frame: pd.DataFrame, columns: list[str], caption: str) -> str:
    """Return an escaped HTML table of the columns that the frame has; long texts are shortened."""
    shown = frame[[column for column in columns if column in frame]].copy()
    for column in ("title", "reason", "category"):
        if column in shown:
            shown[column] = shown[column].fillna("").map(lambda text: shorten(str(text), 60))
    body = _align_left(shown.to_html(index=False, escape=True, na_rep="", border=0, float_format="{:.2f}".format))
    return f"<div><div><i>{html.escape(caption)}</i></div>{body}</div>"
