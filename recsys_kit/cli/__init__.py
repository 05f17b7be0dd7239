"""The command `recsys-kit`. Each sub-command imports what it needs, so that --help answers at once."""

import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from recsys_kit.cli import recommend
from recsys_kit.cli.terminal import HERE, PROJECT, RUN_HELP, plain, print_table, printable
from recsys_kit.errors import RecsysKitError

FORMATS = f"{HERE}: CSV, JSON lines or Parquet; also as gzip or zip."
Columns = Annotated[str, typer.Option(help='Your names of the columns: "user_id=CustomerID,text=Review Text".')]
Encoding = Annotated[str, typer.Option(help="Encoding of the text files, such as gb18030. Default: utf-8.")]
Header = Annotated[str, typer.Option(help="Names of the columns of files without a header: user_id,item_id,timestamp.")]
Accept = Annotated[str, typer.Option(help="ids: take ids that are not in the other files as they are.")]

app = typer.Typer(
    help="A workbook for deep-learning recommendation: run its chapters, read the report, ask for recommendations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(recommend.app, name="recommend")


class RunHelp(TyperCommand):
    """The command `run`, whose help ends with the parameters of the notebooks."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:
        """Write the usual help, then the table of parameters."""
        super().format_help(ctx, formatter)
        parameters()


@app.command(cls=RunHelp)
def run(
    dataset: Annotated[str, typer.Option(help="Name of a data set: see `recsys-kit datasets`. Default: toyshop.")] = "",
    source: Annotated[str, typer.Option(help=f"Folder or file of the data set {HERE}.")] = "",
    interactions: Annotated[str, typer.Option(help=f"Your file of interactions {FORMATS}")] = "",
    items: Annotated[str, typer.Option(help=f"Your file of items {HERE}.")] = "",
    users: Annotated[str, typer.Option(help=f"Your file of users {HERE}.")] = "",
    reviews: Annotated[str, typer.Option(help=f"Your file of reviews {HERE}.")] = "",
    columns: Columns = "",
    encoding: Encoding = "",
    header: Header = "",
    accept: Accept = "",
    out: Annotated[
        str, typer.Option(help=f"Folder of the run {PROJECT}. Default: runs/ and the name of the data.")
    ] = "",
    only: Annotated[str, typer.Option(help="Chapters to run, such as 01,04. Default: all.")] = "",
    first: Annotated[str, typer.Option("--from", help="First chapter to run, such as 03. Default: 01.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Set name=value, or 03.epochs=2 for one chapter; may be repeated.")
    ] = None,
    profile: Annotated[str, typer.Option(help="quick (default): limits the slow steps; full: no limits.")] = "",
    timeout: Annotated[int, typer.Option(min=0, help="Time limit of a notebook cell in seconds; 0: no limit.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Rerun the chapters even if nothing has changed.")] = False,
) -> None:
    """Run the chapters one after another, then print the results and the path of the report.

    A chapter is rerun only if its cells, parameters, inputs or code have changed.
    After a failure or an interruption, the same command continues where it stopped.
    """
    from recsys_kit.data.sources import absolute, name_of, stem_of
    from recsys_kit.workbook.runner.parameters import list_chapters, plan_parameters, refuse_paths, select_chapters

    refuse_paths(settings or [])
    everything = list_chapters()
    chapters = select_chapters(everything, [key.strip() for key in only.split(",") if key.strip()], first=first)
    files = {"source": source, "interactions": interactions, "items": items, "users": users, "reviews": reviews}
    files = {name: absolute(paths) for name, paths in files.items()}
    if any(files.values()):
        dataset = name_of(dataset or "toyshop", **files)
    loads = any("dataset" in chapter.parameters for chapter in chapters)
    options = {"columns": with_accepted(columns, accept), "encoding": encoding, "header": header, "profile": profile}
    chosen = {"dataset": dataset if loads else "", **files, **options}
    given = [f"{name}={value}" for name, value in chosen.items() if value]
    parameters = plan_parameters(chapters, [*given, *(settings or [])])

    from recsys_kit.workbook.report.page import write_report
    from recsys_kit.workbook.runner.execute import execute  # papermill: after the parameters have been refused
    from recsys_kit.workbook.runner.places import resolve, shared_name
    from recsys_kit.workbook.runner.runs import check_folder

    name = next((values["dataset"] for values in parameters.values() if "dataset" in values), dataset or "toyshop")
    folder = resolve(out or f"runs/{stem_of(files) if name == 'files' else name}")
    check_folder(folder, name, chosen=bool(dataset) or not loads)
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


def with_accepted(columns: str, accept: str) -> str:
    """Return `columns` with what is accepted as one of its entries.

    >>> with_accepted("item_id=sku", "ids"), with_accepted("item_id=sku", "")
    ('item_id=sku,accept=ids', 'item_id=sku')
    """
    return ",".join(filter(None, [columns, accept and f"accept={accept}"]))


def as_options(chosen: Mapping[str, str], settings: Sequence[str]) -> list[str]:
    """Return the options that repeat a run.

    >>> as_options({"dataset": "amazon", "profile": "", "out": "runs/music"}, ["k_core=2"])
    ['--dataset', 'amazon', '--out', 'runs/music', '--set', 'k_core=2']
    """
    named = [part for name, value in chosen.items() if value for part in (f"--{name}", value)]
    return [*named, *(part for setting in settings for part in ("--set", setting))]


@app.command()
def check(
    paths: Annotated[list[str], typer.Argument(metavar="FILE", help=f"Files {FORMATS}")],
    table: Annotated[str, typer.Option("--as", help="interactions, items, users or reviews. Default: guessed.")] = "",
    columns: Columns = "",
    encoding: Encoding = "",
    header: Header = "",
    accept: Accept = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="As for run, so that both take the same line; not used here.")
    ] = None,
) -> None:
    """List every problem in your files, and what a run would do about it.

    The exit code is 2 if a file cannot be used.
    """
    from recsys_kit.data import check_files

    checks = check_files(paths, table=table, columns=with_accepted(columns, accept), encoding=encoding, header=header)
    for n, found in enumerate(checks):
        shown_later = any(found.lines == later.lines for later in checks[n + 1 :])
        show_check(found, guessed=not table, with_lines=not shown_later)
    if any(found.refusals for found in checks):
        raise typer.Exit(2)


def show_check(found: Any, *, guessed: bool, with_lines: bool) -> None:
    """Print the table that a file was read as, a line for each rule, and whether the file can be used."""
    from rich.console import Console

    console = Console(highlight=False)
    read_as = f", read as {found.table}{' (by its columns; --as says otherwise)' if guessed else ''}"
    console.print(f"[bold]{printable(found.file)}[/]: {found.n_rows:,} rows{read_as if found.table else ''}")
    if len(found.problems) and "RK-140" in [refusal.code for refusal in found.refusals]:
        console.print("The problems of its rows, if the guesses below are right:")
    options = []
    for name, problems in found.problems.groupby("table", sort=False):
        rows = []
        for row in problems.itertuples():
            rule, option = re.fullmatch(
                r"(.*?)(?::? (?:with )?(--(?:columns|accept) .*))?", row.rule, re.DOTALL
            ).groups()
            line = f"line{'s' * (',' in row.lines)} {row.lines}"
            where = [line] * bool(row.lines) + [f"such as {row.example[:40]}"] * bool(row.example)
            rows.append((f"{row.rows:,}", row.action, "\n".join([rule, *where])))
            options += [f"{rule}:\n{option}"] * bool(option and not found.refusals)
        title = name if name == found.table else f"{name}, made from it"
        print_table(["rows", "what happens", "rule"], rows, title=title, right=["rows"])
    for refusal in found.refusals:
        said = refusal.what if found.lines and hasattr(refusal, "what") else str(refusal).partition(" ")[2]
        console.print(f"[bold red]refused[/]: {refusal.code} {printable(said)}", soft_wrap=True)
    lines = found.lines if with_lines else {}
    if lines:
        several = len(lines) > 1
        print("Add the line that is right to your command:" if several else "If that is right, add to your command:")
    for line, meaning in lines.items():
        print(plain(f"{meaning}:\n{line}" if meaning else line))
    for option in options:
        print(plain(option))
    if found.hint:
        print(plain(found.hint))
    if not found.refusals:
        console.print("[bold green]usable[/]")


@app.command()
def status(folder: Annotated[str, typer.Argument(metavar="DIR", help=RUN_HELP)]) -> None:
    """Show how each chapter of a run ended, whether it is out of date, and why."""
    from recsys_kit.workbook.runner.manifest import read_manifest
    from recsys_kit.workbook.runner.parameters import list_chapters
    from recsys_kit.workbook.runner.places import run_folder, shared_name
    from recsys_kit.workbook.runner.reuse import forecast, last_end

    path = run_folder(folder)
    manifest, chapters = read_manifest(path), list_chapters()
    defaults = {one.name: {name: parameter.default for name, parameter in one.parameters.items()} for one in chapters}
    settings = {name: values | manifest.get("parameters", {}).get(name, {}) for name, values in defaults.items()}
    reasons = forecast(path, manifest, chapters, settings)
    selected, rows = manifest.get("selected", list(reasons)), []
    for name, why in reasons.items():
        state = last_end(manifest["chapters"].get(name, {})).get("status", "not_requested")
        following = "not asked for" if name not in selected else "runs" if why else "reused"
        rows.append((name, state.replace("_", " "), following, "\n".join(why)))
    print_table(["chapter", "status", "next time", "why"], rows)
    print(shlex.join(["recsys-kit", "run", *in_folder(manifest.get("command", []), shared_name(path))]))


def in_folder(command: Sequence[str], out: str) -> list[str]:
    """Return the options of a run for its present folder; it may have been copied or moved.

    >>> in_folder(["--profile", "full", "--out", "runs/old", "--set", "k_core=2"], "runs/new")
    ['--profile', 'full', '--out', 'runs/new', '--set', 'k_core=2']
    """
    place = command.index("--out") if "--out" in command else len(command)
    return [*command[:place], "--out", out, *command[place + 2 :]]


@app.command()
def parameters(markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False) -> None:
    """List the parameters of every chapter: name, type, default, range and meaning."""
    from recsys_kit.workbook.runner.parameters import describe, list_chapters, markdown_table

    if markdown:
        print(markdown_table(list_chapters()))
        return
    rows = [(f"{numbers}  {name}", *cells) for numbers, name, *cells in describe(list_chapters())]
    print_table(["--set", "type", "default", "meaning"], rows, title="Parameters of the chapters")


def show_results(folder: Path) -> None:
    """Print what happened to the rows of the data, the leaderboard and the skipped sections."""
    from recsys_kit.workbook.report.page import summary
    from recsys_kit.workbook.report.wording import interval, short

    found = summary(folder)
    for line in found["said"]:
        print(plain(line))
    if board := found["table"]:
        first, *others = board["columns"][:4]
        columns, rows = [f"{first}, 95 % interval", *others], []
        for row in board["rows"]:
            whole, *cells = row["cells"][:4]
            rows.append((row["model"], interval(whole), *(short(cell.value) if cell else "-" for cell in cells)))
        title = f"{board['title']}, lists of {found['k']}"
        print_table(["model", *columns], rows, title=title, right=columns, no_wrap=columns)
    for chapter, section, reason in found["skipped"]:
        print(f"skipped in {chapter}: {section}: {reason}")


@app.command()
def datasets(name: Annotated[str, typer.Argument(help="One of them. Default: all.")] = "") -> None:
    """List the data sets that can be loaded by name: where each comes from, its licence, how to cite and read it."""
    from recsys_kit.data.sources import describe

    print(describe(name))


@app.command()
def report(
    folders: Annotated[list[str], typer.Argument(metavar="DIR...", help=f"Folders of runs {PROJECT}.")],
    compare: Annotated[str, typer.Option(metavar="DIR", help=f"Folder of another run to compare with {PROJECT}.")] = "",
) -> None:
    """Rebuild the report of a run (index.html); with --compare, also show how it differs from another run."""
    from recsys_kit.workbook.report.compare import compare_runs
    from recsys_kit.workbook.report.page import write_report
    from recsys_kit.workbook.runner.places import run_folder

    paths, other = [run_folder(folder) for folder in folders], run_folder(compare) if compare else None
    for path in paths:
        for title, frame in compare_runs(path, other).items() if other else ():
            if len(frame):
                print_table(list(frame), frame.itertuples(index=False), title=title)
            else:
                print(title)
        print(write_report(path, other))


@app.command()
def published(
    folders: Annotated[
        list[str], typer.Argument(metavar="DIR", help=f"Folders of runs on data with published results {PROJECT}.")
    ],
) -> None:
    """Compare the leaderboards of runs with published results of the same protocol, as Markdown."""
    from recsys_kit.workbook.published import show_published
    from recsys_kit.workbook.runner.runs import open_for_reading

    print("\n\n".join(show_published(open_for_reading(folder)) for folder in folders))


@app.command()
def export(
    folder: Annotated[str, typer.Option("--run", metavar="DIR", help=RUN_HELP)],
    out: Annotated[str, typer.Option(metavar="FILE", help=f"The CSV file to write {HERE}.")],
    model: Annotated[str, typer.Option(help="A model of the leaderboard. Default: all.")] = "",
) -> None:
    """Write the recommendation lists that chapter 04 evaluated as CSV for a spreadsheet."""
    from recsys_kit.workbook.export import export_lists

    lists = export_lists(folder, out, model=model)
    names, n_shoppers = ", ".join(lists["model"].unique()), lists["user_id"].nunique()
    print(f"{len(lists):,} rows for {n_shoppers:,} shoppers, lists of {names}: {out}")


@app.command()
def bundle(
    folder: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    out: Annotated[str, typer.Argument(metavar="OUT", help=f"The new folder {HERE}.")],
    with_histories: Annotated[
        bool,
        typer.Option("--with-histories", help="Store the histories of the shoppers, under a salted hash of their ids."),
    ] = False,
) -> None:
    """Write a bundle: the models, product cards and statistics that answer questions without the run.

    It holds no user ids and no histories; counts are aggregates, and some count a single user.

    With histories it is personal data: the salt lies in it, so anyone who holds it can test whether an id is in it.
    """
    from recsys_kit.workbook.serving import take_bundle

    taken = take_bundle(folder, out, with_histories=with_histories)
    kept = f"the histories of {len(taken.histories.users):,} shoppers" if taken.histories else "no histories"
    print(f"{len(taken.models)} models, {len(taken.items):,} products, {kept}: {out}")
    for name, reason in taken.left_out.items():
        print(f"left out: {name}: {reason}")


@app.command()
def lab(
    options: Annotated[list[str] | None, typer.Argument(metavar="OPTION", help="For JupyterLab, after `--`.")] = None,
) -> None:
    """Open JupyterLab on the notebooks, with this Python as the kernel."""
    from recsys_kit.workbook.runner.places import INLINE, project_root

    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1", "MPLBACKEND": INLINE}
    command = [sys.executable, "-m", "jupyterlab", str(project_root() / "notebooks"), *(options or [])]
    os.execve(sys.executable, command, environment)


def main() -> None:
    """Run the command. An error of this package is printed as one line and sets the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # while chapters run, `execute` has handlers of its own
        signal.signal(number, lambda received, frame: sys.exit(128 + received))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal that cannot show a character gets a question mark
    try:
        app()
    except RecsysKitError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
    except Exception:  # a bug of this package: the whole traceback, and another exit code than a wrong input
        traceback.print_exc()
        sys.exit(RecsysKitError.exit_code)
