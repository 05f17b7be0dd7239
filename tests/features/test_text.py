import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ArtifactError, DataError
from recsys_kit.features import text as text_module
from recsys_kit.features.pretrained import find_model, load_pretrained
from recsys_kit.features.registry import load_encoder
from recsys_kit.features.similarity import explain_similarity, nearest_items, nearest_neighbour_accuracy
from recsys_kit.features.text import LanguageModel, TfidfEncoder, fit_tfidf, has_words
from recsys_kit.features.words import words_and_characters

TEXTS = pd.Series(
    ["A blue mug for tea", "", "Jazz piano, live in Paris", "   ", "cup " * 300, "x", "Blue porcelain cup"],
    index=list("abcdefg"),
)


@pytest.fixture(scope="module")
def model():
    return LanguageModel(max_length=32)


def test_empty_text_is_a_row_of_zeros_and_every_other_row_has_unit_length(model):
    for vectors in (model.vectors(TEXTS), fit_tfidf(TEXTS).vectors(TEXTS)):
        dense = vectors.values if vectors.how["method"] == "language_model" else vectors.values.toarray()
        norms = np.linalg.norm(dense, axis=1)
        assert norms[[1, 3]].tolist() == [0, 0]
        assert norms[[0, 2, 4, 6]] == pytest.approx(1, abs=1e-5)


def test_a_text_gives_the_same_bits_in_any_company_and_nearly_the_same_as_a_query(model, tmp_path):
    together = model.encode(TEXTS.tolist())
    alone = np.vstack([model.encode([text], cache=tmp_path) for text in TEXTS])
    assert np.array_equal(together, alone)
    assert np.array_equal(together[::-1], model.encode(TEXTS.tolist()[::-1]))
    queries = np.vstack([model.encode([text]) for text in TEXTS if text.strip()])
    assert (queries * together[[bool(text.strip()) for text in TEXTS]]).sum(axis=1).min() > 0.9999


def test_batch_size_and_dtype_move_a_row_within_the_documented_tolerance(model):
    kept = [text for text in TEXTS if text.strip()]
    rows = {
        (size, dtype): LanguageModel(max_length=32, batch_size=size, dtype=dtype).encode(kept)
        for size, dtype in ((4, "float32"), (16, "float32"), (16, "bfloat16"))
    }
    assert (rows[4, "float32"] * rows[16, "float32"]).sum(axis=1).min() > 0.9999
    assert (rows[16, "bfloat16"] * rows[16, "float32"]).sum(axis=1).min() > 0.999


def test_meaning_is_nearer_than_nonsense(model):
    mug, cup, jazz = model.encode(["a mug for hot tea", "a porcelain cup", "a jazz record"])
    assert mug @ cup > mug @ jazz + 0.1


def test_the_truncated_texts_are_counted(model):
    model.encode(TEXTS.tolist())
    assert (model.report.texts, model.report.empty, model.report.truncated) == (7, 2, 1)
    assert model.token_counts(["x"]).tolist() == [3]


def test_cached_rows_are_found_by_content_and_a_damaged_shard_is_made_again(model, tmp_path):
    first = model.encode(TEXTS.tolist(), cache=tmp_path)
    assert (model.report.cached, model.report.computed) == (0, 5)
    again = model.encode([*TEXTS.tolist()[::-1], "new text"], cache=tmp_path)
    assert (model.report.cached, model.report.computed) == (5, 1)
    assert np.array_equal(again[:7][::-1], first)
    for shard in tmp_path.rglob("*.safetensors"):
        damaged = bytearray(shard.read_bytes())
        damaged[-1] ^= 1
        shard.write_bytes(bytes(damaged))
    assert np.array_equal(model.encode(TEXTS.tolist(), cache=tmp_path), first)
    assert model.report.cached == 0


def test_another_length_does_not_share_the_cache(model, tmp_path):
    model.encode(["one text"], cache=tmp_path)
    shorter = LanguageModel(max_length=16)
    shorter.encode(["one text"], cache=tmp_path)
    assert shorter.report.cached == 0


