"""Numbers of others beside ours."""

import pandas as pd
import pytest

from recsys_kit.data.splitting import Split
from recsys_kit.evaluation.published import BENCHMARKS, CSV, benchmark_of, beside_published, read_published


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
def test_every_published_row_is_a_metric_of_its_benchmark_reported_or_rerun(name):
    rows = read_published(name)
    values = rows["reported"].where(rows["reported"] != "", rows["rerun"]).astype(float)
    assert ((rows["reported"] == "") != (rows["rerun"] == "")).all()
    assert values.between(0, 1, inclusive="neither").all()
    assert set(rows["metric"]) == set(BENCHMARKS[name].metrics)
    assert set(rows["k"]) == {"10"}
    assert not rows.duplicated(["model", "metric", "source"]).any()
    assert set(rows["uses_attributes"]) <= {"yes", "no", "unknown"}


def test_no_row_belongs_to_another_benchmark():
    assert sum(len(read_published(name)) for name in BENCHMARKS) == len(pd.read_csv(CSV))


def test_ours_stand_between_theirs_with_intervals_and_the_chosen_one_is_marked():
    metrics = metrics_of({"ours": 0.0615, "other": 0.9})
    table = beside_published("amazon-beauty", metrics, "ours", with_attributes=["ours"]).set_index("model")
    assert list(table.index[:3]) == ["other", "KERec", "ours"]
    assert table.loc["ours"].tolist() == [
        "yes", "", "", "0.0615 [0.0515, 0.0715]", "0.0615 [0.0515, 0.0715]", "this workbook, best on validation"
    ]  # fmt: skip
    assert table.loc["KERec"].tolist() == ["unknown", "0.0623", "", "", "0.1050", "its README, one run, not verified"]
    assert table.loc["other", ["attributes", "source"]].tolist() == ["no", "this workbook"]
    assert set(beside_published("amazon-beauty", metrics).query("model == 'ours'")["attributes"]) == {""}


def test_reported_and_rerun_values_of_one_model_share_a_row_that_is_placed_by_the_rerun():
    table = beside_published("amazon-beauty", metrics_of({"ours": 0.036})).set_index("model")
    names = ["attributes", "ndcg@10 reported", "ndcg@10 rerun", "hit_rate@10", "source"]
    assert table.loc["TIGER", names].tolist() == ["yes", "0.0384", "0.0347", "0.0648", "TIGER paper; RecBoard, 35 runs"]
    assert table.index.get_loc("ours") < table.index.get_loc("TIGER")
    assert table.loc["HSTU", "ndcg@10 rerun"] == "0.0543 / 0.0439"
    assert table.loc["WEARec", names[1:4]].tolist() == ["0.0614", "0.0599", "0.1016"]


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
