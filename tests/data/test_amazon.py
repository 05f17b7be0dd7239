import gzip
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from recsys_kit.data import load_dataset, split_interactions
from recsys_kit.errors import DataError, ParameterError


def review(user="A1", item="007", stars=5.0, time=1400000000, text="Good &amp; cheap<br />", **more) -> dict:
    return {
        "reviewerID": user, "asin": item, "reviewerName": "Jo Secret", "overall": stars, "unixReviewTime": time,
        "reviewText": text, "summary": "Fine",
    } | more  # fmt: skip


def write(path: Path, records: list[dict], *, style=json.dumps, cut: int = 0) -> Path:
    content = "".join(style(record) + "\n" for record in records).encode()
    if path.suffix == ".gz":
        content = gzip.compress(content)
    path.write_bytes(content[: len(content) - cut])
    return path


def test_a_folder_with_metadata_becomes_three_tables(tmp_path):
    write(tmp_path / "reviews_Things_5.json.gz", [review(), review("A2", "1E5", 1.0)])
    metadata = {"asin": "007", "title": "Tea &amp; Cups", "description": "Old", "price": 9.5, "brand": "Fernby",
                "categories": [["Home", "Kitchen", "Tea"], ["Home", "Gifts"]], "imUrl": "http://x/y.jpg"}  # fmt: skip
    write(tmp_path / "meta_Things.json.gz", [metadata], style=repr)
    shop = load_dataset("amazon", source=tmp_path)
    assert shop.interactions["item_id"].tolist() == ["007", "1E5"]
    assert shop.interactions["event"].unique().tolist() == ["rating"]
    assert str(shop.interactions["timestamp"][0]) == "2014-05-13 16:53:20+00:00"
    item = shop.items.set_index("item_id").loc["007"]
    assert (item["title"], item["title_raw"]) == ("Tea & Cups", "Tea &amp; Cups")
    assert (item["category"], item["price"], item["brand"], item["image"]) == (
        "Kitchen",
        9.5,
        "Fernby",
        "http://x/y.jpg",
    )
    assert item["attributes"] == ["Tea", "Gifts"]
    assert shop.items["item_id"].tolist() == ["007", "1E5"]
    assert shop.reviews["text"].tolist() == ["Good & cheap"] * 2
    assert set(shop.reviews["review_id"]) == set(shop.interactions["review_id"])


def test_metadata_of_2018(tmp_path):
    write(tmp_path / "Things_5.json", [review("A", "x"), review("B", "y"), review("C", "z")])
    write(tmp_path / "meta_Things.json", [
        {"asin": "x", "title": "X", "description": ["One.", "Two."], "feature": ["Blue"],
         "category": ["Home", "Lamps", "Oil"], "price": "$1,005.00", "imageURLHighRes": ["http://a"]},
        {"asin": "y", "title": "Y", "description": [], "category": [], "main_cat": "Home", "price": ""},
        {"asin": "z", "title": "Z", "category": ["Home"], "price": "$5.00 - $9.00"},
    ])  # fmt: skip
    items = load_dataset("amazon", source=tmp_path).items.set_index("item_id")
    assert items["category"].tolist() == ["Lamps", "Home", "Home"]
    assert items["price"].fillna(-1).tolist() == [1005.0, -1, -1]
    assert items.loc["x", "description"] == "One. Two. Blue"


def test_python_dicts_are_read_but_never_run(tmp_path):
    trap = tmp_path / "trap"
    path = write(tmp_path / "Things_5.json", [review(), review("A2")], style=repr)
    with path.open("a") as file:
        file.write(f"open({str(trap)!r}, 'w')\n")
    shop = load_dataset("amazon", source=path)
    assert len(shop.interactions) == 2
    assert not trap.exists()
    assert shop.quarantine.query("table == 'reviews'")[["row", "rule"]].to_numpy().tolist() == [
        [3, "line is not a record"]
    ]
    assert shop.row_counts().loc["interactions"].tolist() == [3, 2, 0, 1]


def test_a_cut_off_gzip_is_read_to_its_last_whole_line_and_said(tmp_path):
    rows = [review(f"A{n}", f"{n * 7919 % 997}", text=f"{n * 104729} words") for n in range(400)]
    path = write(tmp_path / "Things_5.json.gz", rows, cut=600)
    shop = load_dataset("amazon", source=path)
    n_read = len(shop.interactions)
    assert 100 < n_read < 400
    assert shop.interactions["user_id"].tolist() == [f"A{n}" for n in range(n_read)]
    assert shop.report["rule"].str.contains("cut off").sum() == 1


def test_a_last_line_cut_in_the_middle_is_left_out(tmp_path):
    path = write(tmp_path / "Things_5.json", [review("A1"), review("A2"), review("A3")], cut=30)
    shop = load_dataset("amazon", source=path)
    assert shop.interactions["user_id"].tolist() == ["A1", "A2"]
    assert shop.report["rule"].str.contains("cut off").any()
    whole = load_dataset(
        "amazon", source=write(path, [review("A1"), review("A2")], cut=1)
    )  # only the line's end is missing
    assert len(whole.interactions) == 2
    assert not whole.report["rule"].str.contains("cut off").any()


def test_exact_duplicates_share_an_id_and_different_reviews_do_not(tmp_path):
    rows = [review(), review(), review(text="Another"), review(stars=2.0)]
    shop = load_dataset("amazon", source=write(tmp_path / "Things_5.json", rows))
    assert shop.row_counts().loc["interactions"].tolist() == [4, 3, 1, 0]
    assert shop.interactions["review_id"].tolist() == ["r1", "r3", "r4"]
    assert shop.reviews["review_id"].tolist() == shop.interactions["review_id"].tolist()


