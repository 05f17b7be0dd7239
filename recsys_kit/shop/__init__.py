"""Chapter 5: the lists meet a shopper: reasons, variety, and the shelf they see."""

from recsys_kit.shop.circumstances import last_event
from recsys_kit.shop.explanations import because_of, ranks_without, reasons, reasons_tested, shared_words
from recsys_kit.shop.reranking import list_diversity, rerank_mmr, trade_off
from recsys_kit.shop.serving import RunModels, recommend
from recsys_kit.shop.shelves import bought_together, on_promotion, popular, promotions, related, shoppers_for
from recsys_kit.shop.showcase import Showcase, records, shelf

__all__ = [
    "RunModels",
    "Showcase",
    "because_of",
    "bought_together",
    "last_event",
    "list_diversity",
    "on_promotion",
    "popular",
    "promotions",
    "ranks_without",
    "reasons",
    "reasons_tested",
    "recommend",
    "records",
    "related",
    "rerank_mmr",
    "shared_words",
    "shelf",
    "shoppers_for",
    "trade_off",
]
