"""Answer questions from a run: its bundle, and for users by id its interactions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pandas.api.types import is_list_like

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.ids import item_hash, listed
from recsys_kit.core.ranking import check_k
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ArtifactError, ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.shop.answers import Answer, note_unread, read_ids
from recsys_kit.shop.bundle import Bundle
from recsys_kit.shop.circumstances import NOW, Context, last_event
from recsys_kit.shop.events import VERBS, strongest_kinds
from recsys_kit.shop.histories import StoredHistories
from recsys_kit.shop.shelves import find_known
from recsys_kit.shop.showcase import titles_of
from recsys_kit.workbook.runner.manifest import read_manifest
from recsys_kit.workbook.runner.reuse import command_to_make
from recsys_kit.workbook.runner.runs import Run, open_for_reading
from recsys_kit.workbook.runner.storage import write_atomically

SETTINGS = "bundle/bundle.json"
N_NEAREST = 3  # items of a user that a new item is compared with; finds more of its buyers than the whole history


class Note(UserWarning):
    """What a reader of a list should know about it."""


# -- the bundle of a run -----------------------------------------------------------------------------------------------


def make_bundle(
    run: Run, models: Mapping[str, Recommender], board: pd.DataFrame, protocol: Mapping[str, Any]
) -> Bundle:
    """Make the bundle of a run; the best model on validation comes first.

    Args:
        run: the run, with the tables of chapter 01 and, as far as made, the features of chapter 02.
        models: the evaluated models by name.
        board: one row per model, columns `model` and `validation` (NDCG on the validation set).
        protocol: of the evaluation: `context`, `seen_events` and `best_on_validation`.
    """
    if "validation" in board:
        board = board.sort_values("validation", ascending=False, kind="stable")
    names = sorted(board["model"], key=lambda name: name != protocol.get("best_on_validation", ""))
    texts = run.read("results/text_features.json", required=False) or {}
    return Bundle.of(
        {name: models[name] for name in names},
        items=run.read("data/items.parquet"),
        train=run.read("data/train.parquet"),
        tfidf=run.read("features/items_tfidf", Vectors.load, required=False),
        context=list(protocol.get("context") or ()),
        seen_events=list(protocol.get("seen_events") or ()),
        unread_share=float(texts.get("unreadable", {}).get("product", 0)),
        last=last_event(run.read("data/interactions.parquet", lambda path: read_columns(path, ["timestamp"]))),
    )


@dataclass(frozen=True, eq=False)
class RunShop:
    """A run that answers questions; the methods are as the functions below, and return notes instead of warnings."""

    run: Run
    bundle: Bundle

    def recommend(
        self, *, user: Any = None, history: Any = None, text: Any = None, seen: Any = None, **asked: Any
    ) -> Answer:
        """Answer as `recommend`."""
        given = {"user": user, "history": history, "text": text}
        given = {kind: value for kind, value in given.items() if value is not None}
        if len(given) != 1:
            problem = f"the query is {' and '.join(given) or 'empty'}; expected exactly one of user, history, text."
            raise ParameterError("RK-330", problem, "Pass a user id, the item ids of a history, or a text.")
        ((kind, value),) = given.items()
        values, bundle = listed(value), self.bundle
        single = not is_list_like(value) if kind != "history" else len(values) and not any(map(is_list_like, values))
        if single and seen is not None:
            seen = [seen]
        query: dict[str, Any] = {"texts": values}
        if kind == "text" and not bundle.models.readers():
            raise self._refuse_text()
        if kind == "history":
            query = {"histories": [values] if single else values}
        elif kind == "user":
            query = {"users": read_ids("user", values)}
            bundle = replace(bundle, histories=self._histories(query["users"]))
        found = bundle.recommend(**query, seen=seen, **asked)
        return replace(found, lists=found.lists.drop(columns="query")) if single else found

    def _histories(self, users: Sequence[str]) -> StoredHistories:
        """All interactions of these users, whichever part of the split they are in."""
        wanted = [("user_id", "in", [*users, ""])]  # pyarrow takes no empty list; no user has the id ""
        events = self.run.read("data/interactions.parquet", lambda path: pd.read_parquet(path, filters=wanted))
        return StoredHistories.of(events, self.bundle.catalogue, salt="", seen_events=self.bundle.models.seen_events)

    def promotions(self, *, items: Any = None, candidates: Any = None, **asked: Any) -> Answer:
        """Answer as `promotions`; `candidates` leaves these of the promoted items."""
        promoted = self.bundle.promoted() if items is None else read_ids("items", items)
        if candidates is not None:
            promoted = [item for item in read_ids("candidates", candidates) if item in promoted]
        return self.recommend(candidates=promoted, **asked)

    def shoppers_for(self, *, text: str = "", item: str = "", k: int = 10) -> Answer:
        """Answer as `shoppers_for`."""
        check_k(k)
        text, models, notes = text.strip(), self.bundle.models, []
        if bool(text) == bool(item):
            raise ParameterError("RK-330", f"text is {text!r} and item {item!r}; expected one of them.", "Pass a text.")
        name = models.find_content(text)
        if not name:
            raise self._refuse_text()
        if item:
            find_known(self.bundle.catalogue, item)
        else:
            notes += note_unread(models, name, [text], chosen=True)
        asked = {"texts": [text]} if text else {"histories": [[item]]}
        listed = models[name].recommend(**asked, seen=[[]], k=len(self.bundle.catalogue))
        cosines = listed[~listed["fallback"] & (listed["score"] > 0)].set_index("item_id")["score"]
        columns = ("user_id", "item_id", "event", "rating")
        events = self.run.read("data/interactions.parquet", lambda path: read_columns(path, columns))
        events = events[~events["user_id"].isin(events.loc[events["item_id"] == item, "user_id"])]
        shown = _rank_users(events, cosines, titles_of(self.bundle.items), k)
        if shown.empty:
            notes.append("no shopper of this run has anything in their history that resembles it.")
        return Answer(shown, notes)

    def split_ids(self, values: Sequence[str]) -> list[str]:
        """Return ids given on a command line: with commas between them, unless the whole is itself an id of the run.

        Raises:
            ParameterError: RK-331 there is no id.
        """
        known = self.bundle.catalogue
        parts = [part for value in values for part in ([value] if value in known else value.split(","))]
        if ids := [part if part in known else part.strip() for part in parts if part.strip()]:
            return ids
        raise ParameterError("RK-331", f"the ids are {','.join(values)!r}; expected at least one.", "Write 0001,0002.")

    def _refuse_text(self) -> ParameterError:
        return ParameterError(
            "RK-332",
            "no model of this run understands text; expected one made from the titles or descriptions of products.",
            f"Where the data has these, run recsys-kit run --out {self.run.folder} --only 02,04",
        )


def open_shop(run: Run | str | Path) -> RunShop:
    """Open a run to answer questions.

    Nothing is fitted while answering. The state of `user_knn` is the training histories themselves, which no bundle of
    a run holds: when it (or an ensemble with it) is first asked in a process, they are loaded from the run.

    Args:
        run: the run, or its folder (a relative one counts from the project).

    Raises:
        ArtifactError: RK-402 no run, RK-401 chapter 04 has not run, RK-334 there was nothing to evaluate.
        IntegrityError: RK-412 a file of the bundle is not the one that was written.
    """
    run = run if isinstance(run, Run) else open_for_reading(run)
    return RunShop(run, run.read(SETTINGS, lambda path: _load_bundle(run.folder, run.inputs[SETTINGS])))


def take_bundle(run: Run | str | Path, out: str | Path, *, with_histories: bool = False) -> Bundle:
    """Write the bundle of a run into a new folder, and return it.

    Args:
        run: the run, or its folder.
        out: the new folder; a relative one counts from the current folder.
        with_histories: store all interactions of the run, under a salted hash of the user id (see `StoredHistories`
            for what that protects): such a bundle is personal data. Without them, models that need the histories of
            users are left out.

    Raises:
        ArtifactError: as `open_shop`; RK-407 the folder exists, RK-423 all models need histories, RK-505 the folder
            cannot be written.
    """
    shop = open_shop(run)
    bundle = shop.bundle
    events = shop.run.read("data/interactions.parquet") if with_histories else None
    taken = bundle.without_histories() if events is None else bundle.with_histories(events)
    folder = Path(out).expanduser().absolute()
    if folder.exists():
        problem = f"{folder} exists; expected a new folder for a bundle."
        raise ArtifactError("RK-407", problem, "Name another one or remove it.")
    write_atomically(folder, taken.save)
    return taken


@lru_cache(maxsize=1)
def _load_bundle(folder: Path, digest: str) -> Bundle:
    """Load the bundle of a run; the one opened last is kept, with the models that were read.

    Args:
        folder: the folder of the run.
        digest: of the settings, which hold the checksums of all other files: another bundle has another digest.
    """
    run = open_for_reading(folder)

    def complete(model: Recommender) -> None:
        """Load the training histories, which are the state of such a model: they are counted, nothing is learned."""
        train = run.read("data/train.parquet")
        if (run.read("results/protocol.json", required=False) or {}).get("refit"):
            train = pd.concat([train, run.read("data/valid.parquet")], ignore_index=True)
        model.set_histories(EncodedSplit.of(train, items=pd.DataFrame({"item_id": model.item_ids})))

    def remedy() -> str:
        return f"Rebuild it: {command_to_make(folder, read_manifest(folder), SETTINGS)}"

    return Bundle.load(folder / "bundle", complete=complete, remedy=remedy)


# -- the public functions ----------------------------------------------------------------------------------------------


def recommend(
    run: Run | str | Path,
    *,
    user: str | Iterable[str] | None = None,
    history: Iterable[str] | Iterable[Iterable[str]] | None = None,
    text: str | Iterable[str] | None = None,
    seen: Iterable[str] | Iterable[Iterable[str]] | None = None,
    candidates: Iterable[str] | None = None,
    context: Context = NOW,
    model: str = "",
    k: int = 10,
) -> pd.DataFrame:
    """Return the k products that a model of a run recommends; exactly one of `user`, `history`, `text` is given.

    Args:
        run: the run, or its folder (a relative one counts from the project).
        user: the id of a shopper of the run; the history is all of their interactions, those of the test set included.
        history: item ids, oldest first; the shopper need not be known.
        text: what a shopper says they want.
        seen: item ids to leave out, a list of them per query if several are asked. Unless given, as in the evaluation:
            of a `user` the whole history, or the products of the `seen_events` of the evaluation; of a `history`, which
            does not say what happened to its products, the whole.
        candidates: ids of the only products that may be listed, such as those on promotion; all unless given.
        context: when and where the shopper asks, as for `Bundle.recommend`.
        model: a name of the leaderboard; "" chooses the best on validation, for a text the most suitable that reads it.
        k: length of the list; shorter if the model knows fewer products.

    Returns:
        Columns rank, item_id, title (and category, brand, price, as far as known), score, reason, fallback (True if
        nothing is known of the shopper and the list is the popular one). A list of users, histories or texts is
        answered in one frame with a column `query` before these: the user id, or the place in the list.

    Raises:
        ParameterError: RK-330 not exactly one query; others as `Bundle.recommend`.
        ArtifactError: RK-402 no run, RK-401 chapter 04 has not run, RK-334 there was nothing to evaluate.
        IntegrityError: RK-412 a file of the run is not the one that was written.

    Unknown ids are left out, with a warning that names them. Another warning names the context that a model misses.
    """
    asked = {"user": user, "history": history, "text": text, "seen": seen, "candidates": candidates}
    return _warn(open_shop(run).recommend(**asked, context=context, model=model, k=k))


def related(run: Run | str | Path, item: str, *, k: int = 10) -> pd.DataFrame:
    """Return products like one product, as `Bundle.related`; notes become warnings."""
    return _warn(open_shop(run).bundle.related(item, k=k))


def bought_together(
    run: Run | str | Path, basket: str | Iterable[str], *, k: int = 10, by: str = "confidence"
) -> pd.DataFrame:
    """Return what goes with a product, or with any product of a basket, as `Bundle.together`."""
    return _warn(open_shop(run).bundle.together(basket, k=k, by=by))


def popular(run: Run | str | Path, *, category: str = "", days: float = 0, k: int = 10) -> pd.DataFrame:
    """Return the products with the most shoppers, as `Bundle.popular`."""
    return _warn(open_shop(run).bundle.popular(category=category, days=days, k=k))


def promotions(run: Run | str | Path, *, items: Iterable[str] | None = None, **asked: Any) -> pd.DataFrame:
    """Return the products on promotion in the order that fits a shopper: `recommend` among these alone.

    Args:
        run: the run, or its folder.
        items: ids of the products on promotion; unless given, those that `Bundle.promoted` returns.
        asked: as for `recommend`: `user` or `history`, `seen`, `context`, `model` and `k`.

    Returns:
        As `recommend`; raises as it does, and RK-338 if the events do not tell what is on promotion.
    """
    return _warn(open_shop(run).promotions(items=items, **asked))


def shoppers_for(run: Run | str | Path, *, text: str = "", item: str = "", k: int = 10) -> pd.DataFrame:
    """Return the shoppers of a run whose products resemble a new product most.

    The score of a shopper is the mean cosine between the product and the `N_NEAREST` most similar ones of their
    history. Shoppers who know the product already are left out.

    Args:
        run: the run, or its folder.
        text: what is written about the product, or
        item: its id, if the catalogue has it.
        k: number of shoppers.

    Returns:
        Columns rank, user_id, score, reason (these products, and what the shopper did with each).

    Raises:
        ParameterError: RK-330 neither or both given, RK-332 no model understands text, RK-335 unknown id, RK-312 a
            wrong k.
    """
    return _warn(open_shop(run).shoppers_for(text=text, item=item, k=k))


def _warn(answer: Answer) -> pd.DataFrame:
    for note in answer.notes:
        warn(note, Note, stacklevel=3)
    return answer.lists


# -- the interactions of a run -----------------------------------------------------------------------------------------


def read_columns(path: Path, names: Sequence[str]) -> pd.DataFrame:
    """Read those of the columns that a Parquet file has."""
    return pd.read_parquet(path, columns=[name for name in pq.read_schema(path).names if name in names])


def _rank_users(events: pd.DataFrame, cosines: pd.Series, titles: Mapping[str, str], k: int) -> pd.DataFrame:
    """The k users with the highest mean of their best cosines, best first: rank, user_id, score, reason."""
    pairs = events[["user_id", "item_id"]].drop_duplicates()
    pairs = pairs.assign(cosine=pairs["item_id"].map(cosines).astype(float)).dropna(subset="cosine")
    order = np.lexsort((item_hash(pairs["item_id"]), -pairs["cosine"]))
    best = pairs.iloc[order].groupby("user_id", sort=False).head(N_NEAREST)
    score = best.groupby("user_id")["cosine"].sum() / N_NEAREST
    score = score.iloc[np.lexsort((item_hash(score.index), -score))].head(k)
    best = best[best["user_id"].isin(score.index)]
    kinds = strongest_kinds(events[events["user_id"].isin(score.index)])
    pairs = zip(best["user_id"], best["item_id"], strict=True)
    done = pd.Series([f"{VERBS[kinds[user][item]]} “{titles.get(item, item)}”" for user, item in pairs], dtype=object)
    reasons = done.groupby(best["user_id"].array).agg(", ".join).reindex(score.index).tolist()
    ranks = range(1, len(score) + 1)
    return pd.DataFrame({"rank": ranks, "user_id": score.index, "score": score.array, "reason": reasons})
