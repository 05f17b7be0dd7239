"""The door for bytes. Case names (A01 ...) are those of the catalogue of faults."""

import csv
import gzip
import json
import os
import pickle
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_kit.data.files import read_table, read_tables, unpacking
from recsys_kit.data.files import rows as rows_module
from recsys_kit.data.files.rows import FileRows
from recsys_kit.errors import DataError, ParameterError
from tests.data.malformed import BROKEN, CSV, JSONL, PARQUET, Broken, flipped, mutate, parquet, zipped

WORDS = "user,item\n007,NA\n1E5,None\n"


@pytest.fixture
def read(tmp_path):
    """Reads a content as the file of that name."""

    def read(content: bytes | str, name: str = "a.csv", **options) -> FileRows:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, **options)

    return read


def rules(rows: FileRows) -> list[str]:
    return [entry["rule"] for entry in rows.notes]


def rejected(rows: FileRows) -> list[tuple]:
    return [(entry["row"], entry["column"], entry["rule"]) for entry in rows.rejected]


def words(rows: FileRows | pd.DataFrame) -> list[list[str]]:
    return getattr(rows, "frame", rows).to_numpy().tolist()


# -- values ------------------------------------------------------------------------------------------------------------


def test_every_value_is_the_text_that_is_written(read):
    odd = [
        "007",
        "7",
        "NA",
        "None",
        "null",
        "nan",
        "True",
        "1E5",
        "",
        " x ",
        "12345678901234567890",
        "-0",
        "1.10",
        "\U0001f9f8",
    ]
    rows = read("id,other\n" + "".join(f"{value},x\n" for value in odd))
    assert rows.frame["id"].tolist() == odd
    assert rows.frame["id"].dtype == "str"
    assert rows.frame.index.tolist() == list(range(2, 16))
    assert (rows.rejected, rows.notes) == ([], [])
    lines = [f'{{"id": {json.dumps(value)}}}\n' for value in odd]
    assert read("".join(lines), "a.jsonl").frame["id"].tolist() == odd


def test_numbers_of_json_keep_their_digits(read):
    big = "9" * 5000
    rows = read(f'{{"a": 1E5, "b": {big}, "c": 12345678901234567890, "d": 1.10}}\n', "a.jsonl")
    assert words(rows) == [["1E5", big, "12345678901234567890", "1.10"]]


def test_json_values_become_text_lists_or_none(read):
    rows = read('{"a": true, "b": ["x", 1.0, null, ["y"]], "c": {"d": [1, "ü"]}}\n\n{"a": null}\n', "a.jsonl")
    assert words(rows) == [["true", ["x", "1.0", '["y"]'], '{"d": [1, "ü"]}'], [None, None, None]]
    assert rows.frame.index.tolist() == [1, 3]
    assert rules(rows) == ["blank lines left out"]


def test_an_array_of_objects_is_read_and_its_rows_are_counted_from_one(read):
    rows = read('[\n{"a": 007.5},\n{"a": "1"}, 5]'.replace("007.5", "7.50"), "a.json")
    assert words(rows) == [["7.50"], ["1"]]
    assert rows.frame.index.tolist() == [1, 2]
    assert rejected(rows) == [(3, "", "line is not an object")]


# -- several files of one table ----------------------------------------------------------------------------------------


@pytest.fixture
def read_all(tmp_path):
    """Reads the contents as files of one table."""

    def read_all(*contents: str, **options) -> FileRows:
        paths = [tmp_path / f"part{number}.csv" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content)
        return read_tables(paths, **options)

    return read_all


def test_files_of_one_table_are_joined_by_the_names_of_their_columns(read_all):
    rows = read_all("user,item,price\n007,a,1\n8,b\n8,b,2\n", "item,user\nc,007\n\nNA,9\n1\n")
    assert words(rows.frame.astype(object).fillna("-")) == [
        ["007", "a", "1"], ["8", "b", "2"], ["007", "c", "-"], ["9", "NA", "-"],
    ]  # fmt: skip
    assert rows.frame.index.tolist() == [2, 4, 6, 8]  # as if the second file stood below the first
    assert [(entry["row"], entry["value"]) for entry in rows.rejected] == [
        (3, "part0.csv line 3: 2 fields, not 3: 8,b"),
        (9, "part1.csv line 5: 1 fields, not 2: 1"),
    ]
    json.dumps([rows.rejected, rows.notes])
    assert [(entry["rule"], entry["rows"], entry["example"]) for entry in rows.notes] == [
        ("files read as one table, rows numbered on from file to file", 2, "part0.csv from 1, part1.csv from 5"),
        ("file lacks columns of the others", 2, "part1.csv: price"),
        ("blank lines left out", 1, "part1.csv"),
    ]


def test_one_file_as_a_list_is_that_file(read_all, read):
    rows, alone = read_all(WORDS), read(WORDS)
    pd.testing.assert_frame_equal(rows.frame, alone.frame)
    assert (rows.rejected, rows.notes) == (alone.rejected, alone.notes)


def test_files_of_one_table_without_a_header_have_the_names_given(read_all):
    rows = read_all("1,2\n3,4\n", "5,6\n", header=["user", "item"])
    assert (words(rows), list(rows.frame)) == ([["1", "2"], ["3", "4"], ["5", "6"]], ["user", "item"])


@pytest.mark.parametrize(("other", "code"), [("id,title\n1,x\n", "RK-133 part1.csv"), ("user,Item\n1,2\n", "RK-125")])
def test_files_of_different_tables_are_refused(read_all, other, code):
    with pytest.raises(DataError, match=code):
        read_all(WORDS, other)


# -- A01 to A06: encodings ---------------------------------------------------------------------------------------------


def test_a01_gb18030_is_refused_with_its_lines_and_accepted_by_name(read):
    content = ("用户,商品\n" + "u1,台灯\n" * 5).encode("gb18030")
    with pytest.raises(DataError, match=r"RK-123 a.csv is not utf-8: 6 of 6 lines .*encoding='gb18030'"):
        read(content)
    rows = read(content, encoding="gb18030")
    assert rows.notes == []
    assert list(rows.frame) == ["用户", "商品"]
    assert rows.frame["商品"].tolist() == ["台灯"] * 5


