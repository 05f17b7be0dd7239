"""Published data sets by name: small files of the shape that each has, read with its name alone."""

import gzip
import os
import tomllib
from pathlib import Path

import pytest

from recsys_kit.data import check_files, load_dataset, source_files
from recsys_kit.data.declared import DECLARED
from recsys_kit.data.questions import said_lines
from recsys_kit.data.sources import absolute, describe
from recsys_kit.errors import DataError

CASES = tomllib.loads(Path(__file__).with_name("published_sets.toml").read_text(encoding="utf-8"))


def write(folder: Path, case: str) -> Path:
    for name, text in CASES[case]["files"].items():
        content = text.encode("latin-1" if "encoding" in str(DECLARED[CASES[case]["dataset"]]["forms"]) else "utf-8")
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


@pytest.mark.parametrize("title", CASES)
def test_a_published_data_set_is_read_by_its_name(tmp_path, title):
    case = CASES[title]
    shop = load_dataset(case["dataset"], source=write(tmp_path, title))
    assert len(shop.interactions) == case["n_events"]
    first, expected = shop.interactions.iloc[0].to_dict(), case["first_event"]
    if "timestamp" in expected:
        first["timestamp"] = str(first["timestamp"])[:10]
    assert {column: first[column] for column in expected} == expected
    item = shop.items[shop.items["item_id"] == case["an_item"]["item_id"]].iloc[0]
    assert {column: item[column] for column in case["an_item"]} == case["an_item"]


def test_every_declared_form_has_a_case_or_a_test_of_its_own():
    elsewhere = {"amazon": 1, "movielens": 1}  # test_amazon.py, test_atomic.py
    for name, declared in DECLARED.items():
        n_cases = sum(case["dataset"] == name for case in CASES.values())
        assert n_cases >= len(declared["forms"]) - elsewhere.get(name, 0)


def test_zero_is_no_rating_where_the_set_says_so(tmp_path):
    shop = load_dataset("bookcrossing", source=write(tmp_path, "bookcrossing"))
    assert shop.interactions["rating"].fillna(-1).tolist() == [-1, 1]


def test_kaggles_names_of_movielens_20m_are_known(tmp_path):
    (tmp_path / "rating.csv").write_text('"userId","movieId","rating","timestamp"\n1,2,3.5,"2005-04-02 23:53:47"\n')
    (tmp_path / "movie.csv").write_text('"movieId","title","genres"\n2,"Jumanji (1995)","Adventure|Children"\n')
    shop = load_dataset("movielens", source=tmp_path)
    assert shop.items["attributes"].tolist() == [["Adventure", "Children"]]
    assert shop.interactions["rating"].tolist() == [3.5]


def test_a_file_that_completes_another_is_needed_and_its_gaps_are_counted(tmp_path):
    with (write(tmp_path, "olist") / "olist_order_items_dataset.csv").open("a") as file:
        file.write("o9,1,p1,s,2017-09-19 09:45:35,58.90,13.29\n")
    shop = load_dataset("olist", source=tmp_path)
    assert shop.report.set_index("rule").loc["order_id not among the orders", "rows"] == 1
    assert [path.name for path in source_files("olist", source=tmp_path)] == [
        "olist_order_items_dataset.csv", "olist_products_dataset.csv", "olist_orders_dataset.csv",
        "olist_customers_dataset.csv",
    ]  # fmt: skip
    (tmp_path / "olist_orders_dataset.csv").write_text("id,customer_id\no1,c1\n")
    with pytest.raises(DataError, match="RK-105 orders has no order_id"):
        load_dataset("olist", source=tmp_path)
    (tmp_path / "olist_orders_dataset.csv").unlink()
    with pytest.raises(DataError, match=r"RK-102 dataset 'olist' needs olist_orders_dataset.csv"):
        load_dataset("olist", source=tmp_path)


def test_what_is_not_recommended_is_no_success_and_said(tmp_path):
    shop = load_dataset("steam", source=write(tmp_path, "steam recommendations"))
    assert shop.interactions["event"].tolist() == ["recommend", "dislike"]
    assert any("'dislike' undoes another" in line for line in said_lines(shop.report.to_dict("records")))


def test_other_names_of_columns_go_before_the_declared_ones(tmp_path):
    shop = load_dataset("retailrocket", source=write(tmp_path, "retailrocket"), columns="item_id=event")
    assert shop.interactions["item_id"].tolist() == ["view", "transaction"]


@pytest.mark.parametrize("name", DECLARED)
def test_each_set_tells_its_origin_licence_and_citation(name):
    told = describe(name)
    assert "https://" in told or "http://" in told
    for word in ("licence ", "cite ", f"recsys-kit run --dataset {name} --source FOLDER"):
        assert word in told


@pytest.mark.parametrize("title", ["movielens 1M", "retailrocket", "goodbooks", "yelp", "amazon 2023"])
def test_a_check_names_a_published_data_set_that_can_be_read(tmp_path, title):
    folder, name = write(tmp_path, title), CASES[title]["dataset"]
    (found,) = check_files([folder])
    assert f"recsys-kit run --dataset {name} --source {folder}" in found.hint
    (found,) = check_files([folder / next(iter(CASES[title]["files"]))])
    assert f"recsys-kit run --dataset {name} --source {folder}/" in found.hint or not found.refusals


def test_a_check_names_no_data_set_that_cannot_be_read(tmp_path):
    (tmp_path / "events.csv").write_text("timestamp,visitor,event,item\n1433221332117,1,view,2\n")
    (tmp_path / "ratings.csv").write_text("who,what\n1,2\n")
    for path in (tmp_path, tmp_path / "events.csv", tmp_path / "ratings.csv", tmp_path / "nowhere" / "x.csv"):
        (found,) = check_files([path])
        assert found.refusals and "data set" not in found.hint


