"""Chapter 4: which list is better, and how sure are we?"""

from recsys_kit.evaluation.intervals import Interval, bootstrap, bootstrap_means

__all__ = ["Interval", "bootstrap", "bootstrap_means"]
