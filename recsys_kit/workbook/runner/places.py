"""Where things are: the project, the folder of a run, and the chapter that makes each artifact."""

from pathlib import Path

from recsys_kit.errors import ArtifactError
from recsys_kit.schema import TABLES

PROFILES = ("quick", "full")
FILE_OPTIONS = ("source", *TABLES)  # parameters that hold the path of a file or folder
OPTIONS = ("dataset", *FILE_OPTIONS, "columns", "encoding", "profile")  # parameters with a command-line option
INLINE = "module://matplotlib_inline.backend_inline"  # Matplotlib backend that puts figures into the notebook
MAKERS = {  # prefix of an artifact's name -> the chapter that makes it; the longest prefix wins
    "data/": "01_preprocessing",
    "results/data_report": "01_preprocessing",
    "features/": "02_feature_extraction",
    "results/text_features": "02_feature_extraction",
    "models/review_classifier": "03_finetuning",
    "results/review_classification": "03_finetuning",
    "models/": "04_evaluation",  # of runs by earlier versions; chapter 04 deletes them
    "bundle/": "04_evaluation",
    "results/": "04_evaluation",
    "results/shoppers": "05_case_study",
}


def project_root() -> Path:
    """Return the checkout that holds `notebooks/`; the current folder if the package is installed without one."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "notebooks").is_dir() else Path.cwd()


def resolve(path: str | Path) -> Path:
    """Return an absolute path; a relative one counts from the project root, not from the current folder."""
    return (project_root() / Path(path).expanduser()).resolve()


def run_folder(path: str | Path) -> Path:
    """Return the absolute folder of an existing run.

    Raises:
        ArtifactError: RK-402 the folder has no run.json.
    """
    folder = resolve(path)
    if not (folder / "run.json").exists():
        problem = f"{folder} holds no run.json; expected the folder of a run."
        raise ArtifactError("RK-402", problem, "Run recsys-kit run --out DIR.")
    return folder


def shared_name(folder: Path) -> str:
    """Return the folder's path for a page or a command: relative to the project root if it lies inside."""
    root = project_root().resolve()
    return str(folder.relative_to(root) if folder.is_relative_to(root) else folder)


def maker_of(name: str) -> str:
    """Return the chapter that makes the artifact `name`.

    >>> maker_of("bundle/bundle.json"), maker_of("models/review_classifier/model.safetensors")
    ('04_evaluation', '03_finetuning')
    """
    return MAKERS[max((prefix for prefix in MAKERS if name.startswith(prefix)), key=len)]