def test_a_check_of_a_folder_names_the_check_of_its_files(tmp_path):
    """A file of a set's name that has our columns is not that set."""
    rows = "".join(f"u{n % 3},i{n % 4},2024-05-{n + 1:02d}\n" for n in range(9))
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\n" + rows)
    (found,) = check_files([tmp_path])
    assert found.refusals and found.hint == f"its files: recsys-kit check {tmp_path}/*"
    assert not any(found.refusals for found in check_files(tmp_path / "*"))


# -- several files of one table ----------------------------------------------------------------------------------------


def part(folder: Path, name: str, *users: str) -> Path:
    rows = "".join(f"{user},i,2024-05-0{n}\n" for n, user in enumerate(users, start=1))
    (folder / name).write_text("user_id,item_id,timestamp\n" + rows)
    return folder / name


@pytest.mark.parametrize("spelling", ["list", "comma", "pattern"])
def test_several_files_are_one_table_and_all_are_told(tmp_path, spelling):
    first, second = part(tmp_path, "orders-1.csv", "a", "b"), part(tmp_path, "orders-2.csv", "a", "c", "d")
    given = {"list": [first, second], "comma": f"{first},{second}", "pattern": tmp_path / "orders-*.csv"}[spelling]
    shop = load_dataset(interactions=given)
    assert shop.n_read["interactions"] == 5
    assert shop.interactions["user_id"].tolist() == ["a", "b", "c", "d"]  # a's row stands in both
    assert shop.row_counts().loc["interactions", "deduplicated"] == 1
    assert source_files(interactions=given) == [first, second]


def test_a_comma_in_a_name_that_is_there_divides_nothing(tmp_path):
    folder = tmp_path / "May, June"
    folder.mkdir()
    first, second = part(folder, "a,b.csv", "a"), part(folder, "c.csv", "b")
    assert source_files(interactions=first) == [first]
    assert source_files(interactions=f"{first},{second}") == [first, second]
    with pytest.raises(DataError, match=r"RK-111 .*nowhere-\*"):
        load_dataset(interactions=folder / "nowhere-*.csv")


def test_a_run_is_told_each_file_by_its_whole_path(tmp_path):
    first, second = part(tmp_path, "orders-1.csv", "a"), part(tmp_path, "orders-2.csv", "b")
    assert absolute("orders-*.csv", tmp_path) == str(tmp_path / "orders-*.csv")  # a file that is added counts later
    assert absolute("orders-1.csv,orders-2.csv", tmp_path) == f"{first},{second}"
    assert (absolute(""), absolute("gone.csv", tmp_path)) == ("", str(tmp_path / "gone.csv"))


# -- real files, where there are any -----------------------------------------------------------------------------------

REAL = os.environ.get("RECSYS_KIT_DATA", "")


@pytest.mark.realdata
@pytest.mark.skipif(not REAL, reason="RECSYS_KIT_DATA is not set: no real data on this machine")
class TestRealData:
    def test_online_retail_by_its_name(self):
        shop = load_dataset("online-retail", source=Path(REAL) / "online-retail-2011")
        rows = shop.report.set_index("rule")["rows"]
        assert shop.n_read == {"interactions": 541_909, "items": 4_070}
        assert rows["missing user_id"] == 135_080
        assert rows["exact duplicate"] == 5_192  # of 5,268; the others are in quarantine already
        assert shop.interactions["ctx_country"].nunique() > 30

    def test_nested_histories_in_three_files(self):
        shop = load_dataset(
            interactions=Path(REAL) / "amazon-histories-2023" / "*.jsonl",
            columns="user_id=user_id,item_id=history[].parent_asin,timestamp=history[].timestamp_ms,"
            "rating=history[].rating,text=history[].review_full,title=history[].product.title,category=category",
        )
        assert shop.n_read == {"interactions": 2_764, "items": 2_610, "reviews": 2_762}
        assert shop.interactions["user_id"].nunique() == 354
        assert shop.items["category"].nunique() == 24

    def test_office_products_without_a_time(self):
        shop = load_dataset(
            interactions=Path(REAL) / "amazon-office-itemtext-2018" / "Office_Products.*.csv",
            columns="item_id=item_id,title=item_title,timestamp=none",
        )
        assert (len(shop.interactions), shop.interactions["user_id"].nunique()) == (9_732, 3_231)
        assert shop.report["action"].eq("cautioned").sum() == 1  # no time

    def test_chinese_reviews(self):
        path = Path(REAL) / "chinese-shopping-reviews" / "online_shopping_10_cats.zip"
        with pytest.raises(DataError, match=r"(?s)RK-140 .*text=review"):
            load_dataset(reviews=path)
        shop = load_dataset(reviews=path, columns="text=review")
        assert shop.row_counts().loc["reviews"].tolist() == [62_774, 62_773, 0, 1]
        assert shop.reviews["label"].value_counts().to_dict() == {"1": 31_727, "0": 31_046}

    @pytest.mark.parametrize(
        ("folder", "name"),
        [
            ("movielens-100k", "movielens"),
            ("amazon-gift-cards-2018", "amazon"),
            ("online-retail-2011", "online-retail"),
        ],
    )
    def test_a_check_of_the_folder_names_the_set(self, folder, name):
        (found,) = check_files([Path(REAL) / folder])
        assert f"--dataset {name} " in found.hint
