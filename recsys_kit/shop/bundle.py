"""A bundle: what answers questions about a shop, on any machine and without a run."""

import hashlib
import json
import platform
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save

from recsys_kit.core.encoded import lists_of_ids
from recsys_kit.core.histories import Histories
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ArtifactError, IntegrityError, ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.inputs import encode_query
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.recommenders.store import INDEX, load_models, save_models
from recsys_kit.shop.answers import Answer, check_texts, note_lists, read_ids
from recsys_kit.shop.circumstances import NOW, Context, context_frame
from recsys_kit.shop.histories import StoredHistories
from recsys_kit.shop.models import OPTIONS, ModelCard, ShopModels
from recsys_kit.shop.shelves import Shelves
from recsys_kit.shop.showcase import Showcase
from recsys_kit.shop.statistics import ItemStatistics

FORMAT = 1
SETTINGS, MODELS, ITEMS, TFIDF = "bundle.json", "models", "items.parquet", "tfidf"
STATISTICS, HISTORIES = "statistics.safetensors", "histories.safetensors"
NEEDS_HISTORIES = "it needs the histories of users, which this bundle does not hold"
CARD = ("item_id", "title", "category", "brand", "price", "image")
"""Columns of the items table that a list shows."""
KINDS = {"left_out": dict, "context": list, "seen_events": list, "unread_share": int | float, "salt": str}
"""What `SETTINGS` holds under names whose values are used as they are."""
LIBRARIES = ("recsys_kit", "numpy", "scipy", "pandas", "torch", "lightgbm", "safetensors")
"""Libraries whose versions a bundle records."""


