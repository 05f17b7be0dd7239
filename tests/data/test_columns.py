"""What a user's columns are called: named ones are taken, guesses are asked, nothing is taken silently."""

import re
import shlex

import pandas as pd
import pytest

from recsys_kit.data import load_dataset
from recsys_kit.data.columns import (
    Table,
    guess_columns,
    guess_table,
    is_personal,
    name_columns,
    parse_columns,
)
from recsys_kit.data.tables import quoted
from recsys_kit.errors import DataError, ParameterError

RETAIL = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
DAY = "2024-05-01"


def table(kind: str, *rows: dict, file: str = "shop.csv") -> Table:
    return Table(kind, file, pd.DataFrame(list(rows), index=range(2, len(rows) + 2)))


def rules(named) -> list[str]:
    return [entry["rule"] for entry in named.notes]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", []),
        ("user_id=CustomerID", [("", "user_id", "CustomerID", "")]),
        ("text=Review Text,label=Rating", [("", "text", "Review Text", ""), ("", "label", "Rating", "")]),
        ("title=Name, full, item_id=a=b", [("", "title", "Name, full", ""), ("", "item_id", "a=b", "")]),
        ("items.title=Name", [("items", "title", "Name", "")]),
        ("timestamp=Date:day-first", [("", "timestamp", "Date", "day-first")]),
        ("rating=Score:0..10", [("", "rating", "Score", "0..10")]),
        ("user_id=user_id:token", [("", "user_id", "user_id:token", "")]),
        ("ctx_country=Country", [("", "ctx_country", "Country", "")]),
        ({"user_id": "用户ID"}, [("", "user_id", "用户ID", "")]),
    ],
)
def test_columns_are_told_in_a_text_or_a_dict(text, entries):
    assert [(one.table, one.name, one.column, one.reading) for one in parse_columns(text)] == entries


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("CustomerID", "ours=theirs"),
        ("custmer_id=x", "'custmer_id', which is no column of ours"),
        ("user=x", "Did you mean user_id"),
        ("shops.user_id=x", "table 'shops'"),
        ("user_id=a,user_id=b", "'user_id' twice"),
    ],
)
def test_what_columns_cannot_mean_is_refused(columns, words):
    with pytest.raises(ParameterError, match=f"RK-142 .*{re.escape(words)}"):
        parse_columns(columns)


def test_our_own_names_are_taken_as_they_are():
    named = name_columns([table("interactions", {"user_id": "u", "item_id": "i", "timestamp": DAY, "ctx_device": "p"})])
    assert list(named.frames["interactions"]) == ["user_id", "item_id", "timestamp", "ctx_device"]
    assert named.notes == []


def test_named_columns_are_taken_in_our_words():
    events = table("interactions", {"CustomerID": "7", "StockCode": "x", "InvoiceDate": DAY})
    named = name_columns([events], "user_id=CustomerID,item_id=StockCode,timestamp=InvoiceDate")
    assert named.frames["interactions"].to_dict("records") == [{"user_id": "7", "item_id": "x", "timestamp": DAY}]
    assert named.frames["interactions"].index.tolist() == [2]


def test_guesses_become_a_question_with_the_line_to_copy():
    read = {"StockCode": "85123A", "CustomerID": "17850.0", "Quantity": "6", "UnitPrice": "2.55", "InvoiceDate": DAY}
    events = table("interactions", dict.fromkeys(RETAIL, "?") | read)
    with pytest.raises(DataError, match=r"RK-140 .*needs user_id, item_id, timestamp") as refusal:
        name_columns([events])
    text = str(refusal.value)
    assert all(repr(column) in text for column in RETAIL)
    assert "item_id = StockCode (85123A)" in text
    assert "17850" not in text  # who the shopper is, is nobody's business
    line = next(line for line in text.splitlines() if line.startswith("--columns "))
    copied = shlex.split(line)[1]
    assert set(name_columns([events], copied).frames["interactions"]) == {
        "user_id", "item_id", "timestamp", "session_id", "quantity", "price", "title", "ctx_country"
    }  # fmt: skip
    in_python = re.search(r"In Python: columns=(\{.*\})", text)[1]
    assert parse_columns(eval(in_python)) == parse_columns(copied)


