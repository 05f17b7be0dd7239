"""Lists for whoever asks, from what a run left behind: nothing is trained, and only what the answer needs is read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter, warn, warn_explicit

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from recsys_kit.core.events import order_events
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ArtifactError, ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.content import Content
from recsys_kit.recommenders.store import StoredModels, load_model, load_models
from recsys_kit.shop.circumstances import (
    LAST_EVENT,
    NOW,
    check_names,
    context_notes,
    frame_of,
    known_context,
    last_event,
    now,
)
from recsys_kit.shop.events import strongest_kinds
from recsys_kit.shop.showcase import Showcase, check_model
from recsys_kit.workbook.runner.runs import Run, run_folder

NAMED = 5  # unknown ids that a note names
READINGS = ("words", "meaning", "ensemble")  # how a model reads a text


class Note(UserWarning):
    """What a reader of a list should know about it."""


@contextmanager
def noting() -> Iterator[list[str]]:
    """Inside, notes are no warnings; they are in the list that this gives as soon as the block ends."""
    notes: list[str] = []
    with catch_warnings(record=True) as caught:
        simplefilter("always", Note)
        yield notes
    notes += [str(warning.message) for warning in caught if issubclass(warning.category, Note)]
    for warning in caught:
        if not issubclass(warning.category, Note):
            warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def recommend(
    run: Run | str | Path,
    *,
    user: str | Iterable[str] | None = None,
    history: Iterable[str] | Iterable[Iterable[str]] | None = None,
    text: str | Iterable[str] | None = None,
    seen: Iterable[str] | Iterable[Iterable[str]] | None = None,
    candidates: Iterable[str] | None = None,
    context: Mapping[str, Any] | pd.DataFrame | str | None = NOW,
    model: str = "",
    k: int = 10,
) -> pd.DataFrame:
    """The k products that a run's model puts before a shopper; exactly one of `user`, `history` and `text` is given.

    Args:
        run: the run, or its folder (a relative one counts from the project).
        user: the id of a shopper of the run; the history is all that they did, the days of the test included.
        history: item ids, oldest first, of a shopper the run need not know.
        text: what a shopper says they want.
        seen: item ids to leave out, a list of them per query where several are asked. Unless given, as in the
            evaluation: of a `user` their whole history, or where the run was evaluated with `seen_events` the products
            of these events; of a `history`, which does not say what happened to its products, the whole.
        candidates: ids of the only products that may be listed, such as those on promotion; all unless given.
        context: when and where the shopper asks, for models that use it: {"device": "phone", "timestamp":
            "2025-12-24T18:00"}, the names as in the interactions with or without `ctx_`; without a timestamp the time
            is now. A frame has one row per query and is taken as it is. "now" and "last event" (of the run: the same
            answer every day) are a time alone, None is no context.
        model: a name of the leaderboard; "" takes the best one, for a text a model that understands language, or where
            that cannot read the products or the text, one that compares words.
        k: length of the list; shorter where the model knows fewer products.

    Returns:
        Columns rank, item_id, title (and category, brand, price, as far as known), score, reason, fallback (True where
        nothing is known of the shopper and the list is what is popular). A list of users, histories or texts is
        answered in one frame with a column `query` before these: the user id, or the place in the list given.

    Raises:
        ParameterError: RK-330 not exactly one query, RK-331 ids that are no strings, RK-332 no model understands text,
            RK-318 unknown model, RK-312 a wrong k, RK-343 a circumstance that the run does not know, RK-344 one that
            cannot be read, RK-340 a frame with another number of rows.
        ArtifactError: RK-402 no run, RK-401 without chapter 04, RK-334 where that chapter found nothing to do.
        IntegrityError: RK-412 where a file of the run is not what was written.

    Ids that the run does not know are left out, with a warning that names them. Another
    warning names what a model that uses the context is missing.
    """
    asked = {"user": user, "history": history, "text": text, "seen": seen, "candidates": candidates}
    found = answer(run, **asked, context=context, model=model, k=k)
    for note in found.notes:
        warn(note, Note, stacklevel=2)
    return found.lists.drop(columns="query") if found.single else found.lists


@dataclass(frozen=True)
class Answer:
    """What `recommend` found, and what there is to say about it."""

    model: str
    lists: pd.DataFrame
    """query, rank, item_id, title ..., score, reason, fallback."""
    notes: list[str]
    single: bool
    """One query was given, not a list of them."""
    context: pd.DataFrame | None
    """One row per query: what the model took into account; None where it uses no context."""


def answer(
    run: Run | str | Path,
    *,
    user: Any = None,
    history: Any = None,
    text: Any = None,
    seen: Any = None,
    candidates: Iterable[str] | None = None,
    context: Mapping[str, Any] | pd.DataFrame | str | None = NOW,
    model: str = "",
    k: int = 10,
) -> Answer:
    """`recommend` with the name of the model that answered, and the notes as values."""
    kind, queries, single = _queries(user=user, history=history, text=text)
    candidates = None if candidates is None else _ids("candidates", candidates)
    masked = None if seen is None else [_ids("seen", ids) for ids in ([seen] if single else as_list(seen) or [seen])]
    run = visit(run)
    models = RunModels(run)
    names = dict.fromkeys(models.best(text=query) for query in queries) if kind == "text" and not model else {}
    if len(names) > 1 and (masked is None or len(masked) == len(queries)):
        return _one_by_one(run, queries, masked, candidates, context, k)
    name = model or next(iter(names), "") or models.best(for_text=kind == "text")
    check_model(name, models)
    if kind == "text" and not models.understands_text(name):
        raise models.no_text(name)
    known = {} if kind == "text" else known_context(models[name])
    asked = _context(run, models, known, context, len(queries))
    tfidf = None if kind == "text" else run.read("features/items_tfidf", Vectors.load, required=False)
    showcase = Showcase(models, run.read("data/items.parquet"), pd.Series(dtype=object), tfidf=tfidf)
    histories, kinds = None if kind == "text" else queries, None
    if kind == "user":
        events = events_of(run, queries)
        histories, done = histories_of(events, queries), strongest_kinds(events)
        kinds = [done.get(user, {}) for user in queries]
        if masked is None and models.seen_events:
            masked = histories_of(events[events["event"].isin(models.seen_events)], queries)
    texts = queries if kind == "text" else None
    lists = showcase.lists(
        name, histories=histories, texts=texts, seen=masked, kinds=kinds, candidates=candidates, context=asked, k=k
    )
    notes = list(_notes(kind, queries, histories, lists, name, models[name], candidates, k))
    if queries:
        notes += context_notes(name, known, asked, asked=context is not None and not isinstance(context, str))
    if kind == "text":
        notes += unread(models, name, queries, chosen=not model)
        if not model and not any(models.reads(other) == "meaning" for other in models):
            notes.append(f"no model of this run understands language: {name} compares words, not what they mean.")
    if kind == "history" and masked is None and models.seen_events and any(queries):
        notes.append(
            f"the run was evaluated with products left out after {', '.join(models.seen_events)} alone; here the whole "
            "history is left out. Pass as seen what is to be left out."
        )
    if kind == "user":
        lists["query"] = pd.Series([queries[place] for place in lists["query"]], lists.index, dtype="str")
    used = None if asked is None or not known else asked[[column for column in asked if column in known]]
    return Answer(name, lists, notes, single, used)


def _one_by_one(
    run: Run,
    texts: Sequence[str],
    seen: Sequence[Sequence[str]] | None,
    candidates: Sequence[str] | None,
    context: Mapping[str, Any] | pd.DataFrame | str | None,
    k: int,
) -> Answer:
    """Texts that are not all for the same model, each answered as it would be alone."""
    found = []
    for place, text in enumerate(texts):
        masked = None if seen is None else seen[place]
        where = context.iloc[place : place + 1] if isinstance(context, pd.DataFrame) else context
        found.append(answer(run, text=text, seen=masked, candidates=candidates, context=where, k=k))
    lists = [one.lists.assign(query=place) for place, one in enumerate(found)]
    notes = list(dict.fromkeys(note for one in found for note in one.notes))
    names = ", ".join(dict.fromkeys(one.model for one in found))
    return Answer(names, pd.concat(lists, ignore_index=True), notes, single=False, context=None)


def unread(models: "RunModels", name: str, texts: Sequence[str], *, chosen: bool) -> Iterator[str]:
    """What the language model cannot read, of the product texts or of these; and what that means for `name`'s lists.

    Args:
        models: of the run.
        name: the model that answers.
        texts: what was asked.
        chosen: whether the model was chosen here; a reader who names one that compares words knows what they ask.
    """
    how = models.reads(name)
    language = next((other for other in models.readers() if models.reads(other) == "meaning"), "")
    if not language or not (how == "meaning" or (how == "words" and chosen)):
        return
    means = f"what {name} finds says little." if how == "meaning" else f"{name} answers, which compares words."
    of = {"the product texts": models.unread_products()} if models.unread_products() else {}
    if not of:
        shares = models.unread_texts(name if how == "meaning" else language, texts)
        of = {"this text" if len(texts) == 1 else f"{text!r:.40}": share for text, share in shares.items()}
    for what, share in of.items():
        yield f"the language model does not know {share:.0%} of the tokens of {what}: {means}"


def _context(
    run: Run,
    models: "RunModels",
    known: Mapping[str, list[str]],
    context: Mapping[str, Any] | pd.DataFrame | str | None,
    n_queries: int,
) -> pd.DataFrame | None:
    """One row per query; None for no context."""
    if context is None:
        return None
    if isinstance(context, str) and context in (NOW, LAST_EVENT):
        return frame_of(now() if context == NOW else run_end(run), n_queries) if known else None
    frame = frame_of(context, n_queries)
    check_names(frame, models.context())
    if isinstance(context, Mapping) and "timestamp" not in frame:
        frame = frame.assign(**frame_of(now(), n_queries))
    return frame


def run_end(run: Run) -> dict[str, Any]:
    """The context at the time of the run's last event; empty where its events have no times."""
    return last_event(run.read("data/interactions.parquet", lambda path: read_columns(path, ["timestamp"])))


