"""Amazon reviews as their collectors published them: 2014 and 2018, with or without metadata.

Source: McAuley et al., Image-based recommendations on styles and substitutes, 2015; Ni et al., Justifying
recommendations using distantly-labeled reviews, 2019. One review is one interaction (event
`rating`). Reviewers' names are not read.
"""

import ast
import gzip
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.data.tables import QUARANTINE_COLUMNS, RawTables, report_entry
from recsys_kit.errors import DataError

NEEDED = ("reviewerID", "asin", "overall", "unixReviewTime")
ENDINGS = (".json", ".json.gz")


# -- which files -------------------------------------------------------------------------------------------------------


def find_files(path: Path) -> tuple[Path, Path | None]:
    """The reviews file and its metadata file (None where there is none) of a folder, or of one reviews file."""
    if path.is_file():
        return path, _metadata_of(path)
    reviews = [file for file in sorted(path.iterdir()) if _is_reviews(file.name)]
    if not reviews:
        found = sorted(file.name for file in path.iterdir())[:10]
        raise DataError(
            "RK-102",
            f"{path.name}/ holds no reviews file; found {found or 'nothing'}; "
            "expected reviews_*.json(.gz) or *_5.json(.gz).",
            "Pass the folder or the file of the reviews as source.",
        )
    if len(reviews) > 1:
        raise DataError(
            "RK-103",
            f"{path.name}/ holds {len(reviews)} reviews files, {[file.name for file in reviews]}; expected one.",
            f"Name the one you mean: source='{path.name}/{reviews[0].name}'.",
        )
    return reviews[0], _metadata_of(reviews[0])


def _is_reviews(name: str) -> bool:
    stem = name.removesuffix(".gz").removesuffix(".json")
    return (
        name.endswith(ENDINGS) and not name.startswith("meta_") and (name.startswith("reviews_") or stem.endswith("_5"))
    )


def _metadata_of(reviews: Path) -> Path | None:
    stem = reviews.name.removesuffix(".gz").removesuffix(".json").removeprefix("reviews_").removesuffix("_5")
    candidates = (reviews.with_name(f"meta_{stem}{ending}") for ending in ENDINGS)
    return next((file for file in candidates if file.is_file()), None)


# -- lines -> records --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Records:
    """The rows of one file: records by line number (from 1), and the lines that are none."""

    rows: dict[int, dict[str, Any]]
    broken: dict[int, str]
    cut_off: bool
    """True where the file ends in the middle: it was read to the last whole line."""


def read_records(path: Path) -> Records:
    """Every line that is a JSON object or a Python dict. Python text is read as a literal, never run."""
    lines, cut_off = _whole_lines(path)
    rows, broken = {}, {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        record = _parse(line)
        if record is None:
            broken[number] = f"{len(line)} bytes"  # not the line itself: it may name a shopper
        else:
            rows[number] = record
    return Records(rows, broken, cut_off)


def _whole_lines(path: Path) -> tuple[list[bytes], bool]:
    """All whole lines, and whether the file was cut off; a last line without an end counts if it parses."""
    lines: list[bytes] = []
    cut_off = False
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path) if zipped else path.open("rb") as file:
        try:
            lines.extend(file)
        except EOFError:
            cut_off = True
        except (OSError, zlib.error) as error:
            raise DataError("RK-107", f"{path.name} cannot be unpacked ({error}).", "Download it again.") from error
    if lines and not lines[-1].endswith(b"\n") and _parse(lines[-1]) is None:
        lines.pop()
        cut_off = True
    return lines, cut_off


def _parse(line: bytes) -> dict[str, Any] | None:
    text = line.decode("utf-8-sig", errors="replace").strip()
    for read in (json.loads, ast.literal_eval):
        try:
            record = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return record if isinstance(record, dict) else None
    return None


# -- records -> tables -------------------------------------------------------------------------------------------------


def read_amazon(path: Path) -> RawTables:
    """Raw interactions, reviews and, with a metadata file, items."""
    reviews_file, metadata_file = find_files(path)
    reviews = read_records(reviews_file)
    _check_fields(reviews_file, reviews)
    events = _events(reviews.rows)
    columns = ["user_id", "item_id", "timestamp", "rating", "event", "review_id"]
    frames = {
        "interactions": events[columns],
        "reviews": events[["review_id", "user_id", "item_id", "timestamp", "rating", "title", "text"]],
    }
    rejected = [entry for table in frames for entry in _rejected(table, reviews)]
    notes = [entry for table in frames for entry in _notes(table, reviews_file, reviews)]
    if metadata_file is None:
        notes.append(report_entry("items", "no metadata file beside the reviews", "noted", 0, reviews_file.name))
    else:
        metadata = read_records(metadata_file)
        frames["items"] = _items(metadata.rows)
        rejected += _rejected("items", metadata)
        notes += _notes("items", metadata_file, metadata)
    return RawTables("amazon", frames, rejected, notes)


