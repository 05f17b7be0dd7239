"""A Jupyter-first workbook for deep-learning recommendation.

The public names load on first use, so that `import recsys_kit` stays light:

    from recsys_kit import load_dataset, open_run
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from recsys_kit.core.threads import limit_spinning

limit_spinning()  # before PyTorch is loaded

PUBLIC = {  # name -> where it lives; a new public name is one more line
    "load_dataset": "recsys_kit.data",
    "split_interactions": "recsys_kit.data",
    "Dataset": "recsys_kit.data",
    "Split": "recsys_kit.data",
    "Vectors": "recsys_kit.core.vectors",
    "MODELS": "recsys_kit.recommenders",
    "Popularity": "recsys_kit.recommenders",
    "ItemKNN": "recsys_kit.recommenders",
    "EASE": "recsys_kit.recommenders",
    "Content": "recsys_kit.recommenders",
    "PopularLately": "recsys_kit.recommenders",
    "PopularInCategory": "recsys_kit.recommenders",
    "ItemKNNBM25": "recsys_kit.recommenders",
    "UserKNN": "recsys_kit.recommenders",
    "ALS": "recsys_kit.recommenders",
    "BPR": "recsys_kit.recommenders",
    "AssociationRules": "recsys_kit.recommenders",
    "ContextAware": "recsys_kit.recommenders",
    "TwoTowers": "recsys_kit.recommenders",
    "FormulaCollaborative": "recsys_kit.recommenders",
    "FormulaContent": "recsys_kit.recommenders",
    "FormulaDeep": "recsys_kit.recommenders",
    "FormulaSimilarity": "recsys_kit.recommenders",
    "FormulaPair": "recsys_kit.recommenders",
    "Attributes": "recsys_kit.recommenders",
    "ItemTransitions": "recsys_kit.recommenders",
    "ShallowSequence": "recsys_kit.recommenders",
    "TransformerSequence": "recsys_kit.recommenders",
    "Hybrid": "recsys_kit.recommenders",
    "ReciprocalRankFusion": "recsys_kit.recommenders",
    "Stack": "recsys_kit.recommenders",
    "Switching": "recsys_kit.recommenders",
    "evaluate": "recsys_kit.evaluation",
    "bootstrap": "recsys_kit.intervals",
    "recommend": "recsys_kit.workbook.serving",
    "related": "recsys_kit.workbook.serving",
    "bought_together": "recsys_kit.workbook.serving",
    "popular": "recsys_kit.workbook.serving",
    "promotions": "recsys_kit.workbook.serving",
    "shoppers_for": "recsys_kit.workbook.serving",
    "open_run": "recsys_kit.workbook.runner.runs",
}
__all__ = sorted(PUBLIC)

try:
    __version__ = version("recsys_kit")
except PackageNotFoundError:  # a checkout on the path, not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'recsys_kit' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(PUBLIC[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
