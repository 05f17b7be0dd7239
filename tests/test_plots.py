"""Figures with nothing to show say so in one sentence; the colours that prose names are those of the figure."""

import os
import re
import subprocess
import sys

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import nbclient
import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from recsys_kit import plots
from recsys_kit.workbook.lineup import LINEUP
from recsys_kit.workbook.runner.parameters import list_chapters

METRICS = pd.DataFrame(columns=["model", "slice", "metric", "k", "value", "low", "high", "n_users"])
GROUPED = pd.DataFrame(columns=["model", "group", "value", "low", "high", "n_users"])
MARKS = pd.DataFrame({name: pd.Series(dtype=str) for name in ("group", "name", "value", "low", "high")})
EVENTS = pd.DataFrame({"user_id": ["u"], "item_id": ["i"], "timestamp": pd.to_datetime(["2025-01-01"], utc=True)})
NONE = np.array([])
EMPTY = {
    "leaderboard": lambda: plots.plot_leaderboard(METRICS),
    "against": lambda: plots.plot_against(METRICS, "ndcg", ["diversity"], 10, named=["als"]),
    "groups": lambda: plots.plot_groups(GROUPED, [], xlabel="category", ylabel="recall"),
    "experience": lambda: plots.plot_experience_weights(
        pd.DataFrame(columns=["model", "component", "weight", "value"]), {"novelty": 0.2}
    ),
    "trade_off": lambda: plots.plot_trade_off(
        pd.DataFrame(columns=["x", "y", "low", "high", "dial"]), x="x", y="y", label="dial"
    ),
    "uneven": lambda: plots.plot_uneven(EVENTS.iloc[:0]),
    "split": lambda: plots.plot_split({"train": EVENTS.iloc[:0]}),
    "lengths": lambda: plots.plot_lengths(NONE, 128, unit="review"),
    "marks": lambda: plots.plot_marks(MARKS, xlabel="share", title="Which?"),
    "map": lambda: plots.plot_map({}, pd.Series(dtype=str)),
    "padding": lambda: plots.plot_padding([], {}),
    "history": lambda: plots.plot_history(
        pd.DataFrame(columns=["epoch", "train_loss", "valid_loss", "valid_score", "best"])
    ),
    "confusions": lambda: plots.plot_confusions({}, ["1", "2"]),
}
LITTLE = {
    "leaderboard": lambda: plots.plot_leaderboard(METRICS_OF_ONE),
    "against": lambda: plots.plot_against(METRICS_OF_ONE, "ndcg", ["ndcg"], 10, named=["als"]),
    "groups": lambda: plots.plot_groups(
        METRICS_OF_ONE.assign(group="a"), ["a", "b"], xlabel="category", ylabel="recall"
    ),
    "trade_off": lambda: plots.plot_trade_off(
        pd.DataFrame([{"x": 0.1, "y": 0.2, "low": np.nan, "high": np.nan, "dial": 0.5}]), x="x", y="y", label="dial"
    ),
    "uneven": lambda: plots.plot_uneven(EVENTS.assign(rating=np.nan)),
    "split": lambda: plots.plot_split({"train": EVENTS, "valid": EVENTS.iloc[:0]}),
    "text": lambda: plots.plot_text_views(pd.Series(dtype=float), pd.Series(dtype=float), np.zeros(0)),
    "lengths": lambda: plots.plot_lengths(np.array([0]), 128, unit="review"),
    "history": lambda: plots.plot_history(
        pd.DataFrame([{"epoch": 1, "train_loss": 1.0, "valid_loss": np.nan, "valid_score": np.nan, "best": False}])
    ),
    "review": lambda: plots.plot_review(pd.Series({"1": 1.0}), pd.Series(dtype=float)),
}
ONE = {"model": "als", "slice": "all", "metric": "ndcg", "k": 10, "value": 0.5, "low": np.nan, "high": np.nan}
METRICS_OF_ONE = pd.DataFrame([ONE | {"n_users": 1}])

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def drawn(axes):
    figure = np.atleast_1d(axes)[0].figure
    figure.canvas.draw()
    return " ".join(text.get_text() for ax in figure.axes for text in ax.texts)


@pytest.mark.parametrize("name", EMPTY)
def test_a_figure_of_nothing_says_so_in_one_sentence(name):
    assert re.fullmatch(r"Nothing to show here: .+[^.]\.", drawn(EMPTY[name]()))


@pytest.mark.parametrize("name", LITTLE)
def test_a_figure_of_a_single_thing_is_drawn_without_a_warning(name):
    assert "Nothing to show" not in drawn(LITTLE[name]())


def test_no_two_models_share_a_marker_and_none_is_a_digit():
    markers = [str(marker) for marker in (*map(plots.marker_of, plots.MARKERS), *plots.OTHER_MARKERS)]
    assert len(set(markers)) == len(markers)
    assert not [marker for marker in markers if "$" in marker]


