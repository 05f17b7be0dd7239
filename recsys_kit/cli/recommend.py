"""The command `recsys-kit recommend`: a sub-command for each kind of list."""

import json
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from recsys_kit.cli.help import HERE, RUN_HELP
from recsys_kit.cli.spelling import renew

if TYPE_CHECKING:
    import pandas as pd

    from recsys_kit.shop.answers import Answer
    from recsys_kit.workbook.serving import RunShop

COLUMNS_SHOWN = (  # those that fit into a terminal
    "rank", "item_id", "user_id", "title", "price", "score", "count", "support", "confidence", "lift", "reason",
)  # fmt: skip


class Lists(TyperGroup):
    """The sub-commands; a call in the old spelling is answered as well, with a note."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """Translate a call that begins with an option."""
        if args and args[0].startswith("-") and "--help" not in args:
            args = renew(args)
            if not args:
                ctx.fail("Name one list before the options, such as: recsys-kit recommend user ID --run DIR")
            print(f"note: the new spelling is: {shlex.join(['recsys-kit', 'recommend', *args])}", file=sys.stderr)
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=Lists,
    help="Recommend products to a shopper, or show another list of the shop.",
    epilog="Options of a list: recsys-kit recommend user --help",
    no_args_is_help=True,
)

Run = Annotated[str, typer.Option("--run", metavar="DIR", help=RUN_HELP)]
Length = Annotated[int, typer.Option("-k", help="Length of the list.")]
Model = Annotated[str, typer.Option(help="A model of the leaderboard. Default: the best one.")]
Seen = Annotated[
    list[str] | None,
    typer.Option(metavar="ID,ID", help="Products to leave out. Default: the seen products, as in the evaluation."),
]
Candidates = Annotated[list[str] | None, typer.Option(metavar="ID,ID", help="Recommend only these products.")]
Context = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="When and where the shopper asks: device=phone, timestamp=2025-12-24T18:00; may be repeated. "
        "Default: now.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
Csv = Annotated[str, typer.Option(metavar="FILE", help=f"Also write the list to this CSV file {HERE}.")]


def example(words: str) -> str:
    """Return the last line of a help."""
    return f"Example: recsys-kit recommend {words} --run runs/toyshop"


@app.command(epilog=example("user s1011"))
def user(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Shoppers of the run.")],
    run: Run,
    model: Model = "",
    k: Length = 10,
    seen: Seen = None,
    candidates: Candidates = None,
    context: Context = None,
    as_json: AsJson = False,
    csv: Csv = "",
) -> None:
    """Recommend products to shoppers of the run, from all of their interactions."""
    asked = ids[0] if len(ids) == 1 else ids
    personal(run, {"user": asked}, seen, candidates, context, model=model, k=k, as_json=as_json, csv=csv)


@app.command(epilog=example("history 0001,0002"))
def history(
    ids: Annotated[list[str], typer.Argument(metavar="ID,ID", help="Product ids, oldest first.")],
    run: Run,
    model: Model = "",
    k: Length = 10,
    seen: Seen = None,
    candidates: Candidates = None,
    context: Context = None,
    as_json: AsJson = False,
    csv: Csv = "",
) -> None:
    """Recommend products to a new shopper with this history."""
    personal(run, {"history": ids}, seen, candidates, context, model=model, k=k, as_json=as_json, csv=csv)


@app.command(epilog=example('text "a gift for a gardener"'))
def text(
    words: Annotated[str, typer.Argument(metavar="TEXT", help="What the shopper looks for.")],
    run: Run,
    model: Annotated[str, typer.Option(help="A model that understands text. Default: one with a language model.")] = "",
    k: Length = 10,
    seen: Annotated[list[str] | None, typer.Option(metavar="ID,ID", help="Products to leave out.")] = None,
    candidates: Candidates = None,
    as_json: AsJson = False,
    csv: Csv = "",
) -> None:
    """Recommend products that match a text."""
    personal(run, {"text": words}, seen, candidates, None, model=model, k=k, as_json=as_json, csv=csv)


@app.command(epilog=example("promotions --user s1011"))
def promotions(
    run: Run,
    user: Annotated[str | None, typer.Option(metavar="ID", help="A shopper of the run.")] = None,
    history: Annotated[
        list[str] | None, typer.Option(metavar="ID,ID", help="Product ids of a new shopper, oldest first.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="What the shopper looks for.")] = None,
    model: Model = "",
    k: Length = 10,
    seen: Seen = None,
    candidates: Candidates = None,
    context: Context = None,
    as_json: AsJson = False,
    csv: Csv = "",
) -> None:
    """Rank the products on promotion for one shopper: pass --user, --history or --text."""
    given = {"user": user, "history": history or None, "text": text}
    query = {name: value for name, value in given.items() if value is not None}
    personal(run, query, seen, candidates, context, promoted=True, model=model, k=k, as_json=as_json, csv=csv)


@app.command(epilog=example("related 0201"))
def related(
    item: Annotated[str, typer.Argument(metavar="ID", help="A product of the run.")],
    run: Run,
    k: Length = 10,
    as_json: AsJson = False,
    csv: Csv = "",
) -> None:
    """Show products like this one."""
    show({"related": item}, {"items": open_shop(run).bundle.related(item, k=k)}, as_json=as_json, csv=csv)


@app.command(epilog=example("together 0201,0678"))
def together(
    ids: Annotated[list[str], typer.Argument(metavar="ID,ID", help="A product of the run, or a basket of them.")],
    run: Run,
    k: Length = 10,
    by: Annotated[str, typer.Option(help="Order of the list: confidence, lift or support.")] = "confidence",
    as_json: AsJson = False,
    csv: Csv = "",
) -> None:
    """Show products that are bought together with a product or a basket."""
    shop = open_shop(run)
    basket = shop.split_ids(ids)
    show({"together": basket}, {"items": shop.bundle.together(basket, k=k, by=by)}, as_json=as_json, csv=csv)


@app.command(epilog=example("popular --category Garden --days 30"))
def popular(
    run: Run,
    category: Annotated[str, typer.Option(help="Only products of this category.")] = "",
    days: Annotated[
        float,
        typer.Option(
            help="Count only the last days of the training set: whole days, such as 7. Default: all.",
            show_default=False,
        ),
    ] = 0,
    k: Length = 10,
    as_json: AsJson = False,
    csv: Csv = "",
) -> None:
    """Show the products with the most shoppers."""
    asked = {"category": category, "days": days}
    show({"popular": asked}, {"items": open_shop(run).bundle.popular(**asked, k=k)}, as_json=as_json, csv=csv)


@app.command("new-item", epilog=example('new-item "a funny teapot"'))
def new_item(
    words: Annotated[str, typer.Argument(metavar="TEXT", help="The title or description of the product.")],
    run: Run,
    k: Length = 10,
    as_json: AsJson = False,
    csv: Annotated[
        str, typer.Option(metavar="FILE", help=f"Also write the list of shoppers to this CSV file {HERE}.")
    ] = "",
) -> None:
    """Show products like a new one, and the shoppers it may suit."""
    shop = open_shop(run)
    found = {"items": shop.recommend(text=words, k=k), "shoppers": shop.shoppers_for(text=words, k=k)}
    show({"new_item": words}, found, as_json=as_json, csv=csv)


@app.command("shoppers-for", epilog=example("shoppers-for 0201"))
def shoppers_for(
    item: Annotated[str, typer.Argument(metavar="ID", help="A product of the run.")],
    run: Run,
    k: Annotated[int, typer.Option("-k", help="Number of shoppers.")] = 10,
    as_json: AsJson = False,
    csv: Csv = "",
) -> None:
    """Show the shoppers whom a product of the run may suit."""
    found = {"shoppers": open_shop(run).shoppers_for(item=item, k=k)}
    show({"shoppers_for": item}, found, as_json=as_json, csv=csv)


def open_shop(folder: str) -> "RunShop":
    """Open a run to answer questions; imported late, so that --help answers at once."""
    from recsys_kit.workbook import serving

    return serving.open_shop(folder)


def personal(
    run: str,
    query: dict[str, Any],
    seen: list[str] | None,
    candidates: list[str] | None,
    context: list[str] | None,
    *,
    promoted: bool = False,
    as_json: bool,
    csv: str,
    **options: Any,
) -> None:
    """Answer a query of a shopper and show the list; `options` are `model` and `k`."""
    from recsys_kit.shop.circumstances import in_words, parse_context

    shop = open_shop(run)
    query = {name: shop.split_ids(value) if name == "history" else value for name, value in query.items()}
    options |= {"context": parse_context(context) if context else "now"}
    options |= {name: shop.split_ids(ids) for name, ids in (("seen", seen), ("candidates", candidates)) if ids}
    if "seen" in options and isinstance(query.get("user"), list):
        options["seen"] = [options["seen"]] * len(query["user"])
    found = (shop.promotions if promoted else shop.recommend)(**query, **options)
    about = {"model": found.model, "asked_at": in_words(found.context)}
    about["fallback"] = bool(found.lists["fallback"].any())
    show(query, {"items": found}, about, as_json=as_json, csv=csv)


# -- what is printed ---------------------------------------------------------------------------------------------------


def show(
    query: dict[str, Any],
    answers: dict[str, "Answer"],
    about: dict[str, Any] | None = None,
    *,
    as_json: bool,
    csv: str,
) -> None:
    """Print the lists as tables or as one JSON object; write the last of them as CSV.

    Args:
        query: what was asked, by its kind.
        answers: by "items" or "shoppers".
        about: of a shopper's list: the model, when it was asked ("" if no context counts), whether it is the fallback.
        as_json: print JSON.
        csv: the CSV file; "" writes none.
    """
    lists = {name: found.lists for name, found in answers.items()}
    notes = [note for found in answers.values() for note in found.notes]
    if csv:
        from recsys_kit.workbook.export import write_csv

        write_csv(list(lists.values())[-1], csv)
    if as_json:
        from recsys_kit.shop.showcase import records

        rows = {name: records(listed.drop(columns="fallback", errors="ignore")) for name, listed in lists.items()}
        only_ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
        shown = {"query": query} | (about or {}) | {"notes": notes} | rows
        print(json.dumps(shown, indent=2, ensure_ascii=only_ascii, allow_nan=False))
        return
    from rich.console import Console

    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else 160
    ((kind, asked),) = query.items()
    for listed in lists.values():
        for one, rows in listed.groupby("query", sort=False) if "query" in listed else [(asked, listed)]:
            if about:
                when = f", asked at {about['asked_at']}" if about["asked_at"] else ""
                who = "shopper" if kind == "user" else kind
                console.print(printable(f"{about['model']}, for the {who} {one}{when}"))
            console.print(make_table(rows))
    for note in notes:
        console.print(printable(f"note: {note}"))


def make_table(listed: "pd.DataFrame") -> Any:
    """Make the table of one list; without titles of products where these are only their ids."""
    import pandas as pd
    from rich.table import Table

    bare = "title" in listed and listed["title"].equals(listed["item_id"])
    shown = listed[[name for name in COLUMNS_SHOWN if name in listed and not (bare and name == "title")]]
    table = Table()
    for name in shown:
        number = pd.api.types.is_numeric_dtype(shown[name])
        table.add_column(name, justify="right" if number else "left", no_wrap=name != "reason")
    for row in shown.itertuples(index=False):
        table.add_row(*(printable("" if pd.isna(value) else short(value)) for value in row))
    return table


def short(value: Any) -> str:
    """Format a float with two decimals, a small one with two digits; anything else as text.

    >>> short(31.114), short(0.00214), short(0.0), short("tea")
    ('31.11', '0.0021', '0.00', 'tea')
    """
    if not isinstance(value, float):
        return str(value)
    return format(value, ".2g" if 0 < abs(value) < 0.1 else ".2f")


def printable(text: str) -> Any:
    """Make a rich text without markup and without control characters, which would reach the terminal."""
    from rich.text import Text

    return Text("".join(sign if sign.isprintable() else " " for sign in text[:200]))
