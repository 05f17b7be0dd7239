"""Questions: what would change many rows of a user's file is asked about, with the options to copy.

A rule may quarantine a few rows. Above `MAX_SHARE` of the rows, and at least `FEW_ROWS` of them, or for all of them,
the file is refused: the rows may be right and the rule wrong.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.data.numbers import read_ratings
from recsys_kit.data.tables import Naming, Rule, as_option, is_present
from recsys_kit.data.times import CLOCKS, ORDERS, ReadTimes, explain_zones, guess_clock
from recsys_kit.errors import DataError
from recsys_kit.schema import LOST

MAX_SHARE = 0.02
MAX_LEFT_OUT = 0.5  # share of rows that is proposed to be left out, except where there is no value
FEW_ROWS = 10
N_EXAMPLES = 3
WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
MANY_TIMES_OF_WORD = 3  # times the events of the median user: worth a question if it has many rows
MANY_TIMES = 20  # times the events of the median user: no usual shopper
GIANT_SHARE, NEARLY_ALL = 0.05, 0.9  # of the events of a user that is no usual one, or that leaves none to others
SCIENTIFIC = r"-?\d(?:[.,]\d+)?[eE]\+\d+"
MAX_SCALE = 100  # the highest rating of a usual scale
NAME_FORM = 'Times of another form are read where it stands behind the column, such as timestamp=Date:"%d/%m/%Y".'


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
        more: another way, a sentence.
    """
    answers = [(naming.answer(*re.split(r",(?=[\w.]+=)", way)), meaning) for way, meaning in ways.items()]
    lines = "; ".join(f"{as_option(answer)} {meaning}" for answer, meaning in answers)
    return Question(code, what, answers, " ".join([f"Pass {lines}."] * bool(lines) + [more] * bool(more)))


def describe(what: str, rows: pd.Series, values: pd.Series) -> str:
    """Return what is wrong, with the count and three examples."""
    examples = values[rows].head(N_EXAMPLES).astype("str").fillna("")
    shown = ", ".join(f"row {row} {value[:40]!r}" for row, value in examples.items())
    return f"{what} in {rows.sum():,} of {len(rows):,} rows ({shown})."


def is_many(n: int, of: int) -> bool:
    """Whether a rule that n rows break may be wrong.

    >>> is_many(9, 100), is_many(10, 100), is_many(10, 1000)
    (False, True, False)
    """
    return n >= FEW_ROWS and n > MAX_SHARE * of


# -- rules that many rows break ----------------------------------------------------------------------------------------


def ask_about_rules(
    table: str,
    frame: pd.DataFrame,
    broken: Mapping[Rule, pd.Series],
    said: Mapping[str, str],
    naming: Naming,
    *,
    scale: tuple[float, float],
    left: bool,
) -> Iterator[Question]:
    """Ask about each column of which many values break its rules, unless the user has said what to do.

    Args:
        table: its name.
        frame: the values as in the file.
        broken: by rule, True where a row breaks it.
        said: how the user wants columns to be read.
        naming: of the file.
        scale: of the ratings.
        left: whether there are valid rows; without one it cannot be right to leave rows out.
    """
    for column, ways in WORDS["ways"].items():
        rules = {rule.name: mask for rule, mask in broken.items() if rule.column == column and mask.any()}
        if not rules or column not in naming.names or re.search("drop|null=", said.get(column, "")):
            continue
        values, wrong = frame[column], pd.concat(rules.values(), axis=1).any(axis=1)
        if not (wrong.all() or is_many(wrong.sum(), (wrong | is_present(values)).sum())):
            continue
        few = left and ([*rules] == [f"missing {column}"] or wrong.mean() < MAX_LEFT_OUT)
        ways = {way: meaning for way, meaning in ways.items() if few or not way.endswith("drop")}
        what = describe(f"{table}: {' or '.join(rules)}", wrong, values)
        if column == "rating":
            seems, first = _ways_of_ratings(values, scale)
            others = {"rating=ignore,label={rating}": "if they are classes"} if "text" in frame else ways
            yield ask("RK-147", what + seems, first | others, naming)
        elif column == "timestamp" and not few:
            seems, first = _ways_of_times(values[wrong])
            yield ask("RK-144", what + seems, first, naming, NAME_FORM)
        elif ways:
            yield ask("RK-160", what, ways, naming, NAME_FORM * (column == "timestamp"))


