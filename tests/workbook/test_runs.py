"""A run folder keeps who made what and who read it, and shows nothing half-written."""

import json
import os
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from recsys_kit.errors import ArtifactError, ParameterError
from recsys_kit.workbook.runner.manifest import edit_manifest, read_manifest
from recsys_kit.workbook.runner.places import INLINE, maker_of, project_root, resolve
from recsys_kit.workbook.runner.reuse import LIBRARIES
from recsys_kit.workbook.runner.runs import open_for_reading, open_run, remove_stale
from recsys_kit.workbook.runner.storage import read_json, sha256_of, write_atomically, write_json
from tests.conftest import ROOT
from tests.workbook.chain import edit_cell, write_chain


@pytest.fixture
def run(tmp_path):
    return open_run(tmp_path / "run", chapter="04_evaluation", seed=7)


def manifest(run) -> dict:
    return json.loads((run.folder / "run.json").read_text())


def test_what_is_written_is_read_back_and_recorded_with_its_hash(run):
    frame = pd.DataFrame({"user_id": ["007", "NA"], "value": [1.5, None]})
    path = run.write("results/metrics.parquet", frame)
    pd.testing.assert_frame_equal(run.read("results/metrics.parquet"), frame)
    assert manifest(run)["artifacts"] == {"results/metrics.parquet": sha256_of(path)}
    assert run.inputs == {"results/metrics.parquet": sha256_of(path)}


def test_a_missing_required_artifact_names_the_chapter_that_makes_it(run):
    with pytest.raises(ArtifactError, match=r"RK-401 data/train.parquet .* 01_preprocessing makes it.*--only 01"):
        run.read("data/train.parquet")


def test_a_missing_optional_artifact_is_none_and_recorded_as_absent_with_the_next_write(run):
    assert run.read("features/items_minilm", required=False) is None
    run.write("results/protocol.json", {})
    assert manifest(run)["chapters"]["04_evaluation"]["inputs"] == {"features/items_minilm": "absent"}


def test_sql_queries_the_tables_of_a_run_and_nothing_else(run, tmp_path):
    run.write("data/interactions.parquet", pd.DataFrame({"user_id": ["a", "b", "b"], "item_id": ["x", "x", "y"]}))
    run.write("data/quarantine.parquet", pd.DataFrame({"rule": ["missing user_id"], "value": [""]}))
    counted = run.sql("select item_id, count(*) as n from interactions group by item_id order by n desc")
    assert counted.to_dict("list") == {"item_id": ["x", "y"], "n": [2, 1]}
    assert run.sql("select rule from quarantine where value = ''")["rule"].tolist() == ["missing user_id"]
    assert set(run.inputs) == {"data/interactions.parquet", "data/quarantine.parquet"}
    outside = ROOT / "pyproject.toml"
    for wrong in (
        "select * from",
        "select missing from interactions",
        f"select * from read_text('{outside}')",
        "copy interactions to 'stolen.csv'",
        "install httpfs",
        "set enable_external_access = true",
    ):
        with pytest.raises(ParameterError, match=r"RK-379 the query cannot be run"):
            run.sql(wrong)
    run.write("results/leaderboard.csv", pd.DataFrame({"model": ["ease"], "ndcg@10": [0.5]}))
    assert run.sql('select "ndcg@10" from leaderboard')["ndcg@10"].tolist() == [0.5]
    assert run.sql("show tables")["name"].tolist() == ["interactions", "leaderboard", "quarantine"]
    with pytest.raises(ParameterError, match=r"the tables of this run: interactions, leaderboard, quarantine"):
        run.sql("select * from users")


def look_at(folder: Path) -> dict[str, tuple[int, int]]:
    """The inode and the time of the last change of every file and folder."""
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def test_reading_changes_no_file_and_works_in_a_read_only_folder(run):
    run.write("results/metrics.parquet", pd.DataFrame({"value": [1.5]}))
    source = run.folder.parent / "interactions.csv"
    source.write_text("user_id,item_id,timestamp\nu1,i1,2025-01-01\nu2,i2,2025-01-02\n")
    before = look_at(run.folder)
    run.folder.chmod(0o500)
    try:
        for reader in (run, open_for_reading(run.folder)):
            assert len(reader.read("results/metrics.parquet")) == 1
            assert reader.read("features/items_minilm", required=False) is None
            reader.uses(source)
            with pytest.raises(ArtifactError, match="RK-401"):
                reader.read("data/train.parquet")
        run.load_dataset("files", interactions=str(source))
    finally:
        run.folder.chmod(0o700)
    assert look_at(run.folder) == before
    assert set(run.files) == {str(source)}


