"""Answer a question with a list: the model that answers, its context, and notes for the reader of the list."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from recsys_kit.shop.circumstances import LAST_EVENT, NOW, check_names, context_notes, frame_of, now
from recsys_kit.shop.models import ShopModels, check_model
from recsys_kit.shop.questions import Question
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
    texts = question.texts or []
    names = [] if model else [models.best_reader(text) for text in texts]
    if len(set(names)) > 1:
        return _answer_one_by_one(question, showcase, models, context=context, last=last, k=k)
    reading = question.texts is not None
    name = model or (names or [models.best_reader() if reading else models.best()])[0]
    check_model(name, models)
    if reading and not models.cards[name].reads:
        raise models.refuse_text(name)
    known = {} if reading else models.cards[name].context
    asked = _context_frame(context, len(question), known, models.context, last)
    lists = showcase.answer(name, question, context=asked, k=k)
    notes = list(_notes(question, lists, name, k))
    if len(question):
        notes += context_notes(name, known, asked, asked=context is not None and not isinstance(context, str))
    if reading:
        notes += note_unread(models, name, texts, chosen=not model)
        if not model and not any(card.reads == "meaning" for card in models.cards.values()):
            notes.append(f"no model of this shop understands language: {name} compares words, not what they mean.")
    if question.kind == "history" and not question.has_seen and models.seen_events and len(question.histories.items):
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
    how = models.cards[name].reads
    language = next((card.name for card in models.cards.values() if card.reads == "meaning"), "")
    if not language or not (how == "meaning" or (how == "words" and chosen)):
        return
    means = f"what {name} finds says little." if how == "meaning" else f"{name} answers, which compares words."
    of = {"the product texts": models.unread_share} if models.unread_share else {}
    if not of:
        shares = models.unread_texts(name if how == "meaning" else language, texts)
        of = {"this text" if len(texts) == 1 else f"{text!r:.40}": share for text, share in shares.items()}
    for what, share in of.items():
        yield f"the language model does not know {share:.0%} of the tokens of {what}: {means}"


def _notes(question: Question, lists: pd.DataFrame, name: str, k: int) -> Iterator[str]:
    """Yield what a reader should know: unknown ids, who got the popular list, lists that are short."""
    popular = "what is popular is shown instead"
    users, is_empty = question.users, np.diff(question.histories.starts) == 0
    if users is not None and is_empty.any():
        unknown = [user for user, without in zip(users, is_empty, strict=True) if without]
        yield f"{name_ids('shopper', unknown)} unknown to this shop: {popular}."
    for where, ids in question.unknown.items():
        if ids:
            yield f"{name_ids('product', ids)} unknown to this shop and left out of the {where}."
    fallback = lists.loc[lists["fallback"], "query"].unique()
    if len(fallback) and (users is None or not is_empty[fallback].all()):
        what = "text" if question.texts is not None else "history"
        yield f"{name} finds nothing to start from in the {what}: {popular}."
    shortest = lists["query"].value_counts().reindex(range(len(question)), fill_value=0).min()
    if question.candidates is not None:
        k = min(k, question.candidates.sum())
    if len(question) and (shortest < k or not (k or question.unknown["candidates"])):
        yield f"the list has {shortest} of {k} products: there are no more to recommend."


def name_ids(what: str, ids: Sequence[str]) -> str:
    """Return ids as the subject of a sentence.

    >>> name_ids("product", ["x"]), name_ids("product", ["x", "y"])
    ("product 'x' is", "2 products ('x', 'y') are")
    """
    if len(ids) == 1:
        return f"{what} {ids[0]!r} is"
    shown = ", ".join(repr(name) for name in ids[:NAMED]) + (" ..." if len(ids) > NAMED else "")
    return f"{len(ids)} {what}s ({shown}) are"