def _ways_of_times(values: pd.Series) -> tuple[str, dict[str, str]]:
    """What numbers that are no times seem to be, and how to read them."""
    given = values[is_present(values)]
    numbers = given[np.isfinite(pd.to_numeric(given, errors="coerce").astype(float))]
    clock = guess_clock(numbers) if len(numbers) > len(given) / 2 else ""
    ways = {f"timestamp={{timestamp}}:{clock}": "to read them so"} if clock else {}
    if 0 < len(numbers) == len(given):
        ways["timestamp=ignore,position={timestamp}"] = "if they only give an order"
    return f" They look like {CLOCKS[clock]['words']}." if clock else explain_zones(values), ways


def _ways_of_ratings(values: pd.Series, scale: tuple[float, float]) -> tuple[str, dict[str, str]]:
    """What ratings that are not on the scale seem to be, and how to read them."""
    words = values[is_present(values)].astype("str").str.strip().unique()
    nothing = [word for word in words if word.casefold() in WORDS["null"] and not word.lstrip("-").isdigit()]
    liked = [word for word in words if word.casefold() in WORDS["liked"]]
    seems, ways = "none is a number", {}
    if 0 < len(nothing) < len(words):
        ways["rating={rating}" + "".join(f":{word}=missing" for word in nothing)] = "as that means not rated"
    elif len(words) == 2 and len(liked) == 1 and ":" not in (other := ({*words} - {*liked}).pop()):
        ways[f"rating={{rating}}:{liked[0]}=5:{other}=1"] = "to read them as 5 and 1 stars"
    numbers = read_ratings(values).replace([np.inf, -np.inf], np.nan).dropna()
    if len(numbers):
        low, high = numbers.min(), np.ceil(numbers.max())
        seems, rated = f"they go {low:g} to {numbers.max():g}", numbers[numbers > 0]
        if high > MAX_SCALE and rated.nunique() > MAX_SCALE / 4:
            return f" {seems.capitalize()}.", ways | {"rating=ignore,quantity={rating}": "if they count, such as plays"}
        if set(numbers) == {0, 1}:
            seems += ": all are 0 and 1, as likes are"
        elif set(numbers) == {-1, 1}:
            ways["rating={rating}:1=5:-1=1"] = "if they are likes and dislikes: they become 5 and 1 stars"
        elif low in (0, -1):
            others = "" if rated.between(*scale).all() else f":{start_of_scale(rated):g}..{high:g}"
            ways[f"rating={{rating}}:{low:g}=missing{others}"] = f"if {low:g} means not rated"
        if high > 2 * scale[1] and numbers[numbers < high].between(*scale).all():
            ways[f"rating={{rating}}:{high:g}=missing"] = f"if {high:g} means not rated"
        elif low < high and not numbers.between(*scale).all():
            way = f"rating={{rating}}:{start_of_scale(numbers):g}..{high:g}"
            ways[way] = "if that is the scale: it is brought to 1..5"
    return f" Expected {scale[0]:g}..{scale[1]:g}; {seems}.", ways


def ask_about_dates(frame: pd.DataFrame, times: Mapping[str, ReadTimes], naming: Naming) -> Iterator[Question]:
    """Ask what comes first, day, month or year, where no date of a column tells."""
    for column, found in times.items():
        if found.orders:
            rows = found.how == ORDERS[found.orders[0]]
            what = describe(f"the order of day, month and year is ambiguous ({column})", rows, frame[column])
            firsts = {order: order.removesuffix("-first") for order in found.orders}
            ways = {f"{column}={{{column}}}:{order}": f"if the {first} comes first" for order, first in firsts.items()}
            yield ask("RK-145", what, ways, naming, "Or write dates as 2024-12-31.")


