"""The steps that `benchmarks` measures run, each size in a process of its own."""

import pandas as pd
import pytest

from benchmarks.door import compare, exponent


def test_the_front_door_is_measured_for_each_size_in_its_own_process():
    table = compare([400, 2_000])
    assert table["events"].tolist() == [400, 2_000]
    steps = table[["read s", "check s", "clean s", "split s"]]
    assert (steps > 0).all(axis=None) and table["all s"].tolist() == pytest.approx(steps.sum(axis=1).tolist())
    assert table["ratio"].tolist() == pytest.approx((table["all s"] / table["pandas s"]).tolist())
    assert table["all cpu s"].gt(0).all() and table["peak GiB"].between(0.05, 1).all()


def test_a_time_that_grows_with_the_square_has_exponent_two():
    assert exponent(pd.DataFrame({"events": [10, 100], "all s": [1.0, 100.0]}), "all s") == pytest.approx(2)