def read_columns(path: Path, names: Sequence[str]) -> pd.DataFrame:
    """Of these columns of a Parquet file those that it has."""
    return pd.read_parquet(path, columns=[name for name in pq.read_schema(path).names if name in names])


def _queries(**given: Any) -> tuple[str, list[Any], bool]:
    """The kind of the query, the queries as a list, and whether a single one was given."""
    kind, value = exactly_one(**given)
    value = str(value) if kind == "user" and _is_whole(value) else value
    values = as_list(value)
    if kind == "history":
        single = values is not None and len(values) > 0 and all(isinstance(item, str) for item in values)
        given_lists = [value] if values is None else [values] if single else values
        queries = [as_list(items) for items in given_lists]
        wrong = [items for items, query in zip(given_lists, queries, strict=True) if query is None]
        wrong += [item for query in queries for item in query or [] if not _is_text(item)]
    else:
        single, queries = values is None, [value] if values is None else values
        wrong = [query for query in queries if not _is_text(query) or not query.strip()]
    if wrong:
        raise ParameterError(
            "RK-331",
            f"{kind} holds {wrong[0]!r}; expected texts that are not empty, ids as the data has them; for a history a "
            "list of ids.",
            "Pass user='7', history=['7', '12'] or text='a gift'.",
        )
    return kind, queries, single


