"""Files of the kinds that shops and public sets really have: each is read right, or asked about with the way out.

A test's mark `wrong_today` is taken away by the change that mends its kind. Every file is made here, in a small form.
"""

import io
import json
import random
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from papermill.exceptions import PapermillExecutionError

from recsys_kit.data import audit_split, check_files, load_dataset, split_interactions
from recsys_kit.data.checking import FileCheck
from recsys_kit.data.questions import said_lines
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.workbook.runner.engine import Watch
from recsys_kit.workbook.runner.execute import diagnose


def wrong_today(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, reason=reason)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Writes a text, bytes or records as the file of that name."""

    def write(name: str, content: str | bytes | list[dict]) -> Path:
        if isinstance(content, list):
            content = "".join(json.dumps(record) + "\n" for record in content)
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def table(header: str, n: int, row: Callable[[int], str]) -> str:
    return header + "\n" + "".join(row(number) + "\n" for number in range(n))


def day(number: int) -> str:
    return f"2024-{1 + number // 28 % 12:02}-{1 + number % 28:02}"


def events(n: int = 120, *, user: Callable[[int], str] = lambda i: f"u{i % 12}", item: Callable[[int], str] =
           lambda i: f"p{i % 30}", time: Callable[[int], str] = day, more: str = "",
           extra: Callable[[int], str] = lambda i: "") -> str:  # fmt: skip
    """A table of events, each column as a function of the row's number."""
    header = "user_id,item_id,timestamp" + (f",{more}" if more else "")
    return table(header, n, lambda i: ",".join([user(i), item(i), time(i)] + ([extra(i)] if more else [])))


# -- outcomes ----------------------------------------------------------------------------------------------------------


def check(path: Path, columns: str = "", **options) -> FileCheck:
    (found,) = check_files([path], columns=columns, **options)
    return found


def n_rows(found: FileCheck, action: str = "kept", name: str = "interactions") -> int:
    rows = found.problems
    return int(rows.loc[(rows["table"] == name) & (rows["action"] == action), "rows"].sum())


def is_read(found: FileCheck, kept: int, name: str = "interactions", quarantined: int = 0) -> bool:
    """Exit 0, and these counts."""
    assert [str(refusal) for refusal in found.refusals] == []
    assert (n_rows(found, name=name), n_rows(found, "quarantined", name)) == (kept, quarantined)
    return True


def is_noted(found: FileCheck, words: str) -> bool:
    return found.problems["rule"].str.contains(words).any()


def asks(found: FileCheck | Exception, code: str, *words: str) -> bool:
    """Exit 2 with this code; the words (counts, options to copy) stand in the question."""
    refusals = [found] if isinstance(found, Exception) else found.refusals
    said = [str(refusal) for refusal in refusals if refusal.code == code]
    assert said, [str(refusal) for refusal in refusals] or "nothing was asked"
    missing = [word for word in words if word not in said[0]]
    assert not missing, (missing, said[0])
    return True


def proposed(found: FileCheck | Exception) -> str:
    """The `--columns` of the first question, as a shell reads them."""
    said = str(found if isinstance(found, Exception) else found.refusals[0])
    return shlex.split(re.search(r"--columns (.+)", said)[1])[0]


def load(**files: Path | str):
    return load_dataset("files", **files)


def refusal_of(call: Callable, *arguments, **options) -> Exception:
    with pytest.raises(DataError) as refused:
        call(*arguments, **options)
    return refused.value


# -- a rule that would remove many rows asks ---------------------------------------------------------------------------


def test_views_with_quantity_0_are_asked_about(write):
    content = events(300, more="event,quantity", extra=lambda i: "purchase,1" if i % 20 == 0 else "view,0")
    path = write("views.csv", content)
    assert asks(check(path), "RK-160", "285 of 300", "quantity=ignore")
    assert is_read(check(path, "quantity=ignore"), 300)


def test_returns_above_two_percent_are_asked_about(write):
    path = write("orders.csv", events(400, more="quantity", extra=lambda i: "-1" if i % 20 == 0 else "2"))
    assert asks(check(path), "RK-160", "20 of 400", "quantity=ignore", "quantity=quantity:drop")
    assert is_read(check(path, "quantity=quantity:drop"), 380, quarantined=20)


def test_a_few_returns_are_quarantined_and_said(write):
    path = write("orders.csv", events(400, more="quantity", extra=lambda i: "-1" if i % 100 == 0 else "2"))
    found = check(path)
    assert is_read(found, 396, quarantined=4) and is_noted(found, "quantity not above zero")


def test_where_there_is_a_time_no_position_is_needed(write):
    content = events(300, more="event,position", extra=lambda i: f"click,{i}" if i % 3 else "purchase,")
    assert is_read(check(write("clicks.csv", content)), 300)


def test_a_quarter_without_a_customer_is_asked_about(write):
    path = write("retail.csv", events(200, user=lambda i: f"c{i % 9}" if i % 4 else ""))
    assert asks(check(path), "RK-160", "50 of 200", "user_id=user_id:null=drop")
    assert is_read(check(path, "user_id=user_id:null=drop"), 150, quarantined=50)


def test_unreadable_times_above_two_percent_are_asked_about(write):
    path = write("orders.csv", events(500, time=lambda i: "soon" if i % 33 == 0 else day(i)))
    assert asks(check(path), "RK-160", "16 of 500", "'soon'", "timestamp=timestamp:drop")
    assert is_read(check(path, "timestamp=timestamp:drop"), 484, quarantined=16)


# -- scales, and words of numbers --------------------------------------------------------------------------------------


def test_decimal_commas_throughout_a_column_are_read(write):
    content = table(
        "user_id;item_id;timestamp;quantity", 120,
        lambda i: f"u{i % 9};p{i % 30};{day(i)};{'2' if i % 5 == 0 else '1,0'}",
    )  # fmt: skip
    path = write("orders.csv", content)
    assert is_read(check(path), 120)
    assert load(interactions=path).interactions["quantity"].tolist()[:2] == [2.0, 1.0]


GERMAN = ["Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"]
FRENCH = ["janv.", "févr.", "mars", "avril", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."]
SPANISH = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("German", lambda i: f"{1 + i % 28:02}. {GERMAN[i % 12]} 2023 10:{i % 60:02}"),
        ("French", lambda i: f"{1 + i % 28} {FRENCH[i % 12]} 2023"),
        ("Spanish", lambda i: f"{1 + i % 28} de {SPANISH[i % 12]} de 2023"),
    ],
)
def test_months_in_other_languages_are_read(write, name, time):
    path = write(f"{name}.csv", events(240, time=time))
    assert is_read(check(path), 240)
    assert load(interactions=path).interactions["timestamp"].dt.month.tolist() == [1 + i % 12 for i in range(240)]


def test_half_stars_are_kept(write):
    stars = lambda i: "0.5" if i % 65 == 0 else str((i % 10 + 1) / 2 if i % 10 else 4.0)  # noqa: E731
    content = events(2000, user=lambda i: f"u{i % 70}", item=lambda i: f"p{i % 300}", more="rating", extra=stars)
    path = write("ratings.csv", content.replace("user_id,item_id", "userId,movieId"))
    columns = "user_id=userId,item_id=movieId"
    assert is_read(check(path, columns), 2000)
    assert load(interactions=path, columns=columns).interactions["rating"].min() == 0.5


def test_likes_of_0_and_1_are_asked_about(write):
    path = write("likes.csv", events(300, more="rating", extra=lambda i: str(int(i % 20 > 0))))
    assert asks(check(path), "RK-147", "0 and 1", "rating=rating:0..1")
    liked = load(interactions=path, columns="rating=rating:0..1").interactions["rating"]
    assert (len(liked), liked.min(), liked.max()) == (300, 1, 5)


def test_0_among_stars_may_mean_not_rated(write):
    records = [
        {"user_id": f"u{i % 20}", "book_id": str(i % 50), "rating": i % 6, "date_added": f"{day(i)}T10:00:00Z"}
        for i in range(120)
    ]
    path = write("goodreads.json", records)
    columns = "user_id=user_id,item_id=book_id,timestamp=date_added"
    assert asks(check(path, columns), "RK-147", "20 of 120", "rating=rating:0=missing", "rating=rating:0..5")
    rated = load(interactions=path, columns=columns + ",rating=rating:0=missing").interactions["rating"]
    assert (rated.isna().sum(), rated.min(), rated.max()) == (20, 1, 5)


def test_minus_1_may_mean_not_rated(write):
    path = write("anime.csv", events(200, more="rating", extra=lambda i: "-1" if i % 4 == 0 else str(1 + i % 5)))
    assert asks(check(path), "RK-147", "50 of 200", "rating=rating:-1=missing")
    assert is_read(check(path, "rating=rating:-1=missing"), 200)


def test_a_scale_of_ten_is_asked_about(write):
    path = write("anime.csv", events(200, more="rating", extra=lambda i: str(1 + i % 10)))
    assert asks(check(path), "RK-147", "100 of 200", "1..10")
    assert is_read(check(path, "rating=rating:1..10"), 200)


def test_nan_in_json_is_a_missing_value(write):
    records = [
        {"user_id": f"u{i % 9}", "item_id": f"p{i % 20}", "timestamp": 1700000000 + 1000 * i,
         "rating": float("nan") if i % 3 == 0 else 1.0 + i % 5} for i in range(120)
    ]  # fmt: skip
    path = write("py.jsonl", records)
    assert is_read(check(path), 120)
    assert load(interactions=path).interactions["rating"].isna().sum() == 40


