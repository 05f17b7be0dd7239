"""Interactive views: `view_*` functions draw one view, `explore_*` functions wrap them in ipywidgets.

A notebook calls the view first, so that a batch run meets its errors and the saved page shows it; the next cell
explores it. There is a module for each chapter, so that an edit makes no other chapter out of date.
"""
# ruff: noqa: F401

from recsys_kit.widgets.leaderboard import explore_disagreements, explore_leaderboard, view_disagreements
from recsys_kit.widgets.neighbours import explore_neighbours, view_neighbours
from recsys_kit.widgets.reviews import explore_review, view_review
from recsys_kit.widgets.shopper import explore_shopper, explore_wish, view_shopper, view_wishes
from recsys_kit.widgets.split import explore_split, view_split
