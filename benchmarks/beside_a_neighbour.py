"""Time of a chapter beside a busy process of higher priority, with and without the limit on spinning threads.

    python -m benchmarks.beside_a_neighbour            # chapter 03 of the built-in shop; 10 minutes or more
    python -m benchmarks.beside_a_neighbour --chapter 04 --set n_users=500 --neighbours 2

Runs the chapters before it once, then the chapter itself: alone, and as `nice -n 5 recsys-kit run --only 03` beside
`python -c "while True: pass"`, each with `GOMP_SPINCOUNT=1000` (what the package sets) and with 300000 (the default of
GNU's OpenMP). Prints the seconds of each and the ratio to the time alone with the limit. Run nothing else
meanwhile. The run without the limit takes up to fifteen times as long; --quick leaves it out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SETTINGS = {"limited": "1000", "unlimited": "300000"}


@contextmanager
def busy(number: int) -> Iterator[None]:
    """Run `number` processes that never wait, at normal priority, inside the block."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run(folder: Path, chapters: str, settings: list[str], *, spin: str, nice: int) -> dict[str, float]:
    """Run the chapters and return the seconds of each, as the command measured them."""
    options = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "recsys_kit.cli", "run", "--out", str(folder), "--only", chapters, "--force"]
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS")}
    subprocess.run(
        ["nice", "-n", str(nice), *command, *options],
        env=environment | {"GOMP_SPINCOUNT": spin}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    timings = json.loads((folder / "timings.json").read_text(encoding="utf-8"))
    return {name[:2]: times["seconds"] for name, times in timings.items()}


def main() -> None:
    """Print a line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chapter", default="03")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="name=value")
    parser.add_argument("--neighbours", type=int, default=1)
    parser.add_argument("--nice", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="only with the limit")
    options = parser.parse_args()
    kinds = ["limited"] if options.quick else list(SETTINGS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        before = ",".join(f"{number:02}" for number in range(1, int(options.chapter)))
        if before:
            run(folder, before, options.settings, spin=SETTINGS["limited"], nice=0)
        seconds = {}
        for beside in (0, options.neighbours):
            for kind in kinds:
                with busy(beside):
                    nice = options.nice if beside else 0
                    times = run(folder, options.chapter, options.settings, spin=SETTINGS[kind], nice=nice)
                seconds[beside, kind] = times[options.chapter]
                where = f"beside {beside}, nice {options.nice}" if beside else "alone"
                ratio = seconds[beside, kind] / seconds[0, "limited"]
                line = f"chapter {options.chapter}, {where:18} GOMP_SPINCOUNT={SETTINGS[kind]:>6}:"
                print(f"{line} {seconds[beside, kind]:7.1f} s, {ratio:5.2f} times alone", flush=True)


if __name__ == "__main__":
    main()
