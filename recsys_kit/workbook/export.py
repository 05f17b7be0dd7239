"""Lists as a file for a spreadsheet."""

from pathlib import Path

import pandas as pd

from recsys_kit.errors import ParameterError
from recsys_kit.shop.serving import RunModels, visit
from recsys_kit.shop.showcase import check_model, shelf
from recsys_kit.workbook.runner.runs import Run
from recsys_kit.workbook.runner.storage import write_whole

# What a spreadsheet may take for a formula when a text starts with it; it reads full-width signs as well.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def write_csv(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write `frame` for a spreadsheet: a text that would be taken for a formula gets a leading `'`, ids too.

    Numbers stay numbers. Lines end as RFC 4180 has it, and UTF-8 comes with a byte order mark, without which Excel
    takes the file for the code page of its country. The file appears whole or not at all; RK-333 where it cannot.
    """
    path = Path(path).expanduser().absolute()
    safe = frame.map(lambda value: f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value)
    options = {"index": False, "encoding": "utf-8-sig", "lineterminator": "\r\n"}
    try:
        write_whole(path, lambda temporary: safe.to_csv(temporary, **options))
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
    """
    run = visit(run)
    if model:
        check_model(model, RunModels(run))
    lists = run.read("results/recommendations.parquet")
    lists = lists[lists["model"] == model] if model else lists
    shown = shelf(lists[["model", "user_id", "rank", "item_id"]], run.read("data/items.parquet"))
    shown = shown.assign(score=lists["score"])
    write_csv(shown, path)
    return shown
