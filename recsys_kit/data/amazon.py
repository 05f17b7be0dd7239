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
    # without the line itself: it may contain a reviewer's name
    hidden = [{**entry, "rule": "line is not a record", "value": entry["rule"]} for entry in rows.rejected]
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

    def first(*names: str) -> list[Any]:
        """The values of the first field that is there, of one value a list."""
        values = (record.get(name) for name in names)
        lists = (value if isinstance(value, list) else [value] for value in values if value is not None)
        return next((parts for parts in lists if parts and parts[0] == parts[0]), [])

    written = first("categories", "category")
    paths = [json.loads(path) for path in written if path.startswith("[")] or [written]
    levels = next(filter(None, paths), first("main_cat", "main_category"))
    (category,) = levels[1:2] or levels[:1] or [None]
    finer = dict.fromkeys(str(level) for path in paths for level in path[1:] if level != category)
    (image, *_) = *first("imageURLHighRes", "imageURL", "imUrl", "images"), None
    if isinstance(image, str) and image.startswith("{"):  # in 2023 an object, by size
        sizes = json.loads(image)
        image = sizes.get("hi_res") or sizes.get("large") or sizes.get("thumb")
    return {
        "item_id": record.get("parent_asin") or record.get("asin"),
        "title": record.get("title"),
        "description": "\n".join(filter(None, first("description") + first("feature", "features"))) or None,
        "category": category,
        "brand": record.get("brand") or record.get("store"),
        "attributes": list(finer),
        "price": record.get("price"),
        "image": image,
    }