def test_a_review_without_words_is_still_a_rating(tmp_path):
    shop = load_dataset("amazon", source=write(tmp_path / "Things_5.json", [review(text=""), review("A2")]))
    assert (len(shop.interactions), len(shop.reviews)) == (2, 1)


def test_reviewers_names_are_not_read(tmp_path):
    shop = load_dataset("amazon", source=write(tmp_path / "Things_5.json", [review()]))
    for frame in (shop.interactions, shop.items, shop.reviews, shop.report, shop.quarantine):
        assert "Secret" not in frame.to_csv()


def test_a_broken_line_is_counted_and_not_shown(tmp_path):
    path = write(tmp_path / "Things_5.json", [review()])
    path.write_text('{"reviewerID": "SHOPPER", "reviewerName": "Secret", broken\n' + path.read_text())
    shop = load_dataset("amazon", source=path)
    assert (shop.quarantine["rule"] == "line is not a record").sum() == 2  # as an interaction and as a review
    assert "SHOPPER" not in shop.quarantine.to_csv() + shop.report.to_csv()


def test_the_report_gives_no_shopper_as_an_example(tmp_path):
    shop = load_dataset("amazon", source=write(tmp_path / "Things_5.json", [review("SHOPPER")] * 3))
    assert "SHOPPER" not in shop.report.to_csv()


def test_two_reviews_files_ask_for_one(tmp_path):
    for name in ("A_5.json", "B_5.json.gz"):
        write(tmp_path / name, [review()])
    with pytest.raises(DataError, match=r"RK-103 .*A_5.json.*B_5.json.gz"):
        load_dataset("amazon", source=tmp_path)
    assert len(load_dataset("amazon", source=tmp_path / "B_5.json.gz").interactions) == 1


def test_wrong_sources_say_what_was_found(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"RK-102 .*reviews_.*notes.txt"):
        load_dataset("amazon", source=tmp_path)
    with pytest.raises(DataError, match=r"RK-111 .*nowhere"):
        load_dataset("amazon", source=tmp_path / "nowhere")
    with pytest.raises(DataError, match="RK-101"):
        load_dataset("amazon")
    with pytest.raises(DataError, match=r"RK-102 .*reviews_.*meta_Things.json"):
        load_dataset("amazon", source=write(tmp_path / "meta_Things.json", [{"asin": "1", "title": "T"}]))
    with pytest.raises(DataError, match=r"RK-105 Things.json has no user_id"):
        load_dataset("amazon", source=write(tmp_path / "Things.json", [{"asin": "1", "title": "T"}]))
    broken = tmp_path / "X_5.json.gz"
    broken.write_bytes(gzip.compress(b"abc" * 1000)[:12] + b"\xff" * 40)
    with pytest.raises(DataError, match=r"RK-1(05|17|21)"):
        load_dataset("amazon", source=broken)
    with pytest.raises(ParameterError, match=r"RK-320 .*amazon.*toyshop"):
        load_dataset("amazn")


# -- real files, where there are any -----------------------------------------------------------------------------------

REAL = os.environ.get("RECSYS_KIT_DATA", "")
realdata = [
    pytest.mark.realdata,
    pytest.mark.skipif(not REAL, reason="RECSYS_KIT_DATA is not set: no real data on this machine"),
]


class TestRealData:
    pytestmark = realdata

    def test_digital_music_of_2014(self):
        shop = load_dataset("amazon", source=Path(REAL) / "amazon-digital-music-2014")
        assert len(shop.interactions) == 6_908
        assert shop.interactions["user_id"].nunique() == 2_490
        assert shop.interactions["item_id"].nunique() == 382
        assert len(shop.items) == 7_419
        assert shop.report["rule"].str.contains("cut off").sum() == 2
        assert shop.items["title"].duplicated().sum() == 416
        assert shop.items["category"].notna().all() and 10 < shop.items["category"].nunique() < 60
        split = split_interactions(shop.interactions)
        assert len(split.train) + len(split.valid) + len(split.test) == 6_908

    def test_gift_cards_of_2018(self):
        shop = load_dataset("amazon", source=Path(REAL) / "amazon-gift-cards-2018")
        assert (len(shop.interactions), shop.interactions["user_id"].nunique()) == (2_972, 458)
        assert shop.interactions["item_id"].nunique() == 148
        assert abs((shop.interactions["rating"] == 5).mean() - 0.926) < 0.001
        assert not shop.items["title"].str.contains(r"<[a-z]|&#?\w+;", na=False).any()

    @pytest.mark.parametrize(
        ("name", "rows"), [("AMAZON_FASHION", 3_176), ("All_Beauty", 5_269), ("Appliances", 2_277)]
    )
    def test_one_file_without_metadata(self, name, rows):
        shop = load_dataset("amazon", source=Path(REAL) / "amazon-small-5core-2018" / f"{name}_5.json.gz")
        counts = shop.row_counts().loc["interactions"]
        assert counts["read"] == rows
        assert list(shop.items) == ["item_id"]
        if name == "Appliances":
            assert counts["deduplicated"] == 2_071

    def test_a_folder_of_several_asks_for_one(self):
        with pytest.raises(DataError, match="RK-103"):
            load_dataset("amazon", source=Path(REAL) / "amazon-small-5core-2018")


def test_times_that_are_no_numbers_are_quarantined(tmp_path):
    shop = load_dataset(
        "amazon", source=write(tmp_path / "Things_5.json", [review(), review(time="soon"), review(time=99)])
    )
    assert shop.quarantine.query("table == 'interactions'")["rule"].tolist() == [
        "time cannot be read",
        "time out of range",
    ]
    assert isinstance(shop.interactions["timestamp"].dtype, pd.DatetimeTZDtype)