def test_latin_1_is_guessed_for_western_text(read):
    with pytest.raises(DataError, match=r"RK-123 .* lines 2, 3, 4, 5, 6 ... \(9 in all\); .*latin-1"):
        read("a,b\nx,caf\xe9\n".encode("latin-1") + "y,th\xe9\n".encode("latin-1") * 8)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp950", "交易日期時間,會員卡號\n2000,這個產品很好\n"), ("cp932", "ユーザー,商品名\nテスト,赤いランプ\n"),
        ("cp949", "사용자,상품\n홍길동,빨간 램프\n"), ("cp1251", "пользователь,товар\nИван,Красная лампа\n"),
        ("cp1250", "zákazník,zboží\nJiří,žluťoučký kůň\n"), ("cp1252", "id,it’s “ok” café\n"), ("latin-1", "id,élan\n"),
        ("cp1250", "id,Bílá káva\n1,Červené víno\n"), ("cp1250", "id,książka\n1,żółte łóżko\n"),
        ("mac_roman", "id,Café crème\n1,Größe\n2,Señor\n"), ("cp1253", "id,κόκκινη λάμπα\n"),
        ("cp1254", "id,kırmızı güneş gözlüğü\n"), ("gb18030", "用户,商品\n1,这个产品很好，我喜欢\n"),
    ],
)  # fmt: skip
def test_a_guessed_encoding_reads_the_file_as_it_was_written(read, encoding, text):
    with pytest.raises(DataError, match=rf"RK-123 .*--encoding {encoding}\)"):
        read((text * 3).encode(encoding))


def test_an_encoding_is_proposed_only_if_it_reads_the_file(read):
    wrong = b"id,name\n" + b"".join(b"%d,\x81\x8d\x9d caf\xe9\n" % n for n in range(9))
    with pytest.raises(DataError, match=r"RK-123 .*none that was tried reads it"):
        read(wrong)
    czech = ("id,Jiří žluťoučký kůň\n" * 9).encode("cp1250")
    with pytest.raises(DataError, match=r"RK-123 .*none that was tried reads it"):
        read(czech * 5 + b"7,\x83\n" * 2)
    with pytest.raises(DataError, match=r"RK-123 a.csv is not cp1252.*--encoding cp1250"):
        read(czech, encoding="cp1252")
    assert len(read(czech.replace(b"id,", b"7,"), encoding="cp1250", header=["id", "name"]).frame) == 9


def test_an_encoding_that_hides_utf_8_is_said(read):
    for encoding in ("gb18030", "latin-1"):
        rows = read("用户,商品\n" + "u1,台灯\n" * 5, encoding=encoding)
        assert rules(rows) == [f"bytes are valid utf-8, read as {encoding}"]


@pytest.mark.parametrize("name", ["latin1", "utf-8", "UTF_8", "gbk"])
def test_usual_names_of_encodings_are_known(read, name):
    assert words(read("a,b\n1,2\n", encoding=name)) == [["1", "2"]]


@pytest.mark.parametrize("name", ["utf-99", "hex", "a\0b"])
def test_an_encoding_that_does_not_exist_is_a_wrong_parameter(read, name):
    with pytest.raises(ParameterError, match="RK-135"):
        read(WORDS, encoding=name)


