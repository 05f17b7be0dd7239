"""The data in figures: each number is that of the report, and a figure without numbers is not drawn."""

import pytest

from recsys_kit.workbook.report.data_figures import make_data_figures

COUNTS = {"n_users": 200, "n_items": 800, "n_items_met": 600, "density": 0.013, "n_train": 80, "n_valid": 10,
          "n_test": 10, "n_set_aside": 0, "first_day": "2025-01-01", "last_day": "2025-12-31"}  # fmt: skip
REPORT = {
    "counts": COUNTS,
    "split": {"method": "time", "cuts": ["2025-11-02T10:00:00+00:00", "2025-12-02T09:00:00+00:00"]},
    "cold": {"n_test_users": 40, "n_cold_test_users": 3},
    "report": [{"table": "items", "action": "kept", "rows": 800}, {"table": "items", "action": "noted", "rows": 99},
               {"table": "items", "action": "deduplicated", "rows": 8},
               {"table": "users", "action": "kept", "rows": 0}],
}  # fmt: skip
LABELS = {"classifiers": {"majority": {"per_class": [{"label": "1", "support": 1}, {"label": "5", "support": 3}]}}}


def test_a_whole_report_gives_five_figures_with_its_numbers():
    rows, split, density, new, labels = make_data_figures(REPORT, LABELS)
    assert (rows.number, split.number, density.number, new.number, labels.number) == (
        "808", "100", "1.30 %", "3", "75 %",
    )  # fmt: skip
    assert rows.words.startswith("rows read; 1.0 % duplicates, 0 % quarantined")
    assert [(part.name, part.size) for part in rows.bars[0].parts] == [("kept", 800), ("deduplicated", 8)]
    assert [(part.name, part.size) for part in split.bars[1].parts] == [("train", 305), ("valid", 30), ("test", 29)]
    assert "from 2025‑01‑01 to 2025‑12‑31" in split.words
    assert density.squares == 13
    assert (
        density.words == "of the pairs of 200 shoppers and 600 products have an interaction: 13 of these 1,000 squares"
    )
    assert [(bar.label, [part.size for part in bar.parts]) for bar in new.bars] == [
        ("shoppers in test", [37, 3]), ("products in all", [600, 200]),
    ]  # fmt: skip
    assert [part.name for part in new.bars[1].parts] == ["with interactions", "without"]
    assert labels.words.startswith("of 4 reviews in test have the label “5”")


@pytest.mark.parametrize(("report", "n"), [({}, 0), ({"counts": []}, 0), ({"counts": {"n_reviews": 4}}, 0)])
def test_without_numbers_there_is_no_figure(report, n):
    assert len(make_data_figures(report, {})) == n


def test_a_density_below_one_square_says_so():
    (figure,) = make_data_figures({"counts": COUNTS | {"density": 0.0003, "n_train": 0}}, {})
    assert figure.squares == 0 and figure.words.endswith("less than one of these 1,000 squares")


def test_events_outside_training_go_by_both_reasons():
    (figure,) = make_data_figures({"counts": COUNTS | {"density": 0, "n_set_aside": 5}}, {})
    assert [part.name for part in figure.bars[0].parts] == ["train", "valid", "test", "replaced or set aside"]


@pytest.mark.parametrize("cuts", [[], ["2025-12-02", "2025-11-02"], ["never", "2025-11-02"], None])
def test_a_split_that_was_not_cut_by_time_is_counted_in_events_alone(cuts):
    (figure,) = make_data_figures({"counts": COUNTS | {"density": 0}, "split": {"cuts": cuts}}, {})
    assert [bar.label for bar in figure.bars] == ["in events"]


def test_cold_shoppers_may_be_counted_without_products():
    figure = make_data_figures({"cold": {"n_test_users": 4, "n_cold_test_users": 1}}, {})[0]
    assert [bar.label for bar in figure.bars] == ["shoppers in test"]