def exactly_one(**queries: Any) -> tuple[str, Any]:
    """The name and value of the query that is not None; RK-330 where it is not exactly one.

    >>> exactly_one(user=None, text="jazz")
    ('text', 'jazz')
    """
    given = {kind: value for kind, value in queries.items() if value is not None}
    if len(given) != 1:
        raise ParameterError(
            "RK-330",
            f"the query is {' and '.join(given) or 'empty'}; expected exactly one of {', '.join(queries)}.",
            "Pass a shopper (user), the item ids of a history, or what somebody wants (text).",
        )
    ((kind, value),) = given.items()
    return kind, value


def _ids(name: str, given: Any) -> list[str]:
    ids = as_list(given)
    if ids is None or not all(map(_is_text, ids)):
        raise ParameterError("RK-331", f"{name} is {given!r}; expected a list of ids.", f"Pass {name}=['7', '12'].")
    return ids


def as_list(value: Any) -> list[Any] | None:
    """The values of a list, an array, a column, a generator, whole numbers as text; None for one value.

    A set has no order: its values are sorted.

    >>> as_list({"b", "a"}), as_list(pd.Series([7, 12])), as_list("7")
    (['a', 'b'], ['7', '12'], None)
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return None
    values = [str(one) if _is_whole(one) else one for one in value]
    return sorted(values, key=str) if isinstance(value, set | frozenset) else values


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_)


def _is_text(value: Any) -> bool:
    """A str that can be written down: a command line may hold bytes that are none."""
    return isinstance(value, str) and value == value.encode(errors="replace").decode()


def events_of(run: Run, users: Sequence[str]) -> pd.DataFrame:
    """All that these shoppers did, whichever part it fell into, in canonical order."""
    wanted = [("user_id", "in", [*users, ""])]  # pyarrow takes no empty list; no shopper goes by ""
    return order_events(run.read("data/interactions.parquet", lambda path: pd.read_parquet(path, filters=wanted)))


def histories_of(events: pd.DataFrame, users: Sequence[str]) -> list[list[str]]:
    """The item ids of each of these shoppers, oldest first; empty for one without events."""
    items = events.groupby("user_id")["item_id"].agg(list)
    return [items.get(user, []) for user in users]


def split_ids(run: Run | str | Path, values: Sequence[str]) -> list[str]:
    """Ids as a command line gives them: with commas between them, unless the whole is itself an id of the run.

    RK-331 where there is none.
    """
    known = set(
        visit(run).read("data/items.parquet", lambda path: pd.read_parquet(path, columns=["item_id"]))["item_id"]
    )
    parts = [part for value in values for part in ([value] if value in known else value.split(","))]
    if ids := [part if part in known else part.strip() for part in parts if part.strip()]:
        return ids
    raise ParameterError("RK-331", f"the ids are {','.join(values)!r}; expected at least one.", "Write 0001,0002.")


def _notes(
    kind: str,
    queries: list[Any],
    histories: list[list[str]] | None,
    lists: pd.DataFrame,
    name: str,
    model: Recommender,
    candidates: Sequence[str] | None,
    k: int,
) -> Iterator[str]:
    """What a reader of the lists should know: ids left out, who got the popular list, lists that are short."""
    popular = "what is popular is shown instead"
    if kind == "user" and (strangers := [user for user, items in zip(queries, histories, strict=True) if not items]):
        yield f"{named('shopper', strangers)} unknown to this run: {popular}."
    catalogue = set(model.item_ids.tolist())
    items = dict.fromkeys(item for history in histories or [] for item in history)
    if unknown := [item for item in items if item not in catalogue]:
        yield f"{named('product', unknown)} unknown to this run and left out of the history."
    if strange := [item for item in candidates or [] if item not in catalogue]:
        yield f"{named('product', strange)} unknown to this run and left out of the candidates."
    known = [place for place in lists.loc[lists["fallback"], "query"].unique() if kind != "user" or histories[place]]
    if known:
        what = "text" if kind == "text" else "history"
        yield f"{name} finds nothing to start from in the {what}: {popular}."
    lengths = lists["query"].value_counts().reindex(range(len(queries)), fill_value=0)
    k = k if candidates is None else min(k, len(catalogue.intersection(candidates)))
    if len(lengths) and (lengths.min() < k or candidates == []):
        yield f"the list has {lengths.min()} of {k} products: there are no more to recommend."


def named(what: str, ids: Sequence[str]) -> str:
    """Ids for a sentence.

    >>> named("product", ["x"]), named("product", ["x", "y"])
    ("product 'x' is", "2 products ('x', 'y') are")
    """
    if len(ids) == 1:
        return f"{what} {ids[0]!r} is"
    shown = ", ".join(repr(name) for name in ids[:NAMED]) + (" ..." if len(ids) > NAMED else "")
    return f"{len(ids)} {what}s ({shown}) are"


# -- what a run left behind --------------------------------------------------------------------------------------------


class RunModels(Mapping[str, Recommender]):
    """The models on a run's leaderboard by name, each read when it is first asked for.

    The best on validation comes first: the test says how good it is, it does not choose.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        board = run.read("results/leaderboard.csv")
        protocol = run.read("results/protocol.json", required=False) or {}
        self._context: list[str] | None = protocol.get("context")
        self.seen_events = [str(kind) for kind in protocol.get("seen_events") or ()]
        """The kinds of event after which a product was left out of the evaluated lists; empty: all kinds."""
        if "validation" in board:
            board = board.sort_values("validation", ascending=False, kind="stable")
        names = board["model"].tolist()
        self._names = sorted(names, key=lambda name: name != protocol.get("best_on_validation", ""))
        self._read: dict[str, Recommender] = {}

    def __getitem__(self, name: str) -> Recommender:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = self._run.read(f"models/{name}", load_model)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def context(self) -> list[str]:
        """The columns of a context that the models were fitted and evaluated with, the hidden ones left out."""
        if self._context is None:  # a run of an earlier version: what its models know
            using = [name for name in self._names if hasattr(self._class(name), "known_context")]
            self._context = sorted({column for name in using for column in known_context(self[name])})
        return self._context

    def find(self, kind: type[Recommender], *, text: str = "") -> str:
        """The first of the leaderboard that is of this kind (for a text: that reads it best); "" where none is."""
        names = self.readers(text) if text else self._names
        return next((name for name in names if issubclass(self._class(name), kind)), "")

    def _class(self, name: str) -> type[Recommender]:
        stored = self._stored(name)
        return stored.kind_of(next(iter(stored)))

    def _stored(self, name: str) -> StoredModels:
        return self._run.read(f"models/{name}/models.json", lambda path: load_models(path.parent))

    def understands_text(self, name: str) -> bool:
        """Whether the model can answer a sentence; its arrays are not read for that."""
        stored = self._stored(name)
        return stored.describe(next(iter(stored)))["understands_text"]

    def reads(self, name: str) -> str:
        """How a model reads a text: by "meaning" (a language model), by "words" (TF-IDF), as an "ensemble" of such
        models, or "" not at all; its arrays are not read for that.
        """
        if not self.understands_text(name):
            return ""
        if not issubclass(self._class(name), Content):
            return "ensemble"
        stored = self._stored(name)
        is_language_model = stored.features_of(next(iter(stored))).get("method") == "language_model"
        return "meaning" if is_language_model else "words"

    def readers(self, text: str = "") -> list[str]:
        """The models that understand text: those with a language model first, in the order of the leaderboard.

        Lists of histories say nothing of sentences: a word count may be ahead there and still miss what is meant. Where
        the language model cannot read the products, or a `text`, those that compare its words come first. An
        ensemble comes last, for its weights were chosen for histories.
        """
        how = {name: self.reads(name) for name in self._names}
        words, meaning, ensembles = ([name for name in how if how[name] == one] for one in READINGS)
        first: list[str] = []
        if self.unread_products():
            first = words
        elif text and meaning and self.unread_texts(meaning[0], [text]):
            first = [name for name in words if self[name].vectors.encoder().encode([text]).nnz]
        return list(dict.fromkeys([*first, *meaning, *words, *ensembles]))

    def unread_products(self) -> float:
        """The share of the tokens of the product texts that the language model does not know; 0 where it reads them."""
        found = self._run.read("results/text_features.json", required=False) or {}
        return float(found.get("unreadable", {}).get("product", 0))

    def unread_texts(self, name: str, texts: Sequence[str]) -> dict[str, float]:
        """Of the texts that this model's language model cannot read, the share of the tokens that it does not know."""
        from recsys_kit.features.text import MANY_UNKNOWN

        shares = self[name].vectors.encoder().unknown_shares(texts)
        return {text: share for text, share in zip(texts, shares, strict=True) if share > MANY_UNKNOWN}

    def best(self, *, for_text: bool = False, text: str = "") -> str:
        """The first name of the leaderboard, or of `readers`; for this `text` where it is given.

        RK-332 where none understands text.
        """
        if not (for_text or text):
            return self._names[0]
        able = self.readers(text)
        if not able:
            raise self.no_text()
        return able[0]

    def no_text(self, name: str = "") -> ParameterError:
        """RK-332: this model, or none of them, understands text; with those that do."""
        able = self.readers()
        if able:
            problem = f"model {name!r} does not understand text; expected one of {', '.join(able)}."
            return ParameterError("RK-332", problem, f"Pass model={able[0]!r}, or none.")
        return ParameterError(
            "RK-332",
            "no model of this run understands text; expected one made from the titles or descriptions of products.",
            f"Where the data has these, run recsys-kit run --out {self._run.folder} --only 02,04",
        )


@dataclass(frozen=True)
class _Visit(Run):
    """A run that is only looked at: what is read leaves no trace in the manifest, and nothing ends a chapter."""

    def _note(self, kind: str, digests: Mapping[str, str]) -> None:
        pass

    def skip_chapter(self, reason: str) -> None:
        raise ArtifactError("RK-334", f"this run has no lists: {reason}.", "Run it on data with events of shoppers.")


def visit(run: Run | str | Path) -> Run:
    """`run` itself, or the run in a folder, opened for reading; RK-402 where there is none."""
    return run if isinstance(run, Run) else _Visit(run_folder(run), chapter="", seed=0, profile="quick")