def test_a_run_that_is_opened_for_reading_is_not_ended_by_a_missing_artifact(run):
    run.write("results/metrics.parquet", pd.DataFrame({"value": [1.5]}))
    before = look_at(run.folder)
    with pytest.raises(ArtifactError, match="RK-334 this run has no lists: chapter 04 did not make results/protocol"):
        open_for_reading(run.folder).read("results/protocol.json")
    assert look_at(run.folder) == before


class Folder:
    def __init__(self, *names: str) -> None:
        self.names = names

    def save(self, folder: Path) -> None:
        folder.mkdir()
        for name in self.names:
            (folder / name).write_text(name)


def test_a_folder_is_replaced_as_a_whole(run):
    run.write("models/ease", Folder("weights", "old"))
    run.write("models/ease", Folder("weights"))
    assert sorted(path.name for path in run.path("models/ease").iterdir()) == ["weights"]
    assert list(manifest(run)["artifacts"]) == ["models/ease/weights"]


def test_a_write_that_fails_leaves_the_old_content_and_no_rest(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def half(temporary: Path) -> None:
        temporary.write_text('{"half')
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, half)
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_the_same_value_gives_the_same_bytes_and_nan_is_refused(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    write_json(tmp_path / "b.json", {"a": "é", "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "c.json", {"a": float("nan")})


def test_many_writers_of_the_manifest_lose_nothing(run):
    def add(number: int) -> None:
        with edit_manifest(run.folder) as state:
            state["artifacts"][f"results/{number}"] = "hash"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    assert len(manifest(run)["artifacts"]) == 40


def test_opening_again_forgets_what_was_read_and_skipped(run):
    run.read("features/items_minilm", required=False)
    run.skip("pictures", "there are none")
    run.skip("pictures", "there are none")
    assert manifest(run)["chapters"]["04_evaluation"]["skipped_sections"] == [
        {"section": "pictures", "reason": "there are none"}
    ]
    open_run(run.folder, chapter="04_evaluation", seed=7)
    state = manifest(run)["chapters"]["04_evaluation"]
    assert state["inputs"] == {}
    assert state["skipped_sections"] == []


def test_a_profile_that_is_not_one_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="RK-301 profile is 'fast'"):
        open_run(tmp_path, chapter="01_preprocessing", seed=7, profile="fast")


def test_a_relative_run_counts_from_the_project_wherever_the_kernel_is(tmp_path, monkeypatch):
    before = resolve("runs/toyshop")
    monkeypatch.chdir(tmp_path)
    assert resolve("runs/toyshop") == before
    assert before.is_absolute()


@pytest.mark.parametrize(
    ("name", "maker"),
    [
        ("data/train.parquet", "01_preprocessing"),
        ("results/data_report.json", "01_preprocessing"),
        ("features/items_tfidf", "02_feature_extraction"),
        ("models/review_classifier", "03_finetuning"),
        ("results/review_classification.json", "03_finetuning"),
        ("bundle/models/tensors/hybrid.safetensors", "04_evaluation"),
        ("results/leaderboard.csv", "04_evaluation"),
        ("results/shoppers.json", "05_case_study"),
    ],
)
def test_every_artifact_has_its_maker(name, maker):
    assert maker_of(name) == maker


def test_who_reads_while_another_writes_sees_the_old_content_whole(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with (tmp_path / "a.json").open() as reader:
        write_json(tmp_path / "a.json", {"new": list(range(1000))})
        assert json.load(reader) == {"old": 1}


def test_what_only_an_earlier_run_made_goes_when_the_chapter_is_done_and_not_before(tmp_path):
    first = open_run(tmp_path, chapter="01_preprocessing", seed=7)
    first.write("data/items.parquet", pd.DataFrame({"item_id": ["i1"]}))
    first.write("data/reviews.parquet", pd.DataFrame({"review_id": ["r1"]}))
    other = open_run(tmp_path, chapter="02_feature_extraction", seed=7)
    other.write("features/notes.json", {})
    second = open_run(tmp_path, chapter="01_preprocessing", seed=7)
    second.write("data/items.parquet", pd.DataFrame({"item_id": ["i2"]}))
    assert second.read("data/reviews.parquet") is not None
    with edit_manifest(tmp_path) as manifest:
        remove_stale(tmp_path, manifest, "01_preprocessing")
    assert second.read("data/reviews.parquet", required=False) is None
    assert sorted(read_json(tmp_path / "run.json")["artifacts"]) == ["data/items.parquet", "features/notes.json"]


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_what_an_unfinished_chapter_left_is_not_read_by_others(tmp_path, status):
    open_run(tmp_path, chapter="01_preprocessing", seed=7).write("data/items.parquet", pd.DataFrame({"item_id": ["i"]}))
    reader = open_run(tmp_path, chapter="02_feature_extraction", seed=7)
    with edit_manifest(tmp_path) as manifest:
        manifest["chapters"]["01_preprocessing"]["status"] = status
    with pytest.raises(ArtifactError, match=r"RK-405 data/items.parquet is incomplete: 01_preprocessing .*--only 01"):
        reader.read("data/items.parquet")


def test_a_manifest_can_be_read_while_another_writes_it(run):
    def write() -> None:
        for number in range(60):
            with edit_manifest(run.folder) as state:
                state["note"] = number

    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(write)
        while not writing.done():
            read_manifest(run.folder)
        writing.result()


def test_every_library_that_computes_is_part_of_the_key():
    project = tomllib.loads((project_root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {re.match(r"[\w-]+", dependency)[0] for dependency in project["dependencies"]}
    shows = {"jupyterlab", "ipykernel", "ipywidgets", "jupyter-client", "nbclient", "nbconvert", "nbformat",
             "papermill", "jinja2", "latex2mathml", "psutil", "rich", "tqdm", "typer", "threadpoolctl",
             "filelock"}  # fmt: skip
    assert named - shows == set(LIBRARIES)


@pytest.mark.parametrize("backend", ["Agg", "", INLINE])
def test_a_notebook_run_elsewhere_shows_its_figures(tmp_path, backend):
    notebook = write_chain(tmp_path / "notebooks") / "01_preprocessing.ipynb"
    edit_cell(
        notebook, "work", "from pathlib", "import matplotlib.pyplot\nmatplotlib.pyplot.plot([1, 2])\nfrom pathlib"
    )
    command = [sys.executable, "-m", "papermill", str(notebook), str(tmp_path / "out.ipynb"), "-p", "source"]
    options = [str(notebook.parent / "source.txt"), "-p", "run_dir", str(tmp_path / "run")]
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    environment |= {"MPLBACKEND": backend, "PYTHONPATH": str(ROOT)} if backend else {"PYTHONPATH": str(ROOT)}
    subprocess.run(command + options, env=environment, check=True, capture_output=True)
    printed = (tmp_path / "out.ipynb").read_text(encoding="utf-8")
    assert '"image/png"' in printed
    assert "cores ·" in printed


def test_a_disk_that_refuses_is_a_coded_error(tmp_path):
    read_only = os.getuid() == 0 and mounted_read_only(tmp_path)
    if not read_only and os.getuid() == 0:
        pytest.skip("a read-only file system cannot be mounted here, and root may write everywhere")
    if not read_only:
        tmp_path.chmod(0o500)
    try:
        with pytest.raises(ArtifactError, match=r"RK-505 .*\.lock cannot be written: .*; expected a writable folder"):
            open_run(tmp_path, chapter="04_evaluation", seed=7)
        with pytest.raises(ArtifactError, match=r"RK-505 .*new cannot be written"):
            open_run(tmp_path / "new", chapter="04_evaluation", seed=7)
        with pytest.raises(ArtifactError, match="RK-505"):
            write_json(tmp_path / "a.json", {})
    finally:
        subprocess.run(["umount", tmp_path]) if read_only else tmp_path.chmod(0o700)


def mounted_read_only(folder: Path) -> bool:
    try:
        command = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder]
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False
