"""The models of a shop: which one answers, and which of them read texts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recsys_kit.errors import ParameterError
from recsys_kit.features.registry import load_encoder
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.content import Content, ItemCosine
from recsys_kit.recommenders.store import StoredModels
from recsys_kit.shop.circumstances import known_context

OPTIONS = ("context", "seen_events", "unread_share")
"""Facts about how the models of a shop were fitted."""
READINGS = ("words", "meaning", "ensemble")
"""How a model reads a text: compares words (TF-IDF) or meaning (a language model), or has members that do."""


def reads(model: Recommender) -> str:
    """Return how a model reads a text, one of `READINGS`; "" if it does not."""
    if not model.understands_text:
        return ""
    if not isinstance(model, Content):
        return "ensemble"
    return "meaning" if model.vectors.how.get("method") == "language_model" else "words"


def check_model(name: str, known: Iterable[str]) -> None:
    """Refuse an unknown model (RK-318) and name the known ones."""
    if name not in known:
        raise ParameterError("RK-318", f"model is {name!r}; expected one of {', '.join(known)}.", "Name one of these.")


@dataclass(frozen=True)
class ModelCard:
    """Facts about a fitted model that are known without loading it."""

    name: str
    """Its name on the leaderboard."""
    kind: str
    """The registered name of its class."""
    reads: str = ""
    """One of `READINGS`, or "" for a model that does not read texts."""
    context: Mapping[str, list[str]] = field(default_factory=dict)
    """The columns of a context that change its lists, with their known values."""
    needs_histories: bool = False
    """It, or a member that answers, is made of the histories of users."""

    @classmethod
    def of(cls, name: str, model: Recommender) -> "ModelCard":
        """Describe a fitted model."""
        return cls(name, model.name, reads(model), known_context(model), "histories" in model.uses)


@dataclass(frozen=True, eq=False)
class ShopModels(Mapping[str, Recommender]):
    """Fitted models by name, the best on validation first; a model is loaded when it is first used."""

    fitted: Mapping[str, Recommender]
    cards: Mapping[str, ModelCard]
    """By name, in this order."""
    context: Sequence[str] = ()
    """The columns of a context that the models were fitted and evaluated with."""
    seen_events: Sequence[str] = ()
    """Kinds of event after which an item was left out of the evaluated lists; empty: all kinds."""
    unread_share: float = 0.0
    """The share of the tokens of the product texts that the language model does not know; 0 if it can read them."""

    def __getitem__(self, name: str) -> Recommender:
        return self.fitted[self.cards[name].name]

    def __contains__(self, name: object) -> bool:
        return name in self.cards

    def __iter__(self) -> Iterator[str]:
        return iter(self.cards)

    def __len__(self) -> int:
        return len(self.cards)

    def best(self) -> str:
        """Return the name of the best model on validation: the test set measures, it does not choose."""
        return next(iter(self.cards))

    def readers(self, text: str = "") -> list[str]:
        """Return the models that understand text, the most suitable first.

        Language models come first, in the order of the leaderboard: that ranks lists of histories, and there a model
        that compares words may lead although it misses the meaning of a text. If the language model cannot read the
        products or the `text`, models that compare words come first. Ensembles come last: their weights were chosen
        for histories.
        """
        words, meaning, ensembles = ([name for name in self if self.cards[name].reads == one] for one in READINGS)
        first: list[str] = words if self.unread_share else []
        if text and meaning and not first and self.unread_texts(meaning[0], [text]):
            first = [name for name in words if load_encoder(self[name].vectors.how).encode([text]).sum() > 0]
        return list(dict.fromkeys([*first, *meaning, *words, *ensembles]))

    def choose(self, model: str, texts: Sequence[str] | None) -> list[str]:
        """Return the model that answers; for texts, if no model is named, all that answer one of them.

        Raises:
            ParameterError: RK-318 unknown model, RK-332 it, or every model, does not understand text.
        """
        if model:
            check_model(model, self)
            if texts is not None and not self.cards[model].reads:
                raise self.refuse_text(model)
            return [model]
        if texts is None:
            return [self.best()]
        return list(dict.fromkeys(self.best_reader(text) for text in texts or [""]))

    def best_reader(self, text: str = "") -> str:
        """Return the first of the `readers`; RK-332 without one."""
        if able := self.readers(text):
            return able[0]
        raise self.refuse_text()

    def find_content(self, text: str = "") -> str:
        """Return the first content model (for a text: the first of the `readers` that is one); "" if there is none."""
        for name in self.readers(text) if text else self:
            kind = self.fitted.kind_of(name) if isinstance(self.fitted, StoredModels) else type(self.fitted[name])
            if issubclass(kind, ItemCosine):
                return name
        return ""

    def unread_texts(self, name: str, texts: Sequence[str]) -> dict[str, float]:
        """Return the texts that the language model of `name` cannot read, with the share of tokens unknown to it."""
        from recsys_kit.features.text import MANY_UNKNOWN

        encoder: Any = load_encoder(self[name].vectors.how)  # a language model
        shares = encoder.unknown_shares(texts)
        return {text: share for text, share in zip(texts, shares, strict=True) if share > MANY_UNKNOWN}

    def refuse_text(self, name: str = "") -> ParameterError:
        """Return the error (RK-332) that this model, or every model, does not understand text."""
        problem = "no model of this shop understands text; expected one made from titles or descriptions of products."
        remedy = "Fit a content model."
        if able := self.readers():
            problem = f"model {name!r} does not understand text; expected one of {', '.join(able)}."
            remedy = f"Pass model={able[0]!r}, or none."
        return ParameterError("RK-332", problem, remedy)