@pytest.mark.parametrize(
    ("kind", "columns", "guesses"),
    [
        ("interactions", ["reviewerID", "asin", "unixReviewTime", "overall"],
         ["user_id", "item_id", "timestamp", "rating"]),
        ("interactions", ["uid", "sku", "ts"], ["user_id", "item_id", "timestamp"]),
        ("interactions", ["Customer ID", "product-id", "DATE"], ["user_id", "item_id", "timestamp"]),
        ("interactions", ["member", "SKU", "Date"], ["user_id", "item_id", "timestamp"]),
        ("interactions", ["uid", "sku", "ts", "kind"], ["user_id", "item_id", "timestamp", "event"]),
        ("interactions", ["用户ID", "商品ID", "时间", "评分"], ["user_id", "item_id", "timestamp", "rating"]),
        ("interactions", ["用户", "商品", "时间"], ["user_id", "item_id", "timestamp"]),
        ("interactions", ["user_id:token", "item_id:token", "rating:float", "timestamp:float"],
         ["user_id", "item_id", "rating", "timestamp"]),
        ("reviews", ["reviewText", "summary"], ["text", "title"]),
        ("reviews", ["评论", "标签"], ["text", "label"]),
        ("items", ["sku", "name", "categories"], ["item_id", "title", "category"]),
        ("interactions", ["alpha", "beta"], []),
    ],
)  # fmt: skip
def test_usual_names_are_recognised_whatever_their_case_and_signs(kind, columns, guesses):
    found = guess_columns(kind, columns)
    assert set(found) == set(guesses)
    assert list(map(found.get, guesses)) == columns[: len(guesses)]


def test_without_a_guess_the_error_names_what_comes_nearest():
    events = table("interactions", {"user_id": "u", "item_idd": "i", "timestamp": DAY})
    with pytest.raises(DataError, match=r"RK-104 shop.csv .*'item_id'; found .*'item_idd'"):
        name_columns([events])
    with pytest.raises(DataError, match=r"RK-104 .*'timestamp'.*position"):
        name_columns([table("interactions", {"user_id": "u", "item_id": "i"})])


def test_a_named_column_that_no_file_has_is_refused_with_near_matches():
    events = table("interactions", {"CustomerID": "u", "item_id": "i", "timestamp": DAY})
    with pytest.raises(
        DataError, match=r"RK-141 .*'CustomrID' for user_id, which shop.csv .*Did you mean 'CustomerID'"
    ):
        name_columns([events], {"user_id": "CustomrID"})


def test_one_line_serves_several_files_and_a_table_before_the_name_serves_one():
    events = table("interactions", {"uid": "u", "sku": "i", "ts": DAY}, file="events.csv")
    items = table("items", {"sku": "i", "label": "Bowl", "title": "no"}, file="items.csv")
    named = name_columns([events, items], "user_id=uid,item_id=sku,timestamp=ts,items.title=label")
    assert named.frames["items"].to_dict("records") == [{"item_id": "i", "title": "Bowl"}]
    with pytest.raises(DataError, match=r"RK-140") as question:
        name_columns([events, items])
    assert question.value.args[0].count("item_id=sku") == 1  # asked once for both


def test_files_that_disagree_are_asked_about_apart():
    events = table("interactions", {"uid": "u", "item_id": "i", "timestamp": DAY})
    users = table("users", {"member": "u", "region": "north"})
    with pytest.raises(DataError, match=r"user_id=uid,users\.user_id=member"):
        name_columns([events, users])


