"""Chapters and their parameters, read from the cells of the notebooks and checked before a kernel starts.

A parameter is one line of the cell tagged `parameters`, its range in brackets at the end of the help:
`epochs: int = 2  # passes over the training reviews [1..100]`.
A notebook may also run without our command, so `open_run` checks the values that the kernel holds.
"""

import ast
import difflib
import io
import json
import math
import re
import tokenize
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from recsys_kit.data.sources import DATASETS
from recsys_kit.data.splitting import METHODS
from recsys_kit.errors import ParameterError
from recsys_kit.workbook.runner.places import FILE_OPTIONS, PROFILES, project_root

CHOICES = {"profile": PROFILES, "dataset": tuple(DATASETS), "split": METHODS}
INSTEAD = {"run_dir": "--out"} | {name: f"--{name}" for name in FILE_OPTIONS}  # parameters with an option only
RANGE = re.compile(r"\s*\[(?P<low>[-+.e\d]*)\.\.(?P<high>[-+.e\d]*)\]\s*$")  # at the end of the help: [1..100], [0..]
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Parameter:
    """A line of a parameters cell; `kind` is `int`, `float`, `str`, `bool` or `list[...]` of these."""

    name: str
    kind: str
    default: Any
    help: str

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the lowest and the highest value allowed.

        >>> Parameter("epochs", "int", 2, "passes over the reviews [1..]").bounds
        (1.0, inf)
        """
        found = RANGE.search(self.help)
        return (float(found["low"] or "-inf"), float(found["high"] or "inf")) if found else (-math.inf, math.inf)


@dataclass(frozen=True)
class Chapter:
    """A notebook; `name` is the stem of its file."""

    name: str
    path: Path
    parameters: Mapping[str, Parameter]

    @property
    def number(self) -> str:
        """Return the number that `--only` and `--set 03.epochs=2` use.

        >>> Chapter("03_finetuning", Path("03_finetuning.ipynb"), {}).number
        '03'
        """
        return self.name.split("_")[0]


def list_chapters(folder: Path | None = None) -> list[Chapter]:
    """Return the notebooks `NN_*.ipynb` of a folder (by default `notebooks/` of the project), in order."""
    folder = folder or project_root() / "notebooks"
    return [Chapter(path.stem, path, read_parameters(path)) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]


def read_parameters(path: Path) -> dict[str, Parameter]:
    """Return the parameters of a notebook by name, from its cell tagged `parameters`.

    Raises:
        ParameterError: RK-305 a line is not `name: type = value  # help` with one plain value.
    """
    cells = nbformat.read(path, as_version=4).cells
    source = next((cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])), "")
    try:
        body = ast.parse(source).body
    except SyntaxError as problem:
        raise _unreadable(path, f"line {problem.lineno}", problem.msg) from None
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.strip("# ") for token in tokens if token.type == tokenize.COMMENT}
    lines = [line for line in body if isinstance(line, ast.Assign | ast.AnnAssign)]
    found = [_read_line(path, line, comments.get(line.end_lineno or 0, "")) for line in lines]
    return {parameter.name: parameter for parameter in found}


def _read_line(path: Path, line: ast.Assign | ast.AnnAssign, meaning: str) -> Parameter:
    target, declared = (line.target, line.annotation) if isinstance(line, ast.AnnAssign) else (line.targets[0], None)
    name = ast.unparse(target)
    try:
        default = ast.literal_eval(line.value or "")  # no value is refused as well
        kind = ast.unparse(declared).strip("'").replace(" ", "") if declared else type(default).__name__
        kind = "list[str]" if kind == "list" else kind
        if not _has_kind(default, kind):
            raise ValueError("the value has another type")
    except (ValueError, SyntaxError):
        raise _unreadable(path, name, ast.unparse(line)) from None
    return Parameter(name, kind, default, meaning)


def _unreadable(path: Path, where: str, what: str) -> ParameterError:
    problem = f"parameter {where} in {path.name} cannot be read ({what}); expected one plain value of a plain type."
    form = "Write name: type = value  # help; the type is int, float, str, bool or a list of one of them."
    return ParameterError("RK-305", problem, form)


def select_chapters(chapters: Sequence[Chapter], only: Sequence[str], *, first: str = "") -> list[Chapter]:
    """Return the chapters of `only` (numbers or stems; empty for all) from `first` on, in the order of the workbook.

    Raises:
        ParameterError: RK-304 a chapter is unknown, or none is left.
    """
    known = {key: place for place, chapter in enumerate(chapters) for key in (chapter.number, chapter.name)}
    for key in [*only, *filter(None, [first])]:
        if key not in known:
            numbers = ", ".join(chapter.number for chapter in chapters) or "none"
            problem = f"chapter {key!r} is unknown; expected one of {numbers}."
            raise ParameterError("RK-304", problem, _nearest(key, known, "Pass numbers, such as --only 01,04."))
    chosen = {known[key] for key in only} or set(range(len(chapters)))
    selected = [chapter for place, chapter in enumerate(chapters) if place in chosen and place >= known.get(first, 0)]
    if chapters and not selected:
        problem = f"no chapter is left of --only {','.join(only)} from {first} on; expected at least one."
        raise ParameterError("RK-304", problem, "Leave one of the two options out.")
    return selected


def plan_parameters(chapters: Sequence[Chapter], settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the values of each chapter from settings `name=value` and `03.name=value`, without the defaults.

    A setting without a number applies to every chapter that declares the name; one with a number takes precedence.

    Raises:
        ParameterError: RK-302 where no selected chapter declares the name, RK-310 without a value, RK-326 for
            another chapter, RK-303 where the value has another type.

    >>> epochs = Parameter("epochs", "int", 1, "passes over the reviews")
    >>> chapter = Chapter("03_finetuning", Path("03_finetuning.ipynb"), {"epochs": epochs})
    >>> plan_parameters([chapter], ["epochs=3", "03.epochs=2"])
    {'03_finetuning': {'epochs': 2}}
    """
    plan: dict[str, dict[str, Any]] = {chapter.name: {} for chapter in chapters}
    for setting in sorted(settings, key=lambda s: "." in s.split("=")[0]):  # those of one chapter last
        target, equals, text = setting.partition("=")
        if not equals:
            problem = f"setting {setting!r} has no value; expected name=value."
            raise ParameterError("RK-310", problem, "Write --set name=value.")
        number, _, name = target.strip().rpartition(".")
        addressed = [chapter for chapter in chapters if number in ("", chapter.number, chapter.name)]
        if number and not addressed:
            numbers = sorted({key for chapter in chapters for key in (chapter.number, chapter.name)})
            problem = f"chapter {number!r} of {number}.{name} is not selected."
            raise ParameterError("RK-326", problem, f"Selected: {', '.join(numbers)}.")
        owners = [chapter for chapter in addressed if name in chapter.parameters]
        if not owners:
            names = ", ".join(chapter.name for chapter in addressed) or "an empty selection"
            known = sorted({parameter for chapter in addressed for parameter in chapter.parameters})
            problem = f"parameter {name!r} is unknown to {names}."
            raise ParameterError("RK-302", problem, _nearest(name, known, f"Known: {', '.join(known)}."))
        for chapter in owners:
            plan[chapter.name][name] = convert(text, chapter.parameters[name], chapter.name)
    return plan


