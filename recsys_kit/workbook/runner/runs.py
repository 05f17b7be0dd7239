"""A run folder: the artifacts that the chapters exchange, with a record of who made and who read each.

A chapter opens the run, and reads and writes through it; nothing else touches `runs/<name>/`:

    run = open_run("runs/toyshop", chapter="04_evaluation", seed=7, profile="quick")
    train = run.read("data/train.parquet")
    run.write("results/leaderboard.csv", table)
"""

import os
import platform
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from recsys_kit import data
from recsys_kit.core.hardware import usable_cores
from recsys_kit.data.files.database import connect
from recsys_kit.data.sources import absolute
from recsys_kit.data.splitting import FRAMES, Split
from recsys_kit.errors import ArtifactError, DataError, IntegrityError, NothingToDo, ParameterError
from recsys_kit.workbook.runner import lock, parameters, places, reuse, storage
from recsys_kit.workbook.runner.manifest import edit_manifest, find_damage, read_manifest, recorded

PLAIN = (str, int, float, bool, list, type(None))  # types that a parameter may have
MISSING = {  # why a chapter that has ended did not make an artifact that others require
    "data/reviews.parquet": "this data set has no reviews",
    "data/items.parquet": "this data set has no items",
    "data/train.parquet": "this data set has no interactions",
}
UNFINISHED = {"running": "was killed", "failed": "failed", "interrupted": "was interrupted"}


def check_folder(folder: Path, dataset: str, *, chosen: bool) -> None:
    """Refuse (RK-308) to replace a run of another data set, unless the user named this one (`chosen`)."""
    try:
        known = read_manifest(folder).get("source", {}).get("dataset", dataset)
    except IntegrityError:  # reported later
        return
    if known != dataset and not chosen:
        problem = (
            f"{places.shared_name(folder)} holds a run of {known!r}; expected the same data set again, not {dataset!r}."
        )
        remedy = f"Pass --dataset {known} with its files, or --dataset {dataset} to replace it, or another --out."
        raise ParameterError("RK-308", problem, remedy)


