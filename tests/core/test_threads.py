"""Threads of the numerical libraries: few turns of waiting, one for small networks, all of them back afterwards."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from recsys_kit.core.threads import one_torch_thread
from recsys_kit.workbook.runner.engine import kernel_environment

ROOT = Path(__file__).parents[2]
SPINS = "import recsys_kit, os; print(os.environ.get('GOMP_SPINCOUNT'), os.environ.get('OMP_WAIT_POLICY'))"
NETWORKS = """
import hashlib
import numpy as np, pandas as pd
from recsys_kit.recommenders import FormulaDeep, ShallowSequence, TransformerSequence, TwoTowers
rng = np.random.default_rng(0)
train = pd.DataFrame({"user_id": np.repeat([f"u{u:03d}" for u in range(400)], 20), "position": np.arange(8000)})
train["item_id"] = [f"i{item:03d}" for item in rng.zipf(1.3, len(train)) % 700]
models = [kind(epochs=1, seed=1) for kind in (ShallowSequence, TransformerSequence, TwoTowers, FormulaDeep)]
for model in models:
    model.fit(train)
"""
BYTES = (
    NETWORKS
    + """
for model in models:
    states = [getattr(model, name) for name in model.state]
    arrays = [array for state in states for array in (state.values() if isinstance(state, dict) else [state])]
    scores = model.score([["i001", "i002", "i003"]])
    contiguous = [np.ascontiguousarray(array).tobytes() for array in (*arrays, scores)]
    print(model.name, [hashlib.sha256(array).hexdigest()[:12] for array in contiguous])
"""
)
ALS = """
import threading
from threadpoolctl import threadpool_info
from recsys_kit.recommenders import ALS
from recsys_kit.core.threads import one_blas_thread
from recsys_kit.testing.planted import planted_shop

def blas():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

model = ALS(embedding_dim=8, epochs=1).fit(planted_shop().train)
inside = set()

def answers():
    for _ in range(20):
        model.score([list(model.item_ids[:5])] * 20)
        with one_blas_thread(), one_blas_thread():
            inside.update(blas())

threads = [threading.Thread(target=answers) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(inside, blas())
"""
FORKS = (
    NETWORKS
    + """
import multiprocessing
import torch
from recsys_kit.recommenders.base import top_k
large = np.random.default_rng(0).random((3000, 2000), dtype=np.float32)

def answers(_):
    lists = [model.recommend(histories=[["i001", "i002"]] * 50, k=5)["item_id"].tolist() for model in models]
    encoded = float((torch.from_numpy(large) @ torch.from_numpy(large[:2000])).sum())  # as a language model does
    return lists, top_k(large, 5).tolist(), encoded

here = answers(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    there = pool.map_async(answers, range(2)).get(timeout=60)
print([lists[:2] == here[:2] for lists in there], torch.get_num_threads())
"""
)


def say(code: str, **environment: str) -> str:
    inherited = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=inherited | environment, cwd=ROOT, capture_output=True,
        text=True, timeout=180,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize(
    ("set_by_the_user", "found"),
    [({}, "1000 None"), ({"GOMP_SPINCOUNT": "7"}, "7 None"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "None PASSIVE")],
)
def test_openmp_spins_briefly_unless_the_user_says_otherwise(set_by_the_user, found):
    assert say(SPINS, **set_by_the_user).strip() == found


def test_a_kernel_inherits_it():
    assert kernel_environment()["GOMP_SPINCOUNT"] == os.environ["GOMP_SPINCOUNT"]


def test_networks_are_the_same_to_the_byte_on_one_core_and_on_two():
    one, two = (say(BYTES, OMP_NUM_THREADS=number).splitlines() for number in ("1", "2"))
    assert one == two
    assert len(one) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_workers_answer_after_their_parent_has():
    assert say(FORKS, OMP_NUM_THREADS="2", MKL_NUM_THREADS="2").splitlines()[-1] == "[True, True] 2"


@pytest.fixture
def two_torch_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def overlapping(limit, count):
    """The counts that two threads see which enter one after the other and leave in the same order."""
    entered, left, seen = threading.Event(), threading.Event(), []

    def first():
        with limit():
            entered.set()
            second_is_in.wait(10)
            seen.append(count())
        left.set()
        seen.append(("first, after", count()))

    second_is_in = threading.Event()

    def second():
        entered.wait(10)
        with limit():
            second_is_in.set()
            left.wait(10)
            seen.append(count())
        seen.append(("second, after", count()))

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen, count()


def test_torch_has_one_thread_inside_and_its_own_number_afterwards(two_torch_threads):
    with one_torch_thread():
        with one_torch_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError), one_torch_thread():
        _ = 1 / 0
    assert torch.get_num_threads() == 2


def test_threads_that_overlap_get_their_torch_threads_back(two_torch_threads):
    seen, afterwards = overlapping(one_torch_thread, torch.get_num_threads)
    assert [count for count in seen if isinstance(count, int)] == [1, 1]
    assert dict(count for count in seen if not isinstance(count, int)) == {"first, after": 2, "second, after": 2}
    assert afterwards == 2


def test_blas_has_its_threads_back_after_concurrent_answers_of_als():
    assert say(ALS, OPENBLAS_NUM_THREADS="2").strip() == "{1} {2}"
