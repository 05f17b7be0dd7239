"""Lists from a run: a known shopper, a new history, a text; the same answer in Python and by the command."""

import csv
import errno
import json
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import recsys_kit
from recsys_kit.errors import ArtifactError, DataError, IntegrityError, ParameterError
from recsys_kit.features.text import fit_tfidf
from recsys_kit.recommenders import Content, Hybrid, ItemKNN, Popularity
from recsys_kit.shop import Showcase
from recsys_kit.testing.planted import planted_shop
from recsys_kit.workbook.export import export_lists, write_csv
from recsys_kit.workbook.report.pages import write_page
from recsys_kit.workbook.runner.manifest import edit_manifest
from recsys_kit.workbook.runner.runs import open_run
from recsys_kit.workbook.serving import make_bundle, open_shop

SHOP = planted_shop()
WORDS = ("tea", "jazz", "garden")  # of the three circles of taste
COMMA = "i,1"  # an id with a comma in it


def answer(run, **asked):
    return open_shop(run).recommend(**asked)


def write_bundle(run, models, protocol=None):
    """Write the bundle as chapter 04 does."""
    return run.write("bundle", make_bundle(run, models, pd.DataFrame({"model": list(models)}), protocol or {}))


def title_of(item: str) -> str | None:
    if not (item.startswith("i") and item[1].isdigit()):
        return None
    return f"{WORDS[int(item[1])]} {'=' if item == 'i00' else ''}{item}"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the planted shop, made by hand: what chapters 01, 02 and 04 leave behind."""
    run = open_run(tmp_path_factory.mktemp("runs") / "planted", chapter="04_evaluation", seed=0)
    items = pd.concat([SHOP.items, pd.DataFrame({"item_id": [COMMA]})], ignore_index=True)
    items = items.assign(title=items["item_id"].map(title_of))
    texts = items.set_index("item_id")["title"].fillna("")
    tfidf = fit_tfidf(texts).vectors(texts)
    models = {"item_knn": ItemKNN(), "content_tfidf": Content(), "popularity": Popularity()}
    for model in models.values():
        model.fit(SHOP.train, items=items, item_vectors=tfidf)
    hybrid = Hybrid({"item_knn": models["item_knn"], "content_tfidf": models["content_tfidf"]})
    models["hybrid"] = hybrid.fit(SHOP.train, items=items, valid=SHOP.valid, item_vectors=tfidf)
    hybrid.weights = dict.fromkeys(hybrid.members, 1.0)  # validation needs no words in this shop
    run.write("data/interactions.parquet", pd.concat([SHOP.valid, SHOP.train]))
    run.write("data/train.parquet", SHOP.train)
    run.write("data/items.parquet", items)
    run.write("features/items_tfidf", tfidf)
    write_bundle(run, models)
    lists = [model.recommend(list(SHOP.withheld)[:3], k=2).assign(model=name) for name, model in models.items()]
    lists = pd.concat(lists).rename(columns={"query": "user_id"}).drop(columns="fallback")
    run.write("results/recommendations.parquet", lists)
    return run


def test_a_known_shopper_is_answered_from_all_they_did_the_test_included(run):
    listed = recsys_kit.recommend(run.folder, user="u000")
    history = [*SHOP.train.query("user_id == 'u000'")["item_id"], SHOP.withheld["u000"]]
    assert not set(listed["item_id"]) & set(history)
    pd.testing.assert_frame_equal(listed, recsys_kit.recommend(run.folder, history=history))


def test_the_columns_are_those_that_are_promised(run):
    listed = recsys_kit.recommend(run.folder, user="u000", k=3)
    assert list(listed) == ["rank", "item_id", "title", "category", "score", "reason", "fallback"]
    assert listed["rank"].tolist() == [1, 2, 3]
    assert listed["reason"].str.startswith("because you interacted with “tea").all()
    assert listed["title"].str.startswith("tea").all()


def test_the_model_is_the_best_of_the_leaderboard_and_for_text_one_that_reads(run):
    assert answer(run, user="u000").model == "item_knn"
    found = answer(run, text="jazz")
    assert found.model == "content_tfidf"
    (note,) = found.notes
    assert note == "no model of this shop understands language: content_tfidf compares words, not what they mean."
    assert answer(run, text="jazz", model="content_tfidf").notes == []
    assert answer(run, text="jazz", model="hybrid").lists["title"].str.startswith("jazz").all()


def test_the_showcase_of_the_notebook_gives_the_same_list(run):
    bundle = open_shop(run).bundle
    for name, history in [("hybrid", ["i00", "i01"]), ("content_tfidf", ["i20"]), ("popularity", ["i19"])]:
        showcase = Showcase(bundle.models, bundle.items, pd.Series(dtype=object), tfidf=answer_tfidf(run))
        ours = recsys_kit.recommend(run.folder, history=history, model=name, k=4)
        theirs = showcase.recommend(name, history=history, k=4)
        pd.testing.assert_frame_equal(ours, theirs[list(ours)])


def answer_tfidf(run):
    from recsys_kit.core.vectors import Vectors

    return run.read("features/items_tfidf", Vectors.load)


def test_many_queries_in_one_call_are_answered_as_one_by_one(run):
    users = ["u000", "u200", "nobody"]
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        together = recsys_kit.recommend(run.folder, user=users, k=4)
        assert together["query"].unique().tolist() == users
        for user in users:
            alone = recsys_kit.recommend(run.folder, user=user, k=4)
            mine = together[together["query"] == user].drop(columns="query").reset_index(drop=True)
            pd.testing.assert_frame_equal(mine, alone)
    histories = recsys_kit.recommend(run.folder, history=[["i00"], ["i10"]], k=2)
    assert histories["query"].tolist() == [0, 0, 1, 1]
    texts = recsys_kit.recommend(run.folder, text=["tea", "jazz"], model="content_tfidf", k=1)
    assert texts["title"].str.split().str[0].tolist() == ["tea", "jazz"]
    assert len(recsys_kit.recommend(run.folder, history=np.array(["i00", "i01"]), k=2)) == 2


@pytest.mark.parametrize("model", ["item_knn", "content_tfidf", "popularity", "hybrid"])
def test_nobody_gets_an_empty_frame_with_the_same_columns(run, model):
    one = recsys_kit.recommend(run.folder, user=["u000"], model=model)
    for empty in ({"user": []}, {"user": pd.Series([], dtype=object)}, {"history": []}, {"history": iter(())}):
        found = recsys_kit.recommend(run.folder, model=model, **empty)
        assert found.empty and list(found) == list(one)
    if model in ("content_tfidf", "hybrid"):
        assert list(recsys_kit.recommend(run.folder, text=[], model=model)) == list(one)


def test_sets_generators_and_columns_are_lists_of_queries(run):
    def ask(**query):
        return recsys_kit.recommend(run.folder, k=3, **query)

    expected = ask(user=["u000", "u200"])
    for users in ({"u200", "u000"}, (user for user in ("u000", "u200")), pd.Series(["u000", "u200"]), ("u000", "u200")):
        pd.testing.assert_frame_equal(ask(user=users), expected)
    expected = ask(history=["i00", "i01"])
    for history in ({"i01", "i00"}, iter(["i00", "i01"]), pd.Series(["i00", "i01"]), np.array(["i00", "i01"])):
        pd.testing.assert_frame_equal(ask(history=history), expected)
    several = ask(history=[["i00", "i01"], ["i10"]])
    for histories in (pd.Series([["i00", "i01"], ["i10"]]), (iter(one) for one in (["i00", "i01"], ["i10"]))):
        pd.testing.assert_frame_equal(ask(history=histories), several)
    pd.testing.assert_frame_equal(
        ask(history=["i00"], candidates={"i01", "i02", "i03"}), ask(history=["i00"], candidates=["i01", "i02", "i03"])
    )


def test_whole_numbers_are_ids(run, tmp_path):
    events = SHOP.train.assign(
        user_id=SHOP.train["user_id"].str[1:].astype(int).astype(str),
        item_id=SHOP.train["item_id"].str[1:].astype(int).astype(str),
    )
    other = open_run(tmp_path / "run", chapter="04_evaluation", seed=0)
    other.write("data/interactions.parquet", events)
    other.write("data/train.parquet", events)
    other.write("data/items.parquet", events[["item_id"]].drop_duplicates())
    write_bundle(other, {"item_knn": ItemKNN().fit(events)})
    for one, same in (({"user": 7}, {"user": "7"}), ({"user": [7, 12]}, {"user": ["7", "12"]})):
        pd.testing.assert_frame_equal(recsys_kit.recommend(other, **one), recsys_kit.recommend(other, **same))
    for history in ([1, 2], np.array([1, 2]), pd.Series([1, 2])):
        listed = recsys_kit.recommend(other, history=history)
        pd.testing.assert_frame_equal(listed, recsys_kit.recommend(other, history=["1", "2"]))
        assert not listed["fallback"].any()


def test_a_stranger_gets_what_is_popular_flagged_and_said(run):
    with pytest.warns(UserWarning, match="shopper 'nobody' is unknown to this shop: what is popular is shown instead"):
        listed = recsys_kit.recommend(run.folder, user="nobody")
    assert listed["fallback"].all()
    counts = SHOP.train.drop_duplicates(["user_id", "item_id"])["item_id"].value_counts()
    assert counts[listed["item_id"]].is_monotonic_decreasing


def test_unknown_items_of_a_history_are_named_and_left_out(run):
    with pytest.warns(UserWarning, match=r"2 products \('x', '007'\) are unknown"):
        listed = recsys_kit.recommend(run.folder, history=["x", "i00", "007"])
    pd.testing.assert_frame_equal(listed, recsys_kit.recommend(run.folder, history=["i00"]))
    found = answer(run, history=["x", "y"])
    assert found.lists["fallback"].all()
    assert [note.split(":")[0] for note in found.notes] == [
        "2 products ('x', 'y') are unknown to this shop and left out of the history.",
        "item_knn finds nothing to start from in the history",
    ]


def test_a_text_without_a_known_word_falls_back_and_says_so(run):
    found = answer(run, text="qqq")
    assert found.lists["fallback"].all()
    assert "in the text" in found.notes[0]


def test_a_list_that_ends_early_says_so(run):
    found = answer(run, user="u000", k=10**9)
    assert f"the list has {len(found.lists)} products, fewer than the 1000000000" in found.notes[-1]


def test_a_frame_of_contexts_has_one_row_per_query(run):
    frame = pd.DataFrame({"timestamp": pd.to_datetime(["2025-12-24", None], utc=True)})
    with pytest.raises(ParameterError, match="RK-340 context has 2 rows for 1 queries"):
        recsys_kit.recommend(run.folder, user="u000", context=frame)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "RK-330 the query is empty"),
        ({"user": "u000", "text": "tea"}, "RK-330 the query is user and text"),
        ({"user": 7.5}, "RK-154 user holds 7.5"),
        ({"user": True}, "RK-154 user holds True"),
        ({"user": ["u000", None]}, "RK-153 user is missing in 1 of 2"),
        ({"history": [7.5]}, "RK-154 item ids of the histories holds 7.5"),
        ({"history": [["i00"], "i01"]}, "RK-313 histories holds 'i01' in place 1"),
        ({"history": [["i00", None]]}, "RK-153 item ids of the histories is missing in 1 of 2"),
        ({"text": 3.5}, "RK-331 texts holds 3.5"),
        ({"user": ""}, "RK-331 user holds ''"),
        ({"user": ["u000", " "]}, "RK-331 user holds ' '"),
        ({"text": "\n"}, "RK-331 texts holds"),
        ({"user": "\udcff"}, "RK-331 user holds"),
        ({"history": ["\ud800"]}, "RK-331 item ids of the histories holds"),
        ({"history": [""]}, "RK-331 item ids of the histories holds ''"),
        ({"history": ""}, "RK-331 item ids of the histories holds ''"),
        ({"history": [["i00"], [" "]]}, "RK-331 item ids of the histories holds ' '"),
        ({"user": "u000", "seen": [""]}, "RK-331 item ids of seen holds ''"),
        ({"user": "u000", "seen": ["\ud800"]}, "RK-331 item ids of seen holds"),
        ({"user": "u000", "candidates": ""}, "RK-331 candidates holds ''"),
        ({"user": "u000", "candidates": pd.DataFrame({"i00": [1]})}, "RK-154 candidates holds"),
        ({"user": "u000", "candidates": ["\ud800"]}, "RK-331 candidates holds"),
        ({"history": [None]}, "RK-153 item ids of the histories is missing"),
        ({"user": "u000", "k": 0}, "RK-312 k is 0"),
        ({"user": "u000", "k": 1.5}, "RK-312 k is 1.5"),
        ({"user": "u000", "k": "10"}, "RK-312 k is '10'"),
        ({"user": "u000", "model": "eas"}, "RK-318 model is 'eas'.*item_knn, content_tfidf"),
        ({"text": "tea", "model": "eas"}, "RK-318 model is 'eas'"),
        ({"text": "tea", "model": "item_knn"}, "RK-332 model 'item_knn'.*content_tfidf, hybrid"),
        ({"user": "u000", "context": {"device": "phone"}}, "RK-343 context names 'device'; expected no context"),
        ({"user": "u000", "context": {"device": ["phone"]}}, r"RK-344 context has \['phone'\] for 'device'"),
        ({"user": "u000", "context": {"timestamp": "when?"}}, "RK-347 the timestamp of the context is 'when\\?'"),
        ({"user": "u000", "context": "yesterday"}, "RK-344 context is 'yesterday'; expected 'now', 'last event'"),
    ],
)
def test_a_wrong_query_is_refused_with_its_value(run, query, code):
    with pytest.raises((DataError, ParameterError), match=code):
        recsys_kit.recommend(run.folder, **query)


def test_without_a_model_that_reads_the_fix_is_a_command(run, tmp_path):
    other = open_run(tmp_path / "run", chapter="04_evaluation", seed=0)
    for name, table in {"interactions": SHOP.train, "train": SHOP.train, "items": SHOP.items}.items():
        other.write(f"data/{name}.parquet", table)
    write_bundle(other, {"popularity": Popularity().fit(SHOP.train)})
    with pytest.raises(ParameterError, match=r"RK-332 no model of this run .* --only 02,04"):
        recsys_kit.recommend(other.folder, text="tea")


def test_a_folder_without_a_run_or_without_chapter_04_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="RK-402"):
        recsys_kit.recommend(tmp_path, user="u000")
    assert list(tmp_path.iterdir()) == []
    open_run(tmp_path, chapter="01_preprocessing", seed=0)
    with pytest.raises(ArtifactError, match=r"RK-401 bundle/bundle.json .*04_evaluation"):
        recsys_kit.recommend(tmp_path, user="u000")


def test_a_run_whose_chapter_04_had_nothing_to_do_says_so(tmp_path):
    open_run(tmp_path, chapter="04_evaluation", seed=0)
    with edit_manifest(tmp_path) as manifest:
        manifest["chapters"]["04_evaluation"] = {"status": "skipped"}
    with pytest.raises(ArtifactError, match="RK-334 this run has no lists"):
        recsys_kit.recommend(tmp_path, user="u000")


def test_a_damaged_model_is_never_asked(run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "copy")
    weights = folder / "bundle/models/tensors/item_knn.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(
        IntegrityError,
        match=r"RK-374 .*item_knn.safetensors does not match its checksum.* Rebuild it: recsys-kit run",
    ):
        recsys_kit.recommend(folder, user="u000")
    assert len(answer(folder, history=["i00"], model="popularity").lists) == 10


@pytest.mark.parametrize("name", ["bundle.json", "items.parquet", "statistics.safetensors", "models/models.json"])
def test_a_damaged_bundle_is_never_asked(run, tmp_path, name):
    folder = shutil.copytree(run.folder, tmp_path / "copy")
    content = bytearray((folder / "bundle" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "bundle" / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=rf"RK-(412|374) .*{name}"):
        recsys_kit.popular(folder)


def test_asking_leaves_no_trace_and_reads_only_the_model_that_answers(run):
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    arrays = run.path("bundle/models/tensors/popularity.safetensors")
    moved = arrays.rename(run.folder / "elsewhere")
    try:
        recsys_kit.recommend(run.folder, user="u000")
        answer(run.folder, text="tea")
    finally:
        moved.rename(arrays)
    changed = {run.folder: 0, arrays.parent: 0}
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} | changed == before | changed


def test_ids_of_a_command_line_are_split_at_commas_unless_they_are_ids(run):
    shop = open_shop(run.folder)
    assert shop.split_ids(["i00, i01,"]) == ["i00", "i01"]
    assert shop.split_ids([COMMA, "i00,x"]) == [COMMA, "i00", "x"]
    for nothing in ("", " , "):
        with pytest.raises(ParameterError, match=f"RK-331 the ids are '{nothing}'"):
            shop.split_ids([nothing])


# -- the command -------------------------------------------------------------------------------------------------------


def command(run, *arguments: str) -> subprocess.CompletedProcess:
    call = [sys.executable, "-m", "recsys_kit.cli", *arguments, "--run", str(run.folder)]
    return subprocess.run(call, capture_output=True, text=True, timeout=120, encoding="utf-8")


def test_the_command_answers_as_python_does(run, tmp_path):
    done = command(run, "recommend", "history", f"i00,x,{'i01'}", "-k", "3", "--json", "--csv", str(tmp_path / "l.csv"))
    found = json.loads(done.stdout)
    expected = answer(run, history=["i00", "x", "i01"], k=3)
    assert (found["query"], found["model"], found["fallback"]) == ({"history": ["i00", "x", "i01"]}, "item_knn", False)
    assert found["notes"] == expected.notes
    assert [item["item_id"] for item in found["items"]] == expected.lists["item_id"].tolist()
    assert pd.read_csv(tmp_path / "l.csv")["item_id"].tolist() == expected.lists["item_id"].tolist()
    assert done.returncode == 0


def test_the_command_prints_a_table_and_its_notes(run):
    done = command(run, "recommend", "user", "nobody", "-k", "2")
    assert done.returncode == 0, done.stderr
    assert "item_knn, for the shopper nobody" in done.stdout
    assert "asked at" not in done.stdout, "item_knn uses no context"
    assert "note: shopper 'nobody' is unknown" in done.stdout


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["user", "u000", "--context", "phone"], "RK-310"),
        (["user", "u000", "--context", "=phone"], "RK-310"),
        (["user", "u000", "--context", "device=phone"], "RK-343"),
        (["user", "u000", "--context", "timestamp=soon"], "RK-347"),
        (["popular", "-k", "0"], "RK-312"),
    ],
)
def test_the_command_refuses_in_one_line(run, options, code):
    done = command(run, "recommend", *options)
    assert (done.returncode, len(done.stderr.splitlines()), done.stdout) == (2, 1, "")
    assert done.stderr.startswith(f"{code} ")


# -- CSV ---------------------------------------------------------------------------------------------------------------


def test_the_export_holds_the_judged_lists_with_titles(run, tmp_path):
    shown = export_lists(run.folder, tmp_path / "all.csv")
    assert list(shown) == ["model", "user_id", "rank", "item_id", "title", "category", "score"]
    back = pd.read_csv(tmp_path / "all.csv", dtype={"user_id": str, "item_id": str})
    judged = pd.read_parquet(run.path("results/recommendations.parquet"))
    assert (
        back[["model", "user_id", "item_id"]].values.tolist() == judged[["model", "user_id", "item_id"]].values.tolist()
    )
    assert set(export_lists(run.folder, tmp_path / "one.csv", model="hybrid")["model"]) == {"hybrid"}
    with pytest.raises(ParameterError, match="RK-318"):
        export_lists(run.folder, tmp_path / "none.csv", model="eas")
    assert not (tmp_path / "none.csv").exists()
    assert command(run, "export", "--out", str(tmp_path / "c.csv")).returncode == 0
    assert (tmp_path / "c.csv").read_bytes() == (tmp_path / "all.csv").read_bytes()


@pytest.mark.parametrize("start", list("=+-@\t\r\n＝＋－＠"))
def test_no_text_is_taken_for_a_formula_and_numbers_stay_numbers(tmp_path, start):
    frame = pd.DataFrame({"item_id": [f"{start}1"], "title": [f'{start}HYPERLINK("x","y")'], "score": [-0.5]})
    write_csv(frame, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        row = next(csv.DictReader(file))
    assert row == {"item_id": f"'{start}1", "title": f'\'{start}HYPERLINK("x","y")', "score": "-0.5"}


def test_a_spreadsheet_sees_that_it_is_utf8(tmp_path):
    write_csv(pd.DataFrame({"title": ["茶 Größe 🎁"]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbf")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=5))
def test_every_text_comes_back_but_for_the_guard(tmp_path_factory, texts):
    path = write_csv(
        pd.DataFrame({"number": range(len(texts)), "title": texts}), tmp_path_factory.mktemp("csv") / "a.csv"
    )
    with path.open(encoding="utf-8-sig", newline="") as file:
        back = [row["title"] for row in csv.DictReader(file)]
    for before, after in zip(texts, back, strict=True):
        assert after in (before, f"'{before}")
        assert not after.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_file_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match=r"RK-333 .*file"):
        write_csv(pd.DataFrame({"a": [1]}), tmp_path / "file" / "a.csv")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)  # the disk, or its owner, refuses
    with pytest.raises(
        ParameterError, match=r"RK-333 .*No space left on device. Pass another file with --out or --csv"
    ):
        write_csv(pd.DataFrame({"a": [1]}), tmp_path / "a.csv")
    with pytest.raises(ArtifactError, match=r"RK-505 .*No space left on device. Make its folder writable"):
        write_page(tmp_path / "index.html", "")


def test_a_run_object_is_used_as_it_is(run):
    assert open_shop(run).run is run
