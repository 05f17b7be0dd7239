"""A sheet of an Excel workbook -> a CSV file, with the values that the sheet shows. Needs the extra `excel`."""

import csv
import re
from collections.abc import Iterable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from recsys_kit.data.files.rows import check_size, note, unclear_member
from recsys_kit.errors import DataError


def write_sheet(name: str, path: Path, target: Path, wanted: str = "") -> list[dict[str, Any]]:
    """Write the sheet `wanted`, or the first that is a table, to `target`; return notes.

    Raises what openpyxl raises for a damaged workbook, and `DataError`: (RK-118) no such sheet, (RK-132) too large,
    (RK-134) openpyxl is missing.
    """
    try:
        import openpyxl
    except ImportError as error:
        problem = f"{name} is an Excel workbook, and openpyxl is not installed; expected CSV, or the extra `excel`."
        fix = "pip install 'recsys_kit[excel]'. Or save the table as 'CSV UTF-8'."
        raise DataError("RK-134", problem, fix) from error
    with path.open("rb") as file, target.open("w", encoding="utf-8", newline="") as out:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        tables = (title for title, sheet in sheets.items() if _is_table(sheet.iter_rows(values_only=True)))
        chosen = wanted or next(tables, "")
        if chosen not in sheets:
            problem = f"has no sheet {wanted!r}" if wanted else "has no sheet with two rows of two cells"
            raise unclear_member(name, problem, list(sheets))
        rows = list(map(_texts, sheets[chosen].iter_rows()))
        width = max(map(len, rows), default=0)
        check_size(name, len(rows), width)
        is_table = False
        for row in rows:
            is_table |= 2 * len(row) > width  # above stand titles, which stay short
            csv.writer(out, lineterminator="\n").writerow(row + [""] * (width - len(row)) * (is_table and any(row)))
    return [note("one sheet of the workbook is read", 1, chosen)] if len(sheets) > 1 else []


def _is_table(rows: Iterable[tuple[Any, ...]]) -> bool:
    return sum(sum(cell is not None for cell in row) > 1 for row in rows) > 1


def _texts(row: tuple[Any, ...]) -> list[str]:
    """The cells as text, up to the last that holds something; the end of a line in a cell becomes a space."""
    texts = [" ".join(_text(cell).splitlines()) for cell in row]
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _text(cell: Any) -> str:
    """A number in full, with the zeros that its format puts before it; a time as ISO 8601."""
    value = cell.value
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).upper()
    if isinstance(value, datetime) and value.time() == time() and "h" not in cell.number_format.lower():
        value = value.date()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    zeros = re.fullmatch("0+", cell.number_format)
    return str(value).zfill(len(zeros[0])) if zeros and isinstance(value, int) else str(value)
