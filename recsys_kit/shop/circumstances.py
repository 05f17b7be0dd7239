"""The context of a query, when and where it is asked: from what a person writes to one row per query."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from recsys_kit.core.contexts import in_utc, is_context
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.schema import CONTEXT_PREFIX as PREFIX

NOW, LAST_EVENT = "now", "last event"
Context: TypeAlias = Mapping[str, Any] | pd.DataFrame | str | None
"""Values by name, a frame with one row per query, "now", "last event" (of the shop), or None."""


def last_event(*events: pd.DataFrame) -> dict[str, Any]:
    """Return the context at the time of the last of these events; empty if they have no times.

    >>> last_event(pd.DataFrame({"timestamp": pd.to_datetime(["2025-01-02", "2025-01-01"], utc=True)}))
    {'timestamp': Timestamp('2025-01-02 00:00:00+0000', tz='UTC')}
    """
    times = [frame["timestamp"].max() for frame in events if "timestamp" in frame and len(frame)]
    return {"timestamp": max(times)} if times else {}


def now() -> dict[str, Any]:
    """Return the context at this moment, in UTC."""
    return {"timestamp": pd.Timestamp.now("UTC").floor("s")}


def column_of(name: str) -> str:
    """Return the column of the interactions for a name of the context; the prefix may be left out.

    >>> column_of("device"), column_of("timestamp"), column_of("ctx_device")
    ('ctx_device', 'timestamp', 'ctx_device')
    """
    return name if is_context(name) else f"{PREFIX}{name}"


def parse_context(pairs: Sequence[str]) -> dict[str, str]:
    """Read the `name=value` pairs of a command line.

    Raises:
        ParameterError: RK-310 not such a pair, RK-346 a name twice.

    >>> parse_context(["device=phone", "timestamp=2025-12-24T18:00"])
    {'device': 'phone', 'timestamp': '2025-12-24T18:00'}
    """
    named = [(name.strip(), value.strip()) for name, _, value in (pair.partition("=") for pair in pairs)]
    if wrong := [pair for pair, both in zip(pairs, named, strict=True) if not all(both)]:
        problem = f"context is {wrong[0]!r}; expected name=value."
        raise ParameterError("RK-310", problem, "Write --context device=phone.")
    _columns_of([name for name, _ in named])
    return dict(named)


def _columns_of(names: Sequence[str]) -> list[str]:
    """The columns of these names; RK-346 for two names of the same column."""
    columns = [column_of(name) for name in names]
    if twice := [name for name, column in zip(names, columns, strict=True) if columns.count(column) > 1]:
        both = " and ".join(map(repr, twice[:2]))
        problem = f"context has {both}; expected every name once, with or without {PREFIX}."
        raise ParameterError("RK-346", problem, f"Leave one out: {both} are the same.")
    return columns


def frame_of(context: Any, n_queries: int) -> pd.DataFrame:
    """Return one row per query with the columns of the interactions; the values of a mapping hold for all queries.

    Raises:
        ParameterError: RK-344 no context, RK-346 a name twice, RK-347 a time that cannot be read.

    >>> frame_of({"device": "phone"}, 2)["ctx_device"].tolist()
    ['phone', 'phone']
    """
    if isinstance(context, Mapping):
        for name, value in context.items():
            if not isinstance(name, str) or not (value is None or pd.api.types.is_scalar(value)):
                problem = f"context has {value!r} for {name!r}; expected one value by its name."
                raise ParameterError("RK-344", problem, "Pass {'device': 'phone'}, or a frame with one row per query.")
        context = pd.DataFrame({name: [value] * n_queries for name, value in context.items()}, index=range(n_queries))
    if not isinstance(context, pd.DataFrame):
        problem = f"context is {context!r}; expected {NOW!r}, {LAST_EVENT!r}, values by name, or a frame."
        raise ParameterError("RK-344", problem, "Pass context={'device': 'phone'}.")
    frame = context.reset_index(drop=True).set_axis(_columns_of([str(name) for name in context]), axis=1)
    return frame.assign(timestamp=in_utc(frame["timestamp"])) if "timestamp" in frame else frame


def known_context(model: Recommender) -> dict[str, list[str]]:
    """Return the context columns that change the lists of a model, or of a member that answers, with known values.

    `timestamp` has no values. Most models use no context.
    """
    if hasattr(model, "known_context"):
        return model.known_context()
    members = model.answering_members().values()
    return {column: values for member in members for column, values in known_context(member).items()}


def context_frame(
    context: Context, n_queries: int, used: Mapping[str, Any], known: Sequence[str], last: Mapping[str, Any]
) -> pd.DataFrame | None:
    """Return one row per query; None for no context, or for a time alone that the model does not use.

    Args:
        context: when and where the users ask.
        n_queries: rows of a context that is the same for all.
        used: the columns that the model uses.
        known: the columns that the models of the shop were fitted with.
        last: the context at the time of the shop's last event.

    Raises:
        ParameterError: RK-343 a column that no model was fitted with, but a time, which most programs know; others as
            `frame_of`.
    """
    if isinstance(context, str) and context in (NOW, LAST_EVENT):
        return frame_of(now() if context == NOW else last, n_queries) if used else None
    if context is None:
        return None
    frame = frame_of(context, n_queries)
    if unknown := [str(column) for column in frame if column not in (*known, "timestamp")]:
        names = ", ".join(name.removeprefix(PREFIX) for name in known)
        expected = f"one of {names}" if names else "no context: the models were fitted without one"
        problem = f"context names {unknown[0].removeprefix(PREFIX)!r}; expected {expected}."
        raise ParameterError("RK-343", problem, "Leave it out.")
    if isinstance(context, Mapping) and "timestamp" not in frame:
        frame = frame.assign(**frame_of(now(), n_queries))
    return frame


def context_notes(
    name: str, known: Mapping[str, list[str]], context: pd.DataFrame | None, *, asked: bool
) -> Iterator[str]:
    """Yield what a reader should know about the context: what is missing, unknown to the model, or not used.

    Args:
        name: name of the model.
        known: the columns that it uses (`known_context`).
        context: one row per query.
        asked: whether the caller passed the context.
    """
    if not known:
        if asked:
            yield f"{name} does not use the context: its list is the same without it."
        return
    context = pd.DataFrame() if context is None else context
    missing = [column for column in known if column not in context or bool(context[column].isna().any())]
    if missing:
        without = ", ".join(_with_values(column, known[column]) for column in missing)
        yield f"{name} uses the context, but this is missing: {without}. The list is made without it."
    for column, values in known.items():
        if values and column in context:
            given = context[column].dropna().astype("str").drop_duplicates().tolist()
            if strange := [value for value in given if value not in values and value.removesuffix(".0") not in values]:
                yield (
                    f"{name} never saw {column.removeprefix(PREFIX)} {', '.join(map(repr, strange[:5]))} in training: "
                    f"it is ignored. Known are {', '.join(values[:10])}."
                )


def _with_values(column: str, values: Sequence[str]) -> str:
    shown = ", ".join(values[:10]) + (" ..." if len(values) > 10 else "")
    return column.removeprefix(PREFIX) + (f" ({shown})" if values else "")


def in_words(context: pd.DataFrame | Mapping[str, Any] | None) -> str:
    """Describe a context that is the same for all queries; "" if it is not.

    >>> in_words({"ctx_device": "phone", "timestamp": pd.Timestamp("2025-12-24T18:00Z")})
    '2025-12-24 18:00 UTC, device phone'
    """
    if isinstance(context, pd.DataFrame):
        distinct = context.drop_duplicates()
        context = {str(name): distinct[name].iloc[0] for name in distinct} if len(distinct) == 1 else None
    shown = {column_of(name): value for name, value in (context or {}).items() if not pd.isna(value)}
    shown = dict(sorted(shown.items(), key=lambda pair: pair[0] != "timestamp"))
    return ", ".join(
        f"{pd.Timestamp(value):%Y-%m-%d %H:%M} UTC" if name == "timestamp" else f"{name.removeprefix(PREFIX)} {value}"
        for name, value in shown.items()
    )
