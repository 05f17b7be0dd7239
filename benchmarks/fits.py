"""Time and memory of our fits beside the fastest library call for the same result, in one run.

    python -W ignore -m benchmarks.fits [--sequences FILE]

FILE has lines "user item item ..."; without it the interactions are drawn. Both sides start from the table of
interactions: ours is the whole `fit`, the library gets a matrix made by two factorizations. "encoded" compares the fit
of an encoded split with the library's call alone. Both run `ROUNDS` times in turn and the fastest of each counts, so a
busy machine slows both. Memory is the peak of a process that does nothing else, less what it held before (Linux).
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
    """Draw interactions with a long tail: a few items have most of the users."""
    rng = np.random.default_rng(0)
    user = np.r_[np.arange(n_users), rng.integers(n_users, size=n_events - n_users)]
    item = np.minimum(n_items * rng.random(n_events) ** 2.5, n_items - 1).astype(int)
    return pd.DataFrame(
        {"user_id": [f"u{u}" for u in user], "item_id": [f"i{i}" for i in item], "position": range(n_events)}
    )


def read_sequences(file: Path) -> pd.DataFrame:
    """Read a file of one user per line, items in order of time."""
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [(user, item, place) for user, *items in lines for place, item in enumerate(items)]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "position"])


def as_matrix(train: pd.DataFrame) -> sparse.csr_matrix:
    """Return the binary user-item matrix, the input of a library."""
    user, item = (pd.factorize(train[column])[0].astype(np.int32) for column in ("user_id", "item_id"))
    matrix = sparse.csr_matrix((np.ones(len(train), np.float32), (user, item)))
    matrix.data[:] = 1
    return matrix


def ease_by_cholesky(matrix: sparse.csr_matrix) -> np.ndarray:
    """Invert by LAPACK's potrf and potri, as SciPy offers them."""
    gram = (matrix.T @ matrix).toarray()
    gram[np.diag_indices_from(gram)] += MODELS["ease"].regularization
    factor, _ = linalg.lapack.spotrf(gram.T, lower=1, overwrite_a=1, clean=0)
    inverse, _ = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    return inverse / -np.diag(inverse)


def ease_by_numpy(matrix: sparse.csr_matrix) -> np.ndarray:
    """Invert as most implementations of EASE do."""
    gram = (matrix.T @ matrix).toarray()
    gram[np.diag_indices_from(gram)] += MODELS["ease"].regularization
    inverse = np.linalg.inv(gram)
    return inverse / -np.diag(inverse)


def neighbours_by_implicit(matrix: sparse.csr_matrix) -> None:
    """Fit cosine neighbours, one more than ours: the item itself."""
    from implicit.nearest_neighbours import CosineRecommender

    CosineRecommender(K=MODELS["item_knn"].n_neighbors + 1).fit(matrix, show_progress=False)


def als_by_implicit(matrix: sparse.csr_matrix) -> None:
    """Fit with BLAS on one thread, as its documentation asks."""
    from implicit.cpu.als import AlternatingLeastSquares

    ours = MODELS["als"]
    with threadpool_limits(limits=1, user_api="blas"):
        AlternatingLeastSquares(
            factors=ours.embedding_dim,
            regularization=ours.regularization,
            alpha=ours.confidence,
            random_state=ours.seed,
        ).fit(matrix, show_progress=False)


CALLS: list[tuple[str, Callable[[sparse.csr_matrix], object]]]
CALLS = [("ease", ease_by_cholesky), ("ease", ease_by_numpy), ("item_knn", neighbours_by_implicit)]
CALLS += [("als", als_by_implicit)]


def seconds(call: Callable[[], object]) -> float:
    """Return the wall-clock seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(
    model: Recommender,
    call: Callable[[sparse.csr_matrix], object],
    train: pd.DataFrame,
    split: EncodedSplit,
    matrix: sparse.csr_matrix,
) -> tuple[float, float, float, float]:
    """Return the seconds of our fit and of the library, from the table and from its encoded form."""
    return (
        seconds(lambda: model.fit(train)),
        seconds(lambda: call(as_matrix(train))),
        seconds(lambda: model.fit(split)),
        seconds(lambda: call(matrix)),
    )


def peak_mb(name: str, arguments: list[str]) -> float:
    """Return the peak memory of one fit, without its table, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fits", *arguments, "--only", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def peak_kb() -> int:
    """Return the peak resident memory of this process, from the kernel."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))


def fit_alone(model: Recommender, train: pd.DataFrame) -> None:
    """Print the peak memory of `fit` above what was resident before, in MB."""
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
    matrix, split = as_matrix(train), EncodedSplit.of(train)
    print(f"{matrix.shape[0]:,} users, {matrix.shape[1]:,} items, {matrix.nnz:,} pairs; the best of {ROUNDS} rounds")
    for name, call in CALLS:
        times = [compare(MODELS[name], call, train, split, matrix) for _ in range(ROUNDS)]
        ours, theirs, own, alone = np.min(times, axis=0)
        print(
            f"{name} against {call.__name__}: {ours:.2f} s / {theirs:.2f} s = {ours / theirs:.2f}; "
            f"encoded {own:.2f} s / {alone:.2f} s = {own / alone:.2f}; peak {peak_mb(name, arguments):,.0f} MB"
        )


if __name__ == "__main__":
    main()
