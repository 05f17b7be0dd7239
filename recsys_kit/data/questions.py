"""Questions: what would change many rows of a user's file is asked about, with the options to copy.

A rule may quarantine a few rows. Above `MAX_SHARE` of the rows, and at least `FEW_ROWS` of them, the file is refused:
the rows may be right and the rule wrong.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.data.tables import Naming, as_option, is_present
from recsys_kit.errors import DataError
from recsys_kit.schema import LOST

MAX_SHARE = 0.02
MAX_LEFT_OUT = 0.5  # share of rows that is proposed to be left out, except where there is no id
FEW_ROWS = 10
N_EXAMPLES = 3
WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
MANY_TIMES_OF_WORD = 3  # times the events of the median user: worth a question if it has many rows
MANY_TIMES = 20  # times the events of the median user: no usual shopper
GIANT_SHARE, NEARLY_ALL = 0.05, 0.9
SCIENTIFIC = r"-?\d(?:[.,]\d+)?[eE]\+\d+"
NOUNS = {"user_id": "user", "item_id": "item"}
OR_NAME_FORM = 'or name the form of the others behind the column, such as "%d/%m/%Y"'


class Question(DataError):
    """A refusal that the user can answer with `columns`.

    Args:
        code, what, fix: as for every error.
        ways: the whole `columns` of each answer, and what it does.
    """

    def __init__(self, code: str, what: str, ways: Sequence[tuple[dict[str, str], str]], fix: str) -> None:
        self.ways = ways
        super().__init__(code, what, fix)


def ask(code: str, what: str, ways: Mapping[str, str], naming: Naming, more: str = "") -> Question:
    """Return a question.

    Args:
        code: of the error.
        what: is asked about.
        ways: the entries of `columns` that answer it, and what they do; {name} is the file's column of that name.
        naming: of the file.
        more: another way, in words.
    """
    answers = [(naming.answer(*re.split(r",(?=[\w.]+=)", way)), meaning) for way, meaning in ways.items()]
    fix = "; ".join([f"{as_option(answer)} {meaning}" for answer, meaning in answers] + [more] * bool(more))
    return Question(code, what, answers, f"Pass {fix}.")


def words_of_ratings(ratings: pd.Series) -> dict[str, str]:
    """Return how to read two words, of which one says that a thing is liked, as stars.

    >>> words_of_ratings(pd.Series(["like", "dislike", "like"]))
    {'rating={rating}:like=5:dislike=1': 'to read them as 5 and 1 stars'}
    """
    words = ratings[is_present(ratings)].astype("str").str.strip().unique()
    if nothing := [word for word in words if word.casefold() in WORDS["null"] and not word.lstrip("-").isdigit()]:
        read = "".join(f":{word}=missing" for word in nothing if not set(":=,") & set(word))
        return {f"rating={{rating}}{read}": "as that means not rated"} if len(nothing) < len(words) and read else {}
    first, second = (
        sorted(words, key=lambda word: word.casefold() not in WORDS["liked"]) if len(words) == 2 else ("", "")
    )
    if first.casefold() not in WORDS["liked"] or second.casefold() in WORDS["liked"] or ":" in first + second:
        return {}
    return {f"rating={{rating}}:{first}=5:{second}=1": "to read them as 5 and 1 stars"}


def ask_about_rules(
    table: str,
    frame: pd.DataFrame,
    broken: Mapping[str, pd.Series],
    said: Mapping[str, str],
    naming: Naming,
    *,
    left: bool,
) -> Iterator[DataError]:
    """Ask about each rule that many rows break, unless the user has said what to do.

    Args:
        table: its name.
        frame: the values as in the file.
        broken: by rule, True where a row breaks it.
        said: how the user wants columns to be read.
        naming: of the file.
        left: whether there are valid rows; without one it cannot be right to leave rows out.
    """
    for rule, ways in WORDS["ways"].items():
        column = next(iter(ways)).partition("=")[0]
        few = left and (column.endswith("_id") or broken.get(rule, pd.Series([1])).mean() < MAX_LEFT_OUT)
        ways = {way: meaning for way, meaning in ways.items() if few or not way.endswith("drop")}
        is_open = (
            ways and rule in broken and column in naming.names and not re.search("drop|null=", said.get(column, ""))
        )
        if is_open and is_many(broken[rule].sum(), len(frame)):
            more = OR_NAME_FORM if rule == "time cannot be read" else ""
            yield ask("RK-160", describe(f"{table}: {rule}", broken[rule], frame[column]), ways, naming, more)


def start_of_scale(ratings: pd.Series) -> float:
    """Return the lowest rating of the scale: few raters may have used none so low.

    >>> start_of_scale(pd.Series([5, 10])), start_of_scale(pd.Series([20, 100])), start_of_scale(pd.Series([-10, 10]))
    (1.0, 0.0, -10.0)
    """
    low = float(np.floor(ratings.min()))
    return low if low <= 1 else float(ratings.max() <= 10)


def is_many(n: int, of: int) -> bool:
    """Whether a rule that n rows break may be wrong.

    >>> is_many(9, 100), is_many(10, 100), is_many(10, 1000)
    (False, True, False)
    """
    return n >= FEW_ROWS and n > MAX_SHARE * of


def describe(what: str, rows: pd.Series, values: pd.Series) -> str:
    """Return what is wrong, with the count and three examples."""
    shown = ", ".join(f"row {row} {str(value)[:40]!r}" for row, value in values[rows].head(N_EXAMPLES).items())
    return f"{what} in {rows.sum():,} of {len(rows):,} rows ({shown})."


def ask_about_ids(
    table: str, coded: Mapping[str, pd.Series], readings: Mapping[str, str], naming: Naming
) -> Iterator[DataError]:
    """Ask about words for no user, and refuse ids that a spreadsheet has rounded.

    Args:
        table: its name.
        coded: its columns of ids, as `as_codes` gives them.
        readings: how the user wants columns to be read.
        naming: of the file.
    """
    for column, ids in coded.items():
        if column in naming.names and "keep=" not in readings.get(column, ""):
            different = ids.cat.categories
            rounded = ids.isin(different[different.str.fullmatch(SCIENTIFIC)])
            if is_many(rounded.sum(), len(ids)):
                what = f"{table}: {column} in scientific notation, so that digits are lost"
                what += f" ({ids[rounded].nunique():,} different ids are left)"
                ways = {
                    f"{column}={{{column}}}:keep=scientific": "to take them as they are; better export them as text"
                }
                yield ask("RK-163", describe(what, rounded, ids), ways, naming)
    for column in WORDS["no_id"]:
        if table == "interactions" and column in naming.names:
            yield from _ask_about_null_words(column, coded[column], readings.get(column, ""), naming)


def _ask_about_null_words(column: str, ids: pd.Series, reading: str, naming: Naming) -> Iterator[DataError]:
    each = count_ids(ids[is_present(ids)])
    written = each.index.astype("str").str.strip()
    counts = each.groupby(written, sort=False).sum()
    for word, n in counts[counts > MANY_TIMES_OF_WORD * counts.median()].items():
        plain = re.sub(r"\.0+$", "", word.casefold())
        is_word = re.fullmatch(WORDS["nothing"], plain) or plain in WORDS["null"]
        if is_word and (n > MANY_TIMES * counts.median() or is_many(n, len(ids))):
            if f"keep={word}" in reading.split(":"):
                continue
            ways = {
                way.replace("WORD", word): meaning.replace("WORD", word)
                for way, meaning in WORDS["no_id"][column].items()
                if "{session_id}" not in way or "session_id" in naming.names
            }
            what = f"interactions: {column} is {word!r}, which may mean that there is no {NOUNS[column]},"
            yield ask("RK-162", describe(what, ids.isin(each.index[written == word]), ids), ways, naming)


def count_ids(ids: pd.Series) -> pd.Series:
    """Return the number of events of each id, the largest first; a category without events is left out."""
    counts = ids.value_counts()
    return counts[counts > 0]


def find_giant(counts: pd.Series) -> int:
    """Return the number of events of the largest user, if it has far more than others, or nearly all; else 0.

    Args:
        counts: the number of events of each user, the largest first.

    >>> find_giant(count_ids(pd.Series(["a"] * 50 + list("bcdefg")))), find_giant(pd.Series([30]))
    (50, 30)
    """
    largest, n = (int(counts.iloc[0]), counts.sum()) if len(counts) else (0, 0)
    is_far = largest > GIANT_SHARE * n and largest > MANY_TIMES * counts.median()
    return largest if is_far or (largest >= FEW_ROWS and largest > NEARLY_ALL * n) else 0


def said_lines(report: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what must be said of a report in the terminal: rules that took rows away, then cautions.

    Args:
        report: its rows, such as those of `results/data_report.json`.

    >>> said_lines([{"table": "items", "rule": "missing item_id", "action": "quarantined", "rows": 4, "example": ""},
    ...             {"table": "items", "rule": "kept in all", "action": "kept", "rows": 90, "example": ""}])
    ['items: 4 of 94 rows (4.3 %) quarantined: missing item_id']
    """
    report, read = list(report), Counter[str]()
    for entry in report:
        if entry["action"] in ("kept", *LOST):
            read[entry["table"]] += entry["rows"]
    taken = [
        f"{entry['table']}: {entry['rows']:,} of {read[entry['table']]:,} rows "
        f"({100 * entry['rows'] / read[entry['table']]:.2g} %) {entry['action']}: {entry['rule']}"
        for entry in report
        if entry["action"] in LOST and entry["rows"]
    ]
    return taken + [f"caution: {entry['table']}: {entry['rule']}" for entry in report if entry["action"] == "cautioned"]
