"""Named data sets: whatever the files look like, raw tables come out, and `load_dataset` cleans them."""

from pathlib import Path

from recsys_kit.data.amazon import read_amazon
from recsys_kit.data.cleaning import clean
from recsys_kit.data.tables import Dataset, RawTables
from recsys_kit.data.toyshop import make_toyshop
from recsys_kit.data.validation import validate
from recsys_kit.errors import DataError, ParameterError

DATASETS = {
    "toyshop": "the built-in shop: invented, seeded, nothing to download",
    "amazon": "Amazon reviews of 2014 or 2018: a folder, or one reviews file",
}


def read_source(name: str = "toyshop", *, source: str | Path = "", seed: int = 7) -> RawTables:
    """The tables as they came, before any rule.

    Args:
        name: one of `DATASETS`.
        source: the folder or file to read; the built-in shop needs none.
        seed: of the built-in shop.
    """
    if name not in DATASETS:
        raise ParameterError(
            "RK-307", f"dataset is {name!r}; expected one of {sorted(DATASETS)}.", "Pass dataset='toyshop'."
        )
    if name == "toyshop":
        shop = make_toyshop(seed)
        return RawTables(name, shop.frames, truth=shop)
    if not source:
        raise DataError(
            "RK-101", f"dataset {name!r} has no source; expected a folder or a file.", "Pass source='path/to/folder'."
        )
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(
            "RK-101",
            f"source {str(source)!r} does not exist.",
            "Check the path; a relative one counts from the current folder.",
        )
    return read_amazon(path)


def load_dataset(name: str = "toyshop", *, source: str | Path = "", seed: int = 7) -> Dataset:
    """Read, validate, clean: the typed tables of a data set, with what was wrong in `report` and `quarantine`.

    >>> load_dataset("toyshop", seed=7).row_counts().loc["items"].tolist()  # read, kept, deduplicated, quarantined
    [805, 800, 5, 0]
    """
    return clean(validate(read_source(name, source=source, seed=seed)))