@dataclass(frozen=True, eq=False)
class Bundle(Shelves):
    """Models, item cards, item features and item statistics of a shop, with no user ids and no histories.

    It answers questions by histories, texts and items, and knows no run: a folder written by `save` may be moved.
    What it holds of the interactions are aggregates: counts, and what models learned. Some count a single user, such
    as the users of an item on one day (`statistics.daily`), or how often one item followed another (in `Stack`).

    Answers about users by id need a bundle with histories (`with_histories`), which is personal data: the salt of the
    hashed ids lies in the bundle, so anyone who holds it can test whether an id is in it.
    """

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
        last: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> "Bundle":
        """Put together what answers questions.

        Args:
            models: fitted on the same split, by name, the one that serves first.
            items: the items table.
            train: the training interactions with all their columns.
            tfidf: TF-IDF vectors of the items.
            last: the context at the time of the last event, as `last_event` returns it.
            facts: `context`, `seen_events` and `unread_share` of `ShopModels`.
        """
        catalogue = next(iter(models.values())).items
        neighbours = next((model for model in models.values() if isinstance(model, ItemKNN)), None)
        if neighbours is None:
            neighbours = ItemKNN().fit(train, items=pd.DataFrame({"item_id": catalogue.ids}))
        return cls(
            models=ShopModels(models, {name: ModelCard.of(name, model) for name, model in models.items()}, **facts),
            items=items[[column for column in CARD if column in items]],
            statistics=ItemStatistics.of(train, catalogue, neighbours),
            tfidf=tfidf,
            last=last or {},
        )

    # -- questions -------------------------------------------------------------------------------------------------

    def recommend(
        self,
        users: Any = None,
        *,
        histories: Any = None,
        texts: Any = None,
        seen: Any = None,
        candidates: Any = None,
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
        users, kinds = None if users is None else read_ids("users", users), None
        if users is not None and histories is None and texts is None:
            if self.histories is None:
                problem = "this bundle has no histories; expected the histories of these users."
                raise ParameterError("RK-422", problem, "Pass histories=[[...]], or write it with --with-histories.")
            histories, kinds = self.histories.find(users)
        queries = {"users": users, "histories": histories, "texts": texts}
        given = [name for name, value in queries.items() if value is not None]
        if not given or (texts is not None and len(given) > 1):
            problem = f"the query is {' and '.join(given) or 'empty'}; expected users, histories or texts."
            raise ParameterError("RK-330", problem, "Pass histories=[['7', '12']].")
        texts = None if texts is None else check_texts("texts", texts)
        if histories is not None and not isinstance(histories, Histories):
            histories = [read_ids("item ids of the histories", ids) for ids in lists_of_ids(histories, "histories")]
        if seen is not None:
            seen = [read_ids("item ids of seen", ids) for ids in lists_of_ids(seen, "seen")]
        candidates = None if candidates is None else read_ids("candidates", candidates)
        names = self.models.choose(model, texts)
        if len(names) > 1:
            return self._answer_one_by_one(texts, seen=seen, candidates=candidates, context=context, k=k)
        (name,), n_queries = names, len(histories if texts is None else texts)
        used = self.models.cards[name].context if texts is None else {}
        where = context_frame(context, n_queries, used, self.models.context, self.last)
        asked = {"histories": histories, "texts": texts, "candidates": candidates}
        query = encode_query(self.models[name], users, **asked, seen=seen, context=where)
        lists = self._showcase.answer(name, query, kinds=kinds, k=k)
        asked |= {"users": users, "context": context}
        notes = list(note_lists(self.models, name, query, lists, asked, k=k, chosen=not model))
        if self.left_out_best and not model and texts is None:
            gone, why = self.left_out_best, self.left_out[self.left_out_best]
            notes.insert(0, f"{gone}, the best model, is left out of this bundle ({why}): {name} answers.")
        lists["query"] = query.names[lists["query"]]
        shown = None if where is None or not used else where[[column for column in where if column in used]]
        return Answer(lists, notes, name, shown)

    def _answer_one_by_one(self, texts: list[str], *, seen: Any, context: Context, **asked: Any) -> Answer:
        """Answer texts for different models, each as it would be answered alone."""
        found = []
        for place, text in enumerate(texts):
            hidden = None if seen is None else seen[place : place + 1]
            where = context.iloc[place : place + 1] if isinstance(context, pd.DataFrame) else context
            found.append(self.recommend(texts=[text], seen=hidden, context=where, **asked))
        lists = pd.concat([one.lists.assign(query=place) for place, one in enumerate(found)], ignore_index=True)
        notes = list(dict.fromkeys(note for one in found for note in one.notes))
        return Answer(lists, notes, ", ".join(dict.fromkeys(one.model for one in found)))

    @cached_property
    def _showcase(self) -> Showcase:
        return Showcase(self.models, self.items, pd.Series(dtype=object), tfidf=self.words)

    # -- on disk ---------------------------------------------------------------------------------------------------

    def with_histories(self, events: pd.DataFrame, *, salt: str = "") -> "Bundle":
        """Return the bundle with the histories of users, under a salted hash of the user id (`StoredHistories`).

        Args:
            events: all interactions that are known: `user_id, item_id`, and `timestamp` or `position`.
            salt: hexadecimal; a random one unless given.
        """
        options: dict[str, Any] = {"salt": salt or secrets.token_hex(16), "seen_events": self.models.seen_events}
        return replace(self, histories=StoredHistories.of(events, self.catalogue, **options))

    def without_histories(self) -> "Bundle":
        """Return the bundle without histories, and without the models that need them; `left_out` names these.

        Raises:
            ArtifactError: RK-423 all models need histories.
        """
        gone = {name: NEEDS_HISTORIES for name, card in self.models.cards.items() if card.needs_histories}
        kept = {name: card for name, card in self.models.cards.items() if name not in gone}
        if not kept:
            names = ", ".join(gone)
            problem = f"all models of the bundle need the histories of users: {names}; expected one without."
            raise ArtifactError(
                "RK-423", problem, "Write it with --with-histories, or run chapter 04 with another model as well."
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
        folder, models, (arrays, counted) = Path(folder), self.models, self.statistics.to_tensors()
        save_models(folder / MODELS, dict(models), with_histories=self.histories is not None)
        self.items.to_parquet(folder / ITEMS, index=False)
        (folder / STATISTICS).write_bytes(_serialize(arrays))
        if self.tfidf is not None and not any(card.reads == "words" for card in models.cards.values()):
            self.tfidf.save(folder / TFIDF)
        if self.histories is not None:
            (folder / HISTORIES).write_bytes(_serialize(self.histories.to_tensors()))
        settings = {
            "format": FORMAT,
            "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
            "models": [asdict(card) for card in models.cards.values()],
            "left_out": dict(self.left_out),
            "left_out_best": self.left_out_best,
            **{name: getattr(models, name) for name in OPTIONS},
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
        if not (folder / SETTINGS).is_file():
            problem = f"{folder} holds no bundle.json; expected the folder of a bundle."
            raise ArtifactError("RK-420", problem, "Write one: recsys-kit bundle RUN OUT.")
        try:
            settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
            if settings["format"] != FORMAT:
                problem = f"{folder} is a bundle of format {settings['format']!r}; expected {FORMAT}."
                fix = "Write it again with this version of recsys_kit, or install the version that wrote it."
                raise ArtifactError("RK-421", problem, fix)
            if wrong := [name for name, kind in KINDS.items() if not isinstance(settings[name], kind)]:
                raise TypeError(f"{wrong[0]} is {settings[wrong[0]]!r:.40}")
            found = _digests(folder)
            for name, digest in settings["sha256"].items():
                if found.get(name) != digest:
                    problem = "does not match its checksum in bundle.json" if name in found else "is missing"
                    raise IntegrityError("RK-374", f"{folder / name} {problem}.", remedy())
            fitted = load_models(folder / MODELS, complete=complete, remedy=remedy)
            options, salt = {name: settings[name] for name in OPTIONS}, settings["salt"]
            (best, *others), counted = settings["models"], load_file(folder / STATISTICS)
            bundle = cls(
                models=ShopModels(fitted, {card["name"]: ModelCard(**card) for card in (best, *others)}, **options),
                items=pd.read_parquet(folder / ITEMS),
                statistics=ItemStatistics.from_tensors(counted, settings["statistics"], fitted.vocabulary),
                tfidf=Vectors.load(folder / TFIDF) if (folder / TFIDF).exists() else None,
                last={name: pd.Timestamp(value) for name, value in settings["last_event"].items()},
                left_out=settings["left_out"],
                left_out_best=settings.get("left_out_best", ""),
                histories=StoredHistories(fitted.vocabulary, salt, **load_file(folder / HISTORIES)) if salt else None,
            )
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as problem:  # JSON errors are ValueErrors
            what = f"{folder / SETTINGS} or another file of it cannot be read ({type(problem).__name__}: {problem})."
            raise IntegrityError("RK-374", what, remedy()) from problem
        return bundle if salt or complete else bundle.without_histories()


def _serialize(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a safetensors file; `save_file` would let only this account read it."""
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file, except for `SETTINGS` and for the files that the index of the models checks."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / SETTINGS]
    kept = [path for path in files if folder / MODELS not in path.parents or path == folder / MODELS / INDEX]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}
