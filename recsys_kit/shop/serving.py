"""Lists for whoever asks, from what a run left behind: nothing is trained, and only what the answer needs is read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter, warn, warn_explicit

import pandas as pd

from recsys_kit.data.tables import order_events
from recsys_kit.errors import ArtifactError, ParameterError
from recsys_kit.features.vectors import Vectors
from recsys_kit.recommenders.base import Recommender, class_of, load, understands_text
from recsys_kit.shop.showcase import Showcase
from recsys_kit.workbook.runs import Run, run_folder

NAMED = 5  # unknown ids that a note names


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
    user: str | Sequence[str] | None = None,
    history: Sequence[str] | Sequence[Sequence[str]] | None = None,
    text: str | Sequence[str] | None = None,
    candidates: Sequence[str] | None = None,
    model: str = "",
    k: int = 10,
) -> pd.DataFrame:
    """The k products that a run's model puts before a shopper; exactly one of `user`, `history` and `text` is given.

    Args:
        run: the run, or its folder (a relative one counts from the project).
        user: the id of a shopper of the run; the history is all that they did, the days of the test included.
        history: item ids, oldest first, of a shopper the run need not know.
        text: what a shopper says they want.
        candidates: ids of the only products that may be listed, such as those on promotion; all unless given.
        model: a name of the leaderboard; "" takes the best one, for a text the best one that understands text.
        k: length of the list; shorter where the model knows fewer products.

    Returns:
        Columns rank, item_id, title (and category, brand, price, as far as known), score, reason, fallback (True where
        nothing is known of the shopper and the list is what is popular). A list of users, histories or texts is
        answered in one frame with a column `query` before these: the user id, or the place in the list given.

    Raises:
        ParameterError: RK-330 not exactly one query, RK-331 ids that are no strings, RK-332 no model understands text,
            RK-318 unknown model, RK-312 a wrong k.
        ArtifactError: RK-402 no run, RK-401 without chapter 04, RK-334 where that chapter found nothing to do.
        IntegrityError: RK-412 where a file of the run is not what was written.

    Ids that the run does not know are left out, with a warning that names them.
    """
    found = answer(run, user=user, history=history, text=text, candidates=candidates, model=model, k=k)
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


def answer(
    run: Run | str | Path,
    *,
    user: Any = None,
    history: Any = None,
    text: Any = None,
    candidates: Sequence[str] | None = None,
    model: str = "",
    k: int = 10,
) -> Answer:
    """`recommend` with the name of the model that answered, and the notes as values."""
    kind, queries, single = _queries(user=user, history=history, text=text)
    candidates = None if candidates is None else _ids(candidates)
    run = visit(run)
    models = RunModels(run)
    name = model or models.best(for_text=kind == "text")
    if kind == "text" and name in models and not models.understands_text(name):
        raise models.no_text(name)
    tfidf = None if kind == "text" else run.read("features/items_tfidf", Vectors.load, required=False)
    showcase = Showcase(models, run.read("data/items.parquet"), pd.Series(dtype=object), tfidf=tfidf)
    histories = None if kind == "text" else all_histories(run, queries) if kind == "user" else queries
    lists = showcase.lists(
        name, histories=histories, texts=queries if kind == "text" else None, candidates=candidates, k=k
    )
    notes = list(_notes(kind, queries, histories, lists, name, models[name], candidates, k))
    if kind == "user":
        lists["query"] = [queries[place] for place in lists["query"]]
    return Answer(name, lists, notes, single)


def _queries(**given: Any) -> tuple[str, list[Any], bool]:
    """The kind of the query, the queries as a list, and whether a single one was given."""
    kind, value = exactly_one(**given)
    values = _as_list(value)
    if kind == "history":
        single = values is not None and all(isinstance(item, str) for item in values)
        given_lists = [values] if single else values or [value]
        queries = [_as_list(had) for had in given_lists]
        wrong = [had for had, query in zip(given_lists, queries, strict=True) if query is None]
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
            "Such as a shopper (user), what they had (history) or what they want (text).",
        )
    ((kind, value),) = given.items()
    return kind, value


def _ids(candidates: Any) -> list[str]:
    ids = _as_list(candidates)
    if ids is None or not all(map(_is_text, ids)):
        raise ParameterError(
            "RK-331", f"candidates is {candidates!r}; expected a list of ids.", "Pass candidates=['7', '12']."
        )
    return ids


def _as_list(value: Any) -> list[Any] | None:
    """The values of a list, an array, a column; None for one value."""
    return None if isinstance(value, str) or not isinstance(value, Iterable) else list(value)


def _is_text(value: Any) -> bool:
    """A str that can be written down: a command line may hold bytes that are none."""
    return isinstance(value, str) and value == value.encode(errors="replace").decode()


def all_histories(run: Run, users: Sequence[str]) -> list[list[str]]:
    """All that these shoppers did, whichever part it fell into: item ids, oldest first; empty for a stranger."""
    wanted = [("user_id", "in", [*users, ""])]  # pyarrow takes no empty list; no shopper goes by ""
    events = run.read("data/interactions.parquet", lambda path: pd.read_parquet(path, filters=wanted))
    had = order_events(events).groupby("user_id")["item_id"].agg(list)
    return [had.get(user, []) for user in users]


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
    if kind == "user" and (strangers := [user for user, had in zip(queries, histories, strict=True) if not had]):
        yield f"{named('shopper', strangers)} unknown to this run: {popular}."
    catalogue = set(model.item_ids.tolist())
    items = dict.fromkeys(item for had in histories or [] for item in had)
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
        if "validation" in board:
            board = board.sort_values("validation", ascending=False, kind="stable")
        names = board["model"].tolist()
        self._names = sorted(names, key=lambda name: name != protocol.get("best_on_validation", ""))
        self._read: dict[str, Recommender] = {}

    def __getitem__(self, name: str) -> Recommender:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = self._run.read(f"models/{name}", load)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def find(self, kind: type[Recommender], *, for_text: bool = False) -> Any:
        """The first of the leaderboard that is of this kind (and understands text); None where none is."""
        for name in self._names:
            found = self._run.read(f"models/{name}/model.json", lambda path: class_of(path.parent))
            if issubclass(found, kind) and (found.understands_text or not for_text):
                return self[name]
        return None

    def understands_text(self, name: str) -> bool:
        """Whether the model can answer a sentence; its arrays are not read for that."""
        return self._run.read(f"models/{name}/model.json", lambda path: understands_text(path.parent))

    def best(self, *, for_text: bool = False) -> str:
        """The first name of the leaderboard, or the first that understands text (RK-332 where none does)."""
        for name in self._names:
            if not for_text or self.understands_text(name):
                return name
        raise self.no_text()

    def no_text(self, name: str = "") -> ParameterError:
        """RK-332: this model, or none of them, understands text; with those that do."""
        able = [other for other in self._names if self.understands_text(other)]
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
