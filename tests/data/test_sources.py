"""A user's own files through the whole door, from bytes to typed tables."""

import csv
import gzip
import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_kit.data import (
    assign_parts,
    check_files,
    facts,
    load_dataset,
    name_of,
    sample_users,
    source_files,
    split_interactions,
)
from recsys_kit.errors import DataError, ParameterError

DAY = "2024-05-01 10:00:00"


def write(path: Path, rows: list[dict]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def event(user="u", item="i", when=DAY, **more) -> dict:
    return {"user_id": user, "item_id": item, "timestamp": when} | more


def noted(shop, rule: str) -> list[int]:
    return shop.report.loc[shop.report["rule"].str.contains(rule, regex=False), "rows"].tolist()


# -- ids and texts survive (B01-B09) -----------------------------------------------------------------------------------

IDS = ["007", "7", "NA", "None", "null", "nan", "True", "1E5", "100000", "9007199254740993", "-3", "0", "00"]


def test_every_odd_id_survives_the_file_as_it_is_written(tmp_path):
    path = write(tmp_path / "events.csv", [event(user, item) for user in IDS for item in IDS])
    shop = load_dataset("files", interactions=path)
    assert sorted(shop.interactions["user_id"].unique()) == sorted(IDS)
    assert sorted(shop.items["item_id"]) == sorted(IDS)
    assert shop.quarantine.empty


def test_long_ids_survive_beside_a_missing_one(tmp_path):
    path = write(tmp_path / "events.csv", [event("9007199254740993"), event("9007199254740992"), event("")])
    shop = load_dataset("files", interactions=path)
    assert shop.interactions["user_id"].tolist() == ["9007199254740993", "9007199254740992"]
    assert shop.quarantine[["row", "rule"]].to_numpy().tolist() == [[4, "missing user_id"]]


@pytest.mark.parametrize("other", ["cafe\u0301", "ｃａｆé", "caf\u200bé", "café "])
def test_ids_that_look_alike_are_kept_apart_and_counted(tmp_path, other):
    path = write(tmp_path / "events.csv", [event(item="café"), event(item=other), event(item="tea")])
    shop = load_dataset("files", interactions=path)
    assert shop.interactions["item_id"].tolist() == ["café", other, "tea"]
    assert noted(shop, "item_id looks like another: kept apart") == [2]


def test_titles_keep_emoji_formulas_markup_and_right_to_left(tmp_path):
    titles = ["🫖 tea", "=1+1", "+2", "-3", "@x", "שלום", "a\u202eb", "I <3 it"]
    items = write(tmp_path / "items.csv", [{"item_id": str(n), "title": title} for n, title in enumerate(titles)])
    shop = load_dataset("files", interactions=write(tmp_path / "e.csv", [event(item="0")]), items=items)
    assert shop.items["title"].tolist() == titles
    assert shop.items["item_id"].tolist() == list("01234567")


def test_a_title_of_a_megabyte_an_empty_one_and_one_of_spaces(tmp_path):
    titles = ["x" * 1_000_000, "", "   "]
    items = write(tmp_path / "items.csv", [{"item_id": str(n), "title": title} for n, title in enumerate(titles)])
    shop = load_dataset("files", interactions=write(tmp_path / "e.csv", [event(item="0")]), items=items)
    assert shop.items["title"].str.len().fillna(0).tolist() == [1_000_000, 0, 0]
    assert shop.items["title"].isna().tolist() == [False, True, True]


def test_numbers_and_texts_are_the_same_ids_whatever_the_file(tmp_path):
    events = tmp_path / "events.jsonl"
    rows = [event(7, 42, "1714557600"), event("7", "42", "1714557601"), event("07", 42, "1714557602")]
    events.write_text("\n".join(map(json.dumps, rows)))
    items = write(tmp_path / "items.csv", [{"item_id": "42", "title": "Bowl"}])
    shop = load_dataset("files", interactions=events, items=items)
    assert shop.interactions["user_id"].tolist() == ["7", "7", "07"]
    assert len(shop.items) == 1


# -- tables that follow from others ------------------------------------------------------------------------------------


def test_products_are_read_out_of_the_events_and_the_usual_title_wins(tmp_path):
    rows = [event(title="Bowl"), event("v", title="Bowl "), event("w", title="bowl?"), event(item="j", title="")]
    shop = load_dataset("files", interactions=write(tmp_path / "e.csv", rows))
    assert shop.items.set_index("item_id")["title"].fillna("-").to_dict() == {"i": "Bowl", "j": "-"}
    assert noted(shop, "more than one title") == [1]
    assert "title" not in shop.interactions
    assert shop.n_read == {"interactions": 4, "items": 2}


def test_a_file_of_items_goes_before_what_events_say(tmp_path):
    events = write(tmp_path / "e.csv", [event(title="from the event")])
    items = write(tmp_path / "i.csv", [{"item_id": "i", "title": "from the file"}])
    shop = load_dataset("files", interactions=events, items=items)
    assert shop.items["title"].tolist() == ["from the file"]


def test_items_listed_twice_with_other_titles_are_counted(tmp_path):
    items = [{"item_id": "i", "title": "one"}, {"item_id": "i", "title": "two"}, {"item_id": "i", "title": "one"}]
    shop = load_dataset(
        "files", interactions=write(tmp_path / "e.csv", [event()]), items=write(tmp_path / "i.csv", items)
    )
    assert shop.items["title"].tolist() == ["one"]
    assert noted(shop, "listed again with other content") == [1]
    assert shop.row_counts().loc["items"].tolist() == [3, 1, 2, 0]


def test_events_with_a_text_are_reviews_as_well(tmp_path):
    rows = [event(rating="5", text="Lovely"), event("v", rating="2", text=""), event("w", rating="4", text="Fine")]
    shop = load_dataset("files", interactions=write(tmp_path / "e.csv", rows))
    assert len(shop.interactions) == 3
    assert shop.reviews["text"].tolist() == ["Lovely", "Fine"]
    assert shop.reviews["review_id"].isin(shop.interactions["review_id"]).all()
    assert "text" not in shop.interactions
    assert shop.quarantine.empty  # an event without a text is no empty review


def test_reviews_with_shopper_product_and_time_are_events_as_well(tmp_path):
    rows = [event(rating="5", text="Lovely"), event("v", rating="2", text=" "), event("v", "j", rating="2", text="Meh")]
    shop = load_dataset("files", reviews=write(tmp_path / "r.csv", rows))
    assert shop.interactions["event"].unique().tolist() == ["rating"]
    assert len(shop.interactions) == 3  # an empty text is no review, and still a rating
    assert shop.reviews["text"].tolist() == ["Lovely", "Meh"]
    parts = assign_parts(shop.reviews, split_interactions(shop.interactions, method="leave_last_out"))
    assert set(parts["part"]) == {"train"}


def test_texts_without_shoppers_are_a_data_set_of_their_own(tmp_path):
    rows = [{"Review Text": f"text {n}", "Rating": str(int(n < 10))} for n in range(100)]
    path = write(tmp_path / "texts.csv", rows)
    shop = load_dataset(reviews=path, columns="text=Review Text,label=Rating")
    assert (shop.interactions, shop.items, shop.users) == (None, None, None)
    assert shop.reviews["review_id"].tolist()[:2] == ["r2", "r3"]
    assert shop.reviews["label"].unique().tolist() == ["1", "0"]
    assert sample_users(shop, 10) is shop
    assert facts(shop)["n_reviews"] == 100 and facts(shop)["n_users"] == 0
    parts = assign_parts(shop.reviews, None, seed=1)
    assert parts["part"].value_counts().to_dict() == {"train": 80, "valid": 10, "test": 10}
    assert parts.query("label == '1'")["part"].value_counts().to_dict() == {"train": 8, "valid": 1, "test": 1}


def test_equal_reviews_share_an_id_and_are_dropped_but_only_if_the_whole_row_is_equal(tmp_path):
    rows = [{"n": n, "text": "Good", "label": "1"} for n in ("1", "1", "2")]
    shop = load_dataset("files", reviews=write(tmp_path / "r.csv", rows))
    assert shop.reviews["review_id"].tolist() == ["r2", "r4"]
    assert shop.row_counts().loc["reviews"].tolist() == [3, 2, 1, 0]
    assert noted(shop, "exact duplicate") == [1]


def test_broken_lines_of_a_file_are_counted_in_each_table_made_of_it(tmp_path):
    path = write(tmp_path / "r.csv", [event(text="Good"), event("v", text="Bad")])
    path.write_text(path.read_text() + "short,row\n")
    shop = load_dataset("files", reviews=path)
    assert shop.quarantine["table"].tolist() == ["reviews", "interactions"]
    assert shop.n_read == {"interactions": 3, "reviews": 3}
    assert shop.row_counts()["read"].to_dict() == shop.n_read


@pytest.mark.parametrize("seed", range(3))
def test_rows_read_are_kept_deduplicated_or_quarantined_in_any_mixture(tmp_path, seed):
    rng = np.random.default_rng(seed)
    pick = lambda *values: str(rng.choice(values))  # noqa: E731
    rows = [
        event(pick("u", "v", ""), pick("i", "j", " "), pick(DAY, "soon", "1970-01-01"), rating=pick("5", "", "4"),
              quantity=pick("1", "-1", "x"), text=pick("Good", ""))
        for _ in range(200)
    ] + [event("w", "k", rating="5", quantity="2", text="Fine")]  # fmt: skip
    answers = {name: f"{name}:drop" for name in ("timestamp", "quantity")}
    answers |= {name: f"{name}:null=drop" for name in ("user_id", "item_id")}
    shop = load_dataset("files", interactions=write(tmp_path / "e.csv", rows), columns=answers)
    assert shop.row_counts()["read"].to_dict() == shop.n_read
    assert shop.row_counts()["kept"].to_dict() == {
        name: len(getattr(shop, name)) for name in ("interactions", "reviews")
    }


ODD = [
    "", " ", "\u200b", "nan", "inf", "-inf", "1e400", "-1", "0", "1", "5", "007", "2024-01-01", "31/12/2024", "1/2/24",
    "1400000000", "1400000000000", "20240101", "9" * 20, "1_000", "<b>x</b>", "\x1b[2J", "１", "2024-02-30", "2014-W01",
    "0000-01-01", "9999-12-31", "[]", "🫖", "2024-01-01T00:00:00+99:99", "a" * 500,
]  # fmt: skip
NAMES = [
    "rating",
    "position",
    "quantity",
    "price",
    "title",
    "text",
    "label",
    "attributes",
    "review_id",
    "uid",
    "Country",
]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_table_holds_it_is_used_and_balanced_or_refused_with_a_code(tmp_path, seed):
    rng = np.random.default_rng(seed)
    columns = ["user_id", "item_id", "timestamp", *rng.choice(NAMES, 4, replace=False)]
    rows = [{column: str(rng.choice(ODD)) for column in columns} for _ in range(rng.choice([1, 3, 30]))]
    path = write(tmp_path / "e.csv", rows)
    (found,) = check_files([path], table="interactions")
    try:
        shop = load_dataset("files", interactions=path)
    except DataError as refusal:
        assert refusal.code in {each.code for each in found.refusals}
    else:
        assert found.refusals == []
        assert shop.row_counts()["read"].to_dict() == shop.n_read


# -- which data set, which files ---------------------------------------------------------------------------------------


def test_own_files_make_the_default_data_set_files_and_others_refuse_what_they_do_not_read(tmp_path):
    assert name_of("toyshop", interactions="e.csv") == "files"
    assert name_of("sequences", source="s.txt", items="i.json") == "sequences"
    with pytest.raises(ParameterError, match=r"RK-143 dataset 'amazon' does not read interactions.*'files'"):
        load_dataset("amazon", interactions="e.csv")
    with pytest.raises(ParameterError, match=r"RK-143 dataset 'toyshop' does not read source.*'amazon'"):
        load_dataset(source="somewhere")


def test_items_alone_are_no_data_set(tmp_path):
    with pytest.raises(DataError, match=r"RK-101 .*only items; expected interactions or reviews"):
        load_dataset("files", items=write(tmp_path / "i.csv", [{"item_id": "i"}]))
    with pytest.raises(DataError, match=r"RK-101 dataset 'files' has no file"):
        load_dataset("files")


def test_the_files_of_a_data_set_are_told_before_it_is_read(tmp_path):
    for name in ("reviews_X_5.json", "meta_X.json"):
        (tmp_path / name).write_text("{}")
    assert source_files() == []
    assert [path.name for path in source_files("amazon", source=tmp_path)] == ["reviews_X_5.json", "meta_X.json"]
    files = source_files("files", interactions="a.zip::b.csv", reviews="r.csv", columns="text=x", encoding="gb18030")
    assert list(map(str, files)) == ["a.zip", "r.csv"]


def test_an_encoding_reaches_every_file(tmp_path):
    path = tmp_path / "events.csv"
    path.write_bytes("用户ID,商品ID,时间\n张,茶杯,2024-05-01\n".encode("gb18030"))
    columns = {"user_id": "用户ID", "item_id": "商品ID", "timestamp": "时间"}
    shop = load_dataset(interactions=path, columns=columns, encoding="gb18030")
    assert shop.interactions[["user_id", "item_id"]].to_numpy().tolist() == [["张", "茶杯"]]
    with pytest.raises(DataError, match=r"RK-1.*gb18030"):
        load_dataset(interactions=path, columns=columns)


# -- sequences ---------------------------------------------------------------------------------------------------------


def sequences(tmp_path: Path, text: str, name: str = "seq.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["seq.txt", "seq.txt.gz"])
def test_a_line_of_a_sequence_file_is_a_shopper_and_their_products_in_order(tmp_path, name):
    shop = load_dataset("sequences", source=sequences(tmp_path, "1 007 7 007\nu2\t5\n", name))
    assert shop.interactions.to_dict("list") == {
        "user_id": ["1", "1", "1", "u2"],
        "item_id": ["007", "7", "007", "5"],
        "position": [1, 2, 3, 1],
    }
    assert shop.items["item_id"].tolist() == ["007", "7", "5"]
    assert shop.reviews is None and shop.n_read == {"interactions": 4}


def test_lines_without_a_product_are_quarantined_blank_ones_counted_and_a_shopper_goes_on(tmp_path):
    shop = load_dataset("sequences", source=sequences(tmp_path, "1 a b\n2\n\n1 c\n3 d"))
    assert shop.quarantine[["row", "rule"]].to_numpy().tolist() == [[2, "line holds a shopper and no product"]]
    assert shop.interactions.query("user_id == '1'")["position"].tolist() == [1, 2, 3]
    assert noted(shop, "blank line") == [1]
    assert noted(shop, "shopper on another line") == [1]
    assert shop.row_counts().loc["interactions"].tolist() == [5, 4, 0, 1]


def test_sequences_may_have_attributes_or_a_table_of_items(tmp_path):
    source = sequences(tmp_path, "1 4 83\n")
    attributes = tmp_path / "map.json"
    attributes.write_text('{"4": [1, 2], "99": [3]}')
    shop = load_dataset("sequences", source=source, items=attributes)
    assert shop.items["attributes"].map(lambda value: value if isinstance(value, list) else []).tolist() == [
        ["1", "2"], ["3"], [],
    ]  # fmt: skip
    table = write(tmp_path / "items.csv", [{"sku": "4", "name": "Bowl"}])
    named = load_dataset("sequences", source=source, items=table, columns="item_id=sku,title=name")
    assert named.items.set_index("item_id")["title"].dropna().to_dict() == {"4": "Bowl"}


def test_a_table_is_no_sequence_file_and_a_split_by_time_says_what_it_needs(tmp_path):
    with pytest.raises(DataError, match=r"RK-148 .*--interactions"):
        load_dataset("sequences", source=sequences(tmp_path, "user_id\n1\n2\n"))
    shop = load_dataset("sequences", source=sequences(tmp_path, "1 a b c\n2 a b c d\n"))
    with pytest.raises(DataError, match=r"RK-109 .*leave_last_out"):
        split_interactions(shop.interactions)
    assert len(split_interactions(shop.interactions, method="leave_last_out").test) == 2


# -- one shopper, one product ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_one_shopper_or_one_product_is_a_data_set_too(tmp_path, column):
    rows = [event(str(n), str(n), f"2024-05-{n + 1:02d}") | {column: "only"} for n in range(20)]
    shop = load_dataset("files", interactions=write(tmp_path / "e.csv", rows))
    split = split_interactions(shop.interactions)
    assert (len(split.train), len(split.valid), len(split.test)) == (16, 2, 2)


def test_shoppers_of_one_event_each_are_all_train_under_leave_last_out(tmp_path):
    rows = [event(str(n), "i", f"2024-05-{n + 1:02d}") for n in range(20)]
    shop = load_dataset("files", interactions=write(tmp_path / "e.csv", rows))
    split = split_interactions(shop.interactions, method="leave_last_out")
    assert (len(split.train), len(split.test)) == (20, 0)


# -- checking files without using them ---------------------------------------------------------------------------------


def test_a_check_names_every_problem_with_its_first_lines(tmp_path):
    rows = [event(str(n)) for n in range(20)] + [event("")] * 7 + [event(when="soon"), event(when="1970-01-01")]
    (found,) = check_files([write(tmp_path / "e.csv", rows)])
    assert (found.table, found.n_rows, found.refusals) == ("interactions", 29, [])
    problems = found.problems.set_index("rule")
    assert problems.loc["missing user_id", ["rows", "lines"]].tolist() == [7, "22, 23, 24, 25, 26"]
    assert problems.loc["time cannot be read", "lines"] == "29"
    assert problems.loc["time out of range", "action"] == "quarantined"


def test_a_check_says_of_tables_made_from_the_file_only_what_is_new(tmp_path):
    rows = [event(text=text, title=title) for text, title in [("good", "Bowl"), ("fine", "Oak bowl"), ("", "Bowl")]]
    rows += [event("", text="bad", title="Bowl"), event(when="soon", text="bad", title="Bowl")]
    (found,) = check_files([write(tmp_path / "e.csv", rows)], table="interactions")
    others = found.problems[found.problems["table"] != "interactions"]
    assert list(zip(others["table"], others["action"], strict=True)) == [
        ("items", "kept"), ("items", "noted"), ("reviews", "kept"),
    ]  # fmt: skip
    assert found.problems["table"].iloc[0] == "interactions"
    assert found.problems["rule"].tolist().count("time cannot be read") == 1


@pytest.mark.parametrize("text", ["u1 i1 i2\nu2 i3 i4 i5\n", "u1\ti1\ti2\nu2\ti3\n", "\n1 2 3\n2 1\n"])
def test_a_check_hints_at_sequences_where_no_table_is(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    (found,) = check_files([tmp_path / "a.txt"])
    assert found.refusals and f"--dataset sequences --source {tmp_path / 'a.txt'}" in found.hint
    assert len(load_dataset("sequences", source=tmp_path / "a.txt").interactions)
    other = "RK-126 .* The delimiter is probably"  # tabs may just as well divide the fields of a table
    said = other if "\t" in text else r"RK-120 .* look like .* Pass --dataset sequences --source FILE"
    with pytest.raises(DataError, match=said):
        load_dataset(interactions=tmp_path / "a.txt")


@pytest.mark.parametrize("text", ["u1\nu2\n", "Review Text\nso good\n", "a b,c\nd e,f\n", '{"a b": 1}\n', ""])
def test_a_check_does_not_hint_at_sequences_elsewhere(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    (found,) = check_files([tmp_path / "a.txt"])
    assert found.refusals and not found.hint


def test_a_check_goes_on_behind_a_question_and_with_the_next_file(tmp_path):
    rows = [{"uid": "", "sku": "i", "ts": DAY}, {"uid": "u", "sku": "i", "ts": DAY}]
    asked, missing, fine = check_files(
        [write(tmp_path / "e.csv", rows), tmp_path / "nowhere.csv", write(tmp_path / "i.csv", [{"item_id": "i"}])]
    )
    assert [refusal.code for refusal in asked.refusals] == ["RK-140"]
    assert asked.problems.set_index("rule").loc["missing user_id", "lines"] == "2"
    assert missing.refusals[0].code == "RK-111"
    assert (fine.table, fine.refusals) == ("items", [])


def test_a_check_gives_all_refusals_at_once(tmp_path):
    rows = [event(str(n), when="12", rating="9") for n in range(20)]
    (found,) = check_files([write(tmp_path / "e.csv", rows)])
    assert {"RK-144", "RK-147"} <= {refusal.code for refusal in found.refusals}


def test_a_check_with_columns_takes_what_a_file_has_and_refuses_what_none_has(tmp_path):
    events = write(tmp_path / "e.csv", [{"uid": "u", "sku": "i", "ts": DAY}])
    items = write(tmp_path / "i.csv", [{"sku": "i", "title": "Bowl"}])
    columns = "user_id=uid,item_id=sku,timestamp=ts"
    assert [found.refusals for found in check_files([events, items], columns=columns)] == [[], []]
    first, _ = check_files([events, items], columns=columns + ",brand=maker")
    assert first.refusals[0].code == "RK-141"
    with pytest.raises(ParameterError, match=r"RK-149"):
        check_files([events], table="shops")


# -- real files, where there are any -----------------------------------------------------------------------------------

REAL = os.environ.get("RECSYS_KIT_DATA", "")
RETAIL = {
    "user_id": "CustomerID:null=drop", "item_id": "StockCode", "timestamp": "InvoiceDate", "title": "Description",
    "quantity": "Quantity", "price": "UnitPrice", "session_id": "InvoiceNo", "ctx_country": "Country",
}  # fmt: skip


@pytest.mark.realdata
@pytest.mark.skipif(not REAL, reason="RECSYS_KIT_DATA is not set: no real data on this machine")
class TestRealData:
    def test_online_retail_is_counted_as_its_catalogue_says_and_fast(self):
        started = time.monotonic()
        shop = load_dataset(interactions=Path(REAL) / "online-retail-2011/online_retail.csv.gz", columns=RETAIL)
        assert time.monotonic() - started < 45  # 6 s on an idle machine
        assert shop.n_read["interactions"] == 541_909
        assert noted(shop, "missing user_id") == [135_080]
        assert noted(shop, "exact duplicate") == [5_192]  # of 5,268; the others are in quarantine
        assert len(shop.items) == 4_070
        assert shop.interactions["ctx_country"].nunique() > 30
        assert shop.interactions["quantity"].min() > 0
        counts = shop.row_counts().loc["interactions"]
        assert counts["read"] == counts["kept"] + counts["deduplicated"] + counts["quarantined"] == 541_909

    def test_beauty_sequences(self):
        folder = Path(REAL) / "amazon-beauty-sequences"
        shop = load_dataset("sequences", source=folder / "Beauty.txt", items=folder / "Beauty_item2attributes.json")
        assert len(shop.interactions) == 198_502
        assert (shop.interactions["user_id"].nunique(), len(shop.items)) == (22_363, 12_101)
        split = split_interactions(shop.interactions, method="leave_last_out")
        assert len(split.test) == len(split.valid) == 22_363

    def test_womens_clothing(self):
        path = Path(REAL) / "womens-clothing-reviews/womens-ecommerce-clothing-reviews.zip"
        shop = load_dataset(reviews=path, columns="text=Review Text,label=Rating")
        assert shop.n_read == {"reviews": 23_486}
        assert len(shop.reviews) == 22_641
        assert sorted(shop.reviews["label"].unique()) == list("12345")

    def test_movielens_asks_first(self):
        path = Path(REAL) / "movielens-100k/ml-100k.inter"
        with pytest.raises(DataError, match="user_id = user_id:token"):
            load_dataset(interactions=path)
        shop = load_dataset(interactions=path, columns={
            "user_id": "user_id:token", "item_id": "item_id:token", "rating": "rating:float",
            "timestamp": "timestamp:float"})  # fmt: skip
        assert len(shop.interactions) == 100_000
        assert shop.interactions["timestamp"].min() > pd.Timestamp("1997-01-01", tz="UTC")
