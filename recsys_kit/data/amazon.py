"""Amazon's published files: JSON lines, in 2014 also Python dicts, and what their metadata say of an item.

Reviewers' names are not read. Sources: see `sources.toml`.
"""

import ast
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.data import files
from recsys_kit.data.files import FileRows


def read_lines(paths: Sequence[Path], table: str, encoding: str = "") -> FileRows:
    """Read lines that are JSON objects or Python dicts; of items, columns with our names.

    Args:
        paths: one file.
        table: `items` for metadata.
        encoding: "" to detect it.

    Raises:
        DataError: as `files.read_table`.
    """
    with files.open_content(paths[0]) as content:
        rows = files.read_json(files.decode(content, encoding), _parse)
    hidden = [  # without the line itself: it may contain a reviewer's name
        {**entry, "rule": "line is not a record", "value": entry["rule"]} for entry in rows.rejected
    ]
    frame = _items(rows.frame) if table == "items" else rows.frame
    return replace(rows, frame=frame, rejected=hidden)


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


def _items(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame([_item(record) for record in frame.to_dict("records")], index=frame.index)


def _item(record: dict[str, Any]) -> dict[str, Any]:
    """Return one item: `category` is the second level (the first is the department), `attributes` the finer ones."""
    written = _as_list(record.get("categories")) or _as_list(record.get("category"))
    paths = [json.loads(path) for path in written if path.startswith("[")] or [written]
    levels = next(filter(None, paths), [])
    category = levels[min(1, len(levels) - 1)] if levels else record.get("main_cat") or record.get("main_category")
    finer = dict.fromkeys(str(level) for path in paths for level in path[1:] if level != category)
    texts = [part for name in ("description", "feature", "features") for part in _as_list(record.get(name)) if part]
    images = next(filter(None, (_as_list(record.get(name)) for name in IMAGES)), [None])
    price = record.get("price")
    return {
        "item_id": record.get("parent_asin") or record.get("asin"),
        "title": record.get("title"),
        "description": "\n".join(texts) or None,
        "category": category,
        "brand": record.get("brand") or record.get("store"),
        "attributes": list(finer),
        "price": price.strip().removeprefix("$").replace(",", "") if isinstance(price, str) else price,
        "image": _image(images[0]),
    }


IMAGES = ("imageURLHighRes", "imageURL", "imUrl", "images")


def _image(value: Any) -> Any:
    """Return the address of an image; in 2023 it stands in an object, by size."""
    sizes = json.loads(value) if isinstance(value, str) and value.startswith("{") else {}
    return next((sizes[size] for size in ("hi_res", "large", "thumb") if sizes.get(size)), None) if sizes else value


def _as_list(value: Any) -> list[Any]:
    if value is None or value != value:
        return []
    return value if isinstance(value, list) else [value]