@pytest.mark.parametrize(("n", "rule"), [(1, "byte-order mark left out"), (2, "several byte-order marks left out")])
def test_a02_a03_marks_are_left_out_and_said(read, n, rule):
    rows = read("\ufeff" * n + WORDS)
    assert list(rows.frame) == ["user", "item"]
    assert rules(rows) == [rule]
    assert list(read("\ufeff" * n + JSONL, "a.jsonl").frame) == ["user_id", "item_id", "tags"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a04_wide_text_is_read_by_its_mark(read, encoding):
    rows = read("user,item\n1,Lämpchen\n".encode(encoding))
    assert words(rows) == [["1", "Lämpchen"]]
    assert rules(rows)[0] == f"{encoding} read as text"


def test_a04_utf_16_without_a_mark_is_refused_and_accepted_by_name(read):
    content = WORDS.encode("utf-16-le")
    with pytest.raises(DataError, match=r"RK-124 .*pass encoding='utf-16-le'"):
        read(content)
    assert words(read(content, encoding="utf-16-le")) == [["007", "NA"], ["1E5", "None"]]


def test_a05_one_line_of_latin_1_among_many_is_named(read):
    rows = read(CSV.encode() + b"u9,9,caf\xe9\n")
    assert rejected(rows) == [(42, "title", "bytes are not utf-8")]
    assert rows.rejected[0]["value"] == r"caf\udce9"
    assert rejected(read(CSV.encode().replace(b"\n", b"\r") + b"u9,9,caf\xe9\r")) == rejected(rows)
    assert len(rows.frame) == 40
    assert rejected(read(JSONL.encode() + b'{"user_id": "\xe9"}\n', "a.jsonl")) == [(41, "", "bytes are not utf-8")]


def test_a06_a_nul_is_a_bad_row(read):
    assert rejected(read(WORDS + "a,b\0c\n")) == [(4, "item", "NUL character")]
    assert rejected(read(JSONL + '{"user_id": "\\u0000"}\n', "a.jsonl")) == [(41, "", "NUL character")]


# -- A07 to A18: the rows of a CSV -------------------------------------------------------------------------------------


def test_a07_a08_short_and_long_rows_are_rejected_and_never_padded(read):
    rows = read(WORDS + "a\nb,c,d\ne,f\n")
    assert rejected(rows) == [(4, "", "row is too short"), (5, "", "row is too long")]
    assert rows.rejected[1]["value"] == "3 fields, not 2: b,c,d"
    assert words(rows)[-1] == ["e", "f"]
    assert not rows.frame.isna().any(axis=None)


def test_a09_rows_that_are_all_longer_than_the_header_are_refused(read):
    with pytest.raises(DataError, match=r"RK-127 .* 3 broken rows of 3: row 2: row is too long.* header, with 2 names"):
        read("user,item\n" + "0,1,2\n" * 3)


@pytest.mark.parametrize("header", ["id,ID", "id, id", "id,\ufeffid", "id,x,id"])
def test_a10_columns_that_differ_in_case_or_spaces_are_refused(read, header):
    with pytest.raises(DataError, match=r"RK-125 .*'id' \(column 1\) and '.*\(column [23]\)"):
        read(f"{header}\n1,2,3\n")


def test_a_header_in_another_encoding_has_it_guessed(read):
    with pytest.raises(DataError, match=r"RK-123 .*lines 1; .*latin-1"):
        read(b"id,caf\xe9\n" + b"1,2\n" * 200)


@pytest.mark.parametrize("header", [b"\n\n\nid,caf\xe9", b'"id\n",caf\xe9', b"id,a\0b"])
def test_a_header_that_is_no_text_is_refused(read, header):
    with pytest.raises(DataError, match=r"RK-12[34] "):
        read(header + b"\n1,2" * 200)


def test_a10_holds_for_parquet(read):
    with pytest.raises(DataError, match=r"RK-125 .*'id' .*'ID'"):
        read(parquet({"id": ["1"], "ID": ["2"]}), "a.parquet")


def test_a10_header_cells_keep_all_but_the_mark(read):
    assert list(read("\ufeff User ID,,\ufeffx\n1,2,3\n").frame) == [" User ID", "", "x"]


@pytest.mark.parametrize(("delimiter", "name"), [(";", "a semicolon"), ("\t", "a tab"), ("|", "a bar")])
def test_a12_another_delimiter_is_accepted_where_it_fits_every_row(read, delimiter, name):
    rows = read(WORDS.replace(",", delimiter))
    assert words(rows) == [["007", "NA"], ["1E5", "None"]]
    assert rules(rows) == [f"delimiter is {name}, not a comma"]


def test_a12_a_delimiter_that_fits_only_some_rows_is_named(read):
    with pytest.raises(DataError, match=r"RK-126 .*probably ';'"):
        read("a;b;c\n1;2;3\n1;2\n")


def test_names_that_do_not_fit_a_file_without_a_header_are_refused(read):
    with pytest.raises(DataError, match=r"RK-165 .* of 3 columns"):
        read("1,2,3\n4,5,6\n", header=["user_id", "item_id"])


def test_a12_two_colons_are_a_delimiter(read):
    rows = read("u::i::r\n" + '1::"2::3\n' * 9, "a.dat")
    assert words(rows) == [["1", '"2', "3"]] * 9
    assert rules(rows) == ["delimiter is two colons, not a comma"]


def test_a12_a_comma_inside_another_table_does_not_mislead(read):
    assert words(read("a;b\n1,5;2\n3;4\n")) == [["1,5", "2"], ["3", "4"]]
    assert words(read("title\nOak; bowl\nTea, cup | set\n".replace(",", ""))) == [["Oak; bowl"], ["Tea cup | set"]]


def test_a12_a_header_longer_than_what_is_looked_at_is_read(read, monkeypatch):
    monkeypatch.setattr("recsys_kit.data.files.decoding.HEAD", 5)
    assert words(read(WORDS)) == [["007", "NA"], ["1E5", "None"]]


@pytest.mark.parametrize("name", ["a.tsv", "ml.inter", "ml.item", "ml.user"])
def test_tabs_need_no_note_where_the_name_says_so(read, name):
    rows = read("user_id:token\titem, first\n1\tx,y\n", name)
    assert (words(rows), rows.notes) == ([["1", "x,y"]], [])


def test_quotes_of_a_tab_separated_file_without_quoting_are_text(read):
    rows = read('id\ttitle\n1\t"Weird Al" live\n2\t"open\n3\tx\n', "a.tsv")
    assert rows.frame["title"].tolist() == ['"Weird Al" live', '"open', "x"]
    assert rules(rows) == ["quotes are part of the text"]


def test_line_ends_inside_the_quotes_of_a_tab_separated_file_without_quoting_lose_no_row_in_silence(read):
    rows = read('u1\t001\t"Lamp \r\roak"\nuser_id\titem_id\ttitle\nu2\t002\t"open', "a.tsv")
    assert (list(rows.frame), rows.frame.index.tolist()) == (["u1", "001", '"Lamp '], [4, 5])
    assert rejected(rows) == [(3, "", "row is too short")]
    assert len(read('id\ttitle\n1\t"a\rb"\n2\t"open\n3\tx\n', "b.tsv").frame) > 1


ROWS = [f"u{n % 9},p{n % 7},2024-01-{1 + n % 28:02} 09:00:00" for n in range(60)]
NAMES = "user_id,item_id,timestamp"


def is_as_written(rows: FileRows, names: str = NAMES) -> bool:
    is_same = words(rows) == [row.split(",") for row in ROWS]
    return is_same and [name.strip() for name in rows.frame] == names.split(",") and not rows.rejected


@pytest.mark.parametrize("delimiter", ["^", "~", "\x01", "    "])
def test_rarer_delimiters_are_found_and_said(read, delimiter):
    rows = read("\n".join([NAMES, *ROWS]).replace(",", delimiter))
    assert is_as_written(rows)
    assert rules(rows)[0].startswith("delimiter is ")


def test_columns_between_blanks_of_any_number_need_a_header_or_times(read):
    aligned = [f"u{n % 9:<{2 + n % 5}} p{n % 7}  {1700000000 + n}" for n in range(60)]
    rows = read("\n".join(["user item  at", *aligned]), "a.txt")
    assert rows.frame.iloc[1].tolist() == ["u1", "p1", "1700000001"]
    assert len(read("\n".join([f"u{n} p{n} p{n} p{n}" for n in range(60)]), "b.txt").frame.columns) == 1


@pytest.mark.parametrize(
    "titles", ["Report;Sales\nPeriod;01.01.2024 - 31.12.2024\n;\n", "Report\n\n", "Shop 7;;;\n;;;\n"]
)
def test_titles_above_the_header_may_hold_its_delimiter(read, titles):
    rows = read(
        titles + "\n".join(["user;item;day;n", *(f"u{n % 9};p{n % 7};2024-01-0{1 + n % 9};1" for n in range(60))])
    )
    assert (list(rows.frame), len(rows.frame)) == (["user", "item", "day", "n"], 60)
    assert rows.frame.index[0] == titles.count("\n") + 2
    assert "lines above the header are skipped" in rules(rows)


def test_a_row_is_never_taken_for_a_header_below_a_title(read):
    with pytest.raises(DataError, match="RK-127"):
        read("user,item\n" + "".join(f"u{n},p{n},lamp,oak\n" for n in range(60)))
    rows = read("user,item,,\n" + "".join(f"u{n},p{n},lamp,oak\n" for n in range(60)).replace("oak", ""))
    assert (list(rows.frame)[:2], len(rows.frame)) == (["user", "item"], 60)


def test_a_table_of_markdown_is_read_without_its_blanks_and_its_ruler(read):
    lines = [f"| {row.replace(',', ' | ')} |" for row in (NAMES, "---,:---,---", *ROWS)]
    rows = read("\n".join(lines).replace("| -", "|-"), "a.txt")
    assert is_as_written(rows) and rows.frame.index[0] == 3
    assert rules(rows)[1:] == [
        "line of dashes below the header left out", "blanks around all values of a column left out",
    ]  # fmt: skip
    assert words(read("a,b\n-,-\n1,2\n")) == [["-", "-"], ["1", "2"]]
    assert rows.notes[-1]["example"] == NAMES.replace(",", ", ")
    assert is_as_written(read("\n".join([NAMES, *ROWS]).replace(",", " , ")))
    one_bare = "\n".join([NAMES, *ROWS, *ROWS]).replace(",", " , ") + "\nu1 ,p3, 2024-01-01"
    assert read(one_bare).frame["user_id "].iloc[0] == "u0" and read(one_bare).frame[" item_id "].iloc[0] == " p0 "


def test_apostrophes_around_all_values_are_quotes(read):
    lines = [",".join(f"'{value}'" for value in row.split(",")) for row in (NAMES, *ROWS)]
    found = read("\n".join(lines))
    assert is_as_written(found) and rules(found) == ["apostrophes around texts read as quotes"]
    rows = read("\n".join([*lines, "'u1','p1'", "'u1','Lamp, red ''7''','x'"]))
    assert rejected(rows) == [(62, "", "row is too short")]
    assert rows.frame["item_id"].iloc[-1] == "Lamp, red '7'"
    assert words(read("a,b\n'tis,x\ny,O'Neil\n")) == [["'tis", "x"], ["y", "O'Neil"]]


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
@pytest.mark.parametrize("items", ["[1, 2, 3]", '"[""p0"", ""q0"", ""r0""]"', "p0, q0, r0", "4875,776,56689"])
def test_commas_of_equal_number_inside_the_cells_of_another_table_do_not_mislead(read, delimiter, items):
    for header in ("user;items", "items;user", "user;title;items"):
        row = delimiter.join({"user": "u1", "title": "Lamp, red", "items": items}[name] for name in header.split(";"))
        rows = read(header.replace(";", delimiter) + f"\n{row}" * 20)
        assert (list(rows.frame), len(rows.frame)) == (header.split(";"), 20)
        assert set(rows.frame["items"]) == {items.strip('"').replace('""', '"')}


def test_two_colons_go_before_commas_and_bars_in_the_titles(read):
    rows = read("".join(f"{n}::Misérables, Les::Drama|Musical\n" for n in range(14)), header=["id", "title", "genres"])
    assert words(rows)[0] == ["0", "Misérables, Les", "Drama|Musical"]


@pytest.mark.parametrize(
    ("row", "header"),
    [
        ("{n}::Misérables::Drama {n}", "column1,column2,column3, with user_id and item_id in their places"),
        ("{n},2023-01-02T09:00:00Z,21{n},12{n},1", "column1,timestamp,column3,column4,column5, with user_id"),
        ("1516{n},The Elder Scrolls,purchase,1.0,0", "column1,column2,event,column4,column5, with user_id"),
        ("A{n},B{n},{rating}.0,1381449600", "user_id,item_id,rating,timestamp (if that is right)"),
        ("U{n}\t1/2/2023 9:00:00 AM\tN{n} N1", "column1,timestamp,column3, with user_id"),
        (
            "\t".join(["{rating}", *["1{n}"] * 3, "68fd{n}", "a7b{n}"]),  # Criteo: a label, counts and hashes
            "column1,column2,column3,column4,column5,column6, with user_id",
        ),
    ],
)
def test_a_file_without_a_header_gets_names_only_where_its_values_leave_no_doubt(read, row, header):
    with pytest.raises(DataError, match="RK-165") as refused:
        read("".join(row.format(n=n, rating=n % 5) + "\n" for n in range(20)))
    assert f"--header {header}" in str(refused.value)


def test_names_are_proposed_only_if_they_read_the_file(read):
    row = "u{n},p{n},1381449600\n"
    good = "".join(row.format(n=n) for n in range(200))
    with pytest.raises(DataError, match=r"RK-165 .*--header user_id,item_id,timestamp"):
        read(good + "u1,p1\n" * 5)
    with pytest.raises(DataError, match=r"RK-165 .*Write a first line with the names"):
        read(good + "u1,p1\n" * 50)


def test_a_wide_header_above_a_million_short_rows_is_refused_soon(read):
    started = time.process_time()
    with pytest.raises(DataError, match="RK-127"):
        read(b",".join(b"c%d" % n for n in range(19_000)) + b"\n" + b"1,2\n" * 1_250_000)
    assert time.process_time() - started < 5


def test_a13_an_open_quote_is_named_by_its_line(read):
    with pytest.raises(DataError, match=r'RK-128 .*\("\) in line 3 .* reaches to line 4'):
        read('a,b\n1,x\n2,"open\n3,y\n')
    with pytest.raises(DataError, match=r"RK-128 .* in line 3 .* reaches to line 5"):
        read('a,b\n1,x\n2,"open\n3,y\n4,"z"\n5,w\n')


def test_a13_text_behind_a_closing_quote_is_a_bad_row(read):
    rows = read('a,b\n1,"5" nail"\n2,5" nail\n3,"a\nb"\n')
    assert rejected(rows) == [(2, "", "text behind a closing quote")]
    assert rows.rejected[0]["value"] == '1,"5" nail"'
    assert (words(rows), rows.frame.index.tolist()) == ([["2", '5" nail'], ["3", "a\nb"]], [3, 4])


def test_a_quote_behind_a_backslash_is_part_of_the_text(read):
    rows = read('"id";"title"\n"1";"The \\"real\\" one; a novel"\n"2";"C:\\"\n' * 1)
    assert words(rows) == [["1", 'The "real" one; a novel'], ["2", "C:\\"]]


def test_a14_a_field_of_ten_megabytes_is_read_and_the_limit_of_csv_put_back(read):
    csv.field_size_limit(131_072)
    started = time.process_time()
    rows = read(f'a,b\n1,"{"x" * 10**7}"\n2,y\n')
    assert rows.frame["b"].str.len().tolist() == [10**7, 1]
    assert csv.field_size_limit() == 131_072
    assert time.process_time() - started < 5


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_a15_line_ends_do_not_matter(read, end, last):
    rows = read(WORDS.replace("\n", end).removesuffix("" if last else end))
    pd.testing.assert_frame_equal(rows.frame, read(WORDS).frame)
    lines = (JSONL.replace("\n", end)).removesuffix("" if last else end)
    pd.testing.assert_frame_equal(read(lines, "a.jsonl").frame, read(JSONL, "a.jsonl").frame)


def test_a15_mixed_line_ends_and_blank_lines_keep_the_numbers_of_lines(read):
    rows = read("\n \na,b\r\n1,2\r\n\r\n3,4\n5,6\r7,8")
    assert rows.frame.index.tolist() == [4, 6, 7, 8]
    assert rows.notes == [{"rule": "blank lines left out", "rows": 3, "example": ""}]


@pytest.mark.parametrize("content", ["", "\n\n", " \r\n\t\n", "\ufeff"])
def test_a16_a18_an_empty_file_is_refused(read, content):
    for name in ("a.csv", "a.jsonl"):
        with pytest.raises(DataError, match="RK-122 "):
            read(content, name)


def test_a17_a_header_alone_says_that_rows_are_missing(read):
    for end in ("", "\n", "\n\n"):
        with pytest.raises(DataError, match=r"RK-122 a.csv has no whole row .a header at most"):
            read(f"user,item{end}")
    with pytest.raises(DataError, match="RK-122"):
        read(parquet({"a": pa.array([], pa.string())}), "a.parquet")


def test_a_file_whose_every_line_is_a_row_is_numbered_without_memory(read):
    for end in ("\n", "\r\n"):
        assert isinstance(read(WORDS.replace("\n", end)).frame.index, pd.RangeIndex)


def test_a_row_behind_a_broken_one_is_kept(read):
    rows = read('a,b\n"x"y,z\n1,2\n3\n4, "5,\n6"\n 8, 9\n')
    assert words(rows) == [["1", "2"], ["4", "5,\n6"], [" 8", " 9"]]
    assert rows.frame.index.tolist() == [3, 5, 7]
    assert rejected(rows) == [(2, "", "text behind a closing quote"), (4, "", "row is too short")]


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n" + b"1,2\n" * 50_000 + b"1\n" * 49_000,
        b"a,b\n1,2\n" + b" \n" * 200_000,
        b"a,b\n" + b'"\n' * 200_000,
        b"a,b\n1,2\n" + b'1,"x"y\n1,2\n' * 50_000,
        b",".join(b"c%d" % n for n in range(5000)) + b"\n" + b"1,2\n" * 5000,
        b"7" * 500_000 + b",8\n1,2\n",
    ],
    ids=["short rows", "spaces", "quotes", "text behind quotes", "wide and short", "digits"],
)
def test_large_odd_files_end_soon(read, content):
    started = time.process_time()
    with suppress(DataError):
        read(content)
    assert time.process_time() - started < 5