def prices(write, shown: list[str], delimiter: str = ";") -> list[float]:
    rows = [delimiter.join([f"p{i}", f"Lamp {i}", f'"{price}"']) for i, price in enumerate(shown)]
    items = write("items.csv", delimiter.join(["item_id", "title", "price"]) + "\n" + "\n".join(rows) + "\n")
    found = load(interactions=write("events.csv", events(len(shown), item=lambda i: f"p{i}")), items=items)
    return found.items.set_index("item_id")["price"].reindex([f"p{i}" for i in range(len(shown))]).tolist()


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (["$5.99", "$142.99", "$1,279.00"] * 5, [5.99, 142.99, 1279.0]),
        (["1.299", "899,00", "2.499"] * 5, [1299.0, 899.0, 2499.0]),
        (["€ 1.299,50", "899,00 €", "12,95 €"] * 5, [1299.5, 899.0, 12.95]),
        (["1 299,00 zł", "49,90 zł", "5,00 zł"] * 5, [1299.0, 49.9, 5.0]),
        (["1,299.00", "899.00", "0.50"] * 5, [1299.0, 899.0, 0.5]),
        (["EUR 12.50", "EUR 3.00", "EUR 1250.00"] * 5, [12.5, 3.0, 1250.0]),
        (["9,99 EUR", "$9.99", "1.299,00 EUR", "$1,299.50", "1.299.000"] * 3, [9.99, 9.99, 1299.0, 1299.5, 1299000.0]),
    ],
)
def test_prices_are_read_by_their_column(write, shown, expected):
    assert prices(write, shown) == pytest.approx(expected * (len(shown) // len(expected)))


@pytest.mark.parametrize("column", ["price", "quantity"])
@pytest.mark.parametrize(("shown", "number"), [("1.20{}", "1.201"), ("1,20{}", "1201"), ("1.20{} EUR", "1.201")])
def test_a_number_that_may_be_thousands_is_said(write, column, shown, number):
    rows = [f'u{i % 9},p{i % 7},{day(i)},"{shown.format(1 + i % 9)}"' for i in range(60)]
    found = check(write("sold.csv", "\n".join([f"user_id,item_id,timestamp,{column}", *rows])))
    assert is_noted(found, f"read as {number}: no other value tells")
    told = check(write("told.csv", "\n".join([f"user_id,item_id,timestamp,{column}", *rows, "u1,p1,2024-01-01,2.5"])))
    assert not is_noted(told, "no other value tells")


# -- times -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zone", "hour"), [("UTC-5", 15), ("UTC+2", 8), ("GMT-05:00", 15), ("UTC", 10), ("Z", 10)])
def test_the_sign_of_a_zone_is_right(write, zone, hour):
    path = write("zone.csv", events(60, time=lambda i: f"{day(i)} 10:00:00 {zone}"))
    assert is_read(check(path), 60)
    assert set(load(interactions=path).interactions["timestamp"].dt.hour) == {hour}


def test_day_or_month_first_is_asked_for_every_column_of_times(write):
    rows = table("item_id,title,created_at", 30, lambda i: f"p{i},Lamp {i},0{1 + i % 9}/{10 + i % 3}/2023")
    path = write("items.csv", rows)
    assert asks(check(path, table="items"), "RK-145", "created_at=created_at:day-first")
    assert is_read(check(path, "created_at=created_at:day-first", table="items"), 30, "items")


@pytest.mark.parametrize("form", ["{d:02}/{m:02}/19", "{d:02}.{m:02}.19", "{d:02}-{m:02}-19 10:30"])
def test_two_digit_years_are_read(write, form):
    path = write("orders.csv", events(150, time=lambda i: form.format(d=1 + i % 28, m=1 + i % 12)))
    columns = "timestamp=timestamp:day-first"
    assert is_read(check(path, columns), 150)
    times = load(interactions=path, columns=columns).interactions["timestamp"]
    assert (set(times.dt.year), times.iloc[4].day, times.iloc[4].month) == ({2019}, 5, 5)


def test_date_and_time_in_two_columns_are_joined(write):
    rows = table("Customer,SKU,Date,Time", 60, lambda i: f"c{i % 7},A{i % 20},{day(i)},{9 + i % 9:02}:{i % 60:02}:11")
    path = write("pos.csv", rows)
    found = check(path)
    assert asks(found, "RK-140", "timestamp=Date+Time")
    assert is_read(check(path, proposed(found)), 60)
    assert load(interactions=path, columns=proposed(found)).interactions["timestamp"].iloc[1].hour == 10


def test_a_form_of_time_can_be_declared(write):
    path = write("odd.csv", events(60, time=lambda i: f"{day(i)[:4]}|{day(i)[8:]}|{day(i)[5:7]}"))
    columns = 'timestamp=timestamp:"%Y|%d|%m"'
    assert is_read(check(path, columns), 60)
    assert load(interactions=path, columns=columns).interactions["timestamp"].iloc[1].day == 2


# -- null words, giants, guests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["NULL", r"\N", "NA", "nan", "None", "(not set)", "0", "-1"])
def test_a_word_for_no_user_is_asked_about(write, word):
    path = write("guests.csv", events(300, user=lambda i: f"c{i % 40}" if i % 3 == 0 else word))
    assert asks(check(path), "RK-162", repr(word)[1:-1], "200 of 300", f"user_id=user_id:null={word}")
    assert is_read(check(path, f"user_id=user_id:null={word}"), 100, quarantined=200)
    assert is_read(check(path, f"user_id=user_id:keep={word}"), 300)


def test_where_most_users_are_missing_the_session_is_an_alternative(write):
    rows = table("sessionId;userId;itemId;eventdate", 400,
                 lambda i: f"{i // 3};{1000 + i if i % 5 == 0 else 'NA'};{81000 + i % 60};{day(i)}")  # fmt: skip
    found = check(write("views.csv", rows), "user_id=userId,item_id=itemId,timestamp=eventdate")
    assert asks(found, "RK-162", "NA", "320 of 400", "user_id=userId:null=NA", "user_id=sessionId")


def test_an_id_that_is_a_null_word_once_is_kept(write):
    path = write("names.csv", events(100, user=lambda i: "NA" if i == 7 else f"c{i % 10}"))
    assert is_read(check(path), 100)


def test_a_giant_is_a_caution(write):
    path = write("giant.csv", events(400, user=lambda i: "reseller" if i % 3 == 0 else f"c{i % 120}"))
    found = check(path)
    assert is_read(found, 400) and is_noted(found, "one user")


def test_ids_in_scientific_notation_are_refused(write):
    found = check(write("ean.csv", events(200, item=lambda i: "4.00638E+12")))
    assert asks(found, "RK-163", "item_id", "4.00638E+12", "lost")


# -- duplicates --------------------------------------------------------------------------------------------------------


def test_rows_that_differ_in_the_file_are_no_duplicates(write):
    content = events(600, user=lambda i: f"u{i % 5}", item=lambda i: f"p{i % 7}", time=lambda i: "2024-05-01",
                     more="order_no,pieces", extra=lambda i: f"o{i},{1 + i % 3}")  # fmt: skip
    found = check(write("orders.csv", content))
    assert is_read(found, 600) and n_rows(found, "deduplicated") == 0
    assert is_noted(found, "same user, item and time")


def test_rows_equal_in_the_whole_file_are_duplicates(write):
    content = events(100, more="order_no", extra=lambda i: f"o{i}")
    path = write("orders.csv", content + content.splitlines()[1] + "\n")
    assert n_rows(check(path)) == 100 and n_rows(check(path), "deduplicated") == 1


# -- lists and structs -------------------------------------------------------------------------------------------------


def baskets() -> list[dict]:
    return [
        {"order_id": f"o{i}", "customer_id": f"c{i % 20}", "created_at": f"{day(i)}T10:00:00Z",
         "items": [f"sku{i + n}" for n in range(1 + i % 4)]} for i in range(80)
    ]  # fmt: skip


BASKET = "user_id=customer_id,item_id=items,timestamp=created_at,session_id=order_id"


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_list_of_products_is_one_event_each(write, tmp_path, kind):
    path = write("orders.jsonl", baskets())
    if kind == "parquet":
        path = tmp_path / "orders.parquet"
        pq.write_table(pa.Table.from_pylist(baskets()), path)
    for item in ("items", "items[]"):
        found = load(interactions=path, columns=BASKET.replace("=items", f"={item}")).interactions
        assert len(found) == 200 and set(found["session_id"]) == {f"o{i}" for i in range(80)}
        assert found["item_id"].tolist()[:3] == ["sku0", "sku1", "sku2"]


def test_fields_of_objects_are_proposed_and_work(write):
    records = [
        {"user": {"id": f"u{i % 20}", "last_seen": day(i)}, "product": {"sku": f"p{i % 30}", "price": 9.9},
         "event": "view", "timestamp": f"{day(i)}T10:00:00Z"} for i in range(120)
    ]  # fmt: skip
    path = write("events.jsonl", records)
    found = check(path)
    assert asks(found, "RK-140", "user_id=user.id", "item_id=product.sku")
    known = load(interactions=path, columns=proposed(found)).interactions
    assert (known["user_id"].nunique(), known["item_id"].nunique(), len(known)) == (20, 30, 120)


def test_a_field_that_some_rows_lack_is_missing_there(write):
    records = [
        {"user": {"id": f"u{i % 20}"} if i else None, "item_id": f"p{i % 30}", "timestamp": f"{day(i)}T10:00:00Z"}
        for i in range(120)
    ]
    assert is_read(check(write("events.jsonl", records), "user_id=user.id"), 119, quarantined=1)


def ga4() -> list[dict]:
    return [
        {"event_date": "20210131", "event_timestamp": str(1612069510766593 + i * 10**9), "event_name": "purchase",
         "event_params": [{"key": "ga_session_id", "value": {"int_value": "1"}}], "user_pseudo_id": f"{i % 20}.55",
         "user_id": None, "device": {"category": "mobile"}, "geo": {"country": "Germany"},
         "items": [{"item_id": f"GGO{i + n}", "item_name": f"Mug {i + n}", "price": "12.99", "quantity": "1"}
                   for n in range(1 + i % 2)]} for i in range(120)
    ]  # fmt: skip


def test_an_export_of_ga4_is_recognized(write):
    path = write("ga4.json", ga4())
    assert is_read(check(path), 180)
    found = load(interactions=path)
    assert (found.interactions["user_id"].nunique(), found.interactions["event"].unique().tolist()) == (
        20,
        ["purchase"],
    )
    assert found.items["title"].str.startswith("Mug").all()


def test_orders_of_shopify_are_recognized(write):
    orders = [
        {"id": 450 + i, "created_at": f"{day(i)}T11:00:00-05:00", "customer": {"id": 207 + i % 10, "email": "x@x.org"},
         "line_items": [{"id": n, "sku": f"IPOD{n}", "quantity": 1, "price": "199.00", "title": "IPod"}
                        for n in range(2)]} for i in range(40)
    ]  # fmt: skip
    path = write("shopify_orders.json", json.dumps({"orders": orders}))
    assert is_read(check(path), 80)
    found = load(interactions=path).interactions
    assert (found["user_id"].nunique(), found["item_id"].nunique()) == (10, 2)
    assert found["timestamp"].dt.hour.unique().tolist() == [16]


def test_orders_of_woocommerce_are_recognized(write):
    orders = [
        {"id": i, "date_created_gmt": f"{day(i)}T11:00:00", "customer_id": 10 + i % 10,
         "line_items": [{"id": n, "product_id": 93 + n, "name": "Mug", "sku": "", "quantity": 1, "price": 3}
                        for n in range(3)]} for i in range(40)
    ]  # fmt: skip
    found = load(interactions=write("orders.json", json.dumps(orders))).interactions
    assert (len(found), found["user_id"].nunique(), sorted(set(found["item_id"]))) == (120, 10, ["93", "94", "95"])


@pytest.mark.parametrize("sign", ["|", ";"])
def test_a_cell_with_bars_is_a_list_of_attributes(write, sign):
    genres = ["Adventure", "Animation", "Children", "Comedy"]
    rows = table("item_id,title,attributes", 12, lambda i: f"{i},Film {i},{sign.join(genres[: 2 + i % 3])}")
    path = write("items.csv", rows)
    found = load(interactions=write("events.csv", events(24, item=lambda i: str(i % 12))), items=path).items
    assert found.set_index("item_id").loc["1", "attributes"] == genres[:3]


def test_a_quarantined_row_of_several_files_names_its_file_and_line(write):
    rows = [events(100), events(60, user=lambda i: f"v{i % 9}", time=lambda i: "soon" if i == 40 else day(i))]
    files = [write("may.csv", rows[0]), write("june.csv", rows[1] + "u1\n")]
    found = load(interactions=files)
    assert sorted(found.quarantine["value"]) == ["june.csv line 42: soon", "june.csv line 62: 1 fields, not 3: u1"]
    assert sorted(found.quarantine["row"]) == [101 + 42, 101 + 62]
    alone = load(interactions=files[1]).quarantine["value"]
    assert sorted(alone) == ["1 fields, not 3: u1", "soon"]


# -- ids must meet -----------------------------------------------------------------------------------------------------


def meet(write, of_events: Callable[[int], str], of_items: Callable[[int], str], accept: str = ""):
    items = write("items.csv", table("item_id,title", 60, lambda i: f"{of_items(i)},Oak lamp {i}"))
    path = write("events.csv", events(600, item=lambda i: of_events(i % 60)))
    return lambda: load(interactions=path, items=items, columns=accept)


@pytest.mark.parametrize(
    ("of_events", "of_items", "way"),
    [
        (lambda i: f"{10000 + i}.0", lambda i: f"{10000 + i}", "strip=.0"),
        (lambda i: f"{10 + i}", lambda i: f"{10 + i:06}", "strip=zeros"),
        (lambda i: f"SKU-{i}", lambda i: f"sku-{i}", "lower"),
        (lambda i: f"'{100 + i}", lambda i: f"{100 + i}", "strip='"),
    ],
)
def test_ids_that_do_not_meet_are_asked_about_with_what_makes_them_meet(write, of_events, of_items, way):
    refused = refusal_of(meet(write, of_events, of_items))
    assert asks(refused, "RK-161", "0 of 60", f"item_id=item_id:{way}", "--accept ids")
    found = meet(write, of_events, of_items, proposed(refused))()
    assert found.interactions["item_id"].isin(found.items.dropna(subset="title")["item_id"]).all()
    assert len(meet(write, of_events, of_items, "accept=ids")().interactions) == 600


def test_ids_with_blanks_around_all_of_them_meet(write):
    found = meet(write, lambda i: f" {100 + i} ", lambda i: f"{100 + i}")()
    assert set(found.interactions["item_id"]) == {f"{100 + i}" for i in range(60)}
    assert found.report["rule"].eq("blanks around all values of a column left out").any()


def test_ids_of_which_some_do_not_meet_are_a_caution(write):
    found = meet(write, lambda i: f"{i if i < 48 else i + 1000}", lambda i: str(i))()
    assert any("48 of 60" in line for line in said_lines(found.report.to_dict("records")))


def test_ids_of_reviews_must_meet_the_products_and_the_users_those_of_events(write):
    items = write("items.csv", table("item_id,title", 60, lambda i: f"p{i % 30},Lamp {i % 30}"))
    reviews = write("reviews.csv", table("item_id,text", 60, lambda i: f"A-{i},Nice lamp"))
    interactions = write("events.csv", events())
    refused = refusal_of(load, interactions=interactions, reviews=reviews, items=items)
    assert asks(refused, "RK-161", "0 of 60", "of the reviews", "--accept ids")
    assert asks(refusal_of(load, interactions=interactions, reviews=reviews), "RK-161", "of the reviews")
    users = write("users.csv", table("user_id,country", 30, lambda i: f"U{i},NO"))
    refused = refusal_of(load, interactions=interactions, users=users)
    assert asks(refused, "RK-161", "0 of 12", "user_id=user_id:lower")
    assert len(load(interactions=interactions, users=users, columns=proposed(refused)).users) == 30


def test_ids_that_meet_are_not_spoken_of(write):
    report = meet(write, str, str)().report
    assert not report["rule"].str.contains("of 60").any()


def test_another_column_in_which_the_ids_meet_is_named(write):
    books = write("books.csv", table("id,book_id,title", 60, lambda i: f"{i + 1},{5 * i + 40},Book {i + 1}"))
    ratings = write("ratings.csv", events(600, item=lambda i: str(1 + i % 60)).replace("item_id", "book_id"))
    refused = refusal_of(load, interactions=ratings, items=books, columns="item_id=book_id")
    assert asks(refused, "RK-161", "of 60", "items.item_id=id")
    found = load(interactions=ratings, items=books, columns=proposed(refused))
    assert found.items.set_index("item_id").loc["1", "title"] == "Book 1"


def test_reviews_of_amazon_2023_meet_their_metadata(write):
    reviews = [
        {"rating": 5.0, "title": "Great", "text": f"Nice thing {i}", "images": [], "asin": f"B{i % 40:04}V{i % 3}",
         "parent_asin": f"B{i % 40:04}P", "user_id": f"A{i % 15}", "timestamp": 1588687728923 + i * 10**7}
        for i in range(120)
    ]  # fmt: skip
    meta = [{"title": f"Shampoo {i}", "store": "Howard", "parent_asin": f"B{i:04}P", "price": None} for i in range(40)]
    files = {"reviews": write("r.jsonl", reviews), "items": write("m.jsonl", meta)}
    refused = refusal_of(load, **files)
    assert asks(refused, "RK-140", "item_id=parent_asin")
    found = load(**files, columns=proposed(refused))
    assert len(found.items) == 40
    assert found.interactions["item_id"].isin(found.items.dropna(subset="title")["item_id"]).all()


# -- a suggestion is tried before it is made ---------------------------------------------------------------------------


def test_spaces_around_names_do_not_matter(write):
    rows = table("Customer ID , SKU , Order Date ", 60, lambda i: f"c{i % 7}, A{i % 20}, {day(i)}")
    path = write("spaces.csv", rows)
    line = proposed(check(path))
    assert is_read(check(path, line), 60)
    assert is_read(check(path, {"user_id": "Customer ID", "item_id": "SKU", "timestamp": "Order Date"}), 60)


@pytest.mark.parametrize("sign", [",", "\t"])
def test_a_file_without_a_header_is_recognized(write, sign):
    rows = [sign.join([str(100 + i % 20), str(1000 + i % 60), "5", str(881250949 + i * 10**5)]) for i in range(120)]
    path = write("u.data", "\n".join(rows))
    assert asks(check(path), "RK-165", "no header", "--header")
    assert is_read(check(path, header="user_id,item_id,rating,timestamp"), 120)


def test_numbers_between_spaces_are_a_table_where_the_columns_are_fixed(write):
    rows = "".join(f"{10 + i % 20} {100 + i % 60} {1 + i % 5} {978300760 + i}\n" for i in range(200))
    path = write("epinions.txt", rows)
    found = check(path)
    assert "sequences" not in found.hint
    assert asks(found, "RK-165", "4 columns", "--header")
    assert is_read(check(path, header="user_id,item_id,rating,timestamp"), 200)


def test_lines_of_different_length_are_still_sequences(write):
    rows = "".join(f"{i} " + " ".join(str(100 + (i + n) % 60) for n in range(1 + i % 5)) + "\n" for i in range(30))
    assert "--dataset sequences" in check(write("beauty.txt", rows)).hint


def test_most_lines_in_utf_8_are_not_read_in_another_encoding(write):
    good = events(150, more="title", extra=lambda i: f"Café Größe {i}").encode()
    bad = "".join(f"u1,p{i},2024-03-0{1 + i % 9},Café Größe {i}\n" for i in range(10)).encode("latin-1")
    path = write("mixed.csv", good + bad)
    assert asks(check(path), "RK-123", "10 of", "good UTF-8", "--encoding utf-8+latin-1")
    titles = load(interactions=path, encoding="utf-8+latin-1").items["title"]
    assert titles.str.fullmatch(r"Café Größe \d+").all()


# -- lines that are no rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [";", "\t"])
def test_the_sep_line_of_excel_is_skipped(write, sign):
    rows = table(f"sep={sign}\nCustomer;SKU;Date;Price", 60, lambda i: f"c{i % 7};A{i % 9};0{1 + i % 9}.01.2024;{i},10")
    path = write("excel.csv", rows.replace(";", sign))
    assert is_read(check(path, "user_id=Customer,item_id=SKU,timestamp=Date:day-first"), 60)


def test_lines_above_the_header_are_skipped_and_said(write):
    rows = table("Customer,SKU,Date,Qty", 60, lambda i: f"c{i % 7},A{i % 20},{day(i)},1")
    for title in ("Orders export 2024-02-01\n\n", "Report\nShop 7, all orders\n\n"):
        found = check(write("report.csv", title + rows), "user_id=Customer,item_id=SKU,timestamp=Date")
        assert is_read(found, 60) and is_noted(found, "lines above the header")


def test_empty_columns_without_a_name_are_left_out(write):
    rows = table("user_id,item_id,timestamp,,", 60, lambda i: f"c{i % 7},A{i % 20},{day(i)},,")
    assert is_read(check(write("trailing.csv", rows)), 60)


def test_one_bad_row_does_not_hide_the_delimiter(write):
    rows = [f"u{i % 9};p{i};{day(i)};Lamp {i}" for i in range(99)]
    rows.insert(11, "u9;p99;2024-01-01")
    found = check(write("semi.csv", "user_id;item_id;timestamp;title\n" + "\n".join(rows)))
    assert is_read(found, 99, quarantined=1)
    assert found.problems.query("rule == 'row is too short'")["lines"].tolist() == ["13"]


# -- nothing left, and tables that are something else ------------------------------------------------------------------


def test_a_catalogue_without_a_row_is_refused(write):
    rows = table("Handle,Title,Variant SKU", 41, lambda i: f"lamp-{i},Lamp {i},")
    found = check(write("products.csv", rows), "item_id=Variant SKU,title=Title", table="items")
    assert asks(found, "RK-106", "missing item_id in 41 of 41")


def test_a_file_whose_users_repeat_is_no_list_of_users(write):
    rows = table("user_id,page,timestamp", 120, lambda i: f"u{i % 12},/p/{i % 30},{day(i)}")
    assert check(write("log.csv", rows)).table != "users"


def test_a_file_whose_items_repeat_is_no_list_of_items(write):
    found = check(write("log.csv", table("sku,when_seen", 120, lambda i: f"p{i % 30},{day(i)}")))
    assert found.table == "interactions" and asks(found, "RK-104", "user_id")


def test_events_that_undo_others_are_said(write):
    kinds = ["view", "add_to_cart", "remove_from_cart", "purchase"]
    found = check(write("log.csv", events(120, more="event", extra=lambda i: kinds[i % 4])))
    assert is_read(found, 120) and is_noted(found, "remove_from_cart")


# -- no time, and splits that cannot be --------------------------------------------------------------------------------


NO_TIME = '--columns "timestamp=none" --set split=random'  # a run needs both


def test_no_time_at_all_is_allowed_with_a_random_split(write):
    path = write("likes.csv", table("user_id,item_id", 300, lambda i: f"u{i % 20},p{i * 7 % 60}"))
    question = check(path)
    assert asks(question, "RK-104", "split=random") and list(question.lines) == [NO_TIME]
    other = check(write("named.csv", path.read_text().replace("item_id", "thing")), "item_id=thing")
    assert list(other.lines) == ['--columns "timestamp=none,item_id=thing" --set split=random']
    found = load(interactions=path, columns="timestamp=none")
    split = split_interactions(found.interactions, method="random")
    assert 0 < len(split.test) < len(split.train)
    assert "leak" in split.how["protocol"]


def frame(path: Path) -> pd.DataFrame:
    return load(interactions=path).interactions


def test_equal_times_stay_together_in_leave_last_out(write):
    rows = [
        f"u{u},p{(u * 3 + b * 4 + n) % 50},2024-01-{10 + 5 * b}" for u in range(30) for b in range(3) for n in range(4)
    ]
    interactions = frame(write("baskets.csv", "user_id,item_id,timestamp\n" + "\n".join(rows)))
    split = split_interactions(interactions, method="leave_last_out")
    last = split.test.groupby("user_id")["timestamp"].min()
    known = pd.concat([split.train, split.set_aside, split.valid])
    assert (known["timestamp"] < known["user_id"].map(last)).all()
    assert audit_split(split, interactions)["passed"].all()


def test_a_day_that_holds_most_events_is_explained(write):
    content = events(
        300, time=lambda i: f"2024-05-{6 + i % 3:02}" if i % 5 == 0 else "2024-05-09", item=lambda i: f"p{i * 7 % 60}"
    )
    refused = refusal_of(split_interactions, frame(write("last.csv", content)))
    assert asks(refused, "RK-164", "2024-05-09", "cut=2024-05-0")


def test_times_that_are_all_equal_are_explained(write):
    interactions = frame(write("equal.csv", events(300, time=lambda i: "2024-05-01", item=lambda i: f"p{i * 7 % 60}")))
    assert asks(refusal_of(split_interactions, interactions), "RK-164", "2024-05-01", "split=random")


def test_a_cut_can_be_named(write):
    content = events(300, time=lambda i: f"2024-05-{6 + i % 20:02}", item=lambda i: f"p{i * 7 % 60}")
    split = split_interactions(frame(write("days.csv", content)), cut="2024-05-20")
    assert split.train["timestamp"].max() < split.valid["timestamp"].min() == pd.Timestamp("2024-05-20", tz="UTC")
    assert split.valid["timestamp"].max() < split.test["timestamp"].min()


def test_the_widget_starts_at_a_cut_that_exists(write):
    from recsys_kit.widgets.split import explore_split

    content = events(300, time=lambda i: f"2024-05-0{1 + (i % 10 > 7) + (i % 10 > 8)}", item=lambda i: f"p{i * 7 % 60}")
    interactions = frame(write("three.csv", content))
    assert len(split_interactions(interactions).train)
    explore_split(interactions)


# -- more files of the same kinds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["Guest", "GUEST", "n/a", "Null", "Anonymous", "0.0", "-1.0", "undefined"])
def test_words_for_no_user_are_known_in_other_cases(write, word):
    path = write("guests.csv", events(300, user=lambda i: f"c{i % 40}" if i % 3 == 0 else word))
    assert asks(check(path), "RK-162", word, f"user_id=user_id:null={word}")
    assert is_read(check(path, f"user_id=user_id:null={word}"), 100, quarantined=200)


def test_quantities_of_0_0_are_asked_about(write):
    path = write("views.csv", events(300, more="quantity", extra=lambda i: "0.0" if i % 5 else "1.0"))
    assert asks(check(path), "RK-160", "240 of 300", "quantity=ignore")


def test_a_scale_of_a_hundred_is_asked_about(write):
    path = write("scores.csv", events(200, more="rating", extra=lambda i: str(1 + i * 7 % 100)))
    assert asks(check(path), "RK-147", "1..100")
    assert is_read(check(path, "rating=rating:1..100"), 200)


@pytest.mark.parametrize(
    ("good", "bad"), [("True", "False"), ("true", "false"), ("like", "dislike"), ("👍", "👎"), ("up", "down")]
)
def test_ratings_in_words_are_asked_about_and_can_be_read(write, good, bad):
    path = write("thumbs.csv", events(200, more="rating", extra=lambda i: bad if i % 4 == 0 else good))
    found = check(path)
    assert asks(found, "RK-147", good, f"rating=rating:{good}=5:{bad}=1")
    for line in found.lines:
        assert is_read(check(path, columns_of(line)), 200)


ENGLISH = [pd.Timestamp(2023, month, 1).strftime("%B") for month in range(1, 13)]
SHORT = [month[:3] for month in ENGLISH]
DIGITS = [f"{month:02}" for month in range(1, 13)]
LONG_GERMAN = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()  # noqa: SIM905
CHINESE = [f"{month}月" for month in range(1, 13)]
MONTHS = {
    "French": (FRENCH, "{d} {m} 2023"),
    "French, capitals": ([month.upper() for month in FRENCH], "{d} {m} 2023"),
    "Spanish": (SPANISH, "{d}-{m}-2023 10:15"),
    "Spanish, short": ([month[:3] for month in SPANISH], "{d} {m} 2023"),
    "Chinese": (CHINESE, "2023年{m}{d}日"),
    "Chinese with a clock": (CHINESE, "2023年{m}{d}日 10:15:30"),
    "English, month first": (ENGLISH, "{m} {d}, 2023"),
    "French, month first": (FRENCH, "{m} {d} 2023"),
    "English, with a clock": (SHORT, "{m} {d}, 2023 4:05:06 PM"),
    "German, full": (LONG_GERMAN, "{d}. {m} 2023, 10:15 Uhr"),
    "Twitter": (SHORT, "Fri {m} {d:02} 11:32:40 -0800 2023"),
    "Log": (SHORT, "{d:02}/{m}/2023:10:15:30 +0000"),
    "12-hour clock": (DIGITS, "{m}/{d:02}/2023 12:05 AM"),
    "year of two digits": (SHORT, "{d:02}-{m}-23"),
    "zone in words": (DIGITS, "2023-{m}-{d:02} 10:15:30 +0000 UTC"),
    "fraction": (DIGITS, "2023-{m}-{d:02} 10:15:30.123 UTC"),
}


@pytest.mark.parametrize("name", MONTHS)
def test_dates_as_people_and_programs_write_them(write, name):
    months, form = MONTHS[name]
    content = table(
        "user_id;item_id;timestamp",
        240,
        lambda i: f"u{i % 12};p{i % 30};" + form.format(d=1 + i % 28, m=months[i % 12]),
    )
    path = write("dates.csv", content)
    assert is_read(check(path), 240)
    times = load(interactions=path).interactions["timestamp"].sort_values()
    assert sorted(times.dt.strftime("%m%d")) == sorted(f"{1 + i % 12:02}{1 + i % 28:02}" for i in range(240))


@pytest.mark.parametrize(
    "time",
    [lambda i: f"{1.6e12 + i * 1e8:.6E}", lambda i: f"{1600000000 + i * 86400}.0", lambda i: f"{16e17 + i * 1e14:.0f}"],
)
def test_numbers_of_a_clock_as_floats(write, time):
    path = write("ms.csv", events(200, time=time))
    assert is_read(check(path), 200)
    assert set(load(interactions=path).interactions["timestamp"].dt.year) <= {2020, 2021}


def test_days_of_a_spreadsheet_are_asked_about_with_the_way_to_read_them(write):
    path = write("excel.csv", events(200, time=lambda i: str(44927 + i)))
    assert asks(check(path), "RK-144", "days of a spreadsheet", "timestamp=timestamp:excel-days")
    assert is_read(check(path, "timestamp=timestamp:excel-days"), 200)
    assert load(interactions=path, columns="timestamp=timestamp:excel-days").interactions[
        "timestamp"
    ].min() == pd.Timestamp("2023-01-01", tz="UTC")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (["1.234,50 EUR", "899,00 EUR", "12,95 EUR"], [1234.5, 899.0, 12.95]),
        (["R$ 1.234,50", "R$ 899,00", "R$ 12,95"], [1234.5, 899.0, 12.95]),
        (["1'234.50", "899.00", "12.95"], [1234.5, 899.0, 12.95]),
        (["5.99€", "142.99€", "9.00€"], [5.99, 142.99, 9.0]),
        (["5,99", "142,99", "1299,00"], [5.99, 142.99, 1299.0]),
        (["¥1,200", "¥980", "¥12,000"], [1200.0, 980.0, 12000.0]),
        (["1.200,-", "980,-", "12,-"], [1200.0, 980.0, 12.0]),
    ],
)
def test_more_prices_are_read_by_their_column(write, shown, expected):
    assert prices(write, shown * 5) == pytest.approx(expected * 5)


