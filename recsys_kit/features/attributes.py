"""What is known of an item in single words (brand, categories, tags) into vectors: rare attributes say more."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ParameterError


def has_attributes(items: pd.DataFrame | None) -> bool:
    """Whether any item of the catalogue has an attribute."""
    return items is not None and "attributes" in items and bool(items["attributes"].map(_distinct).map(len).any())


def attribute_incidence(items: pd.DataFrame | None) -> Vectors:
    """One row per item, one column per attribute: 1 where the item has it, as its `attributes` (a list of texts) say.

    Raises:
        ParameterError: RK-350 where the items have no attributes.
    """
    from sklearn.preprocessing import MultiLabelBinarizer

    if items is None or not has_attributes(items):
        found = None if items is None else list(items)
        raise ParameterError(
            "RK-350",
            f"items have no attributes; found the columns {found}; expected lists of texts in 'attributes'.",
            "Pass items with such a column, or leave this model out.",
        )
    lists = items.set_index("item_id")["attributes"].sort_index().map(_distinct)
    binarizer = MultiLabelBinarizer(sparse_output=True)
    values = csr_matrix(binarizer.fit_transform(lists), dtype=np.float32)
    return Vectors(lists.index.tolist(), values, {"method": "attributes", "vocabulary": binarizer.classes_.tolist()})


def attribute_vectors(items: pd.DataFrame | None) -> Vectors:
    """One row per item: the inverse document frequency of each of its attributes, the row of unit length.

    An item without attributes gets a row of zeros; RK-350 where none has any. Frequencies are counted over the
    catalogue, which no event changes.

    >>> items = pd.DataFrame({"item_id": ["a", "b", "c"], "attributes": [["oak", "bowl"], ["bowl"], None]})
    >>> attribute_vectors(items).values.toarray().astype(float).round(2).tolist()
    [[0.61, 0.8], [1.0, 0.0], [0.0, 0.0]]
    """
    from sklearn.feature_extraction.text import TfidfTransformer

    incidence = attribute_incidence(items)
    values = csr_matrix(TfidfTransformer().fit_transform(incidence.values), dtype=np.float32)
    return Vectors(incidence.ids, values, incidence.how)


def with_attributes(items: pd.DataFrame) -> pd.DataFrame:
    """The items with a column `attributes`: their own, or else their category and brand, as far as they are known.

    >>> with_attributes(pd.DataFrame({"item_id": ["a", "b"], "brand": ["Elm", None]}))["attributes"].tolist()
    [['brand: Elm'], []]
    """
    kinds = [column for column in ("category", "brand") if column in items]
    if has_attributes(items) or not kinds:
        return items
    rows = zip(*[items[kind] for kind in kinds], strict=True)
    known = [[f"{kind}: {value}" for kind, value in zip(kinds, row, strict=True) if pd.notna(value)] for row in rows]
    return items.assign(attributes=known)


def _distinct(attributes: Any) -> list[str]:
    if isinstance(attributes, str):
        return [attributes]
    return sorted({str(one) for one in attributes}) if np.iterable(attributes) else []  # missing: None or NaN
