"""The whole workbook on next to nothing: it runs to the end, and no cell prints a warning."""

import re

import nbformat
import pandas as pd
import pytest

from recsys_kit.workbook.report.page import write_report
from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import list_chapters, plan_parameters
from tests.conftest import CELL_TIMEOUT_S

pytestmark = pytest.mark.slow


def warnings_in(page) -> list[str]:
    """Lines of the executed notebook that warn, or that format a number which is none."""
    cells = nbformat.read(page.with_suffix(".ipynb"), as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [output.get("text") or "".join(map(str, output.get("data", {}).values())) for output in outputs]
    return [line for text in texts for line in text.splitlines() if re.search(r"\w+Warning\b|[-+±] ?nan\b", line)]


def run_all(folder, *settings):
    """The metrics of the run, after all chapters ended without a warning and the page was written."""
    chapters = list_chapters()
    outcomes = execute(chapters, folder, parameters=plan_parameters(chapters, settings), timeout_s=CELL_TIMEOUT_S)
    assert [outcome.failure for outcome in outcomes if outcome.failure] == []
    assert len(outcomes) == len(chapters)
    assert {outcome.chapter: found for outcome in outcomes if (found := warnings_in(outcome.page))} == {}
    write_report(folder)
    return pd.read_parquet(folder / "results/metrics.parquet")


def one_judged() -> pd.DataFrame:
    """Six shoppers who buy the same two products again and again; on the last days one of them buys another."""
    rows = [(f"u{n % 6}", f"i{n % 6 + n // 6 % 2}") for n in range(60)] + [("u1", "i1"), ("u2", "i2"), ("u3", "i1")]
    events = pd.DataFrame(rows, columns=["user_id", "item_id"])
    return events.assign(timestamp=pd.date_range("2024-01-01", periods=len(events), tz="UTC"))


def test_two_shoppers_of_the_built_in_shop(tmp_path):
    metrics = run_all(tmp_path / "run", "n_users=2", "max_products=40", "max_reviews=40")
    assert metrics["n_users"].max() <= 2


def test_a_data_set_in_which_one_shopper_is_judged(tmp_path):
    one_judged().to_csv(tmp_path / "events.csv", index=False)
    metrics = run_all(tmp_path / "run", f"interactions={tmp_path / 'events.csv'}")
    assert metrics["n_users"].max() == 1
    of_all = metrics.query("slice == 'all' and metric == 'ndcg'")
    assert of_all["value"].notna().all() and of_all["low"].isna().all()
