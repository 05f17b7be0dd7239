"""What a new recommender is tested with: a planted shop and the checks that every recommender passes."""
# ruff: noqa: F401

from recsys_kit.testing.checks import Subject
from recsys_kit.testing.conformance import CHECKS, check_recommender
from recsys_kit.testing.planted import PlantedShop, planted_shop