def test_negative_amounts_in_brackets_are_negative(write):
    assert pd.isna(prices(write, ["(5.99)", "7.00", "8.50"] * 5)[0])


def test_ids_in_capitals_in_one_file_are_asked_about(write):
    refused = refusal_of(meet(write, lambda i: f"ab-{i}", lambda i: f"AB-{i}"))
    assert asks(refused, "RK-161", "item_id=item_id:lower")


def test_tabs_in_a_file_called_csv(write):
    assert is_read(check(write("tabs.csv", events(100).replace(",", "\t"))), 100)


def nested(i: int) -> dict:
    return {"data": {"user": {"id": f"u{i % 20}", "city": "Oslo"}, "object": {"product": {"id": f"p{i % 30}"}}},
            "meta": {"created_at": f"{day(i)}T10:00:00Z"}}  # fmt: skip


def test_ids_two_levels_deep_are_proposed(write):
    path = write("deep.jsonl", [nested(i) for i in range(120)])
    found = check(path)
    assert asks(found, "RK-140", "user_id=data.user.id", "item_id=data.object.product.id", "timestamp=meta.created_at")
    assert is_read(check(path, proposed(found)), 120)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_list_of_objects_is_proposed_and_works(write, tmp_path, kind):
    orders = [
        {"order_id": f"o{i}", "customer_id": f"c{i % 20}", "created_at": f"{day(i)}T10:00:00Z",
         "products": [{"sku": f"sku{i + n}", "price": 3.5, "qty": 1} for n in range(1 + i % 4)]} for i in range(80)
    ]  # fmt: skip
    path = write("orders.jsonl", orders)
    if kind == "parquet":
        path = tmp_path / "orders.parquet"
        pq.write_table(pa.Table.from_pylist(orders), path)
    found = check(path)
    assert asks(found, "RK-140", "item_id=products[].sku")
    assert is_read(check(path, proposed(found)), 200)


