"""Amazon reviews in the published formats of 2014 and 2018, with or without metadata.

Each review is one interaction (event `rating`). Reviewers' names are not read. Source: McAuley et al., Image-based
recommendations on styles and substitutes, 2015; Ni et al., Justifying recommendations using distantly-labeled reviews,
2019.
"""

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.data import files
from recsys_kit.data.files import Records
from recsys_kit.data.tables import RawTables, report_entry
from recsys_kit.errors import DataError
from recsys_kit.schema import QUARANTINE_COLUMNS

NEEDED = ("reviewerID", "asin", "overall", "unixReviewTime")
ENDINGS = (".json", ".json.gz")


# -- which files -------------------------------------------------------------------------------------------------------


def find_files(path: Path) -> tuple[Path, Path | None]:
    """Return the reviews file and its metadata file (None if there is none).

    Args:
        path: the reviews file, or a folder with one.

    Raises:
        DataError: RK-102 no reviews file, RK-103 several.
    """
    if path.is_file():
        return path, _metadata_of(path)
    reviews = [file for file in sorted(path.iterdir()) if _is_reviews(file.name)]
    if not reviews:
        found = sorted(file.name for file in path.iterdir())[:10]
        raise DataError(
            "RK-102",
            f"{path.name}/ has no reviews file; found {found or 'nothing'}; "
            "expected reviews_*.json(.gz) or *_5.json(.gz).",
            "Pass the folder or the file of the reviews as source.",
        )
    if len(reviews) > 1:
        raise DataError(
            "RK-103",
            f"{path.name}/ has {len(reviews)} reviews files, {[file.name for file in reviews]}; expected one.",
            f"Name one of them: source='{path.name}/{reviews[0].name}'.",
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


def read_records(path: Path) -> Records:
    """Parse each line that is a JSON object or a Python dict; the keys are line numbers."""
    with files.open_content(path) as content:
        return files.read_records(files.decode(content), _parse)


def _parse(line: str) -> dict[str, Any]:
    """Parse JSON, or Python literals without executing them."""
    try:
        return files.parse_json(line)
    except files.NotARecord as refused:
        try:
            value = ast.literal_eval(line.strip())
        except (ValueError, SyntaxError):
            raise refused from None
        return files.check_record(value, line)


# -- records -> tables -------------------------------------------------------------------------------------------------


def read_amazon(path: Path) -> RawTables:
    """Read interactions, reviews and, if there is a metadata file, items.

    | table | columns |
    |---|---|
    | interactions | user_id, item_id, timestamp (ISO 8601, UTC), rating (1 to 5), event ("rating"), review_id |
    | reviews | review_id, user_id, item_id, timestamp, rating, title, text |
    | items | item_id, title, description, category, brand, attributes (finer categories), price (USD), image (URL) |

    Args:
        path: the reviews file, or a folder with one.

    Raises:
        DataError: RK-102 and RK-103 as `find_files`, RK-105 required fields are missing.
    """
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
    notes = [entry for table in frames for entry in _notes(table, reviews)]
    if metadata_file is None:
        notes.append(report_entry("items", "no metadata file beside the reviews", "noted", 0, reviews_file.name))
    else:
        metadata = read_records(metadata_file)
        frames["items"] = _items(metadata.rows)
        rejected += _rejected("items", metadata)
        notes += _notes("items", metadata)
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
    for entry in records.rejected:  # without the line itself: it may contain a reviewer's name
        values = (table, entry["row"], "", "line is not a record", entry["rule"])
        yield dict(zip(QUARANTINE_COLUMNS, values, strict=True))


def _notes(table: str, records: Records) -> list[dict[str, Any]]:
    return [report_entry(table, entry["rule"], "noted", entry["rows"], entry["example"]) for entry in records.notes]


def _text(value: Any) -> str | None:
    """Return an id or a text exactly as written, a list of texts as one text."""
    if isinstance(value, list):
        value = "\n".join(str(part) for part in value if part)
    return None if value is None or value == "" else str(value)


def _events(rows: dict[int, dict[str, Any]]) -> pd.DataFrame:
    """Return one row per review. Its id is user-item-time-n; n counts different reviews, so duplicates share an id."""
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
    """Return one item: `category` is the second level (the first is the department), `attributes` the finer ones."""
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
    """Return `$1,005.00` as `1005.00`; other values are unchanged."""
    return value.strip().removeprefix("$").replace(",", "") if isinstance(value, str) else value
