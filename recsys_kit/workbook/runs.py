"""A run folder: what the chapters leave behind, who made it, and who read it.

A chapter opens the run, reads and writes through it, and nothing else touches `runs/<name>/`:

    run = open_run("runs/toyshop", chapter="04_evaluation", seed=7, profile="quick")
    train = run.read("data/train.parquet")
    run.write("results/leaderboard.csv", table)
"""

import fcntl
import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.errors import ArtifactError, ParameterError

SCHEMA_VERSION = 1
PROFILES = ("quick", "full")
LIBRARIES = ("numpy", "pandas", "scikit-learn", "torch", "transformers", "sentence-transformers")
MAKERS = {  # the chapter that makes an artifact; the longest prefix wins
    "data/": "01_preprocessing",
    "results/data_report": "01_preprocessing",
    "features/": "02_feature_extraction",
    "models/review_classifier": "03_finetuning",
    "results/review_classification": "03_finetuning",
    "models/": "04_evaluation",
    "results/": "04_evaluation",
    "results/shoppers": "05_case_study",
}


def project_root() -> Path:
    """The checkout that holds `notebooks/`; the current folder where the package is installed without one."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "notebooks").is_dir() else Path.cwd()


def resolve(path: str | Path) -> Path:
    """An absolute path; a relative one counts from the project root, whatever folder the kernel runs in."""
    return (project_root() / Path(path).expanduser()).resolve()


def shared_name(folder: Path) -> str:
    """The folder as a page that travels names it: from the project root where it lies inside it."""
    root = project_root().resolve()
    return str(folder.relative_to(root) if folder.is_relative_to(root) else folder)


def maker_of(name: str) -> str:
    """The chapter that makes the artifact `name`.

    >>> maker_of("models/ease"), maker_of("models/review_classifier/model.safetensors")
    ('04_evaluation', '03_finetuning')
    """
    return MAKERS[max((prefix for prefix in MAKERS if name.startswith(prefix)), key=len)]


def sha256_of(path: Path) -> str:
    """The hex digest of one file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk, then rename: readers see all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        temporary = Path(folder) / path.name
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Sorted keys, two spaces, no NaN: the same value gives the same bytes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> Any:
    """The values of one JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


WRITERS: dict[str, Callable[[Any, Path], Any]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".json": lambda value, path: write_json(path, value),
}
READERS: dict[str, Callable[[Path], Any]] = {".parquet": pd.read_parquet, ".csv": pd.read_csv, ".json": read_json}


@dataclass(frozen=True)
class Run:
    """One run folder as one chapter sees it."""

    folder: Path
    chapter: str
    seed: int
    profile: str

    def path(self, name: str) -> Path:
        """Where the artifact `name` lies, made or not."""
        return self.folder / name

    def write(self, name: str, value: Any) -> Path:
        """Write one artifact and record its hash.

        A name with an ending takes a frame (`.parquet`, `.csv`) or plain values (`.json`); a name without one takes
        anything with `save(folder)`. A file appears whole or not at all, a folder too.
        """
        path = self.path(name)
        if path.suffix:
            write_atomically(path, lambda temporary: WRITERS[path.suffix](value, temporary))
        else:
            self._write_folder(path, value)
        self._record("artifacts", name)
        return path

    def read(self, name: str, load: Callable[[Path], Any] | None = None, *, required: bool = True) -> Any:
        """Read one artifact; `load` reads those that are folders.

        A missing required artifact raises `ArtifactError` (RK-401), a missing optional one gives None.
        """
        path = self.path(name)
        if not path.exists():
            self._record("inputs", name)
            if not required:
                return None
            raise ArtifactError(
                "RK-401",
                f"{name} is missing in {self.folder}; {maker_of(name)} makes it.",
                f"Run notebook {maker_of(name)} first: recsys-kit run --out {self.folder} --only {maker_of(name)[:2]}",
            )
        value = (load or READERS[path.suffix])(path)
        self._record("inputs", name)
        return value

    def skip(self, section: str, reason: str) -> None:
        """Say in one sentence why a section has nothing to work on; the command and the page repeat it."""
        from IPython.display import Markdown, display

        with self._manifest() as manifest:
            chapter = manifest["chapters"].setdefault(self.chapter, {})
            skipped = chapter.setdefault("skipped_sections", [])
            if {"section": section, "reason": reason} not in skipped:
                skipped.append({"section": section, "reason": reason})
        display(Markdown(f"*Skipped: {section}: {reason}*"))

    @contextmanager
    def _manifest(self) -> Iterator[dict[str, Any]]:
        with edit_manifest(self.folder) as manifest:
            yield manifest

    def _record(self, kind: str, name: str) -> None:
        path = self.path(name)
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        hashes = {
            str(f.relative_to(self.folder)): sha256_of(f) if f.exists() else "absent" for f in files if not f.is_dir()
        }
        with self._manifest() as manifest:
            if kind == "artifacts":
                known = manifest["artifacts"]
                for old in [k for k in known if k == name or k.startswith(name + "/")]:
                    del known[old]
                known.update(hashes)
                outputs = manifest["chapters"].setdefault(self.chapter, {}).setdefault("outputs", [])
                outputs += [name] if name not in outputs else []
            else:
                manifest["chapters"].setdefault(self.chapter, {}).setdefault("inputs", {}).update(hashes)

    @staticmethod
    def _write_folder(path: Path, value: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as temporary:
            new = Path(temporary) / path.name
            value.save(new)
            for file in (file for file in new.rglob("*") if file.is_file()):
                with file.open("rb") as written:
                    os.fsync(written.fileno())
            if path.exists():  # a folder cannot be replaced in one step: a kill here leaves none, and it is made anew
                path.rename(Path(temporary) / "old")
            new.rename(path)


@contextmanager
def edit_manifest(folder: Path) -> Iterator[dict[str, Any]]:
    """Read `run.json`, let the caller change it, write it back; one writer at a time."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = folder / "run.json"
        manifest = (
            read_json(path) if path.exists() else {"schema_version": SCHEMA_VERSION, "chapters": {}, "artifacts": {}}
        )
        before = json.dumps(manifest, sort_keys=True)
        yield manifest
        if json.dumps(manifest, sort_keys=True) != before or not path.exists():
            write_json(path, manifest)