@pytest.mark.parametrize("name", ["items", "products", "skus", "product_ids"])
def test_a_list_of_ids_is_proposed_and_works(write, name):
    orders = [{name if key == "items" else key: value for key, value in order.items()} for order in baskets()]
    path = write("orders.jsonl", orders)
    found = check(path)
    assert asks(found, "RK-140", f"item_id={name}")
    assert is_read(check(path, proposed(found)), 200)


def test_a_list_written_as_json_in_a_cell_is_a_list(write):
    rows = table("item_id,title,attributes", 12, lambda i: f'{i},Film {i},"[""Drama"", ""Comedy{i % 2}""]"')
    found = load(interactions=write("e.csv", events(24, item=lambda i: str(i % 12))), items=write("items.csv", rows))
    assert found.items.set_index("item_id").loc["1", "attributes"] == ["Drama", "Comedy1"]


def test_a_list_of_products_written_as_json_in_a_cell_is_one_event_each(write):
    rows = table("customer,order_date,items", 60, lambda i: f'c{i % 9},{day(i)},"[""A{i}"", ""B{i}""]"')
    assert is_read(check(write("o.csv", rows), "user_id=customer,timestamp=order_date,item_id=items"), 120)


def test_reviews_with_markup_and_line_breaks_inside_quotes(write):
    rows = table(
        "user_id,item_id,text,rating", 60, lambda i: f'u{i % 9},p{i % 20},"Nice<br/>\n\n<b>really</b>, ""yes"" {i}",5'
    )
    found = check(write("reviews.csv", rows))
    assert found.table == "reviews" and is_read(found, 60, "reviews")


