"""Answer a question with a list: the model that answers, its context, and notes for the reader of the list."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pandas as pd

from recsys_kit.core.encoded import lists_of_ids
from recsys_kit.core.ids import as_ids, listed
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ParameterError
from recsys_kit.shop.circumstances import LAST_EVENT, NOW, check_names, context_notes, frame_of, now
from recsys_kit.shop.models import ShopModels, check_model
from recsys_kit.shop.showcase import Showcase

NAMED = 5  # unknown ids that a note names
Context: TypeAlias = Mapping[str, Any] | pd.DataFrame | str | None
"""Values by name, a frame with one row per query, "now", "last event" (of the shop), or None."""


@dataclass(frozen=True)
class Answer:
    """One or more lists, and what a reader should know about them."""

    lists: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    model: str = ""
    """The model that answers; "" for a list that is counted."""
    context: pd.DataFrame | None = None
    """One row per query: the context that the model used; None if it uses none."""


@dataclass(frozen=True)
class Question:
    """B queries of one kind, as lists; the fields are as in `Bundle.recommend`."""

    users: list[str] | None = None
    histories: list[list[str]] | None = None
    texts: list[str] | None = None
    seen: list[list[str]] | None = None
    candidates: list[str] | None = None
    kinds: Sequence[Mapping[str, str]] | None = None
    """Of each history: item_id -> kind of event (`strongest_kinds`), for the words of the reasons."""

    @classmethod
    def of(
        cls, users: Any = None, histories: Any = None, texts: Any = None, seen: Any = None, candidates: Any = None
    ) -> "Question":
        """Read ids, lists of ids and texts as callers have them: numbers, arrays, columns, generators.

        Raises:
            ParameterError: RK-330 neither or both of histories (or users) and texts, RK-313 no list of ids per query,
                RK-331 a text that is empty or no text.
            DataError: RK-153 and RK-154 ids that are missing or cannot be ids.
        """
        queries = {"users": users, "histories": histories, "texts": texts}
        given = [name for name, value in queries.items() if value is not None]
        if not given or ("texts" in given and len(given) > 1):
            raise ParameterError(
                "RK-330",
                f"the query is {' and '.join(given) or 'empty'}; expected users, histories or texts.",
                "Pass histories=[['7', '12']].",
            )
        return cls(
            users=None if users is None else read_ids("users", users),
            histories=None if histories is None else _id_lists("histories", histories),
            texts=None if texts is None else check_texts("texts", listed(texts)),
            seen=None if seen is None else _id_lists("seen", seen),
            candidates=None if candidates is None else read_ids("candidates", candidates),
        )

    def __len__(self) -> int:
        return len(self.texts if self.texts is not None else self.histories or [])

    @property
    def kind(self) -> str:
        """ "text", "user" or "history"."""
        return "text" if self.texts is not None else "history" if self.users is None else "user"

    def one(self, place: int) -> "Question":
        """Return one of the texts as a question of its own."""
        seen = None if self.seen is None else self.seen[place : place + 1]
        return replace(self, texts=(self.texts or [])[place : place + 1], seen=seen)


def check_texts(name: str, values: Any) -> list[str]:
    """Return the texts; RK-331 for one that is empty, no text, or cannot be encoded."""
    for value in values:
        if not isinstance(value, str) or not value.strip() or value != value.encode(errors="replace").decode():
            raise ParameterError(
                "RK-331", f"{name} holds {value!r}; expected texts that are not empty.", "Pass text='a gift'."
            )
    return list(values)


def read_ids(name: str, ids: Any) -> list[str]:
    """Return ids as text, whatever they come as; raises as `check_texts` and `as_ids`."""
    ids = listed(ids)
    check_texts(name, [one for one in ids if isinstance(one, str)])
    return as_ids(ids, name).tolist()


def _id_lists(name: str, lists: Any) -> list[list[str]]:
    return [read_ids(f"the item ids of {name}", ids) for ids in lists_of_ids(lists, name)]


def answer(
    question: Question,
    showcase: Showcase,
    models: ShopModels,
    *,
    context: Context = NOW,
    last: Mapping[str, Any],
    model: str = "",
    k: int,
) -> Answer:
    """Return the lists of a question, with reasons.

    Args:
        question: with histories or texts.
        showcase: shows the lists of `models`.
        models: the models of the shop.
        context: when and where the users ask.
        last: the context at the time of the shop's last event.
        model: the name of a model; "" chooses the best one.
        k: length of each list.
    """
    names = [] if model or question.texts is None else [models.best_reader(text) for text in question.texts]
    if len(set(names)) > 1 and (question.seen is None or len(question.seen) == len(question)):
        return _answer_one_by_one(question, showcase, models, context=context, last=last, k=k)
    reading = question.texts is not None
    name = model or (names or [models.best_reader() if reading else models.best()])[0]
    check_model(name, models)
    if reading and not models.card(name).reads:
        raise models.refuse_text(name)
    known = {} if reading else models.card(name).context
    asked = _context_frame(context, len(question), known, models.context, last)
    lists = showcase.lists(
        name,
        histories=question.histories,
        texts=question.texts,
        seen=question.seen,
        kinds=question.kinds,
        candidates=question.candidates,
        context=asked,
        k=k,
    )
    notes = list(_notes(question, lists, name, models[name].items, k))
    if len(question):
        notes += context_notes(name, known, asked, asked=context is not None and not isinstance(context, str))
    if reading:
        notes += note_unread(models, name, question.texts or [], chosen=not model)
        if not model and not any(card.reads == "meaning" for card in models.cards):
            notes.append(f"no model of this shop understands language: {name} compares words, not what they mean.")
    if question.kind == "history" and question.seen is None and models.seen_events and any(question.histories or []):
        notes.append(
            f"the models were evaluated with items left out after {', '.join(models.seen_events)} alone; here the "
            "whole history is left out. Pass as seen what is to be left out."
        )
    if question.users is not None:
        lists["query"] = pd.Series([question.users[place] for place in lists["query"]], lists.index, dtype="str")
    used = None if asked is None or not known else asked[[column for column in asked if column in known]]
    return Answer(lists, notes, name, used)


def _answer_one_by_one(
    question: Question, showcase: Showcase, models: ShopModels, *, context: Context, last: Mapping[str, Any], k: int
) -> Answer:
    """Answer texts for different models, each as it would be answered alone."""
    found = []
    for place in range(len(question)):
        where = context.iloc[place : place + 1] if isinstance(context, pd.DataFrame) else context
        found.append(answer(question.one(place), showcase, models, context=where, last=last, k=k))
    lists = pd.concat([one.lists.assign(query=place) for place, one in enumerate(found)], ignore_index=True)
    notes = list(dict.fromkeys(note for one in found for note in one.notes))
    return Answer(lists, notes, ", ".join(dict.fromkeys(one.model for one in found)))


def _context_frame(
    context: Context, n_queries: int, used: Mapping[str, Any], known: Sequence[str], last: Mapping[str, Any]
) -> pd.DataFrame | None:
    """One row per query; None for no context, or for a time alone that the model does not use."""
    if context is None:
        return None
    if isinstance(context, str) and context in (NOW, LAST_EVENT):
        return frame_of(now() if context == NOW else last, n_queries) if used else None
    frame = frame_of(context, n_queries)
    check_names(frame, known)
    if isinstance(context, Mapping) and "timestamp" not in frame:
        frame = frame.assign(**frame_of(now(), n_queries))
    return frame


def note_unread(models: ShopModels, name: str, texts: Sequence[str], *, chosen: bool) -> Iterator[str]:
    """Yield what the language model cannot read, of the product texts or of these, and what that means for the list.

    Args:
        models: the models of the shop.
        name: the model that answers.
        texts: the queries.
        chosen: whether the shop chose the model; a caller who names one that compares words needs no note.
    """
    how = models.card(name).reads
    language = next((card.name for card in models.cards if card.reads == "meaning"), "")
    if not language or not (how == "meaning" or (how == "words" and chosen)):
        return
    means = f"what {name} finds says little." if how == "meaning" else f"{name} answers, which compares words."
    of = {"the product texts": models.unread_share} if models.unread_share else {}
    if not of:
        shares = models.unread_texts(name if how == "meaning" else language, texts)
        of = {"this text" if len(texts) == 1 else f"{text!r:.40}": share for text, share in shares.items()}
    for what, share in of.items():
        yield f"the language model does not know {share:.0%} of the tokens of {what}: {means}"


def _notes(question: Question, lists: pd.DataFrame, name: str, items: Vocabulary, k: int) -> Iterator[str]:
    """Yield what a reader should know: unknown ids, who got the popular list, lists that are short."""
    popular = "what is popular is shown instead"
    histories = question.histories or []
    if question.users is not None:
        unknown = [user for user, history in zip(question.users, histories, strict=True) if not history]
        if unknown:
            yield f"{name_ids('shopper', unknown)} unknown to this shop: {popular}."
    interacted = dict.fromkeys(item for history in histories for item in history)
    if strange := [item for item in interacted if item not in items]:
        yield f"{name_ids('product', strange)} unknown to this shop and left out of the history."
    if strange := [item for item in question.candidates or [] if item not in items]:
        yield f"{name_ids('product', strange)} unknown to this shop and left out of the candidates."
    fallback = lists.loc[lists["fallback"], "query"].unique()
    if [place for place in fallback if question.users is None or histories[place]]:
        what = "text" if question.texts is not None else "history"
        yield f"{name} finds nothing to start from in the {what}: {popular}."
    lengths = lists["query"].value_counts().reindex(range(len(question)), fill_value=0)
    if question.candidates is not None:
        k = min(k, len({item for item in question.candidates if item in items}))
    if len(lengths) and (lengths.min() < k or question.candidates == []):
        yield f"the list has {lengths.min()} of {k} products: there are no more to recommend."


def name_ids(what: str, ids: Sequence[str]) -> str:
    """Return ids as the subject of a sentence.

    >>> name_ids("product", ["x"]), name_ids("product", ["x", "y"])
    ("product 'x' is", "2 products ('x', 'y') are")
    """
    if len(ids) == 1:
        return f"{what} {ids[0]!r} is"
    shown = ", ".join(repr(name) for name in ids[:NAMED]) + (" ..." if len(ids) > NAMED else "")
    return f"{len(ids)} {what}s ({shown}) are"