def test_only_optional_guesses_leave_a_note_and_the_run_goes_on():
    named = name_columns(
        [table("interactions", {"user_id": "u", "item_id": "i", "timestamp": DAY, "Country": "France"})]
    )
    assert rules(named) == ['not used, but could be: ctx_country=Country: --columns "ctx_country=Country"']
    assert "ctx_country" not in named.frames["interactions"]


def test_personal_columns_are_left_out_and_counted_unless_they_are_named():
    users = table("users", {"user_id": "u", "E-Mail": "a@b.c", "Phone Number": "1", "region": "north"},
                  {"user_id": "v", "E-Mail": "d@e.f", "Phone Number": "2", "region": "south"})  # fmt: skip
    named = name_columns([users])
    assert list(named.frames["users"]) == ["user_id", "region"]
    assert [(entry["rows"], entry["example"]) for entry in named.notes] == [(2, ""), (2, "")]
    assert rules(named)[0] == "personal data, not read: column 'E-Mail'"
    assert list(name_columns([users], {"users.mail": "E-Mail"}).frames["users"])[:2] == ["user_id", "mail"]


@pytest.mark.parametrize("name", ["email", "E-mail address", "phone", "reviewerName", "first_name", "姓名", "手机号"])
def test_personal_names_are_known(name):
    assert is_personal(name)
    assert guess_columns("interactions", [name]) == {}


def test_no_first_value_of_a_text_or_a_name_is_shown():
    reviews = table(
        "reviews", {"reviewText": "my secret", "reviewerName": "Jo Secret", "summary": "secret", "asin": "1"}
    )
    with pytest.raises(DataError, match=r"RK-140") as question:
        name_columns([reviews])
    assert "ecret" not in str(question.value)


def test_lists_of_texts_become_one_text_and_attributes_stay_a_list():
    items = table("items", {"item_id": "i", "description": ["One.", "Two."], "attributes": ["a", "b"]})
    frame = name_columns([items]).frames["items"]
    assert frame.loc[2, ["description", "attributes"]].tolist() == ["One.\nTwo.", ["a", "b"]]


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (RETAIL, "interactions"),
        (["user_id", "item_id", "timestamp"], "interactions"),
        (["reviewerID", "asin", "reviewText", "overall", "unixReviewTime"], "reviews"),
        (["Review Text", "Rating"], "reviews"),
        (["sku", "name", "brand"], "items"),
        (["user_id", "region"], "users"),
    ],
)
def test_the_role_of_a_file_shows_in_its_columns(columns, kind):
    assert guess_table(columns) == kind


def test_a_column_line_is_one_word_for_the_shell():
    for text in ("text=Review Text", 'title="x"', "price=$ net", "a=it's"):
        assert shlex.split(quoted(text)) == [text]


@pytest.mark.parametrize(
    "entry",
    ["rating=Score:day-first", "rating=Score:5..5", "rating=Score:10..0", "user_id=U:day-first", "timestamp=T:0..3"],
)
def test_a_reading_that_does_not_fit_its_column_is_refused(entry):
    with pytest.raises(ParameterError, match="RK-142 columns has "):
        parse_columns(entry)


def test_names_of_ours_with_a_digit_are_told_apart():
    assert [entry.name for entry in parse_columns("user_id=U,ctx_h24=H, item_id=I")] == [
        "user_id",
        "ctx_h24",
        "item_id",
    ]


def test_each_table_has_its_own_reading_of_dates(tmp_path):
    (tmp_path / "ev.csv").write_text("user_id,item_id,when\nu,i,03/04/2024\nu,j,04/04/2024\n")
    (tmp_path / "rv.csv").write_text("review_id,text,when\nr,fine,03/04/2024\n")
    columns = "interactions.timestamp=when:day-first,reviews.timestamp=when:month-first"
    shop = load_dataset(
        "files", interactions=str(tmp_path / "ev.csv"), reviews=str(tmp_path / "rv.csv"), columns=columns
    )
    assert shop.interactions["timestamp"].dt.month.tolist() == [4, 4]
    assert shop.reviews["timestamp"].dt.month.tolist() == [3]