def test_of_two_columns_of_times_the_one_that_can_be_read_is_proposed(write):
    rows = table("customer,sku,time,order_date", 100, lambda i: f"c{i % 9},A{i % 20},slot {i % 4},{day(i)}")
    path = write("orders.csv", rows)
    assert "timestamp=order_date" in proposed(check(path))
    assert is_read(check(path, proposed(check(path))), 100)


@pytest.mark.parametrize(
    "name", ["date_added", "purchased_on", "when_bought", "last_update", "Bestelldatum", "fecha_compra"]
)
def test_a_column_of_dates_is_found_by_its_values(write, name):
    path = write("dates.csv", events(100).replace("timestamp", name))
    assert f"timestamp={name}" in proposed(check(path))
    assert is_read(check(path, proposed(check(path))), 100)


def test_events_of_one_day_are_read(write):
    path = write("day.csv", events(300, time=lambda i: f"2024-05-01 {i // 20:02}:{i % 60:02}:00"))
    assert is_read(check(path), 300)


def test_one_user_with_ninety_percent_of_the_rows_is_a_caution(write):
    path = write("big.csv", events(500, user=lambda i: f"c{i % 45}" if i % 10 == 0 else "x77", item=lambda i: f"p{i}"))
    found = check(path)
    assert is_read(found, 500)
    assert found.problems.query("action == 'cautioned'")["rule"].str.contains("450 of 500").any()
    assert not found.problems["rule"].str.contains("x77").any()


def test_reviews_without_a_product_are_read(write):
    found = check(write("texts.csv", table("text,label", 60, lambda i: f"Nice lamp number {i},{i % 2}")))
    assert found.table == "reviews" and is_read(found, 60, "reviews")


@pytest.mark.parametrize(
    "header",
    [
        "用户ID,商品编号,购买时间", "Kunde,Artikelnummer,Datum", "Kundennummer,Artikel,Bestelldatum",
        "client,produit,date",
        "cliente,producto,fecha", "Cliente,Prodotto,Data", "klant,artikelnummer,besteldatum", "ユーザーID,商品ID,日時",
        "customer,ean,date", "CustomerKey,ProductKey,OrderDateKey", "user_pseudo_id,product_sku,event_time",
    ],
)  # fmt: skip
def test_headers_in_other_languages_are_proposed(write, header):
    path = write("orders.csv", events(100).replace("user_id,item_id,timestamp", header))
    found = check(path)
    assert asks(found, "RK-140")
    assert is_read(check(path, proposed(found)), 100)


def test_a_byte_order_mark_before_the_sep_line(write):
    rows = "\ufeffsep=;\n" + events(60).replace(",", ";")
    assert is_read(check(write("excel.csv", rows.encode())), 60)


def test_cancelled_orders_are_said_or_asked_about(write):
    kinds = ["purchase", "purchase", "purchase", "cancelled"]
    path = write("orders.csv", events(120, more="event", extra=lambda i: kinds[i % 4]))
    found = check(path)
    assert is_read(found, 120)
    assert any("cancelled" in line for line in said_lines(found.problems.to_dict("records")))


# -- what is proposed works --------------------------------------------------------------------------------------------


def columns_of(line: str) -> str:
    words = shlex.split(line)
    options = dict(zip(words[::2], words[1::2], strict=True))
    return ",".join([options.get("--columns", ""), "accept=ids" * ("--accept" in options)]).strip(",")


def test_the_last_lines_answer_all_questions_together(write):
    rows = table(
        "customer_id,sku,date,rating", 300, lambda i: f"{i % 40 if i % 3 == 0 else 'NULL'},A{i % 9},{day(i)},{i % 6}"
    )
    path = write("orders.csv", rows)
    found = check(path)
    assert {refusal.code for refusal in found.refusals} == {"RK-140", "RK-147", "RK-162"}
    assert found.lines
    for line in found.lines:
        assert not check(path, columns_of(line)).refusals, line
    assert any("null=NULL" in line and "0=missing" in line for line in found.lines)
    assert any("keep=NULL" in line for line in found.lines)


def test_a_proposed_column_has_values_that_can_be_read(write):
    rows = table("customer,sku,date,stars,qty,unit price", 100, lambda i: f"c{i % 9},A{i % 20},{day(i)},good,two,12.50")
    line = proposed(check(write("orders.csv", rows)))
    assert "price=unit price" in line and "qty" not in line and "stars" not in line


def test_an_empty_column_is_not_proposed(write):
    found = check(write("products.csv", table("Variant SKU,Title", 41, lambda i: f",Lamp {i}")), table="items")
    assert "item_id=Variant SKU" not in str(found.refusals[0])


def test_unused_columns_are_offered_in_one_line_that_keeps_what_was_given(write):
    rows = table("customer,sku,date,Qty,Country", 100, lambda i: f"c{i % 9},A{i % 20},{day(i)},2,NO")
    path = write("orders.csv", rows)
    found = check(path, "user_id=customer,item_id=sku,timestamp=date")
    (rule,) = [rule for rule in found.problems["rule"] if "--columns" in rule]
    again = check(path, columns_of(rule[rule.index("--columns") :]))
    assert is_read(again, 100) and not any("--columns" in rule for rule in again.problems["rule"])


def test_a_list_in_a_column_of_our_own_name_is_one_event_each(tmp_path):
    rows = [{"user_id": f"u{i % 9}", "item_id": [f"p{i + n}" for n in range(1 + i % 3)], "timestamp": 1700000000 + i}
            for i in range(60)]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "lists.parquet")
    assert is_read(check(tmp_path / "lists.parquet"), 120)