def test_an_interrupted_encoding_goes_on_where_it_stopped(model, tmp_path, monkeypatch):
    texts = [f"text number {number}" for number in range(40)]
    monkeypatch.setattr(text_module, "FLUSH_EVERY", 16)
    forward, calls = model._forward, []

    def stop_at_the_third(ids, length):
        calls.append(length)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return forward(ids, length)

    monkeypatch.setattr(model, "_forward", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        model.encode(texts, cache=tmp_path)
    monkeypatch.setattr(model, "_forward", forward)
    resumed = model.encode(texts, cache=tmp_path)
    assert model.report.cached == 32
    assert np.array_equal(resumed, model.encode(texts))


def test_a_missing_model_is_an_error_that_says_how_to_get_it():
    with pytest.raises(ArtifactError, match=r"RK-201 .*nobody/nothing.*hf download nobody/nothing"):
        LanguageModel("nobody/nothing")


def test_an_incomplete_folder_names_the_file(tmp_path):
    shutil.copy(find_model() / "config.json", tmp_path)
    with pytest.raises(ArtifactError, match=r"RK-202 .*\*\.safetensors, tokenizer\*"):
        LanguageModel(str(tmp_path))


def test_truncated_weights_are_refused(tmp_path):
    for file in find_model().glob("*.*"):
        if file.is_file():
            shutil.copy(file, tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    with pytest.raises(ArtifactError, match="RK-202"):
        LanguageModel(str(tmp_path))


def test_layers_without_weights_are_refused_and_never_random(tmp_path):
    from transformers import AutoModel

    shutil.copytree(find_model(), tmp_path / "model")
    config = json.loads((tmp_path / "model/config.json").read_text())
    (tmp_path / "model/config.json").write_text(json.dumps(config | {"num_hidden_layers": 7}))
    for load in (lambda folder: load_pretrained(AutoModel, folder), LanguageModel):
        with pytest.raises(ArtifactError, match=r"RK-203 .*layer\.6"):
            load(str(tmp_path / "model"))


def test_tfidf_survives_saving_without_pickle_and_encodes_identically(tmp_path):
    encoder = fit_tfidf(TEXTS, phrase_length=2)
    vectors = encoder.vectors(TEXTS)
    vectors.save(tmp_path)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".json", ".json", ".safetensors"]
    loaded = Vectors.load(tmp_path)
    assert loaded.ids == vectors.ids
    assert (loaded.values != vectors.values).nnz == 0
    new = ["blue jazz in a mug", "never seen"]
    assert (load_encoder(loaded.how).encode(new) != encoder.encode(new)).nnz == 0


def test_language_model_rows_survive_saving_and_bring_their_encoder(model, tmp_path):
    vectors = model.vectors(TEXTS)
    vectors.save(tmp_path)
    loaded = Vectors.load(tmp_path)
    assert np.array_equal(loaded.values, vectors.values)
    assert np.array_equal(load_encoder(loaded.how).encode(TEXTS.tolist()), vectors.values)


def test_the_same_rows_are_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        fit_tfidf(TEXTS).vectors(TEXTS).save(tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_an_encoder_of_other_weights_is_refused(model):
    with pytest.raises(ArtifactError, match="RK-206"):
        load_encoder(model.how | {"weights": "0" * 64})


def test_texts_without_a_word_are_an_error():
    with pytest.raises(DataError, match="RK-191"):
        fit_tfidf(["", "  "])


def test_tfidf_agrees_with_scikit_learn():
    from sklearn.feature_extraction.text import TfidfVectorizer

    expected = TfidfVectorizer(sublinear_tf=True, dtype=np.float32).fit_transform(TEXTS)
    assert np.allclose(fit_tfidf(TEXTS).encode(TEXTS).toarray(), expected.toarray(), atol=1e-7)


CHINESE = ["家用绿色雨伞", "便携绿色钢笔", "家用红色雨伞 T恤 XL"]


@pytest.mark.parametrize("phrase_length", [1, 2])
def test_spaced_texts_have_the_words_of_scikit_learn(phrase_length):
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [*TEXTS, "Ünïcode straße, don't SKU-12 x1", "кружка синяя", "emoji 👍 ok"]
    expected = TfidfVectorizer(ngram_range=(1, phrase_length)).fit(texts)
    encoder = fit_tfidf(texts, phrase_length=phrase_length)
    assert encoder.vocabulary == expected.get_feature_names_out().tolist()
    assert "analyzer" not in encoder.how
    analyze = expected.build_analyzer()
    assert all(words_and_characters(text, phrase_length=phrase_length) == analyze(text) for text in texts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("绿色笔", ["绿", "色", "笔", "绿色", "色笔"]),
        ("Blue mug绿色XL", ["blue", "mug", "绿", "色", "绿色", "xl"]),
        ("コップ", ["コ", "ッ", "プ", "コッ", "ップ"]),
        ("가방을", ["가", "방", "을", "가방", "방을"]),
        ("น้ำ", ["น้", "ำ", "น้ำ"]),
    ],
)
def test_runs_without_spaces_are_characters_and_pairs(text, words):
    assert words_and_characters(text) == words


def test_chinese_titles_are_near_by_what_they_share_and_survive_saving(tmp_path):
    vectors = fit_tfidf(CHINESE).vectors(pd.Series(CHINESE, index=list("abc")))
    assert nearest_items(vectors, "a")["item_id"].tolist()[0] == "c"
    vectors.save(tmp_path)
    encoder = load_encoder(Vectors.load(tmp_path).how)
    assert encoder.words("绿伞") == ["绿", "伞", "绿伞"]
    assert (encoder.encode(CHINESE) != vectors.values).nnz == 0


@pytest.mark.realdata
@pytest.mark.skipif("RECSYS_KIT_DATA" not in os.environ, reason="RECSYS_KIT_DATA is not set: no real data here")
@pytest.mark.parametrize(("column", "bar"), [("label", 0.88), ("cat", 0.78)])
def test_chinese_reviews_are_told_apart_by_characters(column, bar):
    from sklearn.metrics import f1_score

    from recsys_kit.finetuning.baselines import TfidfClassifier

    path = Path(os.environ["RECSYS_KIT_DATA"]) / "chinese-shopping-reviews" / "online_shopping_10_cats.zip"
    drawn = pd.read_csv(path).dropna().sample(3000, random_state=7).astype(str)
    train, test = drawn[:2000], drawn[2000:]
    found = TfidfClassifier().fit(train["review"].tolist(), train[column].tolist()).predict(test["review"].tolist())
    assert f1_score(test[column], found, average="macro") > bar


def test_vectors_saved_before_there_was_a_choice_are_counted_as_they_were():
    old = {"method": "tfidf", "vocabulary": ["家用绿色雨伞", "mug"], "idf": [1.0, 1.0], "phrase_length": 1}
    assert load_encoder(old).encode(["家用绿色雨伞"]).toarray().tolist() == [[1.0, 0.0]]
    assert load_encoder(old).how == old
    with pytest.raises(ArtifactError, match="RK-211"):
        load_encoder(old | {"analyzer": "syllables"})


def test_counts_have_the_same_words_each_worth_the_same():
    encoder = fit_tfidf(CHINESE, phrase_length=2).unweighted()
    assert encoder.words(CHINESE[2]) == fit_tfidf(CHINESE, phrase_length=2).words(CHINESE[2])
    assert set(encoder.how["idf"]) == {1.0}


def test_words_that_are_rare_everywhere_are_kept_rather_than_none():
    assert fit_tfidf(["blue mug"], min_texts=2).vocabulary == ["blue", "mug"]
    assert fit_tfidf(["blue mug", "blue cup"], min_texts=2).vocabulary == ["blue"]
    assert not has_words(["7", " ", "!"])


def test_a_text_without_a_known_word_has_no_weights_and_no_neighbour():
    encoder = fit_tfidf(["blue mug"])
    assert encoder.weights("zanzibar").empty
    vectors = encoder.vectors(pd.Series({"a": "zanzibar", "b": "mug"}))
    assert nearest_items(vectors, "a").empty
    assert explain_similarity(vectors, "a", "b").empty


def test_what_words_add_to_a_cosine_sums_to_it():
    vectors = fit_tfidf(TEXTS).vectors(TEXTS)
    (near,) = nearest_items(vectors, "a", k=1).itertuples()
    shared = explain_similarity(vectors, "a", near.item_id)
    assert shared.sum() == pytest.approx(near.score)
    assert "blue" in shared.index


def test_tokens_that_a_language_model_does_not_know_are_counted(model):
    model.encode(["a blue mug", "a gift for a gardener"])
    assert model.report.unknown == 0
    assert model.note == ""
    model.encode(CHINESE)
    assert not model.report.readable
    assert f"{model.report.unknown:.0%} of the tokens are unknown to it" in model.note
    assert "MiniLM reads English" in model.note


def test_words_learned_later_do_not_count():
    encoder = TfidfEncoder().fit(["mug"])
    assert encoder.encode(["mug jazz"]).toarray().tolist() == [[1.0]]


def test_neighbours_leave_out_the_item_itself_and_items_without_text():
    vectors = fit_tfidf(TEXTS).vectors(TEXTS)
    assert nearest_items(vectors, "a", k=9)["item_id"].tolist() == ["g"]
    assert nearest_items(vectors, "b").empty


def test_neighbour_accuracy_agrees_with_a_slow_reference():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(60, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = pd.Series(rng.integers(0, 3, 60), index=[f"i{n}" for n in range(60)])
    hits = nearest_neighbour_accuracy(Vectors(labels.index.tolist(), rows, {}), labels)
    for row in range(60):
        others = [(float(rows[row] @ rows[other]), other) for other in range(60) if other != row]
        score, nearest = max(others)
        assert hits.iloc[row] == float(score > 0 and labels.iloc[nearest] == labels.iloc[row])
