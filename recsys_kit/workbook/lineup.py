"""The models of the leaderboard of chapter 04, by family; the profile `quick` leaves out the slow ones."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from recsys_kit import recommenders
from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.errors import ParameterError
from recsys_kit.plots import FAMILIES, register_families
from recsys_kit.recommenders.inputs import WITHOUT, available_inputs

TEXT_FEATURES = ("minilm", "tfidf")
"""The item features that a model with a choice takes: the first of these that there are."""
QUICK_ITEMS = 10_000
"""In larger catalogues quick leaves out what becomes slow there."""


@dataclass(frozen=True)
class Entry:
    """One model of the leaderboard; `uses` and `features` of the model say what it needs."""

    family: str
    """One of `plots.FAMILIES`, whose colour the model gets in plots."""
    make: Callable[[], recommenders.Recommender]
    quick: bool = True
    """Part of the profile quick."""
    small: bool = False
    """In quick only where the catalogue is small."""
    only_with: str = ""
    """An input without which the entry compares nothing, although the model does not use it."""
    blends: bool = False
    """A member of the hybrids."""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            problem = f"family is {self.family!r}; expected one of {', '.join(FAMILIES)}."
            raise ParameterError("RK-327", problem, "Name one of these.")

    def model(self, seed: int, features: Collection[str] = ()) -> recommenders.Recommender:
        """Return the unfitted model.

        Args:
            seed: random seed.
            features: names of the item features that there are; a model with a choice takes the first text feature.
        """
        made = self.make()
        if getattr(made, "features", None) == "" and features:
            made = replace(made, features=next((name for name in TEXT_FEATURES if name in features), WITHOUT))
        return replace(made, seed=seed) if hasattr(made, "seed") else made


LINEUP: Mapping[str, Entry] = {
    "popularity": Entry("popularity", recommenders.Popularity),
    "popular_lately": Entry("popularity", recommenders.PopularLately, quick=False),
    "popular_in_category": Entry("popularity", recommenders.PopularInCategory),
    "item_knn": Entry("neighbours", recommenders.ItemKNN, blends=True),
    "item_knn_bm25": Entry("neighbours", recommenders.ItemKNNBM25, blends=True),
    "user_knn": Entry("neighbours", recommenders.UserKNN, quick=False, blends=True),
    "transitions": Entry("order", recommenders.ItemTransitions, blends=True),
    "association_rules": Entry("rules", recommenders.AssociationRules),
    "ease": Entry("factors", recommenders.EASE, small=True, blends=True),
    "als": Entry("factors", recommenders.ALS, small=True, blends=True),
    "bpr": Entry("factors", recommenders.BPR, quick=False),
    "content_tfidf": Entry("content", partial(recommenders.Content, features="tfidf"), blends=True),
    "content_minilm": Entry("content", partial(recommenders.Content, features="minilm"), blends=True),
    "attributes": Entry("content", recommenders.Attributes, blends=True),
    "context_aware": Entry("context", recommenders.ContextAware),
    "two_towers": Entry("networks", recommenders.TwoTowers, quick=False, blends=True),
    "shallow": Entry("networks", recommenders.ShallowSequence, blends=True),
    "shallow_no_text": Entry(
        "networks", partial(recommenders.ShallowSequence, features="none"), small=True, only_with="item_features"
    ),
    "transformer": Entry("networks", recommenders.TransformerSequence, blends=True),
    "formula_collaborative": Entry("formulas", recommenders.FormulaCollaborative, quick=False),
    "formula_content": Entry("formulas", recommenders.FormulaContent, quick=False),
    "formula_deep": Entry("formulas", recommenders.FormulaDeep, small=True),
    "formula_similarity": Entry("formulas", recommenders.FormulaSimilarity, quick=False),
    "formula_pair": Entry("formulas", recommenders.FormulaPair, quick=False),
}
register_families({name: entry.family for name, entry in LINEUP.items()})


def choose(
    split: EncodedSplit, *, profile: str = "quick", names: Sequence[str] = ()
) -> tuple[dict[str, Entry], dict[str, str]]:
    """Return the entries that this split can run, in the order of `LINEUP`, and why the others are left out.

    Args:
        split: with the items table and the item features that there are.
        profile: "quick" leaves out what is slow.
        names: the models to take, whatever the profile; empty for those of the profile. Popularity is always included.

    Raises:
        ParameterError: RK-318 an unknown name.

    >>> import pandas as pd
    >>> split = EncodedSplit.of(pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "position": [0]}))
    >>> chosen, left_out = choose(split, names=["ease", "attributes"])
    >>> list(chosen), left_out["attributes"]
    (['popularity', 'ease'], 'no attributes here')
    """
    if unknown := [name for name in names if name not in LINEUP]:
        problem = f"model is {unknown[0]!r}; expected one of {', '.join(LINEUP)}."
        raise ParameterError("RK-318", problem, "Name some of these.")
    available = available_inputs(split) | set(split.item_features)

    def reason_against(name: str, entry: Entry) -> str:
        model = entry.make()
        needed = [getattr(model, "features", ""), *model.required_inputs(), entry.only_with]
        missing = [item for item in needed if item not in available | {"", WITHOUT}]
        if missing:
            return f"no {missing[0].replace('_', ' ')} here"
        if name == "popularity" or name in names:
            return ""
        if names:
            return "not asked for"
        if profile == "quick" and not entry.quick:
            return "in the profile full only"
        if profile == "quick" and entry.small and len(split.items) > QUICK_ITEMS:
            return f"in quick only up to {QUICK_ITEMS:,} products"
        return ""

    left_out = {name: reason for name, entry in LINEUP.items() if (reason := reason_against(name, entry))}
    return {name: entry for name, entry in LINEUP.items() if name not in left_out}, left_out