def a_shop(seed: int) -> tuple[str, str]:
    """A file of events in one of many shapes, and its name."""
    rng = random.Random(seed)
    pick = rng.choice
    n, n_users = pick([60, 300, 1200]), pick([7, 25])
    columns = {
        pick(["user_id", "Customer ID", "userId", "Kunde", "用户ID", "client", "visitor"]): {
            "plain": lambda i: f"u{i % n_users}", "numbers": lambda i: str(1000 + i % n_users),
            "guests": lambda i: pick(["NULL", "0", "guest"]) if i % 3 == 0 else f"u{i % 120}",
            "missing": lambda i: "" if i % 4 == 0 else f"u{i % n_users}", "float": lambda i: f"{i % n_users}.0",
        },
        pick(["item_id", "SKU", "StockCode", "Artikelnummer", "商品编号", "product", "items"]): {
            "plain": lambda i: f"p{i % 40}", "ean": lambda i: str(4006381333931 + i % 40),
            "rounded": lambda i: f"4.00638E+{12 + i % 2}", "list": lambda i: json.dumps([f"p{i % 40}", f"q{i % 9}"]),
        },
        pick(["timestamp", "Date", "created_at", "order_date", "purchased_on", "Datum", "time", "when bought"]): {
            "iso": lambda i: f"{day(i)}T10:00:00Z", "day": day, "seconds": lambda i: str(1700000000 + 1000 * i),
            "dmy": lambda i: f"{1 + i % 12:02}/{1 + i % 11:02}/2023",
            "german": lambda i: f"{1 + i % 28}. {GERMAN[i % 12]} 2023",
            "excel": lambda i: str(45000 + i % 300), "words": lambda i: "soon",
            "blank": lambda i: "" if i % 5 == 0 else day(i),
        },
        pick(["rating", "Stars", "score", "评分", "feedback"]): {
            "stars": lambda i: str(1 + i % 5), "ten": lambda i: str(1 + i % 10), "zero": lambda i: str(i % 6),
            "half": lambda i: str((1 + i % 10) / 2), "likes": lambda i: str(i % 2),
            "words": lambda i: pick(["good", "bad"]),
            "text": lambda i: f"fine {i}", "bool": lambda i: str(i % 3 > 0), "comma": lambda i: f"{1 + i % 4},5",
        },
        pick(["quantity", "Qty", "Menge", "pieces"]): {
            "one": lambda i: "1", "zero": lambda i: "0", "returns": lambda i: "-1" if i % 9 == 0 else "2",
            "words": lambda i: "two", "comma": lambda i: "1,0",
        },
        pick(["Country", "note", "Unit Price", "email"]): {
            "text": lambda i: f"x{i % 3}", "price": lambda i: f"{i % 90},99 €", "blank": lambda i: "",
        },
    }  # fmt: skip
    names = list(columns)[: pick([3, 4, 5, 6])]
    makers = [pick(list(columns[name].values())) for name in names]
    rows = [dict(zip(names, [make(i) for make in makers], strict=True)) for i in range(n)]
    kind = pick(["csv", "semicolon", "tab", "json", "nested"])
    if rows[0][names[1]].startswith("[") and kind in ("semicolon", "tab"):
        kind = "csv"
    if kind in ("json", "nested"):
        records = [
            {key: json.loads(value) if value.startswith("[") else value for key, value in row.items()} for row in rows
        ]
        first, *others = names
        if kind == "nested":
            records = [{"who": {first: row[first]}, **{key: row[key] for key in others}} for row in records]
        return "".join(json.dumps(row) + "\n" for row in records), "shop.jsonl"
    content = io.StringIO()
    csv = pd.DataFrame(rows, dtype="str")
    csv.to_csv(content, index=False, sep={"csv": ",", "semicolon": ";", "tab": "\t"}[kind])
    return content.getvalue(), "shop.csv"


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_proposed_works(write, seed):
    path = write(*reversed(a_shop(seed)))
    found = check(path)
    assert found.table, found.refusals
    asked = {refusal.code for refusal in found.refusals}
    assert found.lines or not asked or asked & {"RK-104", "RK-144", "RK-106"}, [str(r)[:300] for r in found.refusals]
    assert len(found.lines) <= 8
    for line in found.lines:
        again = check(path, columns_of(line))
        assert [str(refusal) for refusal in again.refusals] == [], line
        said = re.findall(r"(user_id|item_id|quantity|time)\w*=[^,]*:(?:null|drop)", line)
        bad = again.problems[again.problems["action"] == "quarantined"]
        rows = [row.rows for row in bad.itertuples() if not any(name in row.rule for name in said)]
        assert sum(rows) < 0.03 * found.n_rows, (line, bad[["rule", "rows"]])


def test_events_that_undo_others_are_no_successes_unless_asked(write):
    kinds = ["purchase", "remove_from_cart", "Refund"]
    content = events(600, item=lambda i: f"p{i * 7 % 211}", more="event", extra=lambda i: kinds[i % 3])
    split = split_interactions(frame(write("log.csv", content)))
    pairs = {(row.user_id, row.item_id) for row in split.test.itertuples() if row.event == "purchase"}
    assert {*split.ground_truth("test").itertuples(index=False, name=None)} <= pairs
    assert len(split.ground_truth("test", target_events=["Refund"]))


def test_a_run_asks_everything_at_once_and_its_lines_work(write):
    rows = table("customer_id,sku,date", 300, lambda i: f"{i % 40 if i % 3 == 0 else 'NULL'},A{i % 20}.0,{day(i)}")
    files = {"interactions": write("orders.csv", rows)}
    files["items"] = write("items.csv", table("sku,name", 20, lambda i: f"A{i},Lamp {i}"))
    refused = refusal_of(load, **files)
    assert asks(refused, "RK-140", "NULL", "0 of 20", "strip=.0")
    lines = re.findall(r"(?m)^--columns .*", str(refused))
    assert len(lines) == 4
    for line in lines:
        assert len(load(**files, columns=columns_of(line)).interactions)


def test_a_check_of_several_files_says_whether_their_ids_meet(write):
    items = write("items.csv", table("item_id,title", 60, lambda i: f"{i}.0,Oak lamp {i}"))
    interactions = write("events.csv", events(600, item=lambda i: str(i % 60)))
    first, second = check_files([interactions, items])
    assert asks(first, "RK-161", "0 of 60", "strip=.0") and not second.refusals
    assert not any(found.refusals for found in check_files([interactions, items], columns=proposed(first)))


def test_a_run_proposes_only_what_was_tried(write):
    def row(i):
        return f"{'NULL' if i < 290 else f'u{i}'},p{i % 40},{day(i)},{int(i > 298)}"

    path = write("orders.csv", table("user_id,item_id,timestamp,quantity", 300, row))
    refused = refusal_of(load, interactions=path)
    assert asks(refused, "RK-162", "299 of 300")  # with what its answers lead to
    lines = re.findall(r"(?m)^--columns .*", str(refused))
    assert len(lines) == 2 and not any("drop" in line for line in lines)
    assert lines == list(check(path).lines)
    for line in lines:
        assert len(load(interactions=path, columns=columns_of(line)).interactions)


def test_where_no_answer_works_the_next_refusal_is_said(write):
    rows = table("user_id,item_id,timestamp", 200, lambda i: f"NULL,p{i % 40},{day(i)}")
    path = write("orders.csv", rows.replace("NULL", "4.0E+12").replace(",2024", ",x2024"))
    for refused in (refusal_of(load, interactions=path), check(path).refusals[0]):
        assert "RK-144" in str(refused)


def test_one_wrong_name_is_all_that_is_reported(write):
    rows = table("member,thing,when", 60, lambda i: f"u{i % 9},p{i % 20},{day(i)}")
    found = check(write("log.csv", rows), "timestamp=when,user_id=member,item_id=goood")
    assert [refusal.code for refusal in found.refusals] == ["RK-141"] and not found.lines
    assert asks(found, "RK-141", "'goood' for item_id") and found.table == "interactions"


def test_a_column_of_another_table_is_no_wrong_name(write):
    path = write("log.csv", events(60, more="age", extra=lambda i: "7"))
    refused = refusal_of(load, interactions=path, columns="joined_at=age")
    assert asks(refused, "RK-141", "is no column of log.csv (interactions)")


def test_items_whose_ids_a_spreadsheet_has_cut_are_items(write):
    found = check(write("items.csv", table("item_id,title,category", 60, lambda i: f"4.0{i % 9}E+12,Lamp {i},x")))
    assert found.table == "items" and asks(found, "RK-163", "scientific")


def test_of_two_ranges_the_last_is_proposed_and_both_are_refused(write):
    path = write("stars.csv", events(200, more="rating", extra=lambda i: str(i % 10 + 1)))
    found = check(path, "rating=rating:1..5")
    assert next(iter(found.lines)) == '--columns "rating=rating:1..10"'
    with pytest.raises(ParameterError, match="RK-142"):
        load(interactions=path, columns="rating=rating:1..5:1..10")


def test_two_words_for_no_user_are_answered_together(write):
    path = write("two.csv", events(300, user=lambda i: ["NULL", "guest", f"c{i % 150}"][i % 3]))
    found = check(path)
    assert len(found.lines) == 4
    assert any("null=NULL" in line and "null=guest" in line for line in found.lines)
    assert all("NULL" in meaning and "guest" in meaning for meaning in found.lines.values())


def test_0_on_a_scale_of_ten_may_mean_not_rated(write):
    path = write("books.csv", events(300, more="rating", extra=lambda i: str(i % 11)))
    assert asks(check(path), "RK-147", "rating=rating:0=missing:1..10", "rating=rating:0..10")
    rated = load(interactions=path, columns="rating=rating:0=missing:1..10").interactions["rating"]
    assert (rated.isna().sum(), rated.min(), rated.max()) == (28, 1, 5)


# -- what a critic brought ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "first"),
    [
        (lambda i: f"2023-01-{1 + i % 28:02} 09:46:00 EST", "2023-01-01 14:46"),
        (lambda i: f"2023-07-{1 + i % 28:02} 09:46:00 PDT", "2023-07-01 16:46"),
        (lambda i: f"Mon Jan {1 + i % 28:02} 2023 09:46:12 GMT-0700 (Pacific Daylight Time)", "2023-01-01 16:46"),
        (lambda i: f'"2023-01-{1 + i % 28:02} 09:17:37,005"', "2023-01-01 09:17"),
        (lambda i: f"{1 + i % 28} января 2023 г.", "2023-01-01 00:00"),
        (lambda i: f"{1 + i % 28} de janeiro de 2023 às 09:17", "2023-01-01 09:17"),
    ],
)
def test_times_with_words_and_zones_are_read(write, written, first):
    times = load(interactions=write("events.csv", events(time=written))).interactions["timestamp"]
    assert len(times) == 120
    assert times.min().strftime("%Y-%m-%d %H:%M") == first


@pytest.mark.parametrize("reading", ['"%d. %B %Y %H:%M":de', "de"])
def test_a_language_behind_a_column_of_times_is_used(write, reading):
    path = write("kauf.csv", events(time=lambda i: f"{1 + i % 28}. März 2024 10:00").replace("timestamp", "Datum"))
    times = load(interactions=path, columns=f"timestamp=Datum:{reading}").interactions["timestamp"]
    assert times.dt.month.eq(3).all()
    with pytest.raises(ParameterError, match=r"RK-142.*language 'xq'"):
        load(interactions=path, columns='timestamp=Datum:"%d. %B %Y %H:%M":xq')


def test_a_language_that_was_named_is_taken_over_the_guess(write):
    path = write("kup.csv", events(time=lambda i: f"{1 + i % 28} listopad 2023"))  # October in Croatian
    assert (
        load(interactions=path, columns='timestamp=timestamp:"%d %B %Y":hr').interactions["timestamp"].min().month == 10
    )
    assert load(interactions=path, columns="timestamp=timestamp:pl").interactions["timestamp"].min().month == 11


def test_years_are_calendar_years(write):
    path = write("years.csv", events(time=lambda i: str(1995 + i % 25)))
    times = load(interactions=path, columns="timestamp=timestamp:years").interactions["timestamp"]
    assert sorted(times.dt.strftime("%Y-%m-%d %H:%M").unique())[:3] == [
        f"{year}-01-01 00:00" for year in (1995, 1996, 1997)
    ]


def test_dates_of_six_digits_are_no_hours(write):
    found = check(write("short.csv", events(time=lambda i: f"23{1 + i % 12:02}{1 + i % 28:02}")))
    assert next(iter(found.lines)) == "--columns 'timestamp=timestamp:\"%y%m%d\"'"