def refuse_paths(settings: Sequence[str]) -> None:
    """Refuse (RK-309) settings that have an option: paths of options count from the current folder.

    >>> refuse_paths(["epochs=2"])
    """
    for setting in settings:
        name = setting.partition("=")[0].strip().rpartition(".")[2]
        if option := INSTEAD.get(name):
            problem = f"--set {setting} sets a path, which counts from the current folder; expected the option."
            raise ParameterError("RK-309", problem, f"Use {option} instead.")


def convert(text: str, parameter: Parameter, chapter: str) -> Any:
    """Convert the text of a setting to the type of its parameter.

    >>> convert("0.7,0.2,0.1", Parameter("shares", "list[float]", [], ""), "01_preprocessing")
    [0.7, 0.2, 0.1]
    >>> convert("no", Parameter("tfidf", "bool", True, ""), "02_feature_extraction")
    False
    """
    kind = parameter.kind
    try:
        if kind.startswith("list"):
            value: Any = [READ[kind[5:-1]](part) for part in _parts(text)]
        else:
            value = READ[kind](text)
    except (ValueError, KeyError):
        raise _wrong_type(parameter, text, chapter) from None
    check_value(parameter, value, chapter)
    return value


def check_parameters(chapter: str, values: Mapping[str, Any]) -> None:
    """Refuse values of another type or out of range.

    Args:
        chapter: name of a chapter, such as "03_finetuning"; other notebooks are not checked.
        values: name -> value, such as the variables of a kernel; names that are no parameters are ignored.

    Raises:
        ParameterError: RK-303 a value has another type, RK-307 it is out of range.

    >>> check_parameters("03_finetuning", {"epochs": 2, "other": None})
    """
    path = project_root() / "notebooks" / f"{chapter}.ipynb"
    for name, parameter in (read_parameters(path) if path.exists() else {}).items():
        if name in values:
            check_value(parameter, values[name], chapter)


