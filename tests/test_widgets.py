"""The explorers: they draw at once, follow their controls, show what goes wrong, and never hang a batch run."""

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from IPython.display import HTML

from recsys_kit import widgets
from recsys_kit.evaluation import Evaluation
from recsys_kit.features.text import fit_tfidf
from recsys_kit.recommenders import Content, ContextAware
from recsys_kit.shop import Showcase
from recsys_kit.testing.planted import planted_shop
from recsys_kit.widgets.controls import explore
from tests.models import fitted

SHOP = planted_shop()


def explorer(view):
    return explore(view, k=ipywidgets.IntSlider(value=1, min=1, max=5))


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
    slider, shown = parts(explore(view, k=ipywidgets.IntSlider(value=2, min=1, max=5)))
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


def test_controls_wrap_and_none_shrinks_to_nothing():
    row, _ = explorer(lambda k: HTML("")).children
    assert row.layout.flex_flow == "row wrap"
    assert all(control.layout.min_width not in (None, "", "0") for control in row.children)


def test_the_leaderboard_explorer_opens_at_ten_or_at_the_longest_list_there_is():
    def lengths(*ks):
        rows = [("ease", "all", "ndcg", k, 0.1, 0.05, 0.2, 9) for k in ks]
        metrics = pd.DataFrame(rows, columns=["model", "slice", "metric", "k", "value", "low", "high", "n_users"])
        return Evaluation(None, None, None, {}, [], None, metrics, None, {})

    for ks, opened in (((5, 10, 20), 10), ((3, 5), 5), ((7,), 7)):
        row, _ = widgets.explore_leaderboard(lengths(*ks)).children
        assert row.children[1].value == opened


def test_the_shopper_explorer_asks_where_a_model_uses_the_context_and_says_when():
    when = pd.Timestamp("2024-06-03T18:00Z")
    device = np.where(np.arange(len(SHOP.train)) % 2, "phone", "laptop")
    train = SHOP.train.assign(ctx_device=device)
    models = {"context_aware": ContextAware().fit(train), "item_knn": fitted("item_knn", SHOP)}
    histories = train.groupby("user_id")["item_id"].agg(list)
    showcase = Showcase(models, SHOP.items, histories, context={"timestamp": when})
    row, shown = widgets.explore_shopper(showcase, ["u000"], "context_aware").children
    controls = {control.description: control for control in row.children}
    assert list(controls) == ["shopper", "model", "diversity", "device"]
    assert "asked at: 2024-06-03 18:00 UTC ·" in shown.value
    controls["device"].value = "phone"
    assert "asked at: 2024-06-03 18:00 UTC, device phone ·" in shown.value
    controls["model"].value = "item_knn"
    assert "device phone (item_knn does not use it)" in shown.value


def test_the_wish_box_follows_and_an_empty_wish_shows_nothing():
    titles = pd.Series({"i00": "green tea", "i10": "garden spade", "i20": "jazz record"})
    items = pd.DataFrame({"item_id": titles.index, "title": titles.to_numpy()})
    model = Content().fit(SHOP.train, item_vectors=fit_tfidf(titles).vectors(titles))
    showcase = Showcase({"content_tfidf": model}, items, pd.Series(dtype=object))
    table = widgets.view_wishes(showcase, ["tea", "", "a spade"], {"words": "content_tfidf"}, k=1)
    assert table.to_dict("list") == {"wish": ["tea", "a spade"], "rank": [1, 1], "words": ["green tea", "garden spade"]}
    row, shown = widgets.explore_wish(showcase, "tea", {"words": "content_tfidf"}).children
    assert "green tea" in shown.value
    row.children[0].value = "jazz"
    assert "jazz record" in shown.value
    row.children[0].value = " "
    assert shown.value == ""


def test_a_split_that_cannot_be_made_is_explained_in_its_explorer():
    times = pd.date_range("2024-01-01", periods=30, tz="UTC")
    events = pd.DataFrame({"user_id": list("abcde") * 6, "item_id": list("uvwxyz") * 5, "timestamp": times})
    controls, shown = widgets.explore_split(events).children
    assert "train events" in shown.value
    controls.children[1].value = 10  # no shopper has ten products
    assert "RK-108" in shown.value and "no such split" in shown.value
    assert "RK-164" in widgets.explore_split(events.assign(timestamp=times[0])).children[1].value