# -- A19 to A21: containers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        (gzip.compress(WORDS.encode()), "a.csv", "RK-114 a.csv .* is gzip.*ends in .csv.gz"),
        (zipped({"b.csv": WORDS.encode()}), "a.csv", "RK-114 a.csv .* is zip.*ends in .csv.zip"),
        (PARQUET, "a.csv", "RK-114 .*parquet.*ends in .parquet"),
        (WORDS, "a.parquet", "RK-114"),
        (random.Random(1).randbytes(5000), "a.csv", "RK-124 .*expected text"),
        (b"\n" * 999 + b"<html><title>Log in</title>", "a.csv", "RK-115 .*web page.*log-in"),
        (zipped({"[Content_Types].xml": b"", "xl/sheet.xml": b""}), "a.xlsx", "RK-115 .*Office.*CSV UTF-8"),
        (b"%PDF-1.7\n", "a.csv", "RK-115 .*PDF"),
        (b"\x89PNG\r\n\x1a\n", "a.csv", "RK-115 .*PNG"),
        (b"\x80\x04\x95", "a.jsonl", "RK-115 .*pickle"),
        (gzip.compress(b"a.csv".ljust(257, b"\0") + b"ustar\x0000"), "a.tgz", "RK-115 .*tar"),
        (gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"a,b\n1,2\n")))), "a", "RK-116 .*packed"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,  # gzip's bytes hold the time
)  # fmt: skip
def test_a19_the_bytes_say_what_a_file_is(read, content, name, problem):
    with pytest.raises(DataError, match=problem):
        read(content, name)


