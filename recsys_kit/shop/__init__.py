"""Chapter 5: answer a shopper with a list, say why, and vary it."""

from recsys_kit.shop.answers import Answer
from recsys_kit.shop.bundle import Bundle
from recsys_kit.shop.circumstances import last_event
from recsys_kit.shop.explanations import because_of, ranks_without, reasons, reasons_tested, shared_words
from recsys_kit.shop.models import ShopModels
from recsys_kit.shop.reranking import list_diversity, rerank_mmr, trade_off
from recsys_kit.shop.showcase import Showcase, records, shelf

__all__ = [
    "Answer",
    "Bundle",
    "ShopModels",
    "Showcase",
    "because_of",
    "last_event",
    "list_diversity",
    "ranks_without",
    "reasons",
    "reasons_tested",
    "records",
    "rerank_mmr",
    "shared_words",
    "shelf",
    "trade_off",
]
