"""The command `recsys-kit`. Each subcommand imports what it needs, so that --help answers at once."""

import json
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from recsys_kit.errors import ParameterError, RecsysKitError

if TYPE_CHECKING:
    import pandas as pd

    Tables = dict[str, pd.DataFrame]  # "items", "shoppers": what was asked for comes last

# of a list, what a terminal has room for
COLUMNS_SHOWN = (
    "rank", "item_id", "user_id", "title", "price", "score", "count", "support", "confidence", "lift", "reason",
)  # fmt: skip

app = typer.Typer(
    help="A workbook for deep-learning recommendation: run its chapters, read their page, open them in JupyterLab.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


HERE = "(relative to the current folder)"
PROJECT = "(relative to the project)"  # where a run's folder counts from, wherever the command is called
RUN_HELP = f"Folder of a run {PROJECT}."
COLUMNS_HELP = 'What your columns are in our words: "user_id=CustomerID,text=Review Text".'


class RunHelp(TyperCommand):
    """`run --help` ends with the parameters of the notebooks themselves."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:
        """The usual help, then the table."""
        super().format_help(ctx, formatter)
        show_parameters()


@app.command(cls=RunHelp)
def run(
    dataset: Annotated[str, typer.Option(help="Name of the data set: see `recsys-kit datasets`.")] = "",
    source: Annotated[str, typer.Option(help=f"Folder or file of the data {HERE}.")] = "",
    interactions: Annotated[
        str, typer.Option(help=f"Your file of events {HERE}: CSV, JSON lines, Parquet; gzip, zip.")
    ] = "",
    items: Annotated[str, typer.Option(help=f"Your file of products {HERE}.")] = "",
    users: Annotated[str, typer.Option(help=f"Your file of shoppers {HERE}.")] = "",
    reviews: Annotated[str, typer.Option(help=f"Your file of texts {HERE}.")] = "",
    columns: Annotated[str, typer.Option(help=COLUMNS_HELP)] = "",
    encoding: Annotated[str, typer.Option(help="Of your text files, such as gb18030. Default: utf-8.")] = "",
    out: Annotated[
        str, typer.Option(help=f"Folder of the run {PROJECT}. Default: runs/ and the name of the data.")
    ] = "",
    only: Annotated[str, typer.Option(help="Chapters to run, such as 01,04. Default: all.")] = "",
    first: Annotated[str, typer.Option("--from", help="The first chapter to run, such as 03.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="name=value; 03.epochs=2 for one chapter.")
    ] = None,
    profile: Annotated[str, typer.Option(help="quick caps what is slow and says so; full has no caps.")] = "",
    timeout: Annotated[int, typer.Option(min=0, help="Longest that one cell may take, in seconds; 0: no limit.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Run the chapters even if nothing has changed.")] = False,
) -> None:
    """Execute the chapters one after another; ends with the results and the path of the page.

    A chapter whose cells, parameters, inputs and code are what they were is reused; after a failure or a kill the same
    command goes on where it stopped.
    """
    from recsys_kit.data.sources import name_of, stem_of
    from recsys_kit.workbook.runner.parameters import list_chapters, plan_parameters, refuse_paths, select_chapters

    refuse_paths(settings or [])
    everything = list_chapters()
    chapters = select_chapters(everything, [key.strip() for key in only.split(",") if key.strip()], first=first)
    files = {"source": source, "interactions": interactions, "items": items, "users": users, "reviews": reviews}
    files = {name: str(Path(path).expanduser().resolve()) if path else "" for name, path in files.items()}
    if any(files.values()):
        dataset = name_of(dataset or "toyshop", **files)
    chosen = {
        "dataset": dataset if any("dataset" in chapter.parameters for chapter in chapters) else "",
        **files,
        "columns": columns,
        "encoding": encoding,
        "profile": profile,
    }
    given = [f"{name}={value}" for name, value in chosen.items() if value]
    parameters = plan_parameters(chapters, [*given, *(settings or [])])

    from recsys_kit.workbook.report.page import write_report
    from recsys_kit.workbook.runner.execute import (
        execute,  # papermill and nbconvert: after the parameters have been refused
    )
    from recsys_kit.workbook.runner.places import resolve, shared_name
    from recsys_kit.workbook.runner.runs import check_folder

    name = next((values["dataset"] for values in parameters.values() if "dataset" in values), dataset or "toyshop")
    folder = resolve(out or f"runs/{stem_of(files) if name == 'files' else name}")
    check_folder(folder, name, chosen=bool(dataset) or not any("dataset" in c.parameters for c in chapters))
    outcomes = execute(
        chapters,
        folder,
        parameters=parameters,
        others=[chapter for chapter in everything if chapter not in chapters],
        timeout_s=timeout or None,
        force=force,
        command=as_options(chosen | {"only": only, "from": first, "out": shared_name(folder)}, settings or []),
    )
    page = write_report(folder)
    show_results(folder)
    print(page)
    if failure := outcomes[-1].failure if outcomes else None:
        raise typer.Exit(failure.exit_code)


def as_options(chosen: Mapping[str, str], settings: Sequence[str]) -> list[str]:
    """The options that say the same again.

    >>> as_options({"dataset": "amazon", "profile": "", "out": "runs/music"}, ["k_core=2"])
    ['--dataset', 'amazon', '--out', 'runs/music', '--set', 'k_core=2']
    """
    named = [part for name, value in chosen.items() if value for part in (f"--{name}", value)]
    return [*named, *(part for setting in settings for part in ("--set", setting))]


@app.command()
def check(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILE...", help=f"CSV, JSON lines or Parquet {HERE}; gzip, zip.")
    ],
    table: Annotated[
        str, typer.Option("--as", help="interactions, items, users or reviews. Default: guessed from the columns.")
    ] = "",
    columns: Annotated[str, typer.Option(help=COLUMNS_HELP)] = "",
    encoding: Annotated[str, typer.Option(help="Of the text files, such as gb18030. Default: utf-8.")] = "",
) -> None:
    """All that is wrong with files of yours, and what a run would do about it; exit code 2 where one is refused."""
    from recsys_kit.data import check_files

    checks = check_files(paths, table=table, columns=columns, encoding=encoding)
    for found in checks:
        show_check(found, guessed=not table)
    if any(found.refusals for found in checks):
        raise typer.Exit(2)


def printable(text: str) -> str:
    """The text with control characters shown, not obeyed, and nothing in it taken for a style."""
    from rich.markup import escape

    return escape("".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text))


def show_check(found: Any, *, guessed: bool) -> None:
    """One file: what it was read as, a line for each rule, and whether it can be used."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    read_as = f", read as {found.table}{' (by its columns; --as says otherwise)' if guessed else ''}"
    console.print(f"[bold]{printable(found.file)}[/]: {found.n_rows:,} rows{read_as if found.table else ''}")
    if len(found.problems):
        if found.refusals:
            console.print("What would be said of its rows otherwise, with the guesses below taken as right:")
        for name, rows in found.problems.groupby("table", sort=False):
            title = name if name == found.table else f"{name}, made from it"
            table = Table("rows", "what happens", "rule", title=title, title_justify="left")
            table.columns[0].justify = "right"
            for row in rows.itertuples():
                line = f"line{'s' * (',' in row.lines)} {row.lines}"
                where = [line] * bool(row.lines) + [f"such as {row.example[:40]}"] * bool(row.example)
                rule = printable(row.rule) + "".join(f"\n[dim]{printable(part)}[/]" for part in where)
                table.add_row(f"{row.rows:,}", row.action, rule)
            console.print(table)
    for refusal in found.refusals:
        console.print("[bold red]refused[/]: ", end="")
        console.print(printable(str(refusal)), soft_wrap=True)
    if found.hint:
        console.print(printable(found.hint), soft_wrap=True)
    if not found.refusals:
        console.print("[bold green]usable[/]")


@app.command()
def status(folder: Annotated[str, typer.Argument(metavar="DIR", help=RUN_HELP)]) -> None:
    """Of each chapter of a run: how it ended, whether the same command would run it again, and why."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from recsys_kit.workbook.runner.manifest import read_manifest
    from recsys_kit.workbook.runner.parameters import list_chapters
    from recsys_kit.workbook.runner.places import run_folder, shared_name
    from recsys_kit.workbook.runner.reuse import forecast, last_end

    path = run_folder(folder)
    manifest, chapters = read_manifest(path), list_chapters()
    made = manifest.get("parameters", {})
    settings = {
        chapter.name: {name: parameter.default for name, parameter in chapter.parameters.items()}
        | made.get(chapter.name, {})
        for chapter in chapters
    }
    reasons = forecast(path, manifest, chapters, settings)
    selected = manifest.get("selected", list(reasons))
    table = Table("chapter", "status", "next time", "why")
    for chapter in chapters:
        state, why = last_end(manifest["chapters"].get(chapter.name, {})), reasons[chapter.name]
        table.add_row(
            chapter.name,
            state.get("status", "not_requested").replace("_", " "),
            "not asked for" if chapter.name not in selected else "runs" if why else "reused",
            escape("\n".join(why)),
        )
    Console(highlight=False, soft_wrap=False).print(table)
    print(shlex.join(["recsys-kit", "run", *in_folder(manifest.get("command", []), shared_name(path))]))


def in_folder(command: Sequence[str], out: str) -> list[str]:
    """The options of a run for the folder where it lies now; it may have been copied or moved.

    >>> in_folder(["--profile", "full", "--out", "runs/old", "--set", "k_core=2"], "runs/new")
    ['--profile', 'full', '--out', 'runs/new', '--set', 'k_core=2']
    """
    place = command.index("--out") if "--out" in command else len(command)
    return [*command[:place], "--out", out, *command[place + 2 :]]


@app.command()
def parameters(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table for a README.")] = False,
) -> None:
    """The parameters of every chapter, from the notebooks' own cells."""
    if markdown:
        from recsys_kit.workbook.runner.parameters import list_chapters, markdown_table

        print(markdown_table(list_chapters()))
    else:
        show_parameters()


def show_parameters() -> None:
    """A table of name, type, default, range and meaning, chapter by chapter."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from recsys_kit.workbook.runner.parameters import describe, list_chapters

    table = Table("--set", "type", "default", "meaning", title="Parameters of the chapters", title_justify="left")
    for row in describe(list_chapters()):
        cells = (f"{', '.join(row.chapters)}  {row.name}", row.kind, row.default, row.help)
        table.add_row(*map(escape, cells))
    Console(highlight=False).print(table)


def show_results(folder: Path) -> None:
    """The leaderboard and what was skipped, in a few lines."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from recsys_kit.workbook.report.page import summary
    from recsys_kit.workbook.report.pages import interval, short

    found = summary(folder)
    console = Console(highlight=False, soft_wrap=True)
    if board := found["table"]:
        table = Table("model", title=f"{board['title']}, lists of {found['k']}", title_justify="left")
        for column in board["columns"][:4]:
            table.add_column(column, justify="right", no_wrap=True)
        table.columns[1].header += ", 95 % interval"
        for row in board["rows"]:
            first, *others = row["cells"][:4]
            table.add_row(
                escape(row["model"]),
                escape(str(interval(first))),
                *[short(cell.value) if cell else "-" for cell in others],
            )
        console.print(table)
    for chapter, section, reason in found["skipped"]:
        console.print(f"skipped in {chapter}: {escape(section)}: {escape(reason)}")


@app.command()
def datasets() -> None:
    """The data sets by name, and what each needs."""
    from recsys_kit.data import DATASETS

    for name, what in DATASETS.items():
        print(f"{name:10}  {what}")


@app.command()
def report(
    folders: Annotated[
        list[str], typer.Argument(metavar="DIR", help=f"Folder of a run, or of two to compare {PROJECT}.")
    ],
    compare: Annotated[bool, typer.Option("--compare", help="What changed from run A to run B.")] = False,
) -> None:
    """Write a run's index.html again from what lies in its folder; with --compare, what changed from run A to run B.

    The comparison is written into the folder of B, as compare.html.
    """
    from recsys_kit.workbook.report.page import write_report
    from recsys_kit.workbook.runner.places import run_folder

    if compare and len(folders) != 2:
        raise ParameterError(
            "RK-371", f"--compare got {len(folders)} folders; expected two.", "Name two runs: report A B --compare."
        )
    paths = [run_folder(folder) for folder in folders]
    if compare:
        show_comparison(*paths)
    else:
        for path in paths:
            print(write_report(path))


def show_comparison(before: Path, after: Path) -> None:
    """What changed from one run to another in a few lines, and the path of the page that has all of it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from recsys_kit.workbook.report.compare import sentences, terminal_tables, write_comparison
    from recsys_kit.workbook.report.differences import compare

    found = compare(before, after)
    console = Console(highlight=False, soft_wrap=True)
    for sentence in sentences(found):
        console.print(escape(sentence))
    for title, header, rows in terminal_tables(found):
        table = Table(*header, title=title, title_justify="left")
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)
    print(write_comparison(found))


@app.command()
def published(
    folders: Annotated[
        list[str],
        typer.Argument(metavar="DIR...", help=f"Folders of runs on data that papers share {PROJECT}."),
    ],
) -> None:
    """Our leaderboard beside published numbers of the same protocol, as Markdown."""
    from recsys_kit.workbook.published import show_published
    from recsys_kit.workbook.runner.runs import open_for_reading

    print("\n\n".join(show_published(open_for_reading(folder)) for folder in folders))


FOR_A_SHOPPER, OTHER_LISTS = "For a shopper", "Other lists"


@app.command()
def recommend(
    folder: Annotated[str, typer.Option("--run", metavar="DIR", help=RUN_HELP)],
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="A shopper of the run.", rich_help_panel=FOR_A_SHOPPER)
    ] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID,ID",
            help="The history of a new shopper, oldest first; may be repeated.",
            rich_help_panel=FOR_A_SHOPPER,
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="What a shopper says they want.", rich_help_panel=FOR_A_SHOPPER)
    ] = None,
    seen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID,ID",
            help="What the list leaves out. Default: the shopper's seen items, as in the evaluation.",
            rich_help_panel=FOR_A_SHOPPER,
        ),
    ] = None,
    candidates: Annotated[
        list[str] | None,
        typer.Option(metavar="ID,ID", help="Of the list only these products.", rich_help_panel=FOR_A_SHOPPER),
    ] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="When and where they ask: device=phone, timestamp=2025-12-24T18:00; may be repeated. Default: now.",
            rich_help_panel=FOR_A_SHOPPER,
        ),
    ] = None,
    promotions: Annotated[
        bool, typer.Option("--promotions", help="Of the list only what is on promotion.", rich_help_panel=FOR_A_SHOPPER)
    ] = False,
    related: Annotated[
        str | None, typer.Option(metavar="ID", help="More like this product.", rich_help_panel=OTHER_LISTS)
    ] = None,
    together: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID,ID", help="Bought together with a product, or with a basket.", rich_help_panel=OTHER_LISTS
        ),
    ] = None,
    popular: Annotated[
        bool, typer.Option("--popular", help="The products with the most shoppers.", rich_help_panel=OTHER_LISTS)
    ] = False,
    category: Annotated[
        str, typer.Option(help="The most popular products of a category.", rich_help_panel=OTHER_LISTS)
    ] = "",
    days: Annotated[
        float,
        typer.Option(
            help="The most popular in so many days before the cut.",
            show_default=False,
            rich_help_panel=OTHER_LISTS,
        ),
    ] = 0,
    new_item: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="A new product by its text: the nearest products, the shoppers it fits.",
            rich_help_panel=OTHER_LISTS,
        ),
    ] = None,
    shoppers_for: Annotated[
        str | None, typer.Option(metavar="ID", help="The shoppers whom a product fits.", rich_help_panel=OTHER_LISTS)
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="A model of the leaderboard. Default: the best; for a text a language model."),
    ] = "",
    k: Annotated[int, typer.Option("-k", help="Length of the list.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    csv: Annotated[
        str,
        typer.Option(metavar="FILE", help=f"Write the list (of --new-item the shoppers) to this file {HERE} as well."),
    ] = "",
) -> None:
    """The list that a shopper gets, and the shop's other lists; exactly one of them is asked for."""
    from recsys_kit.shop.circumstances import parse_context
    from recsys_kit.shop.export import write_csv
    from recsys_kit.shop.serving import exactly_one, split_ids

    ranking = {"category": category, "days": days}
    kind, value = exactly_one(
        user=user,
        history=history and split_ids(folder, history),
        text=text,
        related=related,
        together=together and split_ids(folder, together),
        popular=ranking if popular or category or days else None,
        new_item=new_item,
        shoppers_for=shoppers_for,
    )
    if kind in ("user", "history", "text"):
        among = candidates and split_ids(folder, candidates)
        circumstances = parse_context(context) if context else "now"
        query = {kind: value, "seen": seen and split_ids(folder, seen)}
        told, tables = for_a_shopper(folder, query, among, circumstances, promotions=promotions, model=model, k=k)
    elif seen or candidates or context or promotions or model:
        raise ParameterError(
            "RK-339",
            f"--seen, --candidates, --context, --promotions and --model say nothing of --{kind.replace('_', '-')}; "
            "expected them with --user, --history or --text.",
            "Leave them out.",
        )
    else:
        told, tables = other_list(folder, kind, value, k)
    listed = list(tables.values())[-1]
    if csv:
        write_csv(listed, csv)
    told = {"query": {kind: value}} | told
    if as_json:
        print_lists_as_json(told, tables)
    else:
        show_lists(told, tables)


def for_a_shopper(
    folder: str,
    query: dict[str, Any],
    candidates: list[str] | None,
    context: Any,
    *,
    promotions: bool,
    model: str,
    k: int,
) -> tuple[dict[str, Any], "Tables"]:
    """What there is to say about the list, and the list."""
    from recsys_kit.shop.circumstances import in_words
    from recsys_kit.shop.serving import answer
    from recsys_kit.shop.shelves import on_promotion

    if promotions:
        promoted = on_promotion(folder)
        candidates = promoted if candidates is None else [item for item in candidates if item in promoted]
    found = answer(folder, **query, candidates=candidates, context=context, model=model, k=k)
    told = {"model": found.model, "asked_at": in_words(found.context), "notes": found.notes}
    told["fallback"] = bool(found.lists["fallback"].any())
    return told, {"items": found.lists.drop(columns="query")}


def other_list(folder: str, kind: str, value: Any, k: int) -> tuple[dict[str, Any], "Tables"]:
    """As `for_a_shopper`, for the lists that are not personal."""
    from recsys_kit.shop import bought_together, popular, recommend, related, shoppers_for
    from recsys_kit.shop.serving import noting

    lists = {
        "related": lambda: {"items": related(folder, value, k=k)},
        "together": lambda: {"items": bought_together(folder, value, k=k)},
        "popular": lambda: {"items": popular(folder, **value, k=k)},
        "new_item": lambda: {
            "items": recommend(folder, text=value, k=k),
            "shoppers": shoppers_for(folder, text=value, k=k),
        },
        "shoppers_for": lambda: {"shoppers": shoppers_for(folder, item=value, k=k)},
    }
    with noting() as notes:
        tables = lists[kind]()
    return {"notes": notes}, tables


def print_lists_as_json(told: dict[str, Any], tables: "Tables") -> None:
    """One object: query, model, asked_at ("" where no context counts) and fallback of a shopper's list, notes, rows."""
    from recsys_kit.shop.showcase import records

    value = told | {name: records(listed.drop(columns="fallback", errors="ignore")) for name, listed in tables.items()}
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    print(json.dumps(value, indent=2, ensure_ascii=plain, allow_nan=False))


def show_lists(told: dict[str, Any], tables: "Tables") -> None:
    """Each list as a table, what there is to say about them below."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def cell(value: Any) -> Text:  # Text: nothing in a title is markup; control characters would reach the terminal
        digits = ".2f" if isinstance(value, float) and not 0 < abs(value) < 0.1 else ".2g"
        shown = "" if pd.isna(value) else format(value, digits) if isinstance(value, float) else str(value)
        return Text("".join(letter if letter.isprintable() else " " for letter in shown[:200]))

    import pandas as pd

    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else 160
    ((kind, asked),) = told["query"].items()
    if "model" in told:
        when = f", asked at {told['asked_at']}" if told["asked_at"] else ""
        console.print(cell(f"{told['model']}, for the {'shopper' if kind == 'user' else kind} {asked}{when}"))
    for listed in tables.values():
        bare = "title" in listed and listed["title"].equals(listed["item_id"])  # a shop without titles
        shown = listed[[name for name in COLUMNS_SHOWN if name in listed and not (bare and name == "title")]]
        table = Table()
        for name in shown:
            number = pd.api.types.is_numeric_dtype(shown[name])
            table.add_column(name, justify="right" if number else "left", no_wrap=name != "reason")
        for row in shown.itertuples(index=False):
            table.add_row(*map(cell, row))
        console.print(table)
    for note in told["notes"]:
        console.print(cell(f"note: {note}"))


@app.command()
def export(
    folder: Annotated[str, typer.Option("--run", metavar="DIR", help=RUN_HELP)],
    out: Annotated[str, typer.Option(metavar="FILE", help=f"The CSV file to write {HERE}.")],
    model: Annotated[str, typer.Option(help="A model of the leaderboard. Default: all.")] = "",
) -> None:
    """The lists that chapter 04 evaluated, with titles, as CSV for a spreadsheet."""
    from recsys_kit.shop.export import export_lists

    lists = export_lists(folder, out, model=model)
    names, n_shoppers = ", ".join(lists["model"].unique()), lists["user_id"].nunique()
    print(f"{len(lists):,} rows for {n_shoppers:,} shoppers, lists of {names}: {out}")


@app.command()
def lab(
    options: Annotated[list[str] | None, typer.Argument(help="After `--`: passed on to JupyterLab.")] = None,
) -> None:
    """Open JupyterLab on the notebooks, with this Python as their kernel."""
    from recsys_kit.workbook.runner.places import INLINE, project_root

    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1", "MPLBACKEND": INLINE}
    command = [sys.executable, "-m", "jupyterlab", str(project_root() / "notebooks"), *(options or [])]
    os.execve(sys.executable, command, environment)


def main() -> None:
    """Run the command; what this package refuses becomes one line and an exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # while chapters run, `execute` has handlers of its own
        signal.signal(number, lambda received, frame: sys.exit(128 + received))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal that cannot show a character gets a question mark
    try:
        app()
    except RecsysKitError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
    except Exception:  # a fault of ours: shown whole, and told apart from a wrong input
        traceback.print_exc()
        sys.exit(RecsysKitError.exit_code)


if __name__ == "__main__":
    main()
