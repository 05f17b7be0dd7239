"""What the commands share: words of the helps, and tables, whose cells come from files and are never read as markup."""

from collections.abc import Container, Iterable, Sequence
from typing import Any, Literal

HERE = "(relative to the current folder)"
PROJECT = "(relative to the project)"  # a run's folder does not depend on where the command is called
RUN_HELP = f"Folder of a run {PROJECT}."


def plain(value: object) -> str:
    """Return a value as text with escaped control characters.

    >>> plain("tea" + chr(27))
    'tea\\\\x1b'
    """
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in str(value))


def printable(value: object) -> str:
    """Return a value as text with escaped control characters and rich markup."""
    from rich.markup import escape

    return escape(plain(value))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str = "",
    right: Container[str] = (),
    no_wrap: Container[str] = (),
    width: int | None = None,
) -> None:
    """Print rows as a table.

    Args:
        columns: the headings.
        rows: a cell for each column.
        title: above the table.
        right: headings of columns that are aligned to the right.
        no_wrap: headings of columns whose cells stay on one line.
        width: of a table that goes to a file or another program.
    """
    from rich.console import Console
    from rich.table import Table

    console, table = Console(highlight=False), Table(title=printable(title) or None, title_justify="left")
    if width and not console.is_terminal:
        console.width = width
    for name in columns:
        justify: Literal["left", "right"] = "right" if name in right else "left"
        table.add_column(printable(name), justify=justify, no_wrap=name in no_wrap)
    for row in rows:
        table.add_row(*map(printable, row))
    console.print(table)
