"""When and where a shopper asks: the context of a query, from what a person writes to one row per query."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from recsys_kit.core.contexts import in_utc, is_context
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender

NOW, LAST_EVENT = "now", "last event"
PREFIX = "ctx_"


def last_event(*events: pd.DataFrame) -> dict[str, Any]:
    """The context "at the time of the last of these events"; empty where they have no times.

    >>> last_event(pd.DataFrame({"timestamp": pd.to_datetime(["2025-01-02", "2025-01-01"], utc=True)}))
    {'timestamp': Timestamp('2025-01-02 00:00:00+0000', tz='UTC')}
    """
    times = [frame["timestamp"].max() for frame in events if "timestamp" in frame and len(frame)]
    return {"timestamp": max(times)} if times else {}


def now() -> dict[str, Any]:
    """The context "at this moment", in UTC."""
    return {"timestamp": pd.Timestamp.now("UTC").floor("s")}


def column_of(name: str) -> str:
    """A name of the context as the interactions have it: the prefix may be left out.

    >>> column_of("device"), column_of("timestamp"), column_of("ctx_device")
    ('ctx_device', 'timestamp', 'ctx_device')
    """
    return name if is_context(name) else f"{PREFIX}{name}"


def parse_context(pairs: Sequence[str]) -> dict[str, str]:
    """`name=value` pairs of a command line; RK-343 where one is not, RK-344 where a name comes twice.

    >>> parse_context(["device=phone", "timestamp=2025-12-24T18:00"])
    {'device': 'phone', 'timestamp': '2025-12-24T18:00'}
    """
    for pair in pairs:
        if not all(part.strip() for part in pair.partition("=")[::2]):
            raise ParameterError(
                "RK-343", f"context is {pair!r}; expected name=value.", "Write --context device=phone."
            )
    named = [(name.strip(), value.strip()) for name, _, value in (pair.partition("=") for pair in pairs)]
    _once([name for name, _ in named])
    return dict(named)


def _once(names: Sequence[str]) -> None:
    """RK-344 where two names mean the same column."""
    columns = [column_of(name) for name in names]
    if twice := [name for name, column in zip(names, columns, strict=True) if columns.count(column) > 1]:
        raise ParameterError(
            "RK-344",
            f"context has {' and '.join(map(repr, twice[:2]))}; expected every name once, with or without {PREFIX}.",
            f"Leave one of them out: {twice[0]!r} and {column_of(twice[0])!r} are the same.",
        )


def frame_of(context: Mapping[str, Any] | pd.DataFrame, n_queries: int) -> pd.DataFrame:
    """One row per query with the columns of the interactions: a mapping is the same for all, a frame has its rows.

    RK-344 for a value that cannot be one, such as a time that cannot be read, or a name that comes twice.

    >>> frame_of({"device": "phone"}, 2)["ctx_device"].tolist()
    ['phone', 'phone']
    """
    if isinstance(context, Mapping):
        if wrong := [name for name, value in context.items() if not isinstance(name, str) or not _is_scalar(value)]:
            raise ParameterError(
                "RK-344",
                f"context has {context[wrong[0]]!r} for {wrong[0]!r}; expected one value by its name.",
                "Pass context={'device': 'phone'}, or a frame with one row per query.",
            )
        frame = pd.DataFrame({name: [value] * n_queries for name, value in context.items()}, index=range(n_queries))
    elif isinstance(context, pd.DataFrame):
        frame = context.reset_index(drop=True)
    else:
        raise ParameterError(
            "RK-344",
            f"context is {context!r}; expected {NOW!r}, {LAST_EVENT!r}, values by name, or a frame.",
            "Pass context={'device': 'phone'}.",
        )
    _once([str(name) for name in frame])
    frame = frame.rename(columns=lambda name: column_of(str(name)))
    if "timestamp" in frame:
        frame["timestamp"] = in_utc(frame["timestamp"])
    return frame


def _is_scalar(value: Any) -> bool:
    return value is None or pd.api.types.is_scalar(value)


def known_context(model: Recommender) -> dict[str, list[str]]:
    """The columns of a context that change this model's lists, with the values that it knows; of ensembles, all of it.

    `timestamp` has no values. Most models use none.
    """
    own = getattr(model, "known_context", None)
    if own is not None:
        return own()
    members = model.answering_members().values()
    return {column: values for member in members for column, values in known_context(member).items()}


def check_names(context: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse a circumstance that no model of the run was fitted with (RK-343), with those that there are.

    A time is never refused: most programs know one, and a model without times ignores it.
    """
    if unknown := [column for column in context if column not in (*names, "timestamp")]:
        bare = [name.removeprefix(PREFIX) for name in names]
        raise ParameterError(
            "RK-343",
            f"context names {unknown[0].removeprefix(PREFIX)!r}; expected "
            + (f"one of {', '.join(bare)}." if bare else "no context: the models of this run were fitted without one."),
            "Leave it out.",
        )


def context_notes(
    name: str, known: Mapping[str, list[str]], context: pd.DataFrame | None, *, asked: bool
) -> Iterator[str]:
    """What a reader of a list should know about its context: what the model misses, never saw, or does not use.

    Args:
        name: of the model.
        known: what it uses (`known_context`).
        context: one row per query.
        asked: whether the caller gave it.
    """
    if not known:
        if asked:
            yield f"{name} does not use the context: its list is the same without it."
        return
    missing = [
        column for column in known if context is None or column not in context or bool(context[column].isna().any())
    ]
    if missing:
        without = ", ".join(_with_values(column, known[column]) for column in missing)
        yield f"{name} uses the context, but this is missing: {without}. The list is made without it."
    for column, values in known.items():
        if values and context is not None and column in context:
            given = context[column].dropna().astype("str").drop_duplicates().tolist()
            if strange := [value for value in given if value not in values and value.removesuffix(".0") not in values]:
                yield (
                    f"{name} never saw {column.removeprefix(PREFIX)} {', '.join(map(repr, strange[:5]))} in training: "
                    f"it says nothing. Known are {', '.join(values[:10])}."
                )


def _with_values(column: str, values: Sequence[str]) -> str:
    shown = ", ".join(values[:10]) + (" ..." if len(values) > 10 else "")
    return column.removeprefix(PREFIX) + (f" ({shown})" if values else "")


def in_words(context: pd.DataFrame | Mapping[str, Any] | None) -> str:
    """When and where, where it is the same for all queries.

    >>> in_words({"ctx_device": "phone", "timestamp": pd.Timestamp("2025-12-24T18:00Z")})
    '2025-12-24 18:00 UTC, device phone'
    """
    if isinstance(context, pd.DataFrame):
        distinct = context.drop_duplicates()
        context = distinct.iloc[0].to_dict() if len(distinct) == 1 else None
    shown = {column_of(name): value for name, value in (context or {}).items() if not pd.isna(value)}
    shown = dict(sorted(shown.items(), key=lambda pair: pair[0] != "timestamp"))
    return ", ".join(
        f"{pd.Timestamp(value):%Y-%m-%d %H:%M} UTC" if name == "timestamp" else f"{name.removeprefix(PREFIX)} {value}"
        for name, value in shown.items()
    )