def check_value(parameter: Parameter, value: Any, chapter: str) -> None:
    """Refuse a value of another type (RK-303) or out of range (RK-307).

    >>> check_value(Parameter("models", "list[str]", [], "single models"), "ease", "04")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    recsys_kit.errors.ParameterError: RK-303 parameter models of 04 is 'ease'; expected list[str], such as []. ...
    """
    if not _has_kind(value, parameter.kind):
        tip = f" With papermill write -r {parameter.name} {value}." if parameter.kind == "str" else ""
        if parameter.kind.startswith("list") and isinstance(value, str):
            tip = f" With papermill write -y '{parameter.name}: [{value}]'."
        raise _wrong_type(parameter, value, chapter, tip)
    for one in value if isinstance(value, list) else [value]:
        _check_range(parameter, one, chapter)


def _has_kind(value: Any, kind: str) -> bool:
    if kind.startswith("list"):
        return isinstance(value, list) and all(_has_kind(one, kind[5:-1]) for one in value)
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return kind in READ and type(value).__name__ == kind


def _wrong_type(parameter: Parameter, value: Any, chapter: str, tip: str = "") -> ParameterError:
    expected = f"{parameter.kind}, such as {parameter.default!r}"
    problem = f"parameter {parameter.name} of {chapter} is {value!r}; expected {expected}."
    return ParameterError("RK-303", problem, f"It means: {parameter.help or 'see the notebook'}.{tip}")


def _check_range(parameter: Parameter, value: Any, chapter: str) -> None:
    name, (low, high) = parameter.name, parameter.bounds
    if name in CHOICES and value not in CHOICES[name]:
        expected = f"one of {', '.join(CHOICES[name])}"
        remedy = _nearest(str(value), CHOICES[name], "Choose one of them.")
    elif isinstance(value, int | float) and not low <= value <= high:
        expected = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        remedy = f"It means: {parameter.help or 'see the notebook'}."
    else:
        return
    raise ParameterError("RK-307", f"parameter {name} of {chapter} is {value!r}; expected {expected}.", remedy)


READ: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": lambda text: TRUTH[text.strip().lower()],
}


def _parts(text: str) -> list[str]:
    if text.strip().startswith("["):
        return [part if isinstance(part, str) else json.dumps(part) for part in json.loads(text)]
    return [part.strip() for part in text.split(",") if part.strip()]


def _nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    near = difflib.get_close_matches(word, list(known), n=3)
    return f"Did you mean {' or '.join(near)}?" if near else otherwise


# -- tables ------------------------------------------------------------------------------------------------------


def describe(chapters: Sequence[Chapter]) -> list[tuple[str, str, str, str, str]]:
    """Return each parameter once: its chapters, name, type, default and help; those of all chapters first."""
    uses: dict[str, dict[str, Parameter]] = {}
    for chapter in chapters:
        for name, parameter in chapter.parameters.items():
            uses.setdefault(name, {})[chapter.number] = parameter
    rows = []
    for name, by_number in uses.items():
        numbers = "all" if len(by_number) == len(chapters) > 1 else ", ".join(by_number)
        first, *_ = by_number.values()
        texts = dict.fromkeys(parameter.help for parameter in by_number.values())
        rows.append((numbers, name, first.kind, json.dumps(first.default, ensure_ascii=False), " / ".join(texts)))
    return sorted(rows, key=lambda row: row[0] != "all")


def markdown_table(chapters: Sequence[Chapter]) -> str:
    """Return the parameters as a Markdown table."""
    lines = ["| chapter | parameter | type | default | meaning and range |", "|---|---|---|---|---|"]
    for numbers, name, kind, default, meaning in describe(chapters):
        cells = [numbers, f"`{name}`", kind, f"`{default}`", meaning]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
