"""The leaderboard of a run beside published results."""

import pytest

from recsys_kit.errors import ParameterError
from recsys_kit.evaluation.published import read_published
from recsys_kit.workbook.published import show_published
from recsys_kit.workbook.runner.runs import open_run
from tests.evaluation.test_published import metrics_of


def test_a_run_gives_its_table_as_markdown(tmp_path):
    run = open_run(tmp_path / "run", chapter="04_evaluation", seed=0)
    run.write("results/metrics.parquet", metrics_of({"hybrid": 0.0615, "ease": 0.05}))
    known = {"benchmark": "amazon-beauty", "best_on_validation": "hybrid", "item_attributes": True,
             "tuned": True, "refit": False}  # fmt: skip
    run.write("results/protocol.json", known)
    lines = show_published(run).splitlines()
    assert lines[0].startswith("**Amazon Beauty**: the last item of each user is the test set")
    assert lines[0].endswith("Ours: with item attributes, parameters chosen on validation.")
    assert lines[2:4] == [
        "| model | attributes | ndcg@10 reported | ndcg@10 rerun | ndcg@10 ours | hit_rate@10 | source |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    assert len(lines) == 4 + read_published("amazon-beauty")["model"].nunique() + 2
    uses = {line.split(" | ")[0]: line.split(" | ")[1] for line in lines[2:]}
    assert (uses["| hybrid"], uses["| ease"], uses["| S3-Rec"]) == ("yes", "no", "yes")
    run.write("results/protocol.json", known | {"item_attributes": False})
    assert "| hybrid | no |" in show_published(run)
    run.write("results/protocol.json", known | {"benchmark": ""})
    with pytest.raises(ParameterError, match=r"RK-367 run run is on none .*MovieLens 100K \(split=stratified\)"):
        show_published(run)
