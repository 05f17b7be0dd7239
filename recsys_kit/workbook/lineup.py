"""Who stands on the leaderboard of chapter 04, family by family; `quick` runs those that earn their seconds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from recsys_kit.core.contexts import is_context
from recsys_kit.errors import ParameterError
from recsys_kit.features.attributes import has_attributes
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.content import Attributes, Content
from recsys_kit.recommenders.factorization import ALS, BPR
from recsys_kit.recommenders.formulas import (
    FormulaCollaborative,
    FormulaContent,
    FormulaDeep,
    FormulaPair,
    FormulaSimilarity,
)
from recsys_kit.recommenders.linear import EASE
from recsys_kit.recommenders.neighbours import ItemKNN, ItemKNNBM25, UserKNN
from recsys_kit.recommenders.popularity import PopularInCategory, Popularity, PopularLately
from recsys_kit.recommenders.rerankers.context import ContextAware
from recsys_kit.recommenders.rules import AssociationRules
from recsys_kit.recommenders.sequential import ShallowSequence, TransformerSequence
from recsys_kit.recommenders.towers import TwoTowers
from recsys_kit.recommenders.transitions import ItemTransitions

ANY_TEXT = "text"
"""Stands for the item vectors of the language model, or TF-IDF's where that has none."""
NO_VECTORS = "none"
"""For a model that does without item vectors where there are some."""
QUICK_ITEMS = 10_000
"""Beyond so many products quick leaves out what becomes slow in a large catalogue."""


@dataclass(frozen=True)
class Entry:
    """One model of the leaderboard."""

    family: str
    make: Callable[[], Recommender]
    quick: bool = True
    """Part of the profile quick."""
    small: bool = False
    """In quick only where the catalogue is small."""
    needs: str = ""
    """What it cannot do without: "timestamp", "category", "attributes", "context", or the name of a feature."""
    vectors: str = ""
    """The feature that it takes, if not the one that it needs; where there is none it does without."""
    blends: bool = False
    """A part of the hybrids."""

    def model(self, seed: int) -> Recommender:
        """Unfitted; what it draws, it draws by `seed`."""
        made = self.make()
        return replace(made, seed=seed) if hasattr(made, "seed") else made


LINEUP: Mapping[str, Entry] = {
    "popularity": Entry("popularity", Popularity),
    "popular_lately": Entry("popularity", PopularLately, quick=False, needs="timestamp"),
    "popular_in_category": Entry("popularity", PopularInCategory, needs="category"),
    "item_knn": Entry("neighbours", ItemKNN, blends=True),
    "item_knn_bm25": Entry("neighbours", ItemKNNBM25, blends=True),
    "user_knn": Entry("neighbours", UserKNN, quick=False, blends=True),
    "transitions": Entry("order", ItemTransitions, blends=True),
    "association_rules": Entry("rules", AssociationRules),
    "ease": Entry("factors", EASE, small=True, blends=True),
    "als": Entry("factors", ALS, small=True, blends=True),
    "bpr": Entry("factors", BPR, quick=False),
    "content_tfidf": Entry("content", Content, needs="tfidf", blends=True),
    "content_minilm": Entry("content", Content, needs="minilm", blends=True),
    "attributes": Entry("content", Attributes, needs="attributes", blends=True),
    "context_aware": Entry("context", ContextAware, needs="context"),
    "two_towers": Entry("networks", TwoTowers, quick=False, vectors=ANY_TEXT, blends=True),
    "shallow": Entry("networks", ShallowSequence, vectors=ANY_TEXT, blends=True),
    "shallow_no_text": Entry("networks", ShallowSequence, small=True, needs=ANY_TEXT, vectors=NO_VECTORS),
    "transformer": Entry("networks", TransformerSequence, vectors=ANY_TEXT, blends=True),
    "formula_collaborative": Entry("formulas", FormulaCollaborative, quick=False, vectors=ANY_TEXT),
    "formula_content": Entry("formulas", FormulaContent, quick=False, vectors=ANY_TEXT),
    "formula_deep": Entry("formulas", FormulaDeep, small=True, vectors=ANY_TEXT),
    "formula_similarity": Entry("formulas", FormulaSimilarity, quick=False, vectors=ANY_TEXT),
    "formula_pair": Entry("formulas", FormulaPair, quick=False, vectors=ANY_TEXT),
}


def choose(
    *,
    train: pd.DataFrame,
    items: pd.DataFrame,
    features: Sequence[str] = (),
    profile: str = "quick",
    names: Sequence[str] = (),
) -> tuple[dict[str, Entry], dict[str, str]]:
    """The entries that this shop can run, in the order of `LINEUP`, and of the others why not.

    Args:
        train: the training interactions.
        items: the catalogue.
        features: names of the item vectors that there are, such as "tfidf".
        profile: "quick" leaves out what is slow.
        names: the models to take, whatever the profile says; none for all of it. Popularity always comes along.

    Raises:
        ParameterError: RK-318 a name that is none of ours.

    >>> events = pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "position": [0]})
    >>> chosen, left_out = choose(train=events, items=pd.DataFrame({"item_id": ["x"]}), names=["ease", "attributes"])
    >>> list(chosen), left_out["attributes"]
    (['popularity', 'ease'], 'no attributes here')
    """
    if unknown := [name for name in names if name not in LINEUP]:
        raise ParameterError(
            "RK-318", f"model is {unknown[0]!r}; expected one of {', '.join(LINEUP)}.", "Name some of these."
        )
    there = {*features, *facts(train, items)}
    chosen, left_out = {}, {}
    for name, entry in LINEUP.items():
        if reason := _reason(name, entry, there, len(items), profile, names):
            left_out[name] = reason
        else:
            chosen[name] = entry
    return chosen, left_out


def _reason(name: str, entry: Entry, there: set[str], n_items: int, profile: str, names: Sequence[str]) -> str:
    """Why not; "" where nothing speaks against it."""
    if entry.needs and entry.needs not in there:
        return f"no {entry.needs} here"
    if name == "popularity" or name in names:
        return ""
    if names:
        return "not asked for"
    if profile == "quick" and not entry.quick:
        return "in the profile full only"
    if profile == "quick" and entry.small and n_items > QUICK_ITEMS:
        return f"in quick only up to {QUICK_ITEMS:,} products"
    return ""


def facts(train: pd.DataFrame, items: pd.DataFrame) -> set[str]:
    """What models may need and find in these tables."""
    found = {"timestamp"} & set(train)
    found |= {"context"} if any(is_context(column) for column in train) else set()
    found |= {"category"} if "category" in items and items["category"].notna().any() else set()
    return found | ({"attributes"} if has_attributes(items) else set())