def test_dates_that_are_not_understood_are_not_thrown_away(write):
    found = check(write("weeks.csv", events(time=lambda i: f"2023-W{1 + i % 50:02}").replace("timestamp", "date")))
    assert asks(found, "RK-104", "'date' cannot be read as times (2023-W01", 'timestamp=date:"<form>"')
    assert not found.lines


def test_a_date_in_three_columns_and_one_beside_its_hour_are_joined(write):
    content = table("user,sku,year,month,day", 100, lambda i: f"u{i % 9},p{i % 7},2023,{1 + i % 12},{1 + i % 28}")
    assert "timestamp=year+month+day" in proposed(check(write("parts.csv", content)))
    content = table("user,sku,date,hour", 100, lambda i: f"u{i % 9},p{i % 7},2023-01-{1 + i % 28:02},{i % 24}")
    path = write("hours.csv", content)
    assert load(interactions=path, columns=proposed(check(path))).interactions["timestamp"].dt.hour.max() == 23


@pytest.mark.parametrize("written", ["{} out of 5 stars", "{}/5", "★"])
def test_ratings_in_words_and_stars_are_read(write, written):
    def rating(i: int) -> str:
        return written * (1 + i % 5) if written == "★" else written.format(1 + i % 5)

    ratings = load(interactions=write("rated.csv", events(more="rating", extra=rating))).interactions["rating"]
    assert sorted(ratings.unique()) == [1, 2, 3, 4, 5]


def test_likes_and_dislikes_are_no_missing_ratings(write):
    found = check(write("votes.csv", events(more="rating", extra=lambda i: "-1" if i % 4 == 0 else "1")))
    assert asks(found, "RK-147", "rating=rating:1=5:-1=1")
    assert not any("missing" in line for line in found.lines)


def test_words_for_no_rating_may_be_missing_ratings(write):
    path = write("na.csv", events(more="rating", extra=lambda i: "NA" if i % 3 == 0 else str(1 + i % 5)))
    (line, *others) = check(path).lines
    assert line == '--columns "rating=rating:NA=missing"'
    assert others == ['--columns "rating=ignore"']
    assert is_read(check(path, "rating=rating:NA=missing"), 120)


def test_a_scale_starts_below_the_lowest_rating_that_is_there(write):
    found = check(write("percent.csv", events(more="rating", extra=lambda i: str(20 * (1 + i % 5)))))
    assert asks(found, "RK-147", "rating=rating:0..100")


def test_rows_are_not_proposed_to_be_left_out_where_they_are_most(write):
    content = events(more="quantity", extra=lambda i: "0" if i % 10 else "1")
    found = check(write("views.csv", content))
    assert list(found.lines) == ['--columns "quantity=ignore"']
    assert not is_noted(check(write("views.csv", content), "quantity=ignore"), "could be")


def test_a_word_for_no_product_is_asked_about(write):
    found = check(write("items.csv", events(300, item=lambda i: "NULL" if i % 2 else f"p{i % 40}")))
    assert asks(found, "RK-162", "item_id=item_id:null=NULL", "150 of 300")


def test_a_word_for_no_user_is_asked_about_in_a_small_file(write):
    found = check(write("guests.csv", events(300, user=lambda i: "guest@shop.example" if i % 3 == 0 else f"u{i % 20}")))
    assert asks(found, "RK-162", "user_id=user_id:null=guest@shop.example")


def test_guests_of_an_export_are_no_shopper_and_columns_that_it_lacks_are_left_out(write):
    orders = [
        {"id": i, "customer_id": 0 if i % 3 == 0 else 1 + i % 20, "date_created_gmt": f"{day(i)}T10:00:00",
         "line_items": [{"product_id": i % 12}]} for i in range(150)
    ]  # fmt: skip
    assert is_read(check(write("orders.jsonl", orders)), 100, quarantined=50)


SHOPIFY = "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Id"


def test_orders_of_shopify_know_their_shoppers_by_a_hash(write):
    lines = [
        f"#{i},Anna{i % 9}@shop.example,paid,2024-01-{1 + i % 28:02} 10:00:00 +0100,1,Tea,3.50,sku{i % 7},{i}\n"
        f"#{i},,,,2,Cup,5.00,sku{8 + i % 7},\n"
        for i in range(60)
    ]
    data = load(interactions=write("orders.csv", SHOPIFY + "\n" + "".join(lines)))
    assert len(data.interactions) == 120
    assert data.interactions["user_id"].nunique() == 9
    assert data.interactions["user_id"].str.fullmatch("[0-9a-f]{16}").all()


def test_an_address_of_email_is_a_user_only_if_that_is_said(write):
    path = write("mail.csv", events(user=lambda i: f"Anna{i % 12}@shop.example").replace("user_id", "Email"))
    found = check(path)
    assert asks(found, "RK-104", "user_id")
    assert [line.split('"')[1].split(",")[0] for line in found.lines] == ["user_id=Email:hash", "user_id=Email"]
    for line, is_plain in zip(found.lines, (False, True), strict=True):
        users = load(interactions=path, columns=shlex.split(line)[1]).interactions["user_id"]
        assert users.nunique() == 12
        assert users.str.contains("@").all() == is_plain


def test_the_only_unknown_id_beside_a_user_is_the_product(write):
    content = events().replace("item_id", "joke_id").replace("user_id", "user")
    assert "item_id=joke_id" in proposed(check(write("jokes.csv", content)))


def test_sessions_are_the_shoppers_where_there_is_no_other(write):
    content = events().replace("user_id", "session")
    assert "user_id=session" in proposed(check(write("sessions.csv", content)))


def test_fields_of_mongodb_and_times_deep_in_objects_are_found(write):
    rows = [{"user": {"$oid": f"{i % 9:024}"}, "product": {"$oid": f"{i % 7:024}"}, "meta": {"at": 1_700_000_000 + i}}
            for i in range(60)]  # fmt: skip
    assert proposed(check(write("mongo.jsonl", rows))) == "user_id=user.$oid,item_id=product.$oid,timestamp=meta.at"


def test_days_that_are_counted_are_positions(write):
    content = events(time=lambda i: str(1 + i)).replace("timestamp", "DAY")
    assert "position=DAY" in proposed(check(write("days.csv", content)))


def test_ids_that_meet_in_part_are_said_by_the_check_of_several_files(write):
    paths = [write("ev.csv", events()), write("it.csv", table("item_id,title", 27, lambda i: f"p{i},Tea {i}"))]
    found, _ = check_files(paths)
    assert is_noted(found, "27 of 30 different item_ids")


def test_the_questions_of_several_files_have_one_answer(write):
    content = events(item=lambda i: f"{i % 30:03}").replace("user_id,item_id,timestamp", "visitor,productId,when")
    paths = [write("ev.csv", content), write("it.csv", table("id,name", 30, lambda i: f"{i:03},Tea {i}"))]
    first, second = check_files(paths)
    assert first.lines == second.lines
    (line,) = first.lines
    found = check_files(paths, columns=shlex.split(line)[1])
    assert [check.refusals for check in found] == [[], []]


@pytest.mark.parametrize(
    ("event", "item"),
    [("A {:03}", "A{:03}"), ("AB-{:03}", "AB{:03}"), ("{}.0", "{:05}"), ("Ａ{:03}", "a{:03}"), ("1,{:03}", "1{:03}")],
)
def test_ids_that_differ_in_signs_meet_by_a_line_to_copy(write, event, item):
    rows = events(item=lambda i: f'"{event.format(i % 30)}"')
    paths = [write("ev.csv", rows), write("it.csv", table("item_id,title", 30, lambda i: f"{item.format(i)},T{i}"))]
    found, _ = check_files(paths)
    assert asks(found, "RK-161", "0 of 30")
    line = next(iter(found.lines))
    assert "strip=" in line
    assert not any(check.refusals for check in check_files(paths, columns=shlex.split(line)[1]))


def test_a_question_ends_a_run_like_every_error_of_the_data():
    problem = PapermillExecutionError("load-inputs", 3, "", "Question", "RK-161 0 of 30 ids meet.", [])
    assert diagnose(problem, Watch(), None).exit_code == 2


def test_an_encoding_that_does_not_read_the_file_is_not_proposed(write):
    rows = b"user_id,item_id,timestamp\n" + b"".join(
        b"u%d,\x81\x8d caf\xe9 %d,2024-01-%02d\n" % (i % 9, i % 7, 1 + i % 28) for i in range(200)
    )
    said = str(check(write("odd.csv", rows)).refusals[0])
    assert "RK-123" in said
    if "--encoding" in said:
        encoding = re.search(r"--encoding (\S+?)\)?[. )]", said)[1]
        assert not check(write("odd.csv", rows), encoding=encoding).refusals


@pytest.mark.parametrize("word", ["guest", "NULL", "0"])
def test_a_word_for_no_user_is_asked_about_where_few_have_many_events(write, word):
    found = check(write("few.csv", events(300, user=lambda i: word if i % 4 == 0 else f"u{i % 27}")))
    assert asks(found, "RK-162", f"user_id=user_id:null={word}", "75 of 300")


def test_the_user_0_among_others_like_it_is_no_question(write):
    assert is_read(check(write("zero.csv", events(300, user=lambda i: str(i % 20)))), 300)


def test_a_basket_in_one_cell_is_one_event_a_product(write):
    found = check(write("baskets.csv", events(100, item=lambda i: f"p{i % 7}|p{i % 5 + 7}")))
    assert is_read(found, 200)
    assert is_noted(found, "a list is one row an element")


def test_dates_of_two_digit_years_in_front_are_read_so(write):
    times = load(interactions=write("e.csv", events(time=lambda i: f"{18 + i % 6}-01-{1 + i % 31:02}")))
    assert times.interactions["timestamp"].dt.year.between(2018, 2023).all()


def test_a_day_of_the_week_before_a_date_is_left_out(write):
    path = write("at.csv", events(time=lambda i: f'"Montag, {1 + i % 28:02}. Jänner 2023"'))
    assert load(interactions=path).interactions["timestamp"].dt.month.eq(1).all()


@pytest.mark.parametrize("name", ["products", "items", "song"])
def test_a_basket_has_the_name_of_its_products(write, name):
    content = events(100, item=lambda i: f"p{i % 7};p{i % 5 + 7}").replace("item_id", name)
    path = write("baskets.csv", content)
    assert is_read(check(path, proposed(check(path))), 200)


