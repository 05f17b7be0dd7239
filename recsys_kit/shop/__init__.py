"""Chapter 5: the lists meet a shopper: reasons, variety, and the shelf they see."""

from recsys_kit.shop.explanations import because_of, reasons, shared_words
from recsys_kit.shop.reranking import list_diversity, rerank_mmr, trade_off
from recsys_kit.shop.serving import RunModels, recommend
from recsys_kit.shop.showcase import Showcase, records, shelf

__all__ = [
    "RunModels",
    "Showcase",
    "because_of",
    "list_diversity",
    "reasons",
    "recommend",
    "records",
    "rerank_mmr",
    "shared_words",
    "shelf",
    "trade_off",
]
