"""The command `recsys-kit recommend`: a sub-command for each kind of list."""

import json
import shlex
import sys
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from typer.core import TyperGroup

from recsys_kit.cli.spelling import renew
from recsys_kit.cli.terminal import HERE, RUN_HELP, plain, print_table

if TYPE_CHECKING:
    import pandas as pd

    from recsys_kit.shop.answers import Answer
    from recsys_kit.workbook.serving import RunShop

COLUMNS_SHOWN = (  # those that fit into a terminal
    "rank", "item_id", "user_id", "title", "price", "score", "count", "support", "confidence", "lift", "reason",
)  # fmt: skip
LONGEST = 200  # characters of a cell
WHEN = "When and where the shopper asks, such as device=phone, timestamp=2025-12-24T18; may be repeated. Default: now."
Ids: TypeAlias = list[str] | None
PERSONAL = ("model", "k", "seen", "candidates", "context")
"""The options of a list for one shopper."""
Shown: TypeAlias = tuple[dict[str, Any], "dict[str, Answer]"]
"""What was asked by its kind, and the answers by "items" or "shoppers"."""


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

# -- the options that several lists share, and what all of them do -----------------------------------------------------


def declare_options(
    run: Annotated[str, typer.Option("--run", metavar="DIR", help=RUN_HELP)],
    model: Annotated[str, typer.Option(help="A model of the leaderboard. Default: the best one.")] = "",
    k: Annotated[int, typer.Option("-k", help="Length of the list.")] = 10,
    seen: Annotated[
        Ids, typer.Option(metavar="ID,ID", help="Products to leave out. Default: as in the evaluation.")
    ] = None,
    candidates: Annotated[Ids, typer.Option(metavar="ID,ID", help="The only products to list.")] = None,
    context: Annotated[Ids, typer.Option(metavar="NAME=VALUE", help=WHEN)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    csv: Annotated[str, typer.Option(metavar="FILE", help=f"Also write the list to this CSV file {HERE}.")] = "",
) -> None:
    """Declare the shared options; a sub-command takes some of them by name."""


def command(example: str, *options: str, name: str | None = None) -> Callable[[Callable[..., Shown]], None]:
    """Make a sub-command of a function that answers from a `RunShop`: open the run, answer, print.

    Args:
        example: what follows `recsys-kit recommend` in the last line of the help.
        options: shared options that the function receives as keywords; its own parameters come first.
        name: of the sub-command; that of the function unless given.
    """

    def register(answer: Callable[..., Shown]) -> None:
        def call(run: str, as_json: bool, csv: str, **asked: Any) -> None:
            from recsys_kit.workbook.serving import open_shop  # late, so that --help answers at once

            show(*answer(open_shop(run), **asked), as_json=as_json, csv=csv)

        shared, (_, *own) = signature(declare_options).parameters, signature(answer).parameters.values()
        declared = [shared["run"], *(one for one in own if one.kind != Parameter.VAR_KEYWORD)]
        declared += [shared[option] for option in (*options, "as_json", "csv")]
        call.__signature__ = Signature([one.replace(kind=Parameter.KEYWORD_ONLY) for one in declared])  # type: ignore[attr-defined]
        call.__doc__ = answer.__doc__
        app.command(name or answer.__name__, epilog=f"Example: recsys-kit recommend {example} --run runs/toyshop")(call)

    return register


# -- the lists ---------------------------------------------------------------------------------------------------------

Item = Annotated[str, typer.Argument(metavar="ID", help="A product of the run.")]


@command("user s1011", *PERSONAL)
def user(
    shop: "RunShop", ids: Annotated[list[str], typer.Argument(metavar="ID", help="Shoppers of the run.")], **asked: Any
) -> Shown:
    """Recommend products to shoppers of the run, from all of their interactions."""
    return personal(shop, {"user": ids[0] if len(ids) == 1 else ids}, **asked)


@command("history 0001,0002", *PERSONAL)
def history(
    shop: "RunShop",
    ids: Annotated[list[str], typer.Argument(metavar="ID,ID", help="Product ids, oldest first.")],
    **asked: Any,
) -> Shown:
    """Recommend products to a new shopper with this history."""
    return personal(shop, {"history": ids}, **asked)


@command('text "a gift for a gardener"', "k", "candidates")
def text(
    shop: "RunShop",
    words: Annotated[str, typer.Argument(metavar="TEXT", help="What the shopper looks for.")],
    model: Annotated[str, typer.Option(help="A model that understands text. Default: one with a language model.")] = "",
    seen: Annotated[Ids, typer.Option(metavar="ID,ID", help="Products to leave out.")] = None,
    **asked: Any,
) -> Shown:
    """Recommend products that match a text."""
    return personal(shop, {"text": words}, model=model, seen=seen, **asked)


@command("promotions --user s1011", *PERSONAL)
def promotions(
    shop: "RunShop",
    user: Annotated[str | None, typer.Option(metavar="ID", help="A shopper of the run.")] = None,
    history: Annotated[Ids, typer.Option(metavar="ID,ID", help="Product ids of a new shopper, oldest first.")] = None,
    text: Annotated[str | None, typer.Option(help="What the shopper looks for.")] = None,
    **asked: Any,
) -> Shown:
    """Rank the products on promotion for one shopper: pass --user, --history or --text."""
    given = {"user": user, "history": history or None, "text": text}
    query = {name: value for name, value in given.items() if value is not None}
    return personal(shop, query, promoted=True, **asked)


@command("related 0201", "k")
def related(shop: "RunShop", item: Item, **asked: Any) -> Shown:
    """Show products like this one."""
    return {"related": item}, {"items": shop.bundle.related(item, **asked)}


@command("together 0201,0678", "k")
def together(
    shop: "RunShop",
    ids: Annotated[list[str], typer.Argument(metavar="ID,ID", help="A product of the run, or a basket of them.")],
    by: Annotated[str, typer.Option(help="Order of the list: confidence, lift or support.")] = "confidence",
    **asked: Any,
) -> Shown:
    """Show products that are bought together with a product or a basket."""
    basket = shop.split_ids(ids)
    return {"together": basket}, {"items": shop.bundle.together(basket, by=by, **asked)}


@command("popular --category Garden --days 30", "k")
def popular(
    shop: "RunShop",
    category: Annotated[str, typer.Option(help="Only products of this category.")] = "",
    days: Annotated[float, typer.Option(help="Last whole days of the training set; 0: all.", show_default=False)] = 0,
    **asked: Any,
) -> Shown:
    """Show the products with the most shoppers."""
    chosen = {"category": category, "days": days}
    return {"popular": chosen}, {"items": shop.bundle.popular(**chosen, **asked)}


@command('new-item "a funny teapot"', "k", name="new-item")
def new_item(
    shop: "RunShop",
    words: Annotated[str, typer.Argument(metavar="TEXT", help="The title or description of the product.")],
    **asked: Any,
) -> Shown:
    """Show products like a new one, and the shoppers it may suit.

    --csv writes the list of shoppers.
    """
    found = {"items": shop.recommend(text=words, **asked), "shoppers": shop.shoppers_for(text=words, **asked)}
    return {"new_item": words}, found


@command("shoppers-for 0201", "k", name="shoppers-for")
def shoppers_for(shop: "RunShop", item: Item, **asked: Any) -> Shown:
    """Show the shoppers whom a product of the run may suit."""
    return {"shoppers_for": item}, {"shoppers": shop.shoppers_for(item=item, **asked)}


def personal(
    shop: "RunShop",
    query: dict[str, Any],
    *,
    promoted: bool = False,
    seen: list[str] | None = None,
    candidates: list[str] | None = None,
    context: list[str] | None = None,
    **options: Any,
) -> Shown:
    """Answer a query of a shopper; `options` are `model` and `k`."""
    from recsys_kit.shop.circumstances import parse_context

    query = {name: shop.split_ids(value) if name == "history" else value for name, value in query.items()}
    options |= {"context": parse_context(context) if context else "now"}
    options |= {name: shop.split_ids(ids) for name, ids in (("seen", seen), ("candidates", candidates)) if ids}
    if "seen" in options and isinstance(query.get("user"), list):
        options["seen"] = [options["seen"]] * len(query["user"])
    return query, {"items": (shop.promotions if promoted else shop.recommend)(**query, **options)}


# -- what is printed ---------------------------------------------------------------------------------------------------


def show(query: dict[str, Any], answers: "dict[str, Answer]", *, as_json: bool, csv: str) -> None:
    """Print the lists as tables or as one JSON object; write the last of them as CSV.

    Args:
        query: what was asked, by its kind.
        answers: by "items" or "shoppers".
        as_json: print JSON.
        csv: the CSV file; "" writes none.
    """
    from recsys_kit.shop.circumstances import in_words
    from recsys_kit.shop.showcase import records

    ((kind, asked),) = query.items()
    lists = {name: found.lists for name, found in answers.items()}
    notes = [note for found in answers.values() for note in found.notes]
    about = {}
    if kind in ("user", "history", "text"):
        found = answers["items"]
        about = {"model": found.model, "asked_at": in_words(found.context)}
        about["fallback"] = bool(found.lists["fallback"].any())
    if csv:
        from recsys_kit.workbook.export import write_csv

        write_csv(list(lists.values())[-1], csv)
    if as_json:
        rows = {name: records(listed.drop(columns="fallback", errors="ignore")) for name, listed in lists.items()}
        only_ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
        shown = {"query": query, **about, "notes": notes, **rows}
        print(json.dumps(shown, indent=2, ensure_ascii=only_ascii, allow_nan=False))
        return
    for listed in lists.values():
        for one, rows in listed.groupby("query", sort=False) if "query" in listed else [(asked, listed)]:
            if about:
                when = f", asked at {about['asked_at']}" if about["asked_at"] else ""
                print(plain(f"{about['model']}, for the {'shopper' if kind == 'user' else kind} {one}{when}"))
            print_list(rows)
    for note in notes:
        print(plain(f"note: {note}"))


def print_list(listed: "pd.DataFrame") -> None:
    """Print one list as a table; without titles of products where these are only their ids."""
    from pandas.api.types import is_numeric_dtype

    bare = "title" in listed and listed["title"].equals(listed["item_id"])
    shown = listed[[name for name in COLUMNS_SHOWN if name in listed and not (bare and name == "title")]]
    rows, right = shown.map(short).itertuples(index=False), {name for name in shown if is_numeric_dtype(shown[name])}
    print_table(list(shown), rows, right=right, no_wrap={*shown} - {"reason"}, width=160)


def short(value: Any) -> str:
    """Format a float with two decimals, a small one with two digits; anything else as text, a missing value as none.

    >>> short(31.114), short(0.00214), short(0.0), short("tea"), short(None)
    ('31.11', '0.0021', '0.00', 'tea', '')
    """
    if isinstance(value, float) and value == value:
        return format(value, ".2g" if 0 < abs(value) < 0.1 else ".2f")
    return "" if value is None or value != value else str(value)[:LONGEST].replace("\n", " ")