def test_packed_tables_are_read_by_what_they_are(read):
    for name, content in {
        "a.csv.gz": gzip.compress(WORDS.encode()),
        "A.CSV.GZ": gzip.compress(WORDS.encode()[:20]) + gzip.compress(WORDS.encode()[20:]),
        "a.zip": zipped({"b.csv": WORDS.encode()}),
        "b.zip": zipped({"b.csv.gz": gzip.compress(WORDS.encode())}),
        "part-0000": gzip.compress(WORDS.encode()),
    }.items():
        assert words(read(content, name)) == [["007", "NA"], ["1E5", "None"]]


def test_the_one_table_of_a_zip_is_found_among_other_things(read):
    rows = read(zipped({
        "d/.ipynb_checkpoints/c.csv": b"x", "d/a.ipynb": b"{}", "d/a.png": b"", "__MACOSX/d/._r.csv": b"",
        "README.txt": b"hi",
        "d/Reviews of {2018} #1 100%.csv": WORDS.encode(),
    }), "a.zip")  # fmt: skip
    assert len(rows.frame) == 2
    assert rows.notes == [
        {"rule": "one table of the zip is read", "rows": 1, "example": "d/Reviews of {2018} #1 100%.csv"}
    ]


def test_a_table_of_several_is_named_with_two_colons(read, tmp_path):
    archive = zipped({"ml/ratings.csv": WORDS.encode(), "ml/movies.csv": b"id,title\n1,X\n"})
    with pytest.raises(DataError, match=r"RK-118 a.zip has 2 tables; .*Name one: 'a.zip::ml/ratings.csv'"):
        read(archive, "a.zip")
    assert words(read_table(f"{tmp_path / 'a.zip'}::ml/movies.csv")) == [["1", "X"]]
    with pytest.raises(DataError, match=r"RK-118 .*no member 'x.csv'; it holds 'ml/ratings.csv', 'ml/movies.csv'"):
        read_table(f"{tmp_path / 'a.zip'}::x.csv")
    read(WORDS, "odd::name.csv")
    with pytest.raises(DataError, match=r"RK-118 .*not a zip"):
        read_table(f"{tmp_path / 'odd::name.csv'}::x")


def test_a_zip_is_never_unpacked_to_disk(read, tmp_path):
    archive = zipped({"../../escaped.csv": WORDS.encode()})
    assert len(read(archive, "a.zip").frame) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
    assert not (tmp_path.parent.parent / "escaped.csv").exists()


def test_a20_a_bomb_is_stopped_with_its_limit(read, monkeypatch):
    bomb = gzip.compress(bytes(70 * 1024**2))
    with pytest.raises(DataError, match=r"RK-116 .*at most 200 times .*MAX_RATIO"):
        read(bomb, "a.csv.gz")
    with pytest.raises(DataError, match="RK-116"):
        read(zipped({"a.csv": bytes(70 * 1024**2)}), "a.zip")
    monkeypatch.setattr(unpacking, "MAX_BYTES", 1024**2)
    with pytest.raises(DataError, match=r"RK-116 .*GiB.*MAX_BYTES"):
        read(random.Random(1).randbytes(2 * 1024**2), "a.csv")


