"""An answer: lists, and notes for their reader; how what is asked is read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import as_ids, listed
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.inputs import Query
from recsys_kit.shop.circumstances import context_notes
from recsys_kit.shop.models import ShopModels

NAMED = 5  # unknown ids that a note names


@dataclass(frozen=True)
class Answer:
    """One or more lists, and what a reader should know about them."""

    lists: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    model: str = ""
    """The model that answers; "" for a list that is counted."""
    context: pd.DataFrame | None = None
    """One row per query: the context that the model used; None if it uses none."""


def check_texts(name: str, values: Any) -> list[str]:
    """Return the texts; RK-331 for one that is empty, no text, or cannot be encoded."""
    values = listed(values)
    for value in values:
        if not isinstance(value, str) or not value.strip() or value != value.encode(errors="replace").decode():
            problem = f"{name} holds {value!r}; expected texts that are not empty."
            raise ParameterError("RK-331", problem, "Pass text='a gift'.")
    return list(values)


def read_ids(name: str, ids: Any) -> list[str]:
    """Return ids as text, whatever they come as; raises as `check_texts` and `as_ids`."""
    ids = ids if isinstance(ids, pd.DataFrame) else listed(ids)  # `as_ids` refuses a table
    check_texts(name, [one for one in ids if isinstance(one, str)])
    return as_ids(ids, name).tolist()


def find_unknown(items: Vocabulary, ids: Iterable[str]) -> list[str]:
    """Return the ids that the catalogue does not have, each once."""
    return [one for one in dict.fromkeys(ids) if one not in items]


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
    shares = {"the product texts": models.unread_share}
    if not models.unread_share:
        unread = models.unread_texts(name if how == "meaning" else language, texts)
        shares = {"this text" if len(texts) == 1 else f"{text!r:.40}": share for text, share in unread.items()}
    for what, share in shares.items():
        yield f"the language model does not know {share:.0%} of the tokens of {what}: {means}"


def note_lists(
    models: ShopModels, name: str, query: Query, lists: pd.DataFrame, asked: Mapping[str, Any], *, k: int, chosen: bool
) -> Iterator[str]:
    """Yield what a reader of the lists should know: unknown ids, who got the popular list, lists that are short ...

    Args:
        models: the models of the shop.
        name: the model that answers.
        query: what was asked.
        lists: the answer; its `query` is a place.
        asked: as it was asked: users, histories (`Histories`, or lists of item ids), texts, candidates, context.
        k: the length that was asked for.
        chosen: whether the shop chose the model.
    """
    users, texts, histories, candidates = (asked[one] for one in ("users", "texts", "histories", "candidates"))
    popular, encoded = "what is popular is shown instead", isinstance(histories, Histories)
    interacted = [] if encoded else chain.from_iterable(histories or ())
    is_empty = np.equal(np.diff(histories.starts) if encoded else list(map(len, histories or texts or ())), 0)
    lists_of = {"history": interacted, "candidates": candidates or ()}
    unknown = {where: find_unknown(models[name].items, ids) for where, ids in lists_of.items()}
    if users is not None and is_empty.any():
        yield f"{name_ids('shopper', list(compress(users, is_empty)))} unknown to this shop: {popular}."
    for where, ids in unknown.items():
        if ids:
            yield f"{name_ids('product', ids)} unknown to this shop and left out of the {where}."
    fallback = lists.loc[lists["fallback"], "query"].unique()
    if len(fallback) and (users is None or not is_empty[fallback].all()):
        yield f"{name} finds nothing to start from in the {'history' if texts is None else 'text'}: {popular}."
    shortest = lists["query"].value_counts().reindex(range(len(is_empty)), fill_value=0).min()
    k = k if query.candidates is None else min(k, query.candidates.sum())
    if len(is_empty) and (shortest < k or not (k or unknown["candidates"])):
        yield f"the list has {shortest} products, fewer than the {k} asked for: there are no more to recommend."
    if len(is_empty):
        timed = asked["context"] is None or isinstance(asked["context"], str)
        known = models.cards[name].context if texts is None else {}
        yield from context_notes(name, known, query.context, asked=not timed)
    if texts is not None:
        yield from note_unread(models, name, texts, chosen=chosen)
        if chosen and not any(card.reads == "meaning" for card in models.cards.values()):
            yield f"no model of this shop understands language: {name} compares words, not what they mean."
    elif users is None and query.histories.seen is None and models.seen_events and len(query.histories.items):
        yield (
            f"the models were evaluated with items left out after {', '.join(models.seen_events)} alone; here the "
            "whole history is left out. Pass as seen what is to be left out."
        )


def name_ids(what: str, ids: Sequence[str]) -> str:
    """Return ids as the subject of a sentence.

    >>> name_ids("product", ["x"]), name_ids("product", ["x", "y"])
    ("product 'x' is", "2 products ('x', 'y') are")
    """
    if len(ids) == 1:
        return f"{what} {ids[0]!r} is"
    shown = ", ".join(repr(name) for name in ids[:NAMED]) + (" ..." if len(ids) > NAMED else "")
    return f"{len(ids)} {what}s ({shown}) are"
