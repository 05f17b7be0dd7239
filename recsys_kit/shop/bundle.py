"""A bundle: what answers questions about a shop, on any machine and without a run."""

import hashlib
import json
import platform
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save

from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ArtifactError, IntegrityError, ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.recommenders.store import INDEX, load_models, save_models
from recsys_kit.shop import shelves
from recsys_kit.shop.answers import Answer, Context, Question, answer
from recsys_kit.shop.circumstances import NOW
from recsys_kit.shop.histories import StoredHistories
from recsys_kit.shop.models import ModelCard, ShopModels
from recsys_kit.shop.showcase import Showcase
from recsys_kit.shop.statistics import PLAIN, ItemStatistics

FORMAT = 1
SETTINGS, MODELS, ITEMS, TFIDF = "bundle.json", "models", "items.parquet", "tfidf"
STATISTICS, HISTORIES = "statistics.safetensors", "histories.safetensors"
NEEDS_HISTORIES = "it needs the histories of users, which this bundle does not hold"
CARD = ("item_id", "title", "category", "brand", "price", "image")
"""Columns of the items table that a list shows."""
LIBRARIES = ("recsys_kit", "numpy", "scipy", "pandas", "torch", "lightgbm", "safetensors")
"""Libraries whose versions a bundle records."""
KINDS = {
    "models": list, "left_out": dict, "context": list, "seen_events": list, "unread_share": int | float,
    "statistics": dict, "salt": str, "sha256": dict,
}  # fmt: skip
"""What bundle.json holds under each name that is read."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Models, item cards, item features and item statistics of a shop, with no user ids and no histories.

    It answers questions by histories, texts and items, and knows no run: a folder written by `save` may be moved.
    What it holds of the interactions are aggregates: counts, and what models learned. Some count a single user, such
    as the users of an item on one day (`statistics.daily`), or how often one item followed another (in `Stack`).

    Answers about users by id need a bundle with histories (`with_histories`), which is personal data: the salt of the
    hashed ids lies in the bundle, so anyone who holds it can test whether an id is in it.
    """

    models: ShopModels
    items: pd.DataFrame
    """The item cards: item_id, and title, category, brand, price and image as far as known."""
    statistics: ItemStatistics
    tfidf: Vectors | None = None
    """TF-IDF vectors of the items, for reasons made of shared words."""
    last: Mapping[str, Any] = field(default_factory=dict)
    """The context at the time of the shop's last event; empty if the events have no times."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Name of a model that is not in the bundle -> the reason."""
    left_out_best: str = ""
    """The best model on validation, if it is left out: the next one answers."""
    histories: StoredHistories | None = None

    @classmethod
    def of(
        cls,
        models: Mapping[str, Recommender],
        *,
        items: pd.DataFrame,
        train: pd.DataFrame,
        tfidf: Vectors | None = None,
        context: Sequence[str] = (),
        seen_events: Sequence[str] = (),
        unread_share: float = 0.0,
        last: Mapping[str, Any] | None = None,
    ) -> "Bundle":
        """Put together what answers questions.

        Args:
            models: fitted on the same split, by name, the one that serves first.
            items: the items table.
            train: the training interactions with all their columns.
            tfidf: TF-IDF vectors of the items.
            context: columns of a context that the models were evaluated with.
            seen_events: kinds of event after which an item was left out of the evaluated lists; empty: all kinds.
            unread_share: share of the tokens of the product texts that the language model does not know.
            last: the context at the time of the last event, as `last_event` returns it.
        """
        catalogue = next(iter(models.values())).items
        neighbours = next((model for model in models.values() if isinstance(model, ItemKNN)), None)
        if neighbours is None:
            neighbours = ItemKNN().fit(train, items=pd.DataFrame({"item_id": catalogue.ids}))
        return cls(
            models=ShopModels(
                models,
                [ModelCard.of(name, model) for name, model in models.items()],
                context=list(context),
                seen_events=list(seen_events),
                unread_share=unread_share,
            ),
            items=items[[column for column in CARD if column in items]],
            statistics=ItemStatistics.of(train, catalogue, neighbours),
            tfidf=tfidf,
            last=last or {},
        )

    @property
    def catalogue(self) -> Vocabulary:
        """The items that are ranked."""
        return self.statistics.items

    # -- questions -------------------------------------------------------------------------------------------------

    def recommend(
        self,
        users: Any = None,
        *,
        histories: Any = None,
        texts: Any = None,
        seen: Any = None,
        candidates: Any = None,
        kinds: Sequence[Mapping[str, str]] | None = None,
        context: Context = NOW,
        model: str = "",
        k: int = 10,
    ) -> Answer:
        """Return the k items that a model recommends for each query.

        Args:
            users: user ids. Their histories are those of the bundle, unless `histories` gives newer ones.
            histories: item ids, oldest first, one list per query; the user need not be known.
            texts: what users say they want, instead of histories.
            seen: item ids to leave out, one list per query. Unless given, as in the evaluation: for `users` of the
                bundle the items of their `seen_events`, otherwise the whole history.
            candidates: ids of the only items that may be listed; all unless given.
            kinds: for each history, item_id -> kind of event, for the words of the reasons.
            context: when and where the users ask: values by name, with or without `ctx_`, such as {"device": "phone",
                "timestamp": "2025-12-24T18:00"}; without a timestamp the time is now. A frame has one row per query and
                is used as it is. "now" and "last event" (of the shop) are a time alone, None is no context.
            model: the name of a model; "" chooses the best on validation, for a text the most suitable that reads it.
            k: length of each list; shorter if the model knows fewer items.

        Returns:
            An answer with `lists`: query (the user id, or the place of the query), rank (from 1), item_id, title (and
            category, brand, price as far as known), score, reason, fallback (True if nothing is known of the user and
            the list is the popular one).

        Raises:
            ParameterError: RK-330 not exactly one kind of query, RK-331 an empty text, RK-313 no list of ids per query,
                RK-332 no model understands text, RK-318 unknown model, RK-312 a wrong k, RK-343 an unknown column of
                the context, RK-344, RK-346 and RK-347 a context that cannot be read, RK-340 a frame with another
                number of rows, RK-422 `users` without histories.
            DataError: RK-153 and RK-154 ids that are missing or cannot be ids.
        """
        question = Question.of(users, histories, texts, seen, candidates)
        if question.users is not None and question.histories is None:
            question = self._find_histories(question, question.users)
        if kinds is not None:
            question = replace(question, kinds=kinds)
        found = answer(question, self._showcase, self.models, context=context, last=self.last, model=model, k=k)
        if self.left_out_best and not model and question.texts is None:
            why = self.left_out[self.left_out_best]
            note = f"{self.left_out_best}, the best model, is left out of this bundle ({why}): {found.model} answers."
            found = replace(found, notes=[note, *found.notes])
        return found

    def related(self, item: str, *, k: int = 10) -> Answer:
        """Return items like one item: of the same users first, then with similar content.

        Args:
            item: id of an item.
            k: length of the list; shorter if nothing more resembles the item.

        Returns:
            An answer with rank, item_id, title (and category, brand, price as far as known), score (a cosine, to be
            compared among rows with the same kind of reason), reason (the number of common users, or common words).

        Raises:
            ParameterError: RK-335 unknown item, RK-312 a wrong k.
        """
        return shelves.related(
            item, items=self.items, statistics=self.statistics, models=self.models, tfidf=self.words, k=k
        )

    def together(self, items: Any, *, k: int = 10, by: str = "confidence") -> Answer:
        """Return what goes with an item, or with any item of a basket, by the association rules of the training set.

        A basket of the rules is a session if the events have a `session_id`, otherwise all items of a user. An item to
        which several items of the basket lead is listed once, by its best rule.

        Args:
            items: one item id or several.
            k: length of the list; shorter if nothing more goes with them.
            by: "confidence", "lift" (rare items first) or "support".

        Returns:
            An answer with rank, item_id, title ..., count (of baskets with both), support, confidence, lift, reason.

        Raises:
            ParameterError: RK-335 no item is known, RK-341 unknown `by`, RK-312 a wrong k.
        """
        return shelves.together(items, items=self.items, statistics=self.statistics, by=by, k=k)

    def popular(self, *, days: float = 0, category: str = "", k: int = 10) -> Answer:
        """Return the items with the most users.

        Args:
            days: count the last whole days of the training set alone; 0 counts all of it.
            category: list the items of this category alone.
            k: length of the list; shorter if fewer items have users.

        Returns:
            An answer with rank, item_id, title ..., score (the number of users), reason.

        Raises:
            ParameterError: RK-336 unknown category, RK-337 no such days, RK-312 a wrong k.
        """
        return shelves.popular(items=self.items, statistics=self.statistics, category=category, days=days, k=k)

    def promoted(self) -> list[str]:
        """Return the ids of the items on promotion: by their latest event in the last days of the training set.

        Raises:
            ParameterError: RK-338 the events do not tell.
        """
        if self.statistics.promoted is None:
            raise ParameterError(
                "RK-338",
                "the events of this shop do not tell what is on promotion; expected columns ctx_promotion and "
                "timestamp.",
                "Name the products: candidates=['0001', '0002'], on the command line --candidates 0001,0002.",
            )
        return self.statistics.promoted

    @property
    def words(self) -> Vectors | None:
        """TF-IDF vectors of the items: those of the first model that has some, otherwise `tfidf`."""
        name = next((card.name for card in self.models.cards if card.reads == "words"), "")
        return self.models[name].vectors if name else self.tfidf

    @cached_property
    def _showcase(self) -> Showcase:
        return Showcase(self.models, self.items, pd.Series(dtype=object), tfidf=self.words)

    def _find_histories(self, question: Question, users: list[str]) -> Question:
        if self.histories is None:
            raise ParameterError(
                "RK-422",
                "this bundle has no histories; expected the histories of these users.",
                "Pass histories=[[...]], or make the bundle with --with-histories.",
            )
        seen = question.seen
        if seen is None and self.models.seen_events:
            seen = self.histories.find(users, masked=True)
        found, kinds = self.histories.find(users), self.histories.find_kinds(users)
        return replace(question, seen=seen, histories=found, kinds=kinds)

    # -- on disk ---------------------------------------------------------------------------------------------------

    def with_histories(self, events: pd.DataFrame, *, salt: str = "") -> "Bundle":
        """Return the bundle with the histories of users, under a salted hash of the user id (`StoredHistories`).

        Args:
            events: all interactions that are known: `user_id, item_id`, and `timestamp` or `position`.
            salt: hexadecimal; a random one unless given.
        """
        salt, seen_events = salt or secrets.token_hex(16), self.models.seen_events
        stored = StoredHistories.of(events, self.catalogue, salt=salt, seen_events=seen_events)
        return replace(self, histories=stored)

    def without_histories(self) -> "Bundle":
        """Return the bundle without histories, and without the models that need them; `left_out` names these.

        Raises:
            ArtifactError: RK-423 all models need histories.
        """
        kept = [card for card in self.models.cards if not card.needs_histories]
        gone = {card.name: NEEDS_HISTORIES for card in self.models.cards if card.needs_histories}
        if not kept:
            raise ArtifactError(
                "RK-423",
                f"all models of the bundle need the histories of users: {', '.join(gone)}; expected one without.",
                "Make the bundle with --with-histories, or run chapter 04 with another model as well.",
            )
        best = self.left_out_best or (self.models.best() if self.models.best() in gone else "")
        models, left_out = replace(self.models, cards=kept), {**self.left_out, **gone}
        return replace(self, models=models, left_out=left_out, left_out_best=best, histories=None)

    def save(self, folder: str | Path) -> None:
        """Write the bundle into a new folder.

        A bundle without histories is written without the state of models that need them.

        Raises:
            ArtifactError: RK-407 the folder exists, RK-505 it cannot be written.
        """
        folder = Path(folder)
        models = {name: self.models[name] for name in self.models}
        save_models(folder / MODELS, models, with_histories=self.histories is not None)
        self.items.to_parquet(folder / ITEMS, index=False)
        arrays, counted = self.statistics.to_tensors()
        (folder / STATISTICS).write_bytes(_serialize(arrays))
        if self.tfidf is not None and self.words is self.tfidf:
            self.tfidf.save(folder / TFIDF)
        if self.histories is not None:
            (folder / HISTORIES).write_bytes(_serialize(self.histories.to_tensors()))
        settings = {
            "format": FORMAT,
            "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
            "models": [asdict(card) for card in self.models.cards],
            "left_out": dict(self.left_out),
            "left_out_best": self.left_out_best,
            "context": list(self.models.context),
            "seen_events": list(self.models.seen_events),
            "unread_share": self.models.unread_share,
            "last_event": {name: pd.Timestamp(value).isoformat() for name, value in self.last.items()},
            "statistics": counted,
            "salt": self.histories.salt if self.histories else "",
            "sha256": _digests(folder),
        }
        text = json.dumps(settings, indent=2, ensure_ascii=False)  # the order of context columns is that of notes
        (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        complete: Callable[[Recommender], None] | None = None,
        remedy: Callable[[], str] = lambda: "Write the bundle again.",
    ) -> "Bundle":
        """Read a bundle; a model is read when it is first used.

        Args:
            folder: the folder that `save` wrote, wherever it is now.
            complete: gives a model that needs the histories of users its state. Without it such models are left out of
                a bundle without histories.
            remedy: says what to do about a damaged file; called only then.

        Raises:
            ArtifactError: RK-420 the folder holds no bundle, RK-421 a bundle of another format, RK-423 all its models
                need histories.
            IntegrityError: RK-374 a file is damaged, missing or cannot be read.
        """
        folder = Path(folder)
        settings = _read_settings(folder, remedy)
        try:
            found = _digests(folder)
        except OSError as refusal:
            raise IntegrityError("RK-374", f"a file of {folder} cannot be read ({refusal}).", remedy()) from refusal
        for name, digest in settings["sha256"].items():
            if found.get(name) != digest:
                problem = "does not match its checksum in bundle.json" if name in found else "is missing"
                raise IntegrityError("RK-374", f"{folder / name} {problem}.", remedy())
        fitted = load_models(folder / MODELS, complete=complete, remedy=remedy)
        options, salt = {name: settings[name] for name in ("context", "seen_events", "unread_share")}, settings["salt"]
        bundle = cls(
            models=ShopModels(fitted, settings["models"], **options),
            items=pd.read_parquet(folder / ITEMS),
            statistics=ItemStatistics.from_tensors(
                load_file(folder / STATISTICS), settings["statistics"], fitted.vocabulary
            ),
            tfidf=Vectors.load(folder / TFIDF) if (folder / TFIDF).exists() else None,
            last=settings["last_event"],
            left_out=settings["left_out"],
            left_out_best=settings.get("left_out_best", ""),
            histories=StoredHistories(fitted.vocabulary, salt, **load_file(folder / HISTORIES)) if salt else None,
        )
        return bundle if salt or complete else bundle.without_histories()


