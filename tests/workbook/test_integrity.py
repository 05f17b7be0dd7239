"""What a chapter reads is what was written: each flipped bit, cut, swap and loss is named, with what mends it."""

import json
import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from recsys_kit.errors import IntegrityError
from recsys_kit.workbook.runner.manifest import edit_manifest, read_manifest, start_over
from recsys_kit.workbook.runner.runs import open_run
from recsys_kit.workbook.runner.storage import write_json, write_parquet

N_FLIPS = int(os.environ.get("RECSYS_KIT_FLIPS", "120"))
N_CUTS = N_FLIPS // 10


class Vectors:
    """A folder artifact as models and features are: safetensors and JSON."""

    def save(self, folder: Path) -> None:
        folder.mkdir()
        save_file({"values": np.arange(2000, dtype=np.float32)}, folder / "model.safetensors")
        (folder / "model.json").write_text('{"model": "ease", "ids": ["007", "NA"]}')


FRAME = pd.DataFrame({"item_id": [f"i{n:04}" for n in range(500)], "price": np.linspace(0, 9, 500)})
ARTIFACTS = {
    "data/train.parquet": FRAME,
    "data/split.json": {"method": "time", "cuts": ["2025-01-01", "2025-02-01"]},
    "features/items_tfidf": Vectors(),
    "models/ease": Vectors(),
    "results/leaderboard.csv": FRAME,
    "results/metrics.parquet": FRAME.head(20),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run with an artifact of every kind."""
    run = open_run(tmp_path_factory.mktemp("run"), chapter="05_case_study", seed=7)
    for name, value in ARTIFACTS.items():
        run.write(name, value)
    with edit_manifest(run.folder) as manifest:
        manifest["parameters"] = {"04_evaluation": {"k": 20, "seed": 7, "target_events": ["buy"]}}
    return run


@pytest.fixture
def run(written, tmp_path):
    """A copy of it, to be damaged."""
    folder = Path(shutil.copytree(written.folder, tmp_path / "run"))
    return type(written)(folder, written.chapter, written.seed, written.profile)


def read(run, name: str):
    return run.read(name, lambda folder: load_file(folder / "model.safetensors")) if "." not in name else run.read(name)


def files_of(run) -> list[tuple[str, Path]]:
    """Every file of every artifact, with the artifact's name."""
    found = [(name, run.path(name)) for name in ARTIFACTS]
    return [
        (name, file)
        for name, path in found
        for file in (sorted(path.iterdir()) if path.is_dir() else [path])
    ]  # fmt: skip


def test_every_kind_is_read_back(run):
    for name in ARTIFACTS:
        assert read(run, name) is not None


def test_every_flipped_bit_is_named_when_read(run):
    rng = np.random.default_rng(7)
    files = files_of(run)
    for number in range(N_FLIPS):
        name, file = files[number % len(files)]
        good = file.read_bytes()
        place, bit = int(rng.integers(len(good))), int(rng.integers(8))
        file.write_bytes(good[:place] + bytes([good[place] ^ (1 << bit)]) + good[place + 1 :])
        with pytest.raises(IntegrityError, match=f"RK-412 {file.relative_to(run.folder)} is damaged"):
            read(run, name)
        file.write_bytes(good)
    read(run, "data/train.parquet")


def test_every_cut_is_named_when_read(run):
    rng = np.random.default_rng(8)
    files = files_of(run)
    for number in range(max(N_CUTS, len(files))):
        name, file = files[number % len(files)]
        good = file.read_bytes()
        file.write_bytes(good[: int(rng.integers(len(good)))])  # from nothing at all to all but one byte
        with pytest.raises(IntegrityError, match="RK-412"):
            read(run, name)
        file.write_bytes(good)


def test_flips_and_cuts_of_the_manifest_are_named_too(run):
    rng = np.random.default_rng(9)
    for name in ("run.json", "run.json.sha256"):
        path = run.path(name)
        good = path.read_bytes()
        for place in rng.integers(0, len(good) - 1, N_CUTS):
            for bad in (good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :], good[:place]):
                path.write_bytes(bad)
                with pytest.raises(IntegrityError, match=r"RK-410 .*--force"):
                    run.read("data/train.parquet")
        path.write_bytes(good)


def test_the_message_has_both_hashes_and_the_command_that_makes_it_anew(run):
    expected = read_manifest(run.folder)["artifacts"]["results/leaderboard.csv"]
    run.path("results/leaderboard.csv").write_text("model\n")
    with pytest.raises(IntegrityError) as caught:
        run.read("results/leaderboard.csv")
    hashes = re.findall(r"[0-9a-f]{64}", str(caught.value))
    assert hashes[1] == expected != hashes[0]
    command = str(caught.value).split("recsys-kit run ")[1].split()
    assert command == ["--out", str(run.folder), "--only", "04", "--set", "k=20", "--set", "target_events=buy"]
    assert caught.value.exit_code == 4


