"""The front door in bounded time and memory: read, check, clean and split of events, against bare pandas.

    python -m benchmarks.door 1000000 10000000

One row per number of events, each in a process of its own: seconds of each step, the ratio to
`pandas.read_csv(dtype=str)` of the same file in the same process, seconds of the processor for all steps together (if
they are far fewer than those of the clock, the machine was busy), and the peak memory of the process; below, the
exponents between the first and the last row.
"""

import math
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.data import clean, split_interactions, validate
from recsys_kit.data.sources import read_source

SEED = 7


def write_events(path: Path, n: int) -> None:
    """Write n events of a shop with n / 20 users and few popular items, in blocks."""
    rng = np.random.default_rng(SEED)
    for start in range(0, n, 1_000_000):
        size = min(1_000_000, n - start)
        seconds = pd.to_datetime(1_600_000_000 + rng.integers(0, 10**8, size), unit="s")
        block = pd.DataFrame({
            "user_id": [f"u{user}" for user in rng.integers(0, n // 20, size)],
            "item_id": [f"p{item}" for item in rng.zipf(1.3, size) % 50_000],
            "timestamp": seconds.strftime("%Y-%m-%d %H:%M:%S"),
            "rating": rng.integers(1, 6, size),
        })  # fmt: skip
        block.to_csv(path, index=False, mode="a", header=not start)


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call returns, and its seconds."""
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started


def measure(n: int) -> dict[str, float]:
    """Measure the steps for n events: seconds of the clock, and of the processor for all steps together."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.csv"
        write_events(path, n)
        bare = timed(lambda: pd.read_csv(path, dtype=str))[1]
        started = time.process_time()
        raw, read = timed(lambda: read_source("files", {"interactions": path}))
    checked, check = timed(lambda: validate(raw))
    cleaned, tidy = timed(lambda: clean(checked))
    split = timed(lambda: split_interactions(cleaned.interactions))[1]
    used = time.process_time() - started
    total = read + check + tidy + split
    status = Path("/proc/self/status").read_text()  # ru_maxrss would be that of the parent process, if it was larger
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024**2  # type: ignore[index]
    return {
        "events": n, "pandas s": bare, "read s": read, "check s": check, "clean s": tidy, "split s": split,
        "all s": total, "ratio": total / bare, "all cpu s": used, "peak GiB": peak,
    }  # fmt: skip


def compare(sizes: Sequence[int]) -> pd.DataFrame:
    """Measure each number of events in a process of its own, so that its peak is its own."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pd.DataFrame(pool.map(measure, sizes, chunksize=1))


def exponent(table: pd.DataFrame, column: str) -> float:
    """Return the power of the number of events with which a time grows, from the first row to the last.

    >>> exponent(pd.DataFrame({"events": [10, 1000], "all s": [2.0, 200.0]}), "all s")
    1.0
    """
    first, last = table.iloc[0], table.iloc[-1]
    return math.log(last[column] / first[column]) / math.log(last["events"] / first["events"])


def main() -> None:
    """Print the table."""
    table = compare([int(n) for n in sys.argv[1:]] or [1_000_000])
    print(table.round(2).to_string(index=False))
    if len(table) > 1:
        print(f"exponent {exponent(table, 'all s'):.2f} by the clock, {exponent(table, 'all cpu s'):.2f} by cpu")


if __name__ == "__main__":
    main()
