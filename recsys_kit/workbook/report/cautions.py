"""Warnings of a report: what may be wrong with the numbers of a run, and what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_kit.workbook.report.data_figures import count_cold, count_rows
from recsys_kit.workbook.report.pages import counted, listed, read, read_dict, sentence, share, short, without_folders
from recsys_kit.workbook.runner.places import maker_of
from recsys_kit.workbook.runner.storage import sha256_of

MANY_COLD = 0.2  # share of cold users that moves the mean over all users
MOST_RULES = 5
STOPPED = {
    "failed": "failed",
    "interrupted": "was interrupted",
    "damaged": "is damaged",
    "running": "is running, or was killed with its command",
}


@dataclass(frozen=True)
class Caution:
    """A warning: heading, meaning for the numbers, remedy."""

    title: str
    meaning: str
    remedy: str


def find_cautions(folder: Path, run: Mapping[str, Any]) -> list[Caution]:
    """Return the warnings that apply, the most serious first."""
    report = read_dict(folder, "results/data_report.json")
    return [
        *warn_of_stopped_chapters(run, folder),
        *warn_of_damaged_results(folder, run),
        *warn_of_random_split(report),
        *warn_of_leaks(report),
        *warn_of_cold_users(read_dict(folder, "results/protocol.json"), report),
        *warn_of_quarantined_rows(report),
        *warn_of_texts(read_dict(folder, "results/text_features.json")),
    ]


def warn_of_stopped_chapters(run: Mapping[str, Any], folder: Path) -> Iterator[Caution]:
    """Warn of chapters that began and did not end well."""
    for name, state in sorted(run.get("chapters", {}).items()):
        if how := STOPPED.get(state.get("status")):
            why = sentence(without_folders(state.get("message") or state.get("reason"), folder))
            yield Caution(
                f"Chapter {chapter_title(name)} {how}",
                f"{why} What it and the chapters after it make is missing, or from an earlier run.".strip(),
                without_folders(state.get("next"), folder) or "Run the same command again.",
            )


def chapter_title(name: str) -> str:
    """Return the name of a chapter for a sentence.

    >>> chapter_title("02_feature_extraction")
    '02 feature extraction'
    """
    return name.replace("_", " ")


def warn_of_damaged_results(folder: Path, run: Mapping[str, Any]) -> Iterator[Caution]:
    """Warn of results that are gone, cannot be read, or were changed since they were written."""
    if (folder / "run.json").exists() and not run:
        meaning = "It cannot be read: which chapters ran, and how, is unknown."
        yield Caution("run.json is damaged", meaning, "Run the workbook again into this folder.")
    recorded = {name: hash_ for name, hash_ in run.get("artifacts", {}).items() if name.startswith("results/")}
    present = {f"results/{path.name}" for path in folder.glob("results/*.*")}
    bad = []
    for name in sorted(recorded | dict.fromkeys(present)):
        path = folder / name
        if not path.exists():
            bad.append((name, "gone"))
        elif name in recorded:
            bad += [(name, "not what was written")] * (sha256_of(path) != recorded[name])
        elif path.suffix in (".json", ".parquet") and read(folder, name) is None:
            bad.append((name, "unreadable"))
    if bad:
        found = "; ".join(f"{name} is {how}" for name, how in bad)
        chapters = listed([chapter_title(name) for name in sorted({maker_of(name) for name, _ in bad})])
        yield Caution(
            "Results are damaged",
            f"{found}. What they would say is left out of this page.",
            f"Run chapter {chapters} again.",
        )


def warn_of_random_split(report: Mapping[str, Any]) -> Iterator[Caution]:
    """Warn of a random split, which leaks the future."""
    if protocol := _random_protocol(report):
        yield Caution(
            "The split draws events whatever their time",
            f"{sentence(protocol)} A shop that is asked about tomorrow will do worse than every number below.",
            "Read this leaderboard beside published tables of the same protocol. For anything else split by time.",
        )


def _random_protocol(report: Mapping[str, Any]) -> str:
    """Return the protocol of a random split; "" if the split is by time."""
    how = report.get("split")
    return str(how.get("protocol") or "") if isinstance(how, Mapping) else ""


def warn_of_leaks(report: Mapping[str, Any]) -> Iterator[Caution]:
    """Warn of leaks that the audit of the split found."""
    counts = report.get("leaks") if isinstance(report.get("leaks"), Mapping) else {}
    if _random_protocol(report):
        return  # a random split has a warning of its own, and chapter 01 refuses other leaks
    found = [
        f"{str(name).removeprefix('n_').replace('_', ' ')}: {short(n)}"
        for name, n in counts.items()
        if isinstance(n, int | float) and n > 0
    ]
    for check in report.get("audit") or []:
        if isinstance(check, Mapping) and check.get("passed") is False:
            found.append(f"not true: {check.get('check')} ({check.get('detail')})")
    if found:
        yield Caution(
            "The split leaks",
            f"{sentence('; '.join(found))} "
            "Models have seen what they are asked to predict: every number below flatters them.",
            "Do not use this leaderboard. The audit in chapter 01 shows the rows; split by time.",
        )


def warn_of_cold_users(protocol: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[Caution]:
    """Warn if many evaluated users are cold: most models can only recommend popular items to them."""
    seen = count_cold(report)
    n, new = protocol.get("n_users") or seen.get("shoppers"), protocol.get("n_cold")
    new = seen.get("new shoppers") if new is None else new
    if n and new and new / n >= MANY_COLD:
        yield Caution(
            "Many shoppers are new",
            f"{short(new)} of the {counted(n, 'shopper')} to be evaluated ({share(new, n)}) have no interaction in "
            "training. Models that need a history recommend popular items to them, so the models differ less.",
            "Read the warm shoppers beside all of them; for new shoppers, look at the models of texts.",
        )


def warn_of_quarantined_rows(report: Mapping[str, Any]) -> Iterator[Caution]:
    """Warn of quarantined rows, by rule."""
    tables = count_rows(report)
    n = sum(fates["quarantined"] for fates in tables.values())
    if not n:
        return
    lines = [
        line
        for line in report.get("report") or []
        if isinstance(line, Mapping) and line.get("action") == "quarantined" and line.get("rows")
    ]
    lines.sort(key=lambda line: -line["rows"])
    rules = [f"{line.get('table')}: {line.get('rule')} ({short(line['rows'])})" for line in lines[:MOST_RULES]]
    if len(lines) > MOST_RULES:
        rules.append(f"{counted(len(lines) - MOST_RULES, 'rule')} more")
    read = sum(sum(fates.values()) for fates in tables.values())
    yield Caution(
        f"{counted(n, 'row')} of {short(read)} {'is' if n == 1 else 'are'} quarantined ({share(n, read)})",
        f"They could not be used: no model learns from them. Why: {'; '.join(rules)}.",
        "data/quarantine.parquet has each with its reason. Correct the source if you did not expect them.",
    )


def warn_of_texts(found: Mapping[str, Any]) -> Iterator[Caution]:
    """Warn of texts that the language model cannot read, of truncated texts, and of empty ones."""
    n, noun = found.get("n_texts") or 0, f"{found.get('texts', 'text')} text"
    parts = found.get("unreadable") if isinstance(found.get("unreadable"), Mapping) else {}
    unread = {kind: part for kind, part in parts.items() if isinstance(part, int | float)}
    if unread:
        name = Path(str(found.get("language_model", ""))).name
        which = listed([f"{part:.0%} of the tokens of the {kind} texts" for kind, part in unread.items()])
        reads = "MiniLM reads English" if name == "minilm" else "It does not know their language or script"
        yield Caution(
            f"The language model {name} cannot read the texts",
            f"{reads}; {which} are unknown to it. Its vectors"
            + (", chapter 03's fine-tuned model" if "review" in unread else "")
            + " and the models that use them know little of these texts.",
            "Pass --set language_model=FOLDER, the folder of a multilingual model; see README, “Languages”. "
            "Word counts (TF-IDF) read every script.",
        )
    if cut := found.get("n_truncated"):
        yield Caution(
            "Texts are cut",
            f"Of {counted(n, noun)} {short(cut)} ({share(cut, n)}) are longer than {found.get('max_length')} tokens: "
            f"the language model {found.get('language_model', '')} does not read their end.",
            "Let it read more with --set 02.max_length=N, at the price of time.",
        )
    if empty := found.get("n_empty"):
        yield Caution(
            "Texts are empty",
            f"Of {counted(n, noun)} {short(empty)} ({share(empty, n)}) hold no word: "
            "models that read texts know nothing of them.",
            "Add what is missing to the source, or trust the models that learn from shoppers alone.",
        )