def _check_fields(file: Path, records: Records) -> None:
    found = sorted({key for record in list(records.rows.values())[:100] for key in record})
    if missing := [name for name in NEEDED if name not in found]:
        raise DataError(
            "RK-105",
            f"{file.name} lacks {missing}; found {found or 'no record'}; expected Amazon reviews with {list(NEEDED)}.",
            "Pass the reviews file as source, not another one.",
        )


def _rejected(table: str, records: Records) -> Iterable[dict[str, Any]]:
    for number, line in records.broken.items():
        yield dict(zip(QUARANTINE_COLUMNS, (table, number, "", "line is not a record", line), strict=True))


def _notes(table: str, file: Path, records: Records) -> list[dict[str, Any]]:
    if not records.cut_off:
        return []
    return [report_entry(table, "file cut off, read to its last whole line", "noted", 1, file.name)]


def _text(value: Any) -> str | None:
    """An id or a text exactly as written; a list of texts as one."""
    if isinstance(value, list):
        value = "\n".join(str(part) for part in value if part)
    return None if value is None or value == "" else str(value)


def _events(rows: dict[int, dict[str, Any]]) -> pd.DataFrame:
    """One row a review. Its id is shopper-item-time-n: n counts different reviews, so exact duplicates share an id."""
    records = list(rows.values())
    events = pd.DataFrame({
        "user_id": [_text(record.get("reviewerID")) for record in records],
        "item_id": [_text(record.get("asin")) for record in records],
        "timestamp": [record.get("unixReviewTime") for record in records],
        "rating": [record.get("overall") for record in records],
        "event": "rating",
        "title": [_text(record.get("summary")) for record in records],
        "text": [_text(record.get("reviewText")) for record in records],
        "style": [json.dumps(record.get("style"), sort_keys=True) for record in records],
    }, index=list(rows))  # fmt: skip
    keys = (
        events["user_id"].fillna("")
        + "-"
        + events["item_id"].fillna("")
        + "-"
        + events["timestamp"].astype("str").fillna("")
    )
    content = events.astype("str").fillna("").agg("\x1f".join, axis=1)
    numbers = pd.DataFrame({"key": keys, "content": content}).drop_duplicates()
    numbers["n"] = numbers.groupby("key").cumcount() + 1
    n = content.map(numbers.set_index("content")["n"])
    seconds = pd.to_numeric(events["timestamp"], errors="coerce")
    when = pd.to_datetime(seconds, unit="s", utc=True, errors="coerce").dt.strftime("%Y-%m-%dT%H:%M:%S")
    given = events["timestamp"].astype("str")
    return events.assign(review_id=keys + "-" + n.astype("str"), timestamp=when.where(when.notna(), given))


def _items(rows: dict[int, dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([_item(record) for record in rows.values()], index=list(rows))


def _item(record: dict[str, Any]) -> dict[str, Any]:
    """One product. `category` is the second level (the first is the whole department), `attributes` the finer ones."""
    paths = record.get("categories") or [record.get("category") or []]
    paths = [path for path in paths if isinstance(path, list) and path]
    category = paths[0][min(1, len(paths[0]) - 1)] if paths else record.get("main_cat")
    finer = dict.fromkeys(str(level) for path in paths for level in path[1:] if level != category)
    images = record.get("imageURLHighRes") or record.get("imageURL") or [record.get("imUrl")]
    return {
        "item_id": _text(record.get("asin")),
        "title": _text(record.get("title")),
        "description": _text([*_as_list(record.get("description")), *_as_list(record.get("feature"))]),
        "category": _text(category),
        "brand": _text(record.get("brand")),
        "attributes": list(finer),
        "price": _price(record.get("price")),
        "image": _text(images[0]),
    }


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _price(value: Any) -> Any:
    """`$1,005.00` as `1005.00`; anything else as it came."""
    return value.strip().removeprefix("$").replace(",", "") if isinstance(value, str) else value