def remove_stale(folder: Path, manifest: dict[str, Any], chapter: str) -> None:
    """Delete what an earlier run of `chapter` made and this one, now done, did not: it belongs to other data.

    Until then the earlier artifacts stay, so that a failure costs nothing. Folders left empty go too.
    """
    written = manifest["chapters"].get(chapter, {}).get("outputs", [])
    current = tuple(name + "/" for name in written)
    for name in [name for name in manifest["artifacts"] if maker_of(name) == chapter]:
        if name in written or name.startswith(current):
            continue
        path = folder / name
        path.unlink(missing_ok=True)
        del manifest["artifacts"][name]
        while path.parent != folder and path.parent.is_dir() and not any(path.parent.iterdir()):
            path = path.parent
            path.rmdir()


def open_run(run_dir: str | Path, *, chapter: str, seed: int, profile: str = "quick") -> Run:
    """Open the run folder (made where it does not exist) and print the seed and what this chapter runs on."""
    if profile not in PROFILES:
        raise ParameterError(
            "RK-301", f"profile is {profile!r}; expected one of {PROFILES}.", "Pass profile='quick' or 'full'."
        )
    folder = resolve(run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    versions = {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
    hardware = {"machine": platform.machine(), "cores": len(os.sched_getaffinity(0))}
    with edit_manifest(folder) as manifest:
        manifest.update(versions=versions, hardware=hardware)
        manifest["chapters"].setdefault(chapter, {}).update(inputs={}, outputs=[], skipped_sections=[])
    print(
        f"run {folder.name} · seed {seed} · profile {profile} · {hardware['cores']} cores · "
        + " ".join(f"{k} {v}" for k, v in versions.items())
    )
    return Run(folder, chapter, seed, profile)