def start_of_scale(ratings: pd.Series) -> float:
    """Return the lowest rating of the scale: few raters may have used none so low.

    >>> start_of_scale(pd.Series([5, 10])), start_of_scale(pd.Series([20, 100])), start_of_scale(pd.Series([-10, 10]))
    (1.0, 0.0, -10.0)
    """
    low = float(np.floor(ratings.min()))
    return low if low <= 1 else float(ratings.max() <= 10)


# -- ids ---------------------------------------------------------------------------------------------------------------


def ask_about_ids(
    table: str, ids: Mapping[str, pd.Series], said: Mapping[str, str], naming: Naming
) -> Iterator[Question]:
    """Ask about ids that a spreadsheet has rounded, and in interactions about words for no user or item.

    Args:
        table: its name.
        ids: its columns of ids, as `as_codes` gives them.
        said: how the user wants columns to be read.
        naming: of the file.
    """
    for column, values in ids.items():
        if column not in naming.names:
            continue
        different, found = values.cat.categories, {}
        rounded = values.isin(different[different.str.fullmatch(SCIENTIFIC)])
        if is_many(rounded.sum(), len(values)):
            what = f"in scientific notation: digits are lost, {values[rounded].nunique():,} different ids are left,"
            found["scientific"] = (what, rounded)
        for word, rows in _find_null_words(values) if table == "interactions" else ():
            found[word] = (f"{word!r}, which may mean that there is no {column.removesuffix('_id')},", rows)
        for word, (what, rows) in found.items():
            kind = "scientific" if word == "scientific" else "no_id"
            ways = WORDS[kind][column] if f"keep={word}" not in said.get(column, "").split(":") else {}
            if "session_id" not in naming.names:
                ways = {way: meaning for way, meaning in ways.items() if "{session_id}" not in way}
            if ways:
                ways = {way.replace("WORD", word): meaning.replace("WORD", word) for way, meaning in ways.items()}
                what = describe(f"{table}: {column} is {what}", rows, values)
                yield ask("RK-162", what, ways, naming) if kind == "no_id" else ask("RK-163", what, ways, naming)


def _find_null_words(ids: pd.Series) -> Iterator[tuple[str, pd.Series]]:
    """Words for no id that have far more rows than a usual id, and the rows."""
    each = count_ids(ids[is_present(ids)])
    written = each.index.astype("str").str.strip()
    counts = each.groupby(written, sort=False).sum()
    for word, n in counts[counts > MANY_TIMES_OF_WORD * counts.median()].items():
        plain = re.sub(r"\.0+$", "", word.casefold())
        is_word = re.fullmatch(WORDS["nothing"], plain) or plain in WORDS["null"]
        if is_word and (n > MANY_TIMES * counts.median() or is_many(n, len(ids))):
            yield word, ids.isin(each.index[written == word])


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


def said_lines(report: Iterable[dict[str, Any]]) -> list[str]:
    """Return what must be said of a report in the terminal: rules that took rows away, then cautions.

    Args:
        report: its rows, such as those of `results/data_report.json`.

    >>> said_lines([{"table": "items", "rule": "missing item_id", "action": "quarantined", "rows": 4, "example": ""},
    ...             {"table": "items", "rule": "kept in all", "action": "kept", "rows": 90, "example": ""}])
    ['items: 4 of 94 rows (4.3 %) quarantined: missing item_id']
    """
    report, n_read = list(report), Counter[str]()
    for entry in report:
        n_read[entry["table"]] += entry["rows"] * (entry["action"] in ("kept", *LOST))
    line = "{table}: {rows:,} of {n:,} rows ({share:.2g} %) {action}: {rule}"
    lost = [entry | {"n": n_read[entry["table"]]} for entry in report if entry["action"] in LOST and entry["rows"]]
    said = [line.format(**entry, share=100 * entry["rows"] / entry["n"]) for entry in lost]
    return said + ["caution: {table}: {rule}".format(**entry) for entry in report if entry["action"] == "cautioned"]