def test_a20_text_that_packs_well_is_no_bomb(read):
    rows = read(gzip.compress(b"a,b\n" + b"1,2\n" * 10**6), "a.csv.gz")
    assert len(rows.frame) == 10**6


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a21_a_gzip_that_is_cut_off_is_read_to_its_last_whole_line(read, name):
    rng = random.Random(7)
    numbers = [str(rng.random()) for _ in range(4000)]
    lines = [f"{number},x\n" if name == "a.csv" else f'{{"n": "{number}"}}\n' for number in numbers]
    content = gzip.compress((("n,m\n" if name == "a.csv" else "") + "".join(lines)).encode())
    rows = read(content[: len(content) // 2], f"{name}.gz")
    assert 1000 < len(rows.frame) < 3000
    assert rows.frame["n"].tolist() == numbers[: len(rows.frame)]
    assert rows.notes == [{"rule": "file cut off, read to its last whole line", "rows": 1, "example": f"{name}.gz"}]
    assert rows.rejected == []


def test_a21_what_is_cut_inside_quotes_is_left_out(read):
    rows = read(gzip.compress(b'a,b\n1,x\n2,"two\nlines\n')[:-4], "a.csv.gz")
    assert (words(rows), rows.rejected) == ([["1", "x"]], [])
    with pytest.raises(DataError, match=r"RK-122 .*no whole row"):
        read(gzip.compress(b"a,b")[:-4], "a.csv.gz")


def test_a21_wide_text_that_is_cut_inside_a_character_is_read(read):
    content = gzip.compress("a,b\n1,x\n2,yz".encode("utf-16")[:-1])
    assert words(read(content[:-4], "a.csv.gz")) == [["1", "x"]]


def test_a21_parquet_that_is_cut_off_is_refused(read):
    for content, name in ((PARQUET[:-30], "a.parquet"), (gzip.compress(PARQUET)[:-4], "a.parquet.gz")):
        with pytest.raises(DataError, match=r"RK-117 a.parquet(.gz)? cannot be unpacked .*whole Parquet"):
            read(content, name)


# -- workbooks: the extra `excel` --------------------------------------------------------------------------------------


@pytest.fixture
def workbook(tmp_path):
    """Writes sheets, given as rows, to a workbook; skips where openpyxl is missing."""
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed: the extra `excel`")

    def workbook(zero_filled: str = "", **sheets: list[list]) -> Path:
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            for row in rows:
                book.create_sheet(title).append(row) if title not in book else book[title].append(row)
        if zero_filled:
            book.worksheets[-1][zero_filled].number_format = "00000"
        book.save(tmp_path / "shop.xlsx")
        return tmp_path / "shop.xlsx"

    return workbook


def test_a_sheet_is_read_with_the_values_that_it_shows(workbook):
    path = workbook(
        zero_filled="A4",
        Empty=[[None]],
        Sales=[
            ["Sales of 2024"],
            ["user", "item", "price", "day", "at", "good"],
            ["u1", 4006381333931, 1.5, date(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5), True],
            [7, "007", 2.0, None, None, None],
            [],
            ["NA", "1E5\nx", -0.25, "?", None, False],
        ],
    )
    rows = read_table(path)
    assert words(rows) == [
        ["u1", "4006381333931", "1.5", "2024-01-02", "2024-01-02T03:04:05", "TRUE"],
        ["00007", "007", "2", "", "", ""],
        ["NA", "1E5 x", "-0.25", "?", "", "FALSE"],
    ]
    assert rows.frame.index.tolist() == [3, 4, 6]
    assert rules(rows) == [
        "one sheet of the workbook is read", "lines above the header are skipped", "blank lines left out",
    ]  # fmt: skip


def test_a_sheet_is_named_with_two_colons(workbook, read):
    path = workbook(One=[["user", "item"], [1, 2]], Two=[["item", "title"], [2, "Lamp, red"]])
    assert words(read_table(f"{path}::Two")) == [["2", "Lamp, red"]]
    with pytest.raises(DataError, match=r"RK-118 shop.xlsx has no sheet 'Three'; it holds 'One', 'Two'"):
        read_table(f"{path}::Three")
    assert words(read(gzip.compress(path.read_bytes()), "a.xlsx.gz")) == [["1", "2"]]
    with pytest.raises(DataError, match=r"RK-114 .*called .csv and is xlsx"):
        read(path.read_bytes(), "a.csv")


def test_a_damaged_workbook_or_one_that_is_a_bomb_is_refused(workbook, read, monkeypatch):
    content = workbook(One=[["user", "item"], *[[n, n] for n in range(2000)]]).read_bytes()
    for at in range(0, len(content) - 30, 97):
        with suppress(DataError):
            read(flipped(content, at), "a.xlsx")
    with pytest.raises(DataError, match="RK-117"):
        read(zipped({"xl/workbook.xml": b"<workbook", "[Content_Types].xml": b"<Types/>"}), "a.xlsx")
    monkeypatch.setattr(unpacking, "SMALL", 1000)
    monkeypatch.setattr(unpacking, "MAX_RATIO", 2)
    with pytest.raises(DataError, match=r"RK-116 a.xlsx has"):
        read(content, "a.xlsx")


def test_without_openpyxl_a_workbook_says_how_to_install_it(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError, match=r"RK-134 a.xlsx .*pip install 'recsys_kit\[excel\]'.*CSV UTF-8"):
        read(zipped({"xl/workbook.xml": b""}), "a.xlsx")


# -- A22: JSON lines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"a": 1, "a": 1}', "key appears twice"),
        ('{"a": {"b": 1, "b": 2}}', "key appears twice"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"a": "\\ud800"}', "lone surrogate"),
        ('{"\\udfff": 1}', "lone surrogate"),
        ('["a"]', "line is not an object"),
        ("{'a': 1}", "line is not JSON"),
        ('{"a": 1', "line is not JSON"),
        ('{"a": 1} {"a": 2}', "line is not JSON"),
    ],
)
def test_a22_a_line_that_is_no_record_is_rejected_with_its_number(read, line, rule):
    rows = read(f'{{"a": "\\ud83e\\uddf8"}}\n{line}\n{{"a": 2}}\n', "a.jsonl")
    assert rejected(rows) == [(2, "", rule)]
    assert len(rows.rejected[0]["value"]) <= 80
    assert words(rows) == [["\U0001f9f8"], ["2"]]


def test_a22_a_last_line_that_is_cut_is_left_out(read):
    rows = read(JSONL + '{"user_id": "u9', "a.jsonl")
    assert (len(rows.frame), rows.rejected) == (40, [])
    assert rules(rows) == ["file cut off, read to its last whole line"]


def test_a22_other_json_says_how_to_make_lines_of_it(read):
    with pytest.raises(DataError, match=r"RK-130 a.json begins as a JSON array .*char 20.*jq -c '.\[\]' a.json"):
        read('[{"a": 1}, {"a": 2} {"a": 3}]', "a.json")
    with pytest.raises(DataError, match=r"RK-127 .*not the text of a Python dict"):
        read("{'a': 1}\n" * 3, "a.jsonl")


@pytest.mark.parametrize("indent", [None, 1])
def test_one_json_map_over_all_rows_is_read(read, indent):
    said = "one JSON map over all rows: its keys are the column id, or the columns"
    for content, rows_in_it in (
        ({"007": {"title": "x", "n": 1.5}, "NA": {"title": "y"}}, [["007", "x", "1.5"], ["NA", "y", None]]),
        ({"u1": [{"sku": "a"}, {"sku": "b"}], "u2": [{"sku": "a"}]}, [["u1", "a"], ["u1", "b"], ["u2", "a"]]),
        ({"user": {"0": "u1", "1": "u2"}, "item": {"0": 7, "1": 8}}, [["u1", "7"], ["u2", "8"]]),
    ):
        rows = read(json.dumps(content, indent=indent), "a.json")
        assert (words(rows), rules(rows)) == (rows_in_it, [said])


