"""Vectors of the attributes of items (brand, categories, tags)."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ParameterError


def has_attributes(items: pd.DataFrame | None) -> bool:
    """Return whether any item has an attribute."""
    return items is not None and "attributes" in items and bool(items["attributes"].map(_distinct).map(len).any())


def attribute_incidence(items: pd.DataFrame | None) -> Vectors:
    """Return one row per item and one column per attribute: 1 if the item has it, else 0.

    Args:
        items: with `item_id` and `attributes`, a list of texts per item.

    Raises:
        ParameterError: RK-350 no item has an attribute.

    >>> items = pd.DataFrame({"item_id": ["a", "b"], "attributes": [["oak", "bowl"], ["bowl"]]})
    >>> incidence = attribute_incidence(items)
    >>> incidence.how["vocabulary"], incidence.values.toarray().tolist()
    (['bowl', 'oak'], [[1.0, 1.0], [1.0, 0.0]])
    """
    from sklearn.preprocessing import MultiLabelBinarizer

    if items is None or not has_attributes(items):
        found = None if items is None else list(items)
        problem = f"items have no attributes; found the columns {found}; expected lists of texts in 'attributes'."
        raise ParameterError("RK-350", problem, "Pass items with such a column, or leave out the model that needs it.")
    lists = items.set_index("item_id")["attributes"].sort_index().map(_distinct)
    binarizer = MultiLabelBinarizer(sparse_output=True)
    values = csr_matrix(binarizer.fit_transform(lists), dtype=np.float32)
    return Vectors(lists.index.tolist(), values, {"method": "attributes", "vocabulary": binarizer.classes_.tolist()})


def attribute_vectors(items: pd.DataFrame | None) -> Vectors:
    """Return the inverse document frequency of the attributes of each item, as rows of unit length.

    Frequencies are counted over all items, so they do not depend on interactions. An item without attributes gets a
    row of zeros.

    Args:
        items: as for `attribute_incidence`.

    Raises:
        ParameterError: RK-350 no item has an attribute.

    >>> items = pd.DataFrame({"item_id": ["a", "b", "c"], "attributes": [["oak", "bowl"], ["bowl"], None]})
    >>> attribute_vectors(items).values.toarray().astype(float).round(2).tolist()
    [[0.61, 0.8], [1.0, 0.0], [0.0, 0.0]]
    """
    from sklearn.feature_extraction.text import TfidfTransformer

    incidence = attribute_incidence(items)
    values = csr_matrix(TfidfTransformer().fit_transform(incidence.values), dtype=np.float32)
    return Vectors(incidence.ids, values, incidence.how)


def with_attributes(items: pd.DataFrame) -> pd.DataFrame:
    """Add a column `attributes` with category and brand, if the items have no attributes of their own.

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
    """Return the attributes of one item, sorted; none for None or NaN."""
    if isinstance(attributes, str):
        return [attributes]
    return sorted({str(attribute) for attribute in attributes}) if np.iterable(attributes) else []