def test_a_missing_file_a_stranger_and_a_swap_are_named(run, written):
    run.path("models/ease/model.json").unlink()
    with pytest.raises(IntegrityError, match=r"models/ease/model\.json is gone; expected sha256"):
        read(run, "models/ease")
    run.path("features/items_tfidf/more.bin").write_bytes(b"x")
    with pytest.raises(IntegrityError, match=r"more\.bin is not recorded"):
        read(run, "features/items_tfidf")
    shutil.copy(run.path("results/metrics.parquet"), run.path("data/train.parquet"))
    with pytest.raises(IntegrityError, match=r"data/train\.parquet is damaged or from elsewhere"):
        run.read("data/train.parquet")
    write_parquet(FRAME, run.path("data/valid.parquet"))  # nobody recorded it
    with pytest.raises(IntegrityError, match=r"data/valid\.parquet is not recorded"):
        run.read("data/valid.parquet")


def test_an_older_artifact_put_back_is_named(run):
    older = run.path("results/metrics.parquet").read_bytes()
    run.write("results/metrics.parquet", FRAME.head(30))
    run.path("results/metrics.parquet").write_bytes(older)
    with pytest.raises(IntegrityError, match="RK-412"):
        run.read("results/metrics.parquet")


def test_parquet_pages_carry_checksums_of_their_own(tmp_path):
    from recsys_kit.workbook.runner.storage import read_parquet

    path = tmp_path / "a.parquet"
    write_parquet(pd.DataFrame({"x": np.arange(50_000)}), path)
    good = path.read_bytes()
    middle = len(good) // 3
    path.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])
    with pytest.raises(OSError, match=r"(?i)crc|checksum"):
        read_parquet(path)


def test_a_pickle_is_never_run(run):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(run.folder / "sprung"),))

    for name in ("data/train.parquet", "models/ease/model.safetensors"):
        run.path(name).write_bytes(pickle.dumps(Trap()))
        with edit_manifest(run.folder) as manifest:  # even where the hash agrees
            from recsys_kit.workbook.runner.storage import sha256_of

            manifest["artifacts"][name] = sha256_of(run.path(name))
        with pytest.raises(Exception):  # noqa: B017 (each library has an error of its own)
            read(run, name.removesuffix("/model.safetensors"))
    assert not (run.folder / "sprung").exists()


def test_a_manifest_of_another_version_is_refused_and_a_lost_one_is_a_new_run(run):
    with edit_manifest(run.folder) as manifest:
        manifest["schema_version"] = 1
    for _ in range(2):  # with its checksum, and from a time that knew none
        with pytest.raises(IntegrityError, match=r"RK-411 .* schema 1; expected 2"):
            run.read("data/train.parquet")
        run.path("run.json.sha256").unlink(missing_ok=True)
    with pytest.raises(IntegrityError, match="RK-411"):
        run.read("data/train.parquet")
    start_over(run.folder)
    assert read_manifest(run.folder)["chapters"] == {}


@pytest.mark.parametrize("moment", ["before the manifest", "after the manifest"])
def test_a_kill_between_the_manifest_and_its_checksum_leaves_a_pair_that_agrees(run, monkeypatch, moment):
    from recsys_kit.workbook.runner import manifest as module

    real, calls = module._write_checksums, []

    def dies(folder, hashes):
        calls.append(hashes)
        if moment == "after the manifest" and len(calls) == 2:
            raise KeyboardInterrupt
        real(folder, hashes)

    monkeypatch.setattr(module, "_write_checksums", dies)
    if moment == "before the manifest":
        monkeypatch.setattr(module, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt), edit_manifest(run.folder) as manifest:
        manifest["note"] = "new"
    assert read_manifest(run.folder).get("note") == (None if moment == "before the manifest" else "new")


def test_a_manifest_that_is_no_manifest_is_refused_without_a_traceback(tmp_path):
    write_json(tmp_path / "run.json", ["not", "one"])
    import hashlib

    (tmp_path / "run.json.sha256").write_text(hashlib.sha256((tmp_path / "run.json").read_bytes()).hexdigest())
    with pytest.raises(IntegrityError, match=r"RK-410 .* is not the manifest of a run"):
        read_manifest(tmp_path)
    assert json.loads((tmp_path / "run.json").read_text()) == ["not", "one"]
