"""Numbers of others beside ours."""

import pandas as pd
import pytest

from recsys_kit.data.splitting import Split
from recsys_kit.errors import ParameterError
from recsys_kit.workbook.published import BENCHMARKS, benchmark_of, beside_published, of_run
from recsys_kit.workbook.runner.runs import open_run


def metrics_of(values):
    rows = [
        {"model": model, "slice": slice_name, "metric": metric, "k": k, "value": value, "low": value - 0.01,
         "high": value + 0.01, "n_users": 9}
        for model, value in values.items()
        for metric in ("ndcg", "hit_rate", "precision", "recall")
        for slice_name, k in (("all", 10), ("all", 5), ("warm", 10))
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_published_row_has_a_value_for_every_metric(name):
    benchmark = BENCHMARKS[name]
    assert {len(values) for values, _ in benchmark.rows.values()} == {len(benchmark.metrics)}
    assert all(0 < value < 1 for values, _ in benchmark.rows.values() for value in values)
    assert [values[0] for values, _ in benchmark.rows.values()] == sorted(v[0] for v, _ in benchmark.rows.values())


def test_ours_stand_between_theirs_with_intervals_and_the_chosen_one_is_marked():
    table = beside_published("amazon-beauty", metrics_of({"ours": 0.0615, "other": 0.9}), "ours").set_index("model")
    assert list(table.index[:3]) == ["other", "KERec", "ours"]
    assert table.loc["ours"].tolist() == [
        "0.0615 [0.0515, 0.0715]",
        "0.0615 [0.0515, 0.0715]",
        "this workbook, best on validation",
    ]
    assert table.loc["KERec", "hit_rate@10"] == "0.1050"
    assert table.loc["other", "source"] == "this workbook"


def events(n_users, n_items, n_events):
    numbers = range(n_events)
    users, items = [f"u{n % n_users}" for n in numbers], [f"i{n % n_items}" for n in numbers]
    return pd.DataFrame({"user_id": users, "item_id": items, "position": numbers})


def test_a_run_is_recognised_by_its_size_and_its_split():
    frame = events(943, 1_682, 100_000)
    parts = (frame[:60_000], frame[60_000:70_000], frame[70_000:], frame[:0])
    assert benchmark_of(Split(*parts, {"method": "stratified"})) == "movielens-100k"
    assert benchmark_of(Split(*parts, {"method": "time"})) == ""
    assert benchmark_of(Split(frame[:60_000], *parts[1:2], frame[70_001:], frame[:0], {"method": "stratified"})) == ""


def test_a_run_gives_its_table_as_markdown(tmp_path):
    run = open_run(tmp_path / "run", chapter="04_evaluation", seed=0)
    run.write("results/metrics.parquet", metrics_of({"ours": 0.0615}))
    known = {"benchmark": "amazon-beauty", "best_on_validation": "ours", "item_attributes": True,
             "tuned": True, "refit": False}  # fmt: skip
    run.write("results/protocol.json", known)
    lines = of_run(run).splitlines()
    assert lines[0].startswith("**Amazon Beauty**: of every shopper")
    assert lines[0].endswith("Ours: with item attributes, parameters chosen on validation.")
    assert lines[2:4] == ["| model | ndcg@10 | hit_rate@10 | source |", "| --- | --- | --- | --- |"]
    assert len(lines) == 4 + len(BENCHMARKS["amazon-beauty"].rows) + 1
    run.write("results/protocol.json", known | {"benchmark": ""})
    with pytest.raises(ParameterError, match=r"RK-367 run run is on none .*MovieLens 100K \(split=stratified\)"):
        of_run(run)
