"""The command `recsys-kit`. Each subcommand imports what it needs, so that --help answers at once."""

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from recsys_kit.errors import RecsysKitError

app = typer.Typer(
    help="A workbook for deep-learning recommendation: run its chapters, read their page, open them in JupyterLab.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def run(
    dataset: Annotated[str, typer.Option(help="Name of the data set: see `recsys-kit datasets`.")] = "",
    source: Annotated[str, typer.Option(help="Folder or file of the data, counted from where you are.")] = "",
    out: Annotated[str, typer.Option(help="Folder of the run, counted from the project. [runs/DATASET]")] = "",
    only: Annotated[str, typer.Option(help="Chapters to run, such as 01,04. [all]")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="name=value; 03.epochs=2 for one chapter.")
    ] = None,
    profile: Annotated[str, typer.Option(help="quick caps what is slow and says so; full has no caps.")] = "",
    timeout: Annotated[int, typer.Option(min=0, help="Longest that one cell may take, in seconds. [no limit]")] = 0,
) -> None:
    """Execute the chapters one after another; ends with the results and the path of the page."""
    from recsys_kit.workbook.parameters import list_chapters, plan_parameters, select_chapters

    everything = list_chapters()
    chapters = select_chapters(everything, [key.strip() for key in only.split(",") if key.strip()])
    chosen = {
        "dataset": dataset if any("dataset" in chapter.parameters for chapter in chapters) else "",
        "source": str(Path(source).expanduser().resolve()) if source else "",
        "profile": profile,
    }
    given = [f"{name}={value}" for name, value in chosen.items() if value]
    parameters = plan_parameters(chapters, [*given, *(settings or [])])

    from recsys_kit.workbook.execute import execute  # papermill and nbconvert: after the parameters have been refused
    from recsys_kit.workbook.report import write_report
    from recsys_kit.workbook.runs import resolve

    name = next((values["dataset"] for values in parameters.values() if "dataset" in values), dataset or "toyshop")
    folder = resolve(out or f"runs/{name}")
    others = [chapter for chapter in everything if chapter not in chapters]
    outcomes = execute(chapters, folder, parameters=parameters, others=others, timeout_s=timeout or None)
    page = write_report(folder)
    show_results(folder)
    print(page)
    if failure := outcomes[-1].failure if outcomes else None:
        raise typer.Exit(failure.exit_code)


def show_results(folder: Path) -> None:
    """The leaderboard and what was skipped, in a few lines."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from recsys_kit.workbook.report import interval, short, summary

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
    folders: Annotated[list[str], typer.Argument(metavar="DIR", help="Folder of a run, or of two to compare.")],
    compare: Annotated[bool, typer.Option("--compare", help="What changed from run A to run B.")] = False,
) -> None:
    """Write a run's index.html anew from what lies in its folder; with --compare, what changed from run A to run B.

    The comparison is written into the folder of B, as compare.html.
    """
    from recsys_kit.errors import ArtifactError, ParameterError
    from recsys_kit.workbook.report import write_report
    from recsys_kit.workbook.runs import resolve

    if compare and len(folders) != 2:
        raise ParameterError(
            "RK-404", f"--compare got {len(folders)} folders; expected two.", "Name two runs: report A B --compare."
        )
    paths = [resolve(folder) for folder in folders]
    for path in paths:
        if not (path / "run.json").exists():
            raise ArtifactError(
                "RK-402", f"{path} holds no run.json; expected the folder of a run.", "Run recsys-kit run --out DIR."
            )
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

    from recsys_kit.workbook.compare import sentences, terminal_tables, write_comparison
    from recsys_kit.workbook.differences import compare

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
def lab(
    options: Annotated[list[str] | None, typer.Argument(help="After `--`: passed on to JupyterLab.")] = None,
) -> None:
    """Open JupyterLab on the notebooks, with this Python as their kernel."""
    from recsys_kit.workbook.runs import project_root

    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
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
