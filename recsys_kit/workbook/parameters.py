"""The chapters and their parameters, read from the notebooks' own cells and checked before a kernel starts.

A parameter is one line of the cell tagged `parameters`, its range in brackets at the end of the help:
`epochs: int = 2  # passes over the training reviews [1..100]`.
"""

import ast
import difflib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from recsys_kit.data.sources import DATASETS
from recsys_kit.data.splitting import METHODS
from recsys_kit.errors import ParameterError
from recsys_kit.workbook.runs import FILE_OPTIONS, PROFILES, project_root

CHOICES = {"profile": PROFILES, "dataset": tuple(DATASETS), "split": METHODS}
INSTEAD = {"run_dir": "--out"} | {name: f"--{name}" for name in FILE_OPTIONS}  # these are found before the chapters
RANGE = re.compile(r"\s*\[(?P<low>[-+.e\d]*)\.\.(?P<high>[-+.e\d]*)\]\s*$")  # at the end of the help: [1..100], [0..]
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell; `kind` is `int`, `float`, `str`, `bool` or `list[...]` of these."""

    name: str
    kind: str
    default: Any
    help: str

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value allowed.

        >>> Parameter("epochs", "int", 2, "passes over the reviews [1..]").bounds
        (1.0, inf)
        """
        found = RANGE.search(self.help)
        return (float(found["low"] or "-inf"), float(found["high"] or "inf")) if found else (-math.inf, math.inf)


@dataclass(frozen=True)
class Chapter:
    """One notebook: `name` is the file's stem, `number` its first part."""

    name: str
    path: Path
    parameters: Mapping[str, Parameter]

    @property
    def number(self) -> str:
        """What `--only` and `--set 03.epochs=2` call it.

        >>> Chapter("03_finetuning", Path("03_finetuning.ipynb"), {}).number
        '03'
        """
        return self.name.split("_")[0]


def list_chapters(folder: Path | None = None) -> list[Chapter]:
    """The notebooks `NN_*.ipynb` of a folder (the workbook's own by default), in order."""
    folder = folder or project_root() / "notebooks"
    return [Chapter(path.stem, path, read_parameters(path)) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]


def read_parameters(path: Path) -> dict[str, Parameter]:
    """What papermill sees in the cell tagged `parameters`, by name."""
    from papermill import inspect_notebook  # takes a second to import: only where notebooks are read

    seen = inspect_notebook(nbformat.read(path, as_version=4))
    return {
        name: Parameter(name, line["inferred_type_name"].strip(), _default(path, line), line["help"].strip())
        for name, line in seen.items()
    }


def _default(path: Path, line: Mapping[str, str]) -> Any:
    try:
        return ast.literal_eval(line["default"])
    except (ValueError, SyntaxError):
        raise ParameterError(
            "RK-305",
            f"the default of {line['name']} in {path.name} is {line['default']}; expected one plain value.",
            "Write name: type = value  # help, without '#' or a second '=' inside the value.",
        ) from None


def select_chapters(chapters: Sequence[Chapter], only: Sequence[str], *, first: str = "") -> list[Chapter]:
    """The chapters named by number or stem, in the order of the workbook; all of them, or all from `first` on."""
    known = {key: place for place, chapter in enumerate(chapters) for key in (chapter.number, chapter.name)}
    for key in [*only, *filter(None, [first])]:
        if key not in known:
            raise ParameterError(
                "RK-304",
                f"chapter {key!r} is unknown; expected one of {', '.join(c.number for c in chapters) or 'none'}.",
                _nearest(key, known, "Pass numbers, such as --only 01,04."),
            )
    chosen = {known[key] for key in only} or set(range(len(chapters)))
    selected = [chapter for place, chapter in enumerate(chapters) if place in chosen and place >= known.get(first, 0)]
    if chapters and not selected:
        problem = f"no chapter is left of --only {','.join(only)} from {first} on; expected at least one."
        raise ParameterError("RK-304", problem, "Leave one of the two options out.")
    return selected


