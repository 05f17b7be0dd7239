"""The questions that a run answers, each with its notes; replaced by `open_shop` of the workbook."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from recsys_kit.shop import bought_together, on_promotion, popular, related, shoppers_for
from recsys_kit.shop.serving import answer, noting, split_ids


@dataclass(frozen=True)
class Answer:
    """One or more lists, and what a reader should know about them."""

    lists: pd.DataFrame
    notes: list[str]
    model: str = ""
    context: pd.DataFrame | None = None


@dataclass(frozen=True)
class RunShop:
    """A run that answers questions."""

    folder: str

    @property
    def bundle(self) -> "RunShop":
        """What needs no interactions."""
        return self

    def split_ids(self, values: Sequence[str]) -> list[str]:
        """Return the ids of a command line."""
        return split_ids(self.folder, values)

    def recommend(self, **asked: Any) -> Answer:
        """Answer as `recommend`."""
        found = answer(self.folder, **asked)
        lists = found.lists.drop(columns="query") if found.single else found.lists
        return Answer(lists, found.notes, found.model, found.context)

    def promotions(self, *, candidates: list[str] | None = None, **asked: Any) -> Answer:
        """Answer as `promotions`; `candidates` leaves these of the promoted products."""
        promoted = on_promotion(self.folder)
        chosen = promoted if candidates is None else [item for item in candidates if item in promoted]
        return self.recommend(candidates=chosen, **asked)

    def related(self, item: str, *, k: int) -> Answer:
        """Answer as `related`."""
        return _collect(related, self.folder, item, k=k)

    def together(self, basket: list[str], *, k: int, by: str) -> Answer:
        """Answer as `bought_together`."""
        return _collect(bought_together, self.folder, basket, k=k, by=by)

    def popular(self, **asked: Any) -> Answer:
        """Answer as `popular`."""
        return _collect(popular, self.folder, **asked)

    def shoppers_for(self, **asked: Any) -> Answer:
        """Answer as `shoppers_for`."""
        return _collect(shoppers_for, self.folder, **asked)


open_shop = RunShop


def _collect(ask: Callable[..., pd.DataFrame], *values: Any, **options: Any) -> Answer:
    with noting() as notes:
        lists = ask(*values, **options)
    return Answer(lists, notes)