@dataclass(frozen=True)
class Run:
    """A run folder as one chapter sees it.

    Reading never writes: `inputs` and `files` hold the hashes of what was read until the next write. Under the runner
    they are also recorded at the end of each cell.
    """

    folder: Path
    chapter: str
    """The chapter that reads and writes; "" for a run that is opened for reading only."""
    seed: int
    profile: str
    inputs: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Artifact -> its digest when it was read, "absent" if it was missing."""
    files: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Path of a file outside of the run -> its digest when it was read."""

    def path(self, name: str) -> Path:
        """Return the path of the artifact `name`, whether it exists or not."""
        return self.folder / name

    def write(self, name: str, value: Any) -> Path:
        """Write one artifact and record its hash.

        The artifact, a file or a folder, is replaced as a whole or not at all.

        Args:
            name: a name with an ending takes a frame (`.parquet`, `.csv`) or plain values (`.json`); a name without
                one takes an object with `save(folder)`.
            value: the frame, values or object.

        Raises:
            BusyError: RK-501 the chapter was opened by hand, and a command is working in the folder.
        """
        path = self.path(name)
        with nullcontext() if lock.is_inherited(self.folder) else lock.hold(self.folder):
            storage.write_atomically(path, partial(storage.WRITERS[path.suffix], value) if path.suffix else value.save)
            hashes = storage.hashes_of(path, self.folder)
            with edit_manifest(self.folder) as manifest:
                for old in recorded(manifest, name):
                    del manifest["artifacts"][old]
                manifest["artifacts"].update(hashes)
                outputs = self._record_reads(manifest).setdefault("outputs", [])
                outputs += [name] if name not in outputs else []
        return path

    def read(self, name: str, load: Callable[[Path], Any] | None = None, *, required: bool = True) -> Any:
        """Read one artifact after checking its hash; nothing is written.

        Args:
            name: the artifact.
            load: reads an artifact that is a folder.
            required: return None for a missing artifact if False.

        Raises:
            IntegrityError: RK-412 it is damaged, gone, or not the one that was written.
            NothingToDo: it is missing, and its chapter ended without making it.
            ArtifactError: RK-401 it is missing, and its chapter has not run; RK-405 its chapter has not ended.
        """
        path = self.path(name)
        manifest = read_manifest(self.folder)
        maker = places.maker_of(name)
        made = manifest["chapters"].get(maker, {})
        status, make = made.get("status"), partial(reuse.command_to_make, self.folder, manifest, name)
        if maker != self.chapter and status in UNFINISHED:
            problem = f"{name} is incomplete: {maker} {UNFINISHED[status]}."
            raise ArtifactError("RK-405", problem, f"Run it to its end first: {make()}")
        expected = recorded(manifest, name)
        if problem := find_damage(self.folder, expected, name):
            raise IntegrityError("RK-412", f"{problem}.", f"Rebuild it with {maker}: {make()}")
        self.inputs[name] = storage.digest_of(expected)
        if expected:
            return (load or storage.READERS[path.suffix])(path)
        if not required:
            return None
        if status in ("done", "skipped") or (status == "opened_by_hand" and made.get("outputs")):
            self.skip_chapter(MISSING.get(name, f"chapter {maker[:2]} did not make {name}"))
        problem = f"{name} is missing in {self.folder}; {maker} makes it."
        raise ArtifactError("RK-401", problem, f"Run notebook {maker} first: {make()}")

    def sql(self, query: str) -> pd.DataFrame:
        """Query the tables of the run, its data lake, with DuckDB.

            run.sql("select item_id, count(*) as n from interactions group by item_id order by n desc limit 5")
            run.sql("show tables")

        Args:
            query: one statement of SQL. A table is called like its file in `data/` or `results/`: interactions, items,
                users, reviews, quarantine, train, valid, test, leaderboard, metrics ...

        Raises:
            ParameterError: RK-379 the query cannot be run.
            IntegrityError: as `read`.
        """
        artifacts = read_manifest(self.folder)["artifacts"]
        tables = {Path(name).stem: name for name in artifacts if name.endswith((".parquet", ".csv"))}
        with connect() as database:
            try:
                used = database.get_table_names(query)
                for name in used & set(tables) or (set() if used else tables):
                    database.register(name, self.read(tables[name]))
                return database.sql(query).to_df()
            except (duckdb.Error, AttributeError) as error:  # a statement that is no query gives no table
                problem = str(error).splitlines()[0]
                listed = ", ".join(sorted(tables)) or "none"
                raise ParameterError(
                    "RK-379", f"the query cannot be run: {problem}.", f"Correct it; the tables of this run: {listed}."
                ) from error

    def load_dataset(self, name: str = "toyshop", **options: Any) -> data.Dataset:
        """Load a data set with the run's seed; relative paths count from the project root.

        Args:
            name: of `data.DATASETS`.
            options: of `data.load_dataset`.

        Raises:
            DataError: RK-413 a file changed while it was read.
        """
        options |= {
            key: absolute(options[key], places.project_root()) for key in places.FILE_OPTIONS if options.get(key)
        }
        files = [path for path in data.source_files(name, **options) if path.is_file()]
        before = {str(path): storage.sha256_of(path) for path in files}
        dataset = data.load_dataset(name, seed=self.seed, **options)
        if changed := [path for path in files if storage.sha256_of(path) != before[str(path)]]:
            raise DataError("RK-413", f"{changed[0]} changed while it was read.", "Run again when it is complete.")
        self.files.update(before)
        return dataset

    def uses(self, *files: Path) -> None:
        """Declare files outside of the run that the chapter depends on, such as the weights of a language model."""
        self.files.update({str(path): storage.sha256_of(path) for path in files})

    def limit(self, setting: int, *, quick: int) -> int:
        """Return how many rows a chapter may use; 0 means all. A setting other than 0 holds in every profile.

        >>> run = Run(Path("runs/toyshop"), "03_finetuning", seed=7, profile="quick")
        >>> run.limit(0, quick=2000), run.limit(500, quick=2000), run.limit(5000, quick=2000)
        (2000, 500, 5000)
        """
        return setting or (quick if self.profile == "quick" else 0)

    def skip(self, section: str, reason: str) -> None:
        """Display and record in one sentence why a section is skipped; the command and the page repeat it."""
        from IPython.display import Markdown, display

        with edit_manifest(self.folder) as manifest:
            skipped = self._record_reads(manifest).setdefault("skipped_sections", [])
            if {"section": section, "reason": reason} not in skipped:
                skipped.append({"section": section, "reason": reason})
        display(Markdown(f"*Skipped: {section}: {reason}*"))

    def skip_chapter(self, reason: str) -> None:
        """End the chapter because its input is missing; the run goes on with the next chapter.

        Raises:
            NothingToDo: always, except for
            ArtifactError: RK-334 the run is only opened for reading.
        """
        if not self.chapter:
            raise ArtifactError("RK-334", f"this run has no lists: {reason}.", "Run it on data with interactions.")
        with edit_manifest(self.folder) as manifest:
            self._record_reads(manifest)["reason"] = reason
        raise NothingToDo(reason)

    def record(self, result: object = None) -> None:
        """Record what was read so far; IPython calls this after each cell with its result."""
        with edit_manifest(self.folder) as manifest:
            self._record_reads(manifest)

    def _record_reads(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Add what was read to the chapter's entry of the manifest, and return the entry."""
        chapter = manifest["chapters"].setdefault(self.chapter, {})
        chapter.setdefault("inputs", {}).update(self.inputs)
        chapter.setdefault("files", {}).update(self.files)
        return chapter


def read_split(run: Run) -> Split:
    """Return the split that chapter 01 wrote."""
    return Split(**{name: run.read(f"data/{name}.parquet") for name in FRAMES}, how=run.read("data/split.json"))


def remove_stale(folder: Path, manifest: dict[str, Any], chapter: str) -> None:
    """Delete what an earlier run of `chapter` made and this one did not: it belongs to other data.

    Called when the chapter is done, so that a failure costs nothing. Folders left empty are deleted too.
    """
    written = manifest["chapters"].get(chapter, {}).get("outputs", [])
    current = tuple(name + "/" for name in written)
    for name in [name for name in manifest["artifacts"] if places.maker_of(name) == chapter]:
        if name in written or name.startswith(current):
            continue
        (folder / name).unlink(missing_ok=True)
        del manifest["artifacts"][name]
        with suppress(OSError):  # up to a folder that is not empty; the run's own has its manifest
            os.removedirs((folder / name).parent)


def open_run(run_dir: str | Path, *, chapter: str, seed: int, profile: str = "quick") -> Run:
    """Open a run folder for a chapter, and print the seed, the hardware and the versions.

    A chapter that is opened by hand is out of date for the next command, which reruns it.

    Args:
        run_dir: folder of the run, made if it does not exist; a relative path counts from the project root.
        chapter: name of the chapter, such as "04_evaluation".
        seed: random seed of the chapter.
        profile: "quick" or "full".

    Raises:
        ParameterError: RK-301 the profile is unknown; RK-303, RK-307 a parameter of the notebook is wrong.
        BusyError: RK-501 a command is working in the folder.
        ArtifactError: RK-505 the folder cannot be written.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if shell and os.environ.get("MPLBACKEND", "").lower() == "agg":  # a backend that shows nothing
        shell.run_line_magic("matplotlib", "inline")
    variables = shell.user_ns if shell else {}
    declared = variables.get("__annotations__", {})  # others may mean something else in a reader's own notebook
    plain = {name: value for name, value in variables.items() if name in declared or type(value) in PLAIN}
    parameters.check_parameters(chapter, plain)
    if profile not in places.PROFILES:
        problem = f"profile is {profile!r}; expected one of {places.PROFILES}."
        raise ParameterError("RK-301", problem, "Pass profile='quick' or 'full'.")
    folder = places.resolve(run_dir)
    with storage.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    versions, hardware = reuse.library_versions(), {"machine": platform.machine(), "cores": usable_cores()}
    inherited = lock.is_inherited(folder)
    with nullcontext() if inherited else lock.hold(folder), edit_manifest(folder) as manifest:
        manifest.update(versions=versions, hardware=hardware)
        status = {"status": "running" if inherited else "opened_by_hand"}
        manifest["chapters"][chapter] = status | {"inputs": {}, "files": {}, "outputs": [], "skipped_sections": []}
    libraries = " ".join(f"{name} {version}" for name, version in versions.items())
    print(f"run {folder.name} · seed {seed} · profile {profile} · {hardware['cores']} cores · {libraries}")
    run = Run(folder, chapter, seed, profile)
    if shell and inherited:
        shell.events.register("post_run_cell", run.record)  # the last reads of a chapter have no write after them
    return run


def open_for_reading(run_dir: str | Path) -> Run:
    """Open an existing run to read its artifacts; nothing is written.

    Raises:
        ArtifactError: RK-402 the folder is not a run; RK-334 on reading an artifact that its data cannot have.
    """
    return Run(places.run_folder(run_dir), chapter="", seed=0, profile="quick")
