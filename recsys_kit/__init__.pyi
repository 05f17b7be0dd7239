# The public names of the package: `__init__.py` loads each from the module named here. A new one is one more name.
from recsys_kit.core.vectors import Vectors as Vectors
from recsys_kit.data import Dataset as Dataset
from recsys_kit.data import Split as Split
from recsys_kit.data import load_dataset as load_dataset
from recsys_kit.data import split_interactions as split_interactions
from recsys_kit.evaluation import evaluate as evaluate
from recsys_kit.intervals import bootstrap as bootstrap
from recsys_kit.recommenders import ALS as ALS
from recsys_kit.recommenders import BPR as BPR
from recsys_kit.recommenders import EASE as EASE
from recsys_kit.recommenders import MODELS as MODELS
from recsys_kit.recommenders import AssociationRules as AssociationRules
from recsys_kit.recommenders import Attributes as Attributes
from recsys_kit.recommenders import Content as Content
from recsys_kit.recommenders import ContextAware as ContextAware
from recsys_kit.recommenders import FormulaCollaborative as FormulaCollaborative
from recsys_kit.recommenders import FormulaContent as FormulaContent
from recsys_kit.recommenders import FormulaDeep as FormulaDeep
from recsys_kit.recommenders import FormulaPair as FormulaPair
from recsys_kit.recommenders import FormulaSimilarity as FormulaSimilarity
from recsys_kit.recommenders import Hybrid as Hybrid
from recsys_kit.recommenders import ItemKNN as ItemKNN
from recsys_kit.recommenders import ItemKNNBM25 as ItemKNNBM25
from recsys_kit.recommenders import ItemTransitions as ItemTransitions
from recsys_kit.recommenders import PopularInCategory as PopularInCategory
from recsys_kit.recommenders import Popularity as Popularity
from recsys_kit.recommenders import PopularLately as PopularLately
from recsys_kit.recommenders import ReciprocalRankFusion as ReciprocalRankFusion
from recsys_kit.recommenders import ShallowSequence as ShallowSequence
from recsys_kit.recommenders import Stack as Stack
from recsys_kit.recommenders import Switching as Switching
from recsys_kit.recommenders import TransformerSequence as TransformerSequence
from recsys_kit.recommenders import TwoTowers as TwoTowers
from recsys_kit.recommenders import UserKNN as UserKNN
from recsys_kit.workbook.runner.runs import open_for_reading as open_for_reading
from recsys_kit.workbook.runner.runs import open_run as open_run
from recsys_kit.workbook.serving import bought_together as bought_together
from recsys_kit.workbook.serving import popular as popular
from recsys_kit.workbook.serving import promotions as promotions
from recsys_kit.workbook.serving import recommend as recommend
from recsys_kit.workbook.serving import related as related
from recsys_kit.workbook.serving import shoppers_for as shoppers_for

PUBLIC: dict[str, str]
__version__: str
