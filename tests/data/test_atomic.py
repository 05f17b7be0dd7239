"""Files with typed headers, NAME.inter and its like, through the front door."""

import os
from pathlib import Path

import pandas as pd
import pytest

from recsys_kit.data import load_dataset, source_files, split_interactions
from recsys_kit.errors import DataError

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n7\t007\t3\t881250949\n8\t1E5\t5\t881250950\n"
ITEM = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    'x\tThe "Good"\tunknown\t\n007\tTea for two\t1950\tMusical Comedy\n'
)
USER = "user_id:token\tage:token\tgender:token\tzip_code:token\n7\t24\tF\t85711\n"


@pytest.fixture
def folder(tmp_path):
    for ending, text in {"inter": INTER, "item": ITEM, "user": USER}.items():
        (tmp_path / f"films.{ending}").write_text(text, encoding="utf-8")
    return tmp_path


def test_ids_stay_as_written_and_columns_get_our_names(folder):
    shop = load_dataset("movielens", source=folder)
    assert shop.interactions[["user_id", "item_id", "rating"]].values.tolist() == [["7", "007", 3.0], ["8", "1E5", 5.0]]
    assert str(shop.interactions["timestamp"][0]) == "1997-12-04 15:55:49+00:00"
    items = shop.items.set_index("item_id")
    assert items.index.tolist() == ["x", "007", "1E5"]
    assert items["title"].tolist()[:2] == ['The "Good"', "Tea for two"]
    assert items.loc["007", ["category", "attributes"]].tolist() == ["Musical", ["Musical", "Comedy"]]
    assert items["attributes"]["x"] == [] and pd.isna(items["category"]["x"])
    assert str(items["created_at"]["007"])[:10] == "1950-01-01" and pd.isna(items["created_at"]["x"])


def test_users_are_kept_but_for_what_says_where_they_live(folder):
    shop = load_dataset("movielens", source=folder)
    assert shop.users.to_dict("records") == [{"user_id": "7", "age": "24", "gender": "F"}]
    assert shop.report["rule"].str.contains("personal data, not read: column 'zip_code'").any()


def test_the_interactions_file_alone_is_enough_and_names_its_set(folder):
    assert source_files("movielens", source=folder / "films.inter") == [
        folder / f"films.{ending}" for ending in ("inter", "item", "user")
    ]
    (folder / "films.item").unlink()
    (folder / "films.user").unlink()
    shop = load_dataset("movielens", source=folder / "films.inter")
    assert shop.users is None and shop.items["item_id"].tolist() == ["007", "1E5"]


def test_names_of_other_sets_are_understood_or_given(folder):
    (folder / "films.inter").write_text("uid:token\tsong_id:token\tts:float\tplays:float_seq\n7\ta\t881250949\t1 2\n")
    (folder / "films.item").write_text("song_id:token\tlabel:token\tgenres:token\na\tBlue Note\tjazz\n")
    shop = load_dataset("movielens", source=folder, columns="brand=label")
    assert shop.interactions[["user_id", "item_id"]].values.tolist() == [["7", "a"]]
    item = shop.items.iloc[0]
    assert (item["brand"], item["category"], "attributes" in item) == ("Blue Note", "jazz", False)


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("user_id\titem_id:token\trating:float\ttimestamp:float", "'user_id'"),
        ("user_id:token\titem_id:number\trating:float\ttimestamp:float", "'item_id:number'"),
        ("user_id:token\t:token\trating:float\ttimestamp:float", "'token'"),
        ("user_id:token\titem_id:token\trating:float\trating:token", "have a name twice"),
    ],
)
def test_a_header_without_types_is_refused(folder, header, named):
    (folder / "films.inter").write_text(INTER.replace(INTER.split("\n")[0], header))
    with pytest.raises(DataError, match=rf"RK-177 .*films.inter.*{named}.*user_id:token"):
        load_dataset("movielens", source=folder)


def test_a_folder_without_or_with_several_sets_is_refused(folder):
    (folder / "music.inter").write_text(INTER)
    with pytest.raises(DataError, match=r"RK-103 .*films.inter.*source='.*/films.inter'"):
        load_dataset("movielens", source=folder)
    for file in folder.glob("*.inter"):
        file.unlink()
    with pytest.raises(DataError, match=r"RK-102 .*NAME.inter"):
        load_dataset("movielens", source=folder)
    with pytest.raises(DataError, match=r"RK-102 dataset 'movielens' needs NAME.inter.*'films.item'"):
        load_dataset("movielens", source=folder / "films.item")


def test_a_set_without_a_needed_column_is_refused(folder):
    (folder / "films.inter").write_text("user_id:token\trating:float\ttimestamp:float\n7\t3\t881250949\n")
    with pytest.raises(DataError, match=r"RK-104 .*films.inter.*'item_id'"):
        load_dataset("movielens", source=folder)


REAL = os.environ.get("RECSYS_KIT_DATA", "")


@pytest.mark.realdata
@pytest.mark.skipif(not REAL, reason="RECSYS_KIT_DATA is not set: no real data on this machine")
def test_movielens_100k_and_its_published_split():
    shop = load_dataset("movielens", source=Path(REAL) / "movielens-100k")
    assert shop.n_read == {"interactions": 100_000, "items": 1_682, "users": 943}
    assert shop.items["attributes"].map(len).sum() == 2_893
    split = split_interactions(shop.interactions, method="stratified")
    sizes = {name: len(part) for name, part in split.parts.items()}
    assert sizes == {"train": 67_526, "valid": 7_540, "test": 24_934, "set_aside": 0}
    drawn = split.test[["user_id", "item_id"]].astype(int).to_numpy()  # sums that the repository's own splitter gives
    assert (drawn[:, 0].sum(), drawn[:, 1].sum(), (drawn[:, 0] * drawn[:, 1]).sum()) == (
        11_519_017,
        10_553_773,
        4_881_260_875,
    )
