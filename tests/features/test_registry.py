"""Every encoder of the registry keeps the contract: fit -> encode -> rows of unit length with ids; how -> from_how."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import issparse

from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ArtifactError, NotFittedError
from recsys_kit.features import text as text_module
from recsys_kit.features.registry import ENCODERS, load_encoder
from recsys_kit.features.text import LanguageModel, TfidfEncoder

TEXTS = pd.Series(["A blue mug for tea", "", "Jazz piano, live in Paris", "Blue porcelain cup"], index=list("abcd"))


def dense(values):
    return values.toarray() if issparse(values) else values


@pytest.mark.parametrize("method", ENCODERS)
def test_an_encoder_is_rebuilt_from_its_description(method):
    encoder = ENCODERS[method]().fit(TEXTS)
    vectors = encoder.vectors(TEXTS)
    assert vectors.ids == list("abcd")
    assert vectors.values.dtype == np.float32
    assert np.linalg.norm(dense(vectors.values), axis=1).round(5).tolist() == [1, 0, 1, 1]
    assert encoder.how["method"] == method
    again = ENCODERS[method].from_how(json.loads(json.dumps(encoder.how)))
    assert again.how == encoder.how
    assert np.array_equal(dense(again.encode(TEXTS.tolist())), dense(vectors.values))


def test_a_loaded_encoder_is_kept_for_equal_descriptions(tmp_path, monkeypatch):
    loads, load = [], text_module.load_sentence_model
    monkeypatch.setattr(text_module, "load_sentence_model", lambda *given: loads.append(given) or load(*given))
    vectors = LanguageModel(max_length=24).vectors(TEXTS)
    vectors.save(tmp_path)
    first = load_encoder(vectors.how)
    assert load_encoder(Vectors.load(tmp_path).how) is first
    assert load_encoder(vectors.align(["b"]).how) is first
    assert len(loads) == 2  # by hand and by the registry
    assert load_encoder(vectors.how | {"max_length": 16}) is not first


@pytest.mark.parametrize("how", [{}, {"method": "attributes", "vocabulary": []}])
def test_an_unknown_method_is_refused_with_the_known_ones(how):
    with pytest.raises(ArtifactError, match=r"RK-211 .*\['language_model', 'tfidf'\]"):
        load_encoder(how)


def test_an_encoder_without_fit_says_so():
    with pytest.raises(NotFittedError, match="RK-369 TfidfEncoder is not fitted"):
        TfidfEncoder().encode(["mug"])