def _serialize(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a safetensors file; `save_file` would let only this account read it."""
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file, except for `SETTINGS` and for the files that the index of the models checks."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / SETTINGS]
    kept = [path for path in files if folder / MODELS not in path.parents or path == folder / MODELS / INDEX]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


def _read_settings(folder: Path, remedy: Callable[[], str]) -> dict[str, Any]:
    """The settings, with the cards of the models and the times of the last event as `save` had them."""
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if settings["format"] == FORMAT:
            settings["models"] = [ModelCard(**card) for card in settings["models"]]
            settings["last_event"] = {name: pd.Timestamp(value) for name, value in settings["last_event"].items()}
            for name, kind in KINDS.items():
                if not isinstance(settings[name], kind):
                    raise TypeError(f"{name} is {settings[name]!r:.40}")
            if not settings["models"] or set(settings["statistics"]) != set(PLAIN):
                raise ValueError("no models or other statistics")
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(
            "RK-420",
            f"{folder} holds no bundle.json; expected the folder of a bundle.",
            "Write one: recsys-kit bundle RUN OUT.",
        ) from None
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as problem:  # JSON errors are ValueErrors
        what = f"{folder / SETTINGS} is damaged or cannot be read ({type(problem).__name__}: {problem})."
        raise IntegrityError("RK-374", what, remedy()) from problem
    if settings["format"] != FORMAT:
        raise ArtifactError(
            "RK-421",
            f"{folder} is a bundle of format {settings['format']!r}; expected {FORMAT}.",
            "Write it again with this version of recsys_kit, or install the version that wrote it.",
        )
    return settings