def test_one_record_with_parts_that_differ_stays_one_row(read):
    for record in (
        {"user": {"id": 1}, "title": "x"},
        {"data": {"ratings": [{"u": 1}]}},
        {"users": [{"a": 1}], "x": [{"b": 1}]},
    ):
        assert len(read(json.dumps(record), "a.json").frame) == 1


@pytest.mark.parametrize(
    ("bad", "rule"),
    [('{"a": 1, "a": 2}', "key appears twice"), ('{"a": [{"b": Infinity}]}', "Infinity is not JSON"), ("7", "line is")],
)
def test_one_bad_record_of_an_array_does_not_cost_the_others(read, bad, rule):
    rows = read(f'[{{"a": 1}}, {bad}, {{"a": NaN}}]', "a.json")
    assert rows.frame["a"].tolist() == ["1", None]
    assert [(entry["row"], entry["rule"].startswith(rule)) for entry in rows.rejected] == [(2, True)]


def test_a22_one_broken_line_alone_is_refused(read):
    with pytest.raises(DataError, match=r"RK-127 .*row 1: line is not JSON"):
        read('{"a": "x', "a.jsonl")


def test_a22_ids_as_keys_do_not_fill_the_memory(read, monkeypatch):
    monkeypatch.setattr(rows_module, "MAX_VALUES", 100)
    with pytest.raises(DataError, match=r"RK-132 .*11 columns and 11 rows"):
        read("".join(f'{{"u{n}": 1}}\n' for n in range(11)), "a.jsonl")


# -- A23, A24: Parquet -------------------------------------------------------------------------------------------------

MOMENT = datetime(2014, 5, 13, 16, 53, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([2**63 - 1, None]), ["9223372036854775807", None]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([0.1, 17850.0, None, 1e22]), ["0.1", "17850.0", None, "1e+22"]),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (pa.array([Decimal("1.10"), None]), ["1.10", None]),
        (pa.array([True, None, False]), ["true", None, "false"]),
        (pa.array(["007", None]).dictionary_encode(), ["007", None]),
        (pa.array([MOMENT], pa.timestamp("s", "UTC")), ["2014-05-13T16:53:20+00:00"]),
        (pa.array([MOMENT], pa.timestamp("us", "Asia/Shanghai")), ["2014-05-13T16:53:20+00:00"]),
        (pa.array([datetime(2014, 5, 13, 0, 0, 1, 1500)], pa.timestamp("ns")), ["2014-05-13T00:00:01.0015"]),
        (pa.array([datetime(2020, 1, 1), None], pa.timestamp("ms")), ["2020-01-01T00:00:00", None]),
        (pa.array([datetime(2020, 1, 1, 10, 0, 0, 500_000)], pa.timestamp("us")), ["2020-01-01T10:00:00.5"]),
        (pa.array([date(2020, 1, 2)]), ["2020-01-02"]),
        (pa.array([["a", None, "b"], None, []]), [["a", "b"], None, []]),
        (pa.array([[0.1], [2]], pa.list_(pa.float32())), [["0.1"], ["2.0"]]),
        (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), [["1", "2"]]),
        (pa.array([[["a"], ["b", "c"]]]), [['["a"]', '["b", "c"]']]),
        (pa.array([{"cm": 3, "of": "öl"}, None]), ['{"cm": 3, "of": "öl"}', None]),
        (pa.array([b"007", b"caf\xc3\xa9"]), ["007", "café"]),
        (pa.nulls(2), [None, None]),
    ],
)  # fmt: skip
def test_a23_columns_of_parquet_become_text(read, values, expected):
    rows = read(parquet({"x": values}), "a.parquet")
    assert rows.frame["x"].tolist() == expected
    assert rows.frame.index.tolist() == list(range(1, len(expected) + 1))


class Trap:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_a24_nothing_in_a_parquet_file_is_run(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    payload = pickle.dumps(Trap())
    schema = pa.schema([
        pa.field("id", pa.string(), metadata={
            b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": payload,
        }),
        pa.field("blob", pa.binary()),
    ], metadata={b"pandas": payload})  # fmt: skip
    table = pa.Table.from_arrays([pa.array(["7"]), pa.array([payload + b"\xff"])], schema=schema)
    pq.write_table(table, tmp_path / "a.parquet")
    rows = read_table(tmp_path / "a.parquet")
    assert words(rows) == [["7"]]
    assert rows.notes == [{"rule": "column left out: it holds no text", "rows": 1, "example": "blob: binary"}]
    assert not (tmp_path / "unpickled").exists()
    pickle.loads(payload)
    assert (tmp_path / "unpickled").exists()  # the trap works


def test_a24_the_index_that_pandas_writes_is_a_column_like_any_other(tmp_path):
    pd.DataFrame({"item": ["x", "y"]}, index=pd.Index(["b", "a"], name="user")).to_parquet(tmp_path / "a.parquet")
    rows = read_table(tmp_path / "a.parquet")
    assert rows.frame.to_dict("list") == {"item": ["x", "y"], "user": ["b", "a"]}


def test_a_flipped_bit_in_a_page_is_found(read):
    assert len(read(PARQUET, "a.parquet").frame) == 200
    with pytest.raises(DataError, match=r"RK-117 .*(CRC|checksum)"):
        read(flipped(PARQUET, 60), "a.parquet")


# -- A25 to A28: size, and what is no file -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a25_ten_thousand_columns_are_read_fast(read, kind):
    names = [f"c{n}" for n in range(10_000)]
    content = {
        "csv": (",".join(names) + "\n" + (",".join(names) + "\n") * 20).encode(),
        "jsonl": (json.dumps(dict.fromkeys(names, "x")) + "\n").encode() * 20,
        "parquet": parquet({name: ["x"] * 20 for name in names}),
    }[kind]
    started = time.process_time()
    assert read(content, f"a.{kind}").frame.shape == (20, 10_000)
    assert time.process_time() - started < 20  # 1 to 2 s on a quiet machine


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a25_more_columns_are_refused_with_the_limit(read, kind):
    names = [f"c{n}" for n in range(rows_module.MAX_COLUMNS + 1)]
    content = {
        "csv": (",".join(names) + "\n" + ",".join(names)).encode() + b"\n",
        "jsonl": json.dumps(dict.fromkeys(names, "x")).encode(),
        "parquet": parquet({name: ["x"] for name in names}),
    }[kind]
    with pytest.raises(DataError, match=r"RK-132 .*20,001 columns .*at most 20,000 columns"):
        read(content, f"a.{kind}")


@pytest.mark.parametrize("how", ["longer", "same size", "another file"])
def test_a26_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, how):
    path = tmp_path / "a.csv"
    path.write_text(WORDS)
    look, n_looks = os.stat, Counter()

    def stat(file, *args, **options):
        n_looks[str(file)] += 1
        if str(file) == str(path) and n_looks[str(file)] == 2:  # the second look comes after reading
            if how == "another file":
                (tmp_path / "new").write_text(WORDS)
                os.replace(tmp_path / "new", path)
            else:
                path.write_text(WORDS + "x,y\n" if how == "longer" else WORDS.replace("7", "8"))
        return look(file, *args, **options)

    monkeypatch.setattr(unpacking.os, "stat", stat)
    with pytest.raises(DataError, match=r"RK-113 a.csv changed while it was read"):
        read_table(path)


