"""Fit the models of chapter 04 family by family, and show what each would list for one user."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.plots import shorten
from recsys_kit.recommenders import Recommender, tune
from recsys_kit.shop.showcase import Showcase
from recsys_kit.workbook.lineup import Entry

SHOWN = 5  # items of each list
TITLE_WIDTH = 30


@dataclass(frozen=True)
class Introduction:
    """The models of a run, fitted one after the other; `fitted` and `seconds` grow with each."""

    split: EncodedSplit
    """What the models are fitted on."""
    chosen: Mapping[str, Entry]
    """The models of the line-up, by name."""
    showcase: Showcase
    """How lists are shown; its models are replaced."""
    history: Sequence[str]
    """The history of the user for whom the lists are shown, oldest first."""
    skip: Callable[[str, str], None]
    """Called with the names of families of which no model is chosen, and the reason: `run.skip`."""
    k: int = 10
    """Length of the lists by which `tune` chooses."""
    seed: int = 0
    """Random seed of the models and of `tune`."""
    tuned: bool = False
    """Whether the hyper-parameters of quick models are chosen on the validation set."""
    fitted: dict[str, Recommender] = field(default_factory=dict)
    """The fitted models, by name."""
    seconds: dict[str, float] = field(default_factory=dict)
    """The seconds that fitting each took."""

    def fit(self, name: str, model: Recommender) -> Recommender:
        """Fit a model, note the seconds and return it."""
        started = time.perf_counter()
        tuned = self.tuned and model.options
        fitted = tune(model, None, self.split, k=self.k, seed=self.seed) if tuned else model.fit(self.split)
        self.fitted[name], self.seconds[name] = fitted, time.perf_counter() - started
        return fitted

    def introduce(self, *families: str) -> pd.DataFrame | None:
        """Fit the chosen models of these families; return the first titles of each and how its list reads.

        Returns:
            One column per model; one row per rank, then those of `Showcase.readings`. None where no model is chosen.
        """
        models = {
            name: self.fit(name, entry.model(self.seed, self.split.item_features))
            for name, entry in self.chosen.items()
            if entry.family in families
        }
        if not models:
            self.skip(", ".join(families), "none of these models is among the chosen")
            return None
        showcase = replace(self.showcase, models=models)
        titles = showcase.side_by_side(self.history, SHOWN)
        titles = titles.map(lambda title: shorten(str(title), TITLE_WIDTH), na_action="ignore")
        return pd.concat([titles, showcase.readings(self.history, self.fitted["popularity"], k=SHOWN)])
