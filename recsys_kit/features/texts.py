"""The text of an item or a review, joined from its columns: what the text encoders read."""

from collections.abc import Iterable

import pandas as pd


def item_texts(items: pd.DataFrame) -> pd.Series:
    """Join title, category, brand and description of each item.

    Args:
        items: one row per item, with `item_id` and any of these columns.

    Returns:
        The texts by item_id; "" for an item without any.

    >>> items = pd.DataFrame({"item_id": ["1", "2"], "title": ["Oak bowl", None], "brand": ["Fernby", None]})
    >>> item_texts(items).tolist()
    ['Oak bowl. Fernby', '']
    """
    return _join_columns(items, "item_id", ("title", "category", "brand", "description"))


def review_texts(reviews: pd.DataFrame) -> pd.Series:
    """Join title and text of each review.

    Args:
        reviews: one row per review, with `review_id` and any of these columns.

    Returns:
        The texts by review_id; "" for a review without any.

    >>> review_texts(pd.DataFrame({"review_id": ["r1"], "title": ["Lovely"], "text": ["Warm light."]})).tolist()
    ['Lovely. Warm light.']
    """
    return _join_columns(reviews, "review_id", ("title", "text"))


def _join_columns(frame: pd.DataFrame, key: str, columns: Iterable[str]) -> pd.Series:
    parts = [frame[column].astype("str").fillna("").str.strip() for column in columns if column in frame]
    texts = [". ".join(filter(None, row)) for row in zip(*parts, strict=True)] or [""] * len(frame)
    return pd.Series(texts, index=pd.Index(frame[key], name=key), dtype="str", name="text")