def test_a27_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"RK-112 pipe.csv is a pipe"):
        read_table(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"RK-112 .* is a folder, with pipe.csv; .*Name the file"):
        read_table(tmp_path)
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(DataError, match=r"RK-111 'loop.csv' .*symbolic links"):
        read_table(tmp_path / "loop.csv")
    for wrong in ("ratings.cvs", "a\0b", "x" * 5000, "/dev/null"):
        with pytest.raises(DataError, match=r"RK-11[12]"):
            read_table(tmp_path / wrong)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a27_a_file_without_rights_is_refused(read, tmp_path):
    read(WORDS)
    (tmp_path / "a.csv").chmod(0)
    with pytest.raises(DataError, match=r"RK-111 .*denied"):
        read_table(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "name", ["a b.csv", "{0}.csv", "a#1.csv", "100%s.csv", "a?b*.csv", "-x.csv", "é用.csv", "a::b.csv"]
)
def test_a28_odd_names_are_names(read, tmp_path, name):
    assert len(read(WORDS, name).frame) == 2
    assert len(read_table(str(tmp_path / name)).frame) == 2
    archive = tmp_path / "odd.zip"
    archive.write_bytes(zipped({"d/b.csv": b"x\n1\n", f"d/{name}": WORDS.encode()}))
    assert len(read_table(f"{archive}::d/{name}").frame) == 2


def test_no_error_shows_a_path_of_the_machine(tmp_path):
    with pytest.raises(DataError) as error:
        read_table(tmp_path / "a.csv")
    assert str(tmp_path) not in str(error.value)


# -- all of it together ------------------------------------------------------------------------------------------------

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=8)))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_csv_writer_writes_comes_back(tmp_path, table):
    names = [f"column {n}" for n in range(len(table[0]))]
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([names, *table])
    rows = read_table(path)
    assert words(rows) == table
    assert list(rows.frame) == names
    assert rows.frame.index.is_monotonic_increasing and rows.frame.index.is_unique


@given(st.lists(st.sampled_from(["1,2", "3", "4,5,6", "", '"a\nb",c', '"x"y,z', " ", "\0,\0", ","]), max_size=30))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_read_or_rejected(tmp_path, lines):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["a,b", *["a long enough text,8"] * 31, *lines]))
    rows = read_table(path)
    assert len(rows.frame) + len(rows.rejected) == 31 + sum(bool(line.strip()) for line in lines)
    assert len({*rows.frame.index, *(entry["row"] for entry in rows.rejected)}) == len(rows.frame) + len(rows.rejected)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.what)
def test_a_broken_file_ends_as_the_catalogue_says(read, broken: Broken):
    if broken.outcome.startswith("RK-"):
        with pytest.raises(DataError, match=f"{broken.outcome} .*(;|\\.).*\\.$"):
            read(broken.content(), broken.name)
    else:
        rows = read(broken.content(), broken.name)
        assert [entry["rule"] for entry in rows.rejected] == [broken.outcome]
        assert len(rows.frame) == 40


@pytest.mark.slow
def test_malformed_files_end_in_rows_or_in_an_error_of_ours(read):
    """RECSYS_KIT_MALFORMED sets how many."""
    outcomes, slowest = Counter(), 0.0
    for number in range(int(os.environ.get("RECSYS_KIT_MALFORMED", "2000"))):
        rng = random.Random(f"malformed {number}")
        name, content = mutate(rng)
        started = time.perf_counter()
        try:
            rows = read(content, name, encoding=rng.choice(("", "", "gb18030", "latin-1")))
        except (DataError, ParameterError) as error:
            outcomes[error.code] += 1
        else:
            outcomes["read" if not rows.rejected else "rejected"] += 1
            rows.frame.to_json(), json.dumps([rows.rejected, rows.notes]).encode()
        seconds = time.perf_counter() - started
        slowest = max(slowest, seconds)
        assert seconds < 5, (number, name)
    print(f"{sum(outcomes.values())} files, slowest {slowest:.2f} s: {dict(outcomes.most_common())}")
    assert outcomes["read"] and outcomes["rejected"] and len(outcomes) > 10


# -- real files, where there are any -----------------------------------------------------------------------------------

REAL = os.environ.get("RECSYS_KIT_DATA", "")


@pytest.mark.realdata
@pytest.mark.skipif(not REAL, reason="RECSYS_KIT_DATA is not set: no real data on this machine")
class TestRealData:
    def test_half_a_million_rows_are_read_in_seconds(self):
        started = time.process_time()
        rows = read_table(Path(REAL) / "online-retail-2011" / "online_retail.csv.gz")
        assert rows.frame.shape == (541_909, 8)
        assert (rows.frame["CustomerID"] == "").mean() == pytest.approx(0.249, abs=0.0005)
        assert time.process_time() - started < 10  # 2 to 3 s on a quiet machine

    def test_the_one_csv_of_seven_members(self):
        rows = read_table(Path(REAL) / "womens-clothing-reviews" / "womens-ecommerce-clothing-reviews.zip")
        assert (len(rows.frame), rows.rejected) == (23_486, [])
        assert rows.frame["Review Text"].str.contains("\n").any()

    def test_other_real_files(self):
        assert len(read_table(Path(REAL) / "movielens-100k" / "ml-100k.inter").frame) == 100_000
        assert len(read_table(Path(REAL) / "chinese-shopping-reviews" / "online_shopping_10_cats.zip").frame) == 62_774
        with pytest.raises(DataError, match=r"RK-123 .*encoding='latin-1'"):
            read_table(Path(REAL) / "financial-phrasebank" / "Sentences_50Agree.txt")


def test_a_bad_row_changes_no_space_in_the_ids_of_others(tmp_path):
    rows = [f'u{n},{" " * n}p{n},{title},"two\nlines, ""x"""' for n in range(6) for title in (' "Cup, red"', "Plate")]
    good, with_bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("\n".join(["user_id,item_id,title,text", *rows]) + "\n")
    with_bad.write_text("\n".join(["user_id,item_id,title,text", *rows, "u1,broken"]) + "\n")
    expected, found = read_table(good), read_table(with_bad)
    assert found.frame.to_dict("list") == expected.frame.to_dict("list")
    assert found.frame["item_id"].iloc[2] == " p1" and found.frame["title"].iloc[0] == "Cup, red"
    assert found.frame["text"].iloc[0] == 'two\nlines, "x"' and len(found.rejected) == 1
