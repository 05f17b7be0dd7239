"""The explorers: they draw at once, follow their controls, show what goes wrong, and never hang a batch run."""

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.display import HTML

from recsys_kit import widgets


def explorer(view):
    return widgets._explore(view, k=ipywidgets.IntSlider(value=1, min=1, max=5))


def parts(box):
    controls, shown = box.children
    return controls.children[0], shown


def test_a_table_is_drawn_at_once_escaped_and_follows_the_control():
    slider, shown = parts(explorer(lambda k: pd.DataFrame({"title": ["<script>"] * k})))
    assert shown.value.count("&lt;script&gt;") == 1
    slider.value = 3
    assert shown.value.count("&lt;script&gt;") == 3
    assert "<script>" not in shown.value


def test_a_figure_becomes_a_picture_and_is_closed():
    plt.close("all")
    _, shown = parts(explorer(lambda k: plt.subplots()[1]))
    assert "data:image/png;base64," in shown.value
    assert plt.get_fignums() == []


def test_html_is_shown_as_it_is():
    assert parts(explorer(lambda k: HTML("<b>1</b>")))[1].value == "<b>1</b>"


def test_a_view_that_fails_stops_the_cell_and_a_later_failure_is_shown():
    def view(k):
        if k == 1:
            raise ValueError("<one>")
        return HTML(str(k))

    with pytest.raises(ValueError, match="one"):
        explorer(view)
    slider, shown = parts(widgets._explore(view, k=ipywidgets.IntSlider(value=2, min=1, max=5)))
    with pytest.raises(ValueError, match="one"):
        slider.value = 1
    assert "&lt;one&gt;" in shown.value


def test_no_output_widget_since_papermill_may_wait_for_ever_on_one():
    def all_widgets(widget):
        return [widget, *(inner for child in getattr(widget, "children", ()) for inner in all_widgets(child))]

    made = all_widgets(explorer(lambda k: HTML("")))
    assert not any(isinstance(widget, ipywidgets.Output) for widget in made)


def test_an_item_that_shares_no_word_with_another_has_dashes_for_neighbours():
    from recsys_kit.features.text import fit_tfidf

    titles = pd.Series({"a": "zanzibar", "b": "red mug", "c": "blue mug"})
    vectors = fit_tfidf(titles).vectors(titles)
    assert widgets.view_neighbours({"tfidf": vectors}, titles, "a", k=2)["tfidf"].tolist() == ["-", "-"]
    assert widgets.view_neighbours({"tfidf": vectors}, titles, "b", k=2)["tfidf"].tolist() == ["blue mug (0.37)", "-"]
