"""The spelling of `recsys-kit recommend` from before the sub-commands, accepted for one more release."""

from argparse import ArgumentParser
from collections.abc import Sequence

QUERIES = ("user", "history", "text", "related", "together", "new-item", "shoppers-for")


def renew(words: Sequence[str]) -> list[str]:
    """Return the words of an old call as a sub-command; none unless they ask for exactly one list.

    >>> renew(["--run", "runs/toyshop", "--user", "s1011", "-k", "5"])
    ['user', 's1011', '--run', 'runs/toyshop', '-k', '5']
    >>> renew(["--run=runs/toyshop", "--category", "Garden", "--json"])
    ['popular', '--run=runs/toyshop', '--category', 'Garden', '--json']
    >>> renew(["--run", "runs/toyshop", "--user", "s1011", "--text", "tea"])
    []
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    for name in (*QUERIES, "context"):
        parser.add_argument(f"--{name}", action="append", dest=name)
    for name in ("popular", "promotions"):
        parser.add_argument(f"--{name}", action="store_const", const=[], dest=name)
    found, options = parser.parse_known_args(words)
    asked = {name: values for name, values in vars(found).items() if values is not None}
    context, promoted = asked.pop("context", []), "promotions" in asked
    asked.pop("promotions", None)
    if any(word.partition("=")[0] in ("--category", "--days") for word in options):
        asked["popular"] = []
    if len(asked) != 1:
        return []
    ((query, values),) = asked.items()
    if query != "text":  # there a context changed nothing
        options += [word for pair in context for word in ("--context", pair)]
    if query not in ("history", "together"):
        values = values[-1:]  # the last one counted
    if promoted and query in ("user", "history", "text"):
        return ["promotions", *options, *(word for value in values for word in (f"--{query}", value))]
    options += ["--promotions"] * promoted
    if any(value.startswith("-") for value in values):
        return [query, *options, "--", *values]
    return [query, *values, *options]
