import pandas as pd

from recsys_kit.features.texts import item_texts, review_texts


def test_missing_columns_and_values_are_left_out():
    items = pd.DataFrame({"item_id": ["1"], "title": ["Bowl"], "description": [None], "category": ["Kitchen"]})
    assert item_texts(items).to_dict() == {"1": "Bowl. Kitchen"}
    assert item_texts(items[["item_id"]]).to_dict() == {"1": ""}
    assert review_texts(pd.DataFrame({"review_id": ["r"], "text": ["Fine"]})).to_dict() == {"r": "Fine"}
