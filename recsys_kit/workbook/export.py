"""Lists as a CSV file for a spreadsheet."""

from pathlib import Path

import pandas as pd

from recsys_kit.errors import ParameterError
from recsys_kit.shop.models import check_model
from recsys_kit.shop.showcase import shelf
from recsys_kit.workbook.runner.runs import Run, open_for_reading
from recsys_kit.workbook.runner.storage import write_whole

# Characters at the start of a text that a spreadsheet takes for a formula; it reads full-width signs as well.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def write_csv(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a frame for a spreadsheet; a text that would be taken for a formula gets a leading `'`, ids too.

    Numbers stay numbers. Lines end with CRLF (RFC 4180), and the file starts with a byte order mark, which tells Excel
    that it is UTF-8. The file is written as a whole or not at all.

    Raises:
        ParameterError: RK-333 it cannot be written.
    """
    path = Path(path).expanduser().absolute()
    safe = frame.map(lambda value: f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value)
    try:
        write_whole(path, lambda file: safe.to_csv(file, index=False, encoding="utf-8-sig", lineterminator="\r\n"))
    except OSError as problem:
        raise ParameterError(
            "RK-333", f"{path} cannot be written: {problem.strerror}.", "Pass another file with --out or --csv."
        ) from None
    return path


def export_lists(run: Run | str | Path, path: str | Path, *, model: str = "") -> pd.DataFrame:
    """Write the evaluated lists (`results/recommendations.parquet`) with titles as CSV, and return them.

    Args:
        run: the run, or its folder.
        path: the file to write.
        model: one model of the leaderboard; "" takes all.

    Returns:
        Columns model, user_id, rank, item_id, title (and category, brand, price, as far as known), score.

    Raises:
        ParameterError: RK-318 unknown model, RK-333 the file cannot be written.
    """
    run = run if isinstance(run, Run) else open_for_reading(run)
    lists = run.read("results/recommendations.parquet")
    if model:
        check_model(model, lists["model"].unique().tolist())
        lists = lists[lists["model"] == model]
    shown = shelf(lists[["model", "user_id", "rank", "item_id"]], run.read("data/items.parquet"))
    shown = shown.assign(score=lists["score"])
    write_csv(shown, path)
    return shown
