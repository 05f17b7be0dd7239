"""The spelling of `recsys-kit recommend` before it had sub-commands, accepted for one more release."""

from collections.abc import Sequence

QUERIES = ("user", "history", "text", "related", "together", "popular", "new-item", "shoppers-for")


def renew(words: Sequence[str]) -> list[str]:
    """Return the words of an old call as a sub-command; none unless they ask for exactly one list.

    >>> renew(["--run", "runs/toyshop", "--user", "s1011", "-k", "5"])
    ['user', 's1011', '--run', 'runs/toyshop', '-k', '5']
    >>> renew(["--run=runs/toyshop", "--category", "Garden", "--json"])
    ['popular', '--run', 'runs/toyshop', '--category', 'Garden', '--json']
    >>> renew(["--run", "runs/toyshop", "--user", "s1011", "--text", "tea"])
    []
    """
    asked: dict[str, list[str]] = {}
    options: list[tuple[str, ...]] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in ("--popular", "--category", "--days"):
            asked.setdefault("popular", [])
        if name in ("--json", "--promotions") or (name.startswith("-k") and name != "-k"):
            options.append((name,))
        elif name != "--popular":
            value = value if equals else next(rest, "")
            if name[2:] in QUERIES:
                asked.setdefault(name[2:], []).append(value)
            else:
                options.append((name, value))
    if len(asked) != 1:
        return []
    ((query, values),) = asked.items()
    if query not in ("history", "together"):
        values = values[-1:]  # the last one counted
    if query == "text":  # a context changed nothing
        options = [option for option in options if option[0] != "--context"]
    if ("--promotions",) in options and query in ("user", "history", "text"):
        options = [option for option in options if option != ("--promotions",)]
        options += [(f"--{query}", value) for value in values]
        query, values = "promotions", []
    plain = [word for option in options for word in option]
    return (
        [query, *plain, "--", *values] if any(value.startswith("-") for value in values) else [query, *values, *plain]
    )