def test_every_model_of_the_line_up_has_the_colour_of_its_family():
    colours = {name: plots.FAMILIES[entry.family] for name, entry in LINEUP.items()}
    assert {name: plots.colour_of(name) for name in colours} == colours | {"content_minilm": plots.SKY}


def test_a_new_model_needs_no_line_here_and_looks_the_same_in_every_process():
    code = "from recsys_kit import plots; print(plots.colour_of('my_model'), plots.marker_of('my_model'))"
    printed = {subprocess.check_output([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed})
               for seed in "12"}  # fmt: skip
    assert printed == {f"{plots.colour_of('my_model')} {plots.marker_of('my_model')}\n".encode()}
    assert plots.colour_of("my_model") in plots.OTHER_COLOURS


def test_a_new_model_of_the_line_up_has_the_colour_of_its_family(monkeypatch):
    monkeypatch.setattr(plots, "COLOURS", dict(plots.COLOURS))
    plots.register_families({"random_walk": "neighbours", "stranger": "of no family", "ease": "neighbours"})
    assert plots.colour_of("random_walk") == plots.GREEN
    assert plots.colour_of("stranger") in plots.OTHER_COLOURS
    assert plots.colour_of("ease") == plots.BLUE


def test_words_that_speak_for_a_label_have_the_colour_that_prose_names():
    _, bars = plots.plot_review(pd.Series({"1": 0.8, "2": 0.2}), pd.Series({"good": 0.3, "bad": -0.2}))
    colours = {np.sign(bar.get_width()): to_hex(bar.get_facecolor()).upper() for bar in bars.patches}
    assert colours == {1: plots.FOR, -1: plots.AGAINST}
    (chapter,) = [chapter for chapter in list_chapters() if chapter.number == "03"]
    prose = " ".join(cell.source for cell in nbformat.read(chapter.path, 4).cells if cell.cell_type == "markdown")
    named = re.findall(r"\((\w+)\) or against it \((\w+)\)", prose)
    names = {colour: name.replace("_", " ") for name, colour in plots.LOOKS["colours"].items()}
    assert all(pair == (names[plots.FOR], names[plots.AGAINST]) for pair in named)


def test_every_cell_of_a_notebook_shows_its_figure_not_only_the_first():
    sources = ["from recsys_kit import plots", *["plots.new_axes().plot([1, 2]);"] * 2]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    assert ["image/png" in output.data for cell in notebook.cells for output in cell.outputs] == [True, True]


def test_the_losses_of_each_table_are_drawn_by_rule_and_the_smallest_together():
    rules = [("t", "kept in all", "kept", 90), *[("t", f"rule {n}", "quarantined", n) for n in (1, 2, 3, 4)]]
    report = pd.DataFrame(rules, columns=["table", "rule", "action", "rows"])
    ax = plots.plot_losses(report, shown=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["t", "rule 4", "rule 3", "2 other rules"]
    assert [text.get_text().strip() for text in ax.texts] == [
        "100 rows read, 90 kept (90.0%)",
        "4 (4.00%)",
        "3 (3.00%)",
        "3",
    ]
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["quarantined"]
    dropped = pd.concat([report, pd.DataFrame([["t", "bots: fast", "dropped", 10]], columns=report.columns)])
    ax = plots.plot_losses(dropped)
    assert ax.texts[0].get_text().strip() == "110 rows read, 90 kept (81.8%)"
    assert to_hex(ax.patches[1].get_facecolor()) == to_hex(plots.FATES["dropped"])
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["quarantined", "dropped"]
    assert "no row was read" in plots.plot_losses(report.iloc[:0]).texts[0].get_text()


def test_a_month_without_events_is_empty_and_each_month_begins_at_its_first_day():
    times = pd.to_datetime(["2025-01-31", "2025-03-01", "2025-03-31"], utc=True)
    months = plots.plot_uneven(pd.concat([EVENTS] * 3).assign(timestamp=times))[2].patches[0]
    assert months.get_data().values.tolist() == [1, 0, 2]
    edges = pd.to_datetime(mdates.num2date(months.get_data().edges))
    assert edges.strftime("%m-%d").tolist() == ["01-01", "02-01", "03-01", "04-01"]


def test_the_legend_of_the_losses_hides_no_bar():
    rules = [("t", "kept in all", "kept", 90), ("t", "rule", "quarantined", 9)]
    ax = plots.plot_losses(pd.DataFrame(rules, columns=["table", "rule", "action", "rows"]))
    ax.figure.canvas.draw()
    assert not ax.figure.legends[0].get_window_extent().overlaps(ax.get_window_extent())