def test_an_unknown_giant_is_left_out_by_a_line_that_does_not_name_it(write):
    path = write("till.csv", events(400, user=lambda i: "Barverkauf" if i % 4 == 0 else f"u{i % 89}"))
    found = check(path)
    assert is_read(found, 400)
    (rule,) = found.problems.query("action == 'cautioned'")["rule"]
    assert "100 of 400" in rule and not found.problems.astype("str").map(lambda cell: "Barverkauf" in cell).any(
        axis=None
    )
    columns = shlex.split(re.search(r"--columns (.+)", rule)[1])[0]
    left = load(interactions=path, columns=columns)
    assert len(left.interactions) == 300 and "Barverkauf" not in set(left.interactions["user_id"])
    assert left.report.query("action == 'quarantined'")["rows"].tolist() == [100]


@pytest.mark.parametrize(
    ("event", "item", "way"),
    [
        ("gid://shopify/Product/{}", "{}", "strip=prefix"),
        ("{}", "urn:shop:product:{}", "strip=prefix"),
        ("SKU-A{}", "a{}", "lower:strip=prefix"),
        ("SKU-{:05}", "{}", "strip=prefix:strip=zeros"),
    ],
)
def test_ids_with_a_prefix_in_one_file_meet_by_a_line_to_copy(write, event, item, way):
    paths = [write("ev.csv", events(item=lambda i: event.format(1 + i % 30))),
             write("it.csv", table("item_id,title", 30, lambda i: f"{item.format(1 + i)},T{i}"))]  # fmt: skip
    line = next(iter(check_files(paths)[0].lines))
    assert f"item_id=item_id:{way}" in line
    assert not any(check.refusals for check in check_files(paths, columns=shlex.split(line)[1]))


def test_a_prefix_that_tells_ids_apart_is_not_taken_away(write):
    paths = [write("ev.csv", events(item=lambda i: f"{'AB'[i // 30 % 2]}-{i % 30}")),
             write("it.csv", table("item_id,title", 30, lambda i: f"{i},T{i}"))]  # fmt: skip
    assert not any("prefix" in line for line in check_files(paths)[0].lines)


def test_reviews_without_a_user_are_said_to_be_no_events(write):
    text = table("item_id,text,rating", 60, lambda i: f"p{i % 9},Nice lamp number {i},{1 + i % 5}")
    path = write("texts.csv", text)
    found = check(path)
    assert is_read(found, 60, "reviews") and is_noted(found, "without user_id and timestamp .* pass --interactions")
    both = load(interactions=write("ev.csv", events(item=lambda i: f"p{i % 9}")), reviews=path)
    assert not both.report["rule"].str.contains("pass --interactions").any()


@pytest.mark.parametrize("price", ["on request", "9.99 - 19.99", "-3"])
def test_many_prices_that_are_lost_are_a_caution(write, price):
    content = table("item_id,title,price", 40, lambda i: f"p{i},Tea {i},{price if i % 3 == 0 else '9.99'}")
    found = check(write("shop.csv", content))
    assert is_read(found, 40, "items")
    assert found.problems.query("action == 'cautioned'")["rows"].tolist() == [14]


@pytest.mark.parametrize(("shown", "value"), [("Free", 0), ("gratis", 0), ("101:-", 101), ("5:-", 5)])
def test_prices_in_words_and_with_a_dash_are_read(write, shown, value):
    content = table("item_id,title,price", 40, lambda i: f"p{i},Tea {i},{shown if i % 3 == 0 else '9.99'}")
    shop = load(interactions=write("ev.csv", events(item=lambda i: f"p{i % 40}")), items=write("shop.csv", content))
    assert shop.items["price"].value_counts().to_dict() == {9.99: 26, value: 14}


@pytest.mark.parametrize(
    ("user", "said"), [(lambda i: f"u{i}", "120 of 120 users have one event"), (lambda i: "u", "120 of 120 events")]
)
def test_events_that_tell_no_user_from_another_are_a_caution(write, user, said):
    found = check(write("e.csv", events(user=user)))
    assert is_read(found, 120)
    assert found.problems.query("action == 'cautioned'")["rule"].str.contains(said).any()


def test_ratings_that_are_none_are_left_out_where_that_is_said(write):
    path = write("rated.csv", events(200, more="rating", extra=lambda i: "five" if i % 10 == 0 else str(1 + i % 5)))
    assert asks(check(path), "RK-147", "20 of 200", "'five'")
    assert is_read(check(path, "rating=rating:drop"), 180, quarantined=20)


def test_times_of_which_most_are_wrong_are_asked_about_without_leaving_them_out(write):
    path = write("e.csv", events(200, time=lambda i: "soon" if i % 4 else day(i)))
    (refused,) = check(path).refusals
    assert refused.code == "RK-144" and "150 of 200" in str(refused) and "drop" not in str(refused)


def test_times_that_are_missing_in_most_rows_are_asked_about_and_may_be_left_out(write):
    path = write("e.csv", events(200, time=lambda i: "" if i % 4 else day(i)))
    assert asks(check(path), "RK-160", "150 of 200", "timestamp=timestamp:drop")
    assert is_read(check(path, "timestamp=timestamp:drop"), 50, quarantined=150)


# -- found by a critic -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("basket", ["['p1', 'p2']", "p1, p2", "{p1,p2}", "['p1' 'p2']", '["p1", "p2"]'])
def test_a_list_in_some_cells_is_many_events_and_one_alone_is_one(write, basket):
    one = "{p1}" if basket.startswith("{") else "['p1']" if basket == "['p1' 'p2']" else "p1"
    rows = "user_id\titem_id\ttimestamp\n" + "".join(
        f"u{i % 9}\t{basket if i % 2 else one}\t2024-01-{i % 28 + 1:02d}\n" for i in range(60)
    )
    shop = load(interactions=write("log.tsv", rows))
    assert (
        set(shop.interactions["item_id"]) == {"p1", "p2"} and shop.report.query("action == 'kept'")["rows"].max() == 90
    )


def test_a_comma_in_names_is_no_list(write):
    rows = table("user_id,item_id,timestamp", 60, lambda i: f'u{i % 9},"Lamp,oak",{day(i)}')
    assert set(load(interactions=write("log.csv", rows)).interactions["item_id"]) == {"Lamp,oak"}


def test_eight_digits_are_dates_if_nearly_all_are(write):
    rows = table("user_id,item_id,timestamp", 240, lambda i: f"u{i % 9},p{i % 20},{i % 28 + 1:02d}{i % 12 + 1:02d}2023")
    found = check(write("log.csv", rows))
    assert any('"%d%m%Y"' in line for line in found.lines) and not any("unix" in line for line in found.lines)


@pytest.mark.parametrize(
    ("rating", "way"),
    [(lambda i: 99 if i % 5 == 0 else i % 5 + 1, "rating:99=missing"), (lambda i: i * i % 1009, "quantity=rating")],
)
def test_a_number_for_no_rating_and_counts_are_no_scale(write, rating, way):
    rows = table("user_id,item_id,timestamp,rating", 240, lambda i: f"u{i % 9},p{i},{day(i)},{rating(i)}")
    lines = check(write("log.csv", rows)).lines
    assert any(way in line for line in lines) and not any(".." in line for line in lines)


def test_a_price_or_a_rank_is_no_id(write):
    log = write("log.csv", table("user_id,item_id,timestamp", 200, lambda i: f"u{i % 9},{i % 40 + 1},{day(i)}"))
    items = write(
        "items.csv", table("item_id,title,rank,price", 40, lambda i: f"tt{1037 + i},Lamp {i},{i + 1},{i + 1}")
    )
    refused = refusal_of(load, interactions=log, items=items)
    assert asks(refused, "RK-161", "accept=ids") and "rank" not in str(refused) and "price" not in str(refused)


def test_every_order_of_a_date_is_offered_beside_other_questions(write):
    rows = table(
        "user_id,item_id,timestamp,rating,quantity", 240,
        lambda i: ",".join([f"u{i % 9}" if i % 4 == 0 else "NULL", f"p{i % 30}",
                            f"{i % 12 + 1:02d}/{i % 11 + 1:02d}/2023", str(i % 11), str(i % 3)]),
    )  # fmt: skip
    lines = check(write("log.csv", rows)).lines
    assert any("day-first" in line for line in lines) and any("month-first" in line for line in lines)


def test_a_refunded_order_of_a_shop_is_said(write):
    rows = table(
        "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem sku", 120,
        lambda i: f"#{i},a{i % 20}@shop.example,{'refunded' if i % 6 == 0 else 'paid'},{day(i)},1,Lamp,sku{i % 30}",
    )  # fmt: skip
    report = load(interactions=write("orders.csv", rows)).report
    assert report.query("action == 'cautioned'")["rule"].str.contains("'refunded' undoes another").any()


def test_ids_with_and_without_a_point_are_a_caution(write):
    rows = table("user_id,item_id,timestamp", 60, lambda i: f"{i % 9}{'.0' * (i % 2)},p{i % 20},{day(i)}")
    report = load(interactions=write("log.csv", rows)).report
    assert report.query("action == 'cautioned'")["rule"].str.contains("user_id with and without .0").any()


@pytest.mark.parametrize("variant", ["p{}|XL", "p{};red;42"])
def test_a_sign_in_every_id_divides_nothing(write, variant):
    rows = table("user_id\titem_id\ttimestamp", 60, lambda i: f"u{i % 9}\t{variant.format(i % 5)}\t{day(i)}")
    assert load(interactions=write("log.tsv", rows)).interactions["item_id"].nunique() == 5


def test_a_first_day_with_most_events_is_said_with_a_cut(write):
    rows = table("user_id,item_id,timestamp", 200, lambda i: f"u{i % 9},p{i % 30},{day(max(0, i - 150))}")
    report = load(interactions=write("log.csv", rows)).report
    assert report.query("action == 'cautioned'")["rule"].str.contains("has [0-9]+% of the events.*--set cut=").any()


def test_an_object_is_no_id_and_its_fields_are_named(write):
    rows = "user_id\titem_id\ttimestamp\n" + "".join(
        f'u{i % 9}\t{{"sku": "p{i % 20}", "price": {i % 7}}}\t2024-01-{i % 28 + 1:02d}\n' for i in range(60)
    )
    path = write("log.tsv", rows)
    assert asks(refusal_of(load, interactions=path), "RK-104", "item_id holds objects", "item_id=item_id.sku")
    shop = load(interactions=path, columns="user_id=user_id,item_id=item_id.sku,timestamp=timestamp")
    assert shop.interactions["item_id"].nunique() == 20


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", '{"[]": ["x"], "user": 1}\n' * 9), ("a.tsv", '"u;s"e,r;i\n' * 9)]
)
def test_odd_names_and_lines_without_a_record_are_refused_not_failed_on(write, name, content):
    assert check(write(name, content)).refusals