def plan_parameters(chapters: Sequence[Chapter], settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The values each chapter gets from settings `name=value` and `03.name=value`; what nobody set is left out.

    A setting without a number reaches every chapter that declares the name; the one with a number wins over it.

    Raises:
        ParameterError: RK-302 where no selected chapter declares the name, RK-303 where the value has another type.

    >>> epochs = Parameter("epochs", "int", 1, "passes over the reviews")
    >>> chapter = Chapter("03_finetuning", Path("03_finetuning.ipynb"), {"epochs": epochs})
    >>> plan_parameters([chapter], ["epochs=3", "03.epochs=2"])
    {'03_finetuning': {'epochs': 2}}
    """
    plan: dict[str, dict[str, Any]] = {chapter.name: {} for chapter in chapters}
    for setting in sorted(settings, key=lambda s: "." in s.split("=")[0]):  # the special ones last
        target, equals, text = setting.partition("=")
        if not equals:
            raise ParameterError(
                "RK-302", f"setting {setting!r} has no value; expected name=value.", "Write --set name=value."
            )
        number, _, name = target.strip().rpartition(".")
        takers = [c for c in chapters if name in c.parameters and number in ("", c.number, c.name)]
        if not takers:
            raise _unknown(chapters, number, name)
        for chapter in takers:
            plan[chapter.name][name] = convert(text, chapter.parameters[name], chapter.name)
    return plan


def refuse_paths(settings: Sequence[str]) -> None:
    """RK-309 for settings that have an option of their own: a folder or file counts from where the user is.

    >>> refuse_paths(["epochs=2"])
    """
    for setting in settings:
        name = setting.partition("=")[0].strip().rpartition(".")[2]
        if option := INSTEAD.get(name):
            problem = f"--set {setting} would go past the front door; expected the option."
            raise ParameterError("RK-309", problem, f"Use {option} instead.")


def convert(text: str, parameter: Parameter, chapter: str) -> Any:
    """The value that `text` means for this parameter.

    >>> convert("0.7,0.2,0.1", Parameter("shares", "list[float]", [], ""), "01_preprocessing")
    [0.7, 0.2, 0.1]
    >>> convert("no", Parameter("tfidf", "bool", True, ""), "02_feature_extraction")
    False
    """
    kind = kind_of(parameter)
    try:
        if kind.startswith("list"):
            return [READ[kind[5:-1] or "str"](part) for part in _parts(text)]
        value = READ[kind](text)
    except (ValueError, KeyError):
        raise ParameterError(
            "RK-303",
            f"parameter {parameter.name} of {chapter} is {text!r}; expected {kind}, such as {parameter.default!r}.",
            f"It means: {parameter.help or 'see the notebook'}.",
        ) from None
    _check_range(parameter, value, chapter)
    return value


def _check_range(parameter: Parameter, value: Any, chapter: str) -> None:
    name, meaning = parameter.name, f"It means: {parameter.help or 'see the notebook'}."
    if name in CHOICES and value not in CHOICES[name]:
        near = _nearest(str(value), dict.fromkeys(map(str, CHOICES[name])), "Choose one of them.")
        expected = f"one of {', '.join(map(str, CHOICES[name]))}"
        raise ParameterError("RK-307", f"parameter {name} of {chapter} is {value!r}; expected {expected}.", near)
    low, high = parameter.bounds
    if isinstance(value, int | float) and not low <= value <= high:
        expected = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise ParameterError("RK-307", f"parameter {name} of {chapter} is {value!r}; expected {expected}.", meaning)


def kind_of(parameter: Parameter) -> str:
    """The declared type, or the default's where the line declares none.

    >>> kind_of(Parameter("k", "None", 10, ""))
    'int'
    """
    if parameter.kind in ("", "None"):
        return "list[str]" if isinstance(parameter.default, list) else type(parameter.default).__name__
    return parameter.kind.replace(" ", "")


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


READ: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": _number,
    "str": str,
    "bool": lambda text: TRUTH[text.strip().lower()],
}


def _parts(text: str) -> list[str]:
    if text.strip().startswith("["):
        return [part if isinstance(part, str) else json.dumps(part) for part in json.loads(text)]
    return [part.strip() for part in text.split(",") if part.strip()]


def _unknown(chapters: Sequence[Chapter], number: str, name: str) -> ParameterError:
    numbers = {key for c in chapters for key in (c.number, c.name)}
    if number and number not in numbers:
        return ParameterError(
            "RK-302",
            f"chapter {number!r} of {number}.{name} is not selected.",
            f"Selected: {', '.join(sorted(numbers))}.",
        )
    where = [c for c in chapters if number in ("", c.number, c.name)]
    known = {parameter: parameter for c in where for parameter in c.parameters}
    return ParameterError(
        "RK-302",
        f"parameter {name!r} is unknown to {', '.join(c.name for c in where) or 'an empty selection'}.",
        _nearest(name, known, f"Known: {', '.join(sorted(known))}."),
    )


def _nearest(word: str, known: Mapping[str, Any], otherwise: str) -> str:
    near = difflib.get_close_matches(word, known, n=3)
    return f"Did you mean {' or '.join(near)}?" if near else otherwise


# -- for people ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Description:
    """One parameter for a table: chapters that have it with this default and meaning, name, type, default, help."""

    chapters: tuple[str, ...]
    name: str
    kind: str
    default: str
    help: str


def describe(chapters: Sequence[Chapter]) -> list[Description]:
    """Every parameter once, with the chapters that share it; those of all chapters first."""
    found: dict[str, list[tuple[Chapter, Parameter]]] = {}
    for chapter in chapters:
        for name, parameter in chapter.parameters.items():
            found.setdefault(name, []).append((chapter, parameter))
    rows = []
    for name, uses in found.items():
        texts = list(dict.fromkeys(parameter.help for _, parameter in uses))
        numbers = ("all",) if len(uses) == len(chapters) > 1 else tuple(chapter.number for chapter, _ in uses)
        default = json.dumps(uses[0][1].default, ensure_ascii=False)
        rows.append(Description(numbers, name, kind_of(uses[0][1]), default, " / ".join(texts)))
    return sorted(rows, key=lambda row: row.chapters != ("all",))


def markdown_table(chapters: Sequence[Chapter]) -> str:
    """The same as a Markdown table."""
    lines = ["| chapter | parameter | type | default | meaning and range |", "|---|---|---|---|---|"]
    for row in describe(chapters):
        cells = [", ".join(row.chapters), f"`{row.name}`", row.kind, f"`{row.default}`", row.help]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
