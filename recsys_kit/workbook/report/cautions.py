"""Warnings of a report: what may be wrong with the numbers of a run, and what to do. Their words: `cautions.toml`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recsys_kit.data.questions import said_lines
from recsys_kit.workbook.report.pages import read, read_dict
from recsys_kit.workbook.report.wording import chapter_title, read_texts, say, sentence, short, without_folders
from recsys_kit.workbook.runner.places import maker_of
from recsys_kit.workbook.runner.storage import sha256_of

WHERE = "data/quarantine.parquet has each quarantined row with its line, its rule and the value as it came."
MANY_COLD = 0.2  # share of cold users that moves the mean over all users
TEXTS = read_texts(__file__)
Facts = Iterator[tuple[str, dict[str, Any]]]  # name of a warning -> the values in its texts


class Caution(NamedTuple):
    """A warning: heading, meaning for the numbers, remedy, and findings that are listed."""

    title: str
    meaning: str
    remedy: str
    lines: Sequence[str] = ()


def find_cautions(folder: Path, run: Mapping[str, Any]) -> list[Caution]:
    """Return the warnings that apply, the most serious first."""
    report = read_dict(folder, "results/data_report.json")
    found = [
        *find_stopped_chapters(run, folder),
        *find_damaged_results(folder, run),
        *find_leaks(report),
        *find_cold_users(read_dict(folder, "results/protocol.json"), report.get("cold") or {}),
        *find_losses(report),
        *find_unread_texts(read_dict(folder, "results/text_features.json")),
    ]
    return [
        Caution(**{part: say(text, **facts) for part, text in TEXTS[name].items()}, lines=facts.get("lines", ()))
        for name, facts in found
    ]


def find_stopped_chapters(run: Mapping[str, Any], folder: Path) -> Facts:
    """Find chapters that began and did not end well."""
    for name, state in sorted(run.get("chapters", {}).items()):
        if how := TEXTS["states"].get(state.get("status")):
            why = sentence(without_folders(state.get("message") or state.get("reason"), folder))
            yield "stopped", {"name": name, "how": how, "why": why, "next": without_folders(state.get("next"), folder)}


def find_damaged_results(folder: Path, run: Mapping[str, Any]) -> Facts:
    """Find results that are gone, cannot be read, or were changed since they were written."""
    if (folder / "run.json").exists() and not run:
        yield "manifest", {}
    recorded = {name: hash_ for name, hash_ in run.get("artifacts", {}).items() if name.startswith("results/")}
    bad = {}
    for name in sorted(recorded.keys() | {f"results/{path.name}" for path in folder.glob("results/*.*")}):
        path = folder / name
        if not path.exists():
            bad[name] = "gone"
        elif name in recorded and sha256_of(path) != recorded[name]:
            bad[name] = "not what was written"
        elif path.suffix in (".json", ".parquet") and read(folder, name) is None:
            bad[name] = "unreadable"
    if bad:
        yield "damaged", {"bad": bad, "makers": [chapter_title(name) for name in sorted({*map(maker_of, bad)})]}


def find_leaks(report: Mapping[str, Any]) -> Facts:
    """Find the leaks that the audit of the split counted; a random split leaks the future by its protocol."""
    if protocol := (report.get("split") or {}).get("protocol"):
        yield "random_split", {"protocol": protocol}
        return  # chapter 01 refuses other leaks
    counts = (report.get("leaks") or {}).items()
    found = [f"{name.removeprefix('n_').replace('_', ' ')}: {short(n)}" for name, n in counts if n]
    found += [f"not true: {check['check']} ({check['detail']})" for check in report.get("audit") or []
              if not check["passed"]]  # fmt: skip
    if found:
        yield "leaks", {"found": found}


def find_cold_users(protocol: Mapping[str, Any], cold: Mapping[str, Any]) -> Facts:
    """Find out whether many evaluated users are cold: most models can only recommend popular items to them."""
    n, new = protocol.get("n_users") or cold.get("n_test_users"), protocol.get("n_cold", cold.get("n_cold_test_users"))
    if n and new and new / n >= MANY_COLD:
        yield "cold", {"n": n, "new": new}


def find_losses(report: Mapping[str, Any]) -> Facts:
    """Find what the checks of the data removed or cautioned about, such as ids that meet in part."""
    if lines := said_of(report):
        yield "losses", {"lines": lines}


def said_of(report: Mapping[str, Any]) -> list[str]:
    """Return what must be said of the data: each rule that removed rows, each caution, where to look.

    Args:
        report: `results/data_report.json`.
    """
    lines = said_lines(report.get("report") or [])
    return [*lines, WHERE] if any(" quarantined: " in line for line in lines) else lines


def find_unread_texts(found: Mapping[str, Any]) -> Facts:
    """Find texts that the language model cannot read, truncated texts, and empty ones."""
    if unreadable := found.get("unreadable"):
        parts = [f"{part:.0%} of the tokens of the {kind} texts" for kind, part in unreadable.items()]
        model = Path(found["language_model"]).name
        yield "unreadable", {"model": model, "parts": parts, "unreadable": unreadable}
    yield from ((name, dict(found)) for name, n in (("cut", "n_truncated"), ("empty", "n_empty")) if found.get(n))
