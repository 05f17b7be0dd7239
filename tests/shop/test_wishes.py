"""Free text: a language model answers what it can read; where it cannot, words do, and a note says so."""

import pandas as pd
import pytest

from recsys_kit import recommend, shoppers_for
from recsys_kit.features.text import LanguageModel, fit_tfidf
from recsys_kit.recommenders import Content, Hybrid
from recsys_kit.workbook.runner.runs import open_run
from recsys_kit.workbook.serving import Note, open_shop
from tests.shop.test_serving import answer, write_bundle

ENGLISH = ("jazz piano", "oak bird feeder", "red tea cup", "notebook", "花束 bouquet")
CHINESE = ("钢笔", "背包", "陶瓷茶壶", "台灯", "铅笔")


@pytest.fixture(scope="module")
def language_model():
    return LanguageModel("minilm")


def leave_behind(folder, titles, language_model):
    """What chapters 01, 02 and 04 leave behind of a shop of these products."""
    ids = [f"i{number}" for number in range(len(titles))]
    items = pd.DataFrame({"item_id": ids, "title": titles})
    texts = items.set_index("item_id")["title"]
    events = pd.DataFrame({"user_id": ["a", "a", "b", "c"], "item_id": [*ids[:3], ids[1]], "position": [0, 1, 0, 0]})
    vectors = {"content_tfidf": fit_tfidf(texts).vectors(texts), "content_minilm": language_model.vectors(texts)}
    report = language_model.report
    models = {name: Content().fit(events, items=items, item_vectors=found) for name, found in vectors.items()}
    models["hybrid"] = Hybrid(dict(models), fixed=dict.fromkeys(models, 1.0))
    models["hybrid"].fit(events, items=items, valid=events, item_vectors=vectors["content_tfidf"])
    run = open_run(folder, chapter="04_evaluation", seed=0)
    run.write("data/interactions.parquet", events)
    run.write("data/train.parquet", events)
    run.write("data/items.parquet", items)
    unreadable = {} if report.readable else {"product": round(report.unknown, 3)}
    run.write("results/text_features.json", {"texts": "product", "unreadable": unreadable})
    write_bundle(run, models)
    return run.folder


@pytest.fixture(scope="module")
def english(tmp_path_factory, language_model):
    return leave_behind(tmp_path_factory.mktemp("runs") / "english", ENGLISH, language_model)


@pytest.fixture(scope="module")
def chinese(tmp_path_factory, language_model):
    return leave_behind(tmp_path_factory.mktemp("runs") / "chinese", CHINESE, language_model)


def test_what_can_be_read_goes_to_the_language_model_without_a_note(english):
    found = answer(english, text="for somebody who feeds animals in the garden")
    assert (found.model, found.notes) == (
        "content_minilm",
        ["the list has 5 products, fewer than the 10 asked for: there are no more to recommend."],
    )
    assert found.lists["title"].iloc[0] == "oak bird feeder"


def test_a_shop_that_the_language_model_cannot_read_is_searched_by_words(chinese):
    assert open_shop(chinese).bundle.models.readers() == ["content_tfidf", "content_minilm", "hybrid"]
    for wish in CHINESE:
        found = answer(chinese, text=wish, k=1)
        assert (found.model, found.lists["title"].tolist()) == ("content_tfidf", [wish])
        assert found.lists["reason"].tolist() == ["shares words with what you wrote"]
        (note,) = found.notes
        assert note.startswith("the language model does not know ")
        assert note.endswith("% of the tokens of the product texts: content_tfidf answers, which compares words.")
    (note,) = answer(chinese, text="钢笔", model="content_minilm", k=1).notes
    assert note.endswith("of the tokens of the product texts: what content_minilm finds says little.")
    assert answer(chinese, text="钢笔", model="content_tfidf", k=1).notes == []


@pytest.mark.parametrize("wish", ["给喜欢园艺的朋友的礼物", "🎁"])
def test_a_text_that_no_model_can_read_is_answered_with_a_note(english, wish):
    found = answer(english, text=wish, k=1)
    (note,) = found.notes
    assert found.model == "content_minilm"
    assert note.startswith("the language model does not know ")
    assert note.endswith("of the tokens of this text: what content_minilm finds says little.")


def test_words_answer_a_text_that_only_they_can_read(english):
    found = answer(english, text="花束", k=1)
    assert (found.model, found.lists["title"].tolist()) == ("content_tfidf", [ENGLISH[4]])
    (note,) = found.notes
    assert note.endswith(" 50% of the tokens of this text: content_tfidf answers, which compares words.")


def test_several_texts_are_each_answered_as_alone(english):
    wishes = ["花束", "music", "🎁"]
    together = answer(english, text=wishes, k=2)
    assert together.model == "content_tfidf, content_minilm"
    assert len(together.notes) == 2
    for place, wish in enumerate(wishes):
        alone = answer(english, text=wish, k=2).lists
        mine = together.lists[together.lists["query"] == place].drop(columns="query").reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, mine)


def test_the_shoppers_of_a_new_product_are_found_by_what_can_be_read(english, chinese):
    with pytest.warns(Note, match="of this text: what content_minilm finds says little"):
        shoppers_for(english, text="🎁")
    with pytest.warns(Note, match="of the product texts: content_tfidf answers"):
        assert shoppers_for(chinese, text="钢笔", k=1)["user_id"].tolist() == ["a"]
    with pytest.warns(Note, match="does not know"):
        recommend(chinese, text="钢笔", k=1)
