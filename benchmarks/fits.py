"""How long our fits take beside the fastest library call for the same result, all in one run.

    python -W ignore -m benchmarks.fits [--sequences FILE]

FILE has lines "user item item ..."; without it a made-up shop. Both start from the table of interactions: ours is the
whole `fit`, the library gets a matrix made by two factorisations. `own part` is our `_fit` against the library's call
alone. Both run `ROUNDS` times in turn and the fastest of each counts, so that a busy machine is as unkind to one as to
the other. Memory is the peak of a process that does nothing else, less what it held before (Linux).
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.recommenders import ALS, EASE, ItemKNN, Recommender

ROUNDS = 3
MODELS = {"ease": EASE(), "item_knn": ItemKNN(shrink=0, half_life=None), "als": ALS()}


def made_up_shop(n_users: int = 20_000, n_items: int = 4_000, n_events: int = 200_000) -> pd.DataFrame:
    """Interactions with a long tail: few items are had by many."""
    rng = np.random.default_rng(0)
    user = np.r_[np.arange(n_users), rng.integers(n_users, size=n_events - n_users)]
    item = np.minimum(n_items * rng.random(n_events) ** 2.5, n_items - 1).astype(int)
    return pd.DataFrame(
        {"user_id": [f"u{u}" for u in user], "item_id": [f"i{i}" for i in item], "position": range(n_events)}
    )


def read_sequences(file: Path) -> pd.DataFrame:
    """One shopper a line, items in order of time."""
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [(user, item, place) for user, *items in lines for place, item in enumerate(items)]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "position"])


def as_matrix(train: pd.DataFrame) -> sparse.csr_matrix:
    """The shortest way from the table to a library's input."""
    user, item = (pd.factorize(train[column])[0].astype(np.int32) for column in ("user_id", "item_id"))
    matrix = sparse.csr_matrix((np.ones(len(train), np.float32), (user, item)))
    matrix.data[:] = 1
    return matrix


def ease_by_cholesky(matrix: sparse.csr_matrix) -> np.ndarray:
    """The inverse by LAPACK's potrf and potri, as SciPy offers them."""
    gram = (matrix.T @ matrix).toarray()
    gram[np.diag_indices_from(gram)] += MODELS["ease"].l2
    factor, _ = linalg.lapack.spotrf(gram.T, lower=1, overwrite_a=1, clean=0)
    inverse, _ = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    return inverse / -np.diag(inverse)


def ease_by_numpy(matrix: sparse.csr_matrix) -> np.ndarray:
    """The inverse that most implementations of EASE call."""
    gram = (matrix.T @ matrix).toarray()
    gram[np.diag_indices_from(gram)] += MODELS["ease"].l2
    inverse = np.linalg.inv(gram)
    return inverse / -np.diag(inverse)


def neighbours_by_implicit(matrix: sparse.csr_matrix) -> None:
    """Cosine, one more than asked for: the item itself."""
    from implicit.nearest_neighbours import CosineRecommender

    CosineRecommender(K=MODELS["item_knn"].neighbours + 1).fit(matrix, show_progress=False)


def als_by_implicit(matrix: sparse.csr_matrix) -> None:
    """With BLAS on one thread, as its documentation asks."""
    from implicit.cpu.als import AlternatingLeastSquares

    ours = MODELS["als"]
    with threadpool_limits(limits=1, user_api="blas"):
        AlternatingLeastSquares(
            factors=ours.factors, regularization=ours.regularization, alpha=ours.confidence, random_state=ours.seed
        ).fit(matrix, show_progress=False)


CALLS = [("ease", ease_by_cholesky), ("ease", ease_by_numpy), ("item_knn", neighbours_by_implicit)]
CALLS += [("als", als_by_implicit)]


def seconds(call: Callable[[], object]) -> float:
    """Of one call, by the clock on the wall."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak_mb(name: str, arguments: list[str]) -> float:
    """Most memory that one fit needs beside its table, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fits", *arguments, "--only", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def peak_kb() -> int:
    """The most this process has held, from the kernel."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))


def fit_alone(model: Recommender, train: pd.DataFrame) -> None:
    """Print the megabytes that `fit` took above what was there before."""
    before = peak_kb()
    model.fit(train)
    print((peak_kb() - before) / 1024)


def main() -> None:
    """Print one line per library call."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", type=Path)
    parser.add_argument("--only", choices=[*MODELS])
    options = parser.parse_args()
    train = read_sequences(options.sequences) if options.sequences else made_up_shop()
    if options.only:
        fit_alone(MODELS[options.only], train)
        return
    arguments = ["--sequences", str(options.sequences)] if options.sequences else []
    matrix = as_matrix(train)
    print(f"{matrix.shape[0]:,} shoppers, {matrix.shape[1]:,} items, {matrix.nnz:,} pairs; the best of {ROUNDS} rounds")
    for name, call in CALLS:
        model = MODELS[name].fit(train)
        prepared = EncodedSplit.of(train)
        times = []
        for _ in range(ROUNDS):
            ours, own = seconds(lambda m=model: m.fit(train)), seconds(lambda m=model, p=prepared: m.fit(p))
            times.append((ours, seconds(lambda c=call: c(as_matrix(train))), own, seconds(lambda c=call: c(matrix))))
        ours, theirs, own, alone = np.min(times, axis=0)
        print(
            f"{name} against {call.__name__}: {ours:.2f} s / {theirs:.2f} s = {ours / theirs:.2f}; "
            f"own part {own:.2f} s / {alone:.2f} s = {own / alone:.2f}; peak {peak_mb(name, arguments):,.0f} MB"
        )


if __name__ == "__main__":
    main()
