"""Chapter 5: answer a shopper with a list, say why, and vary it."""
# ruff: noqa: F401

from recsys_kit.shop.answers import Answer
from recsys_kit.shop.bundle import Bundle
from recsys_kit.shop.circumstances import last_event
from recsys_kit.shop.explanations import reasons_tested
from recsys_kit.shop.reranking import rerank_mmr, trade_off
from recsys_kit.shop.showcase import Showcase, shelf
