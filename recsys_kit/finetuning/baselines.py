"""The two baselines of the review classifier: the majority label, and TF-IDF with a logistic regression."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from recsys_kit.features.text import fit_tfidf
from recsys_kit.finetuning.labels import as_pairs, as_texts, class_indices, classes_of, most_probable


class _Baseline(ABC):
    """A classifier of scikit-learn behind the interface of `ReviewClassifier`."""

    classes: list[str]

    @abstractmethod
    def _learn(self, texts: list[str]) -> tuple[Callable[[list[str]], Any], Any]:
        """What turns texts into rows, and the unfitted classifier of the rows."""

    def fit(self, texts: Sequence[str], labels: Sequence[str]) -> Self:
        """Learn from texts and their labels, one per text.

        Raises:
            DataError: RK-375, RK-376, RK-377 (`labels.as_pairs`).
        """
        texts, labels = as_pairs(texts, labels)
        self.classes = classes_of(labels)
        self._encode, self._model = self._learn(texts)
        self._model.fit(self._encode(texts), class_indices(labels, self.classes))
        return self

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return probabilities (N, classes); rows sum to one."""
        return self._model.predict_proba(self._encode(as_texts(texts)))

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the most probable label of each text."""
        return most_probable(self.predict_proba(texts), self.classes)


class MajorityClassifier(_Baseline):
    """Predicts the most frequent label for every text; its probabilities are the shares in training.

    >>> MajorityClassifier().fit(["good", "fine", "bad"], ["5", "5", "1"]).predict(["awful"])
    ['5']
    """

    def _learn(self, texts: list[str]) -> tuple[Callable[[list[str]], Any], Any]:
        return list, DummyClassifier(strategy="prior")


class TfidfClassifier(_Baseline):
    """TF-IDF of words and pairs, then logistic regression with each class given the same weight.

    >>> model = TfidfClassifier().fit(["good mug", "good cup", "bad mug", "bad cup"], ["5", "5", "1", "1"])
    >>> model.predict(["a bad day"])
    ['1']
    """

    def _learn(self, texts: list[str]) -> tuple[Callable[[list[str]], Any], Any]:
        encoder = fit_tfidf(texts, phrase_length=2, min_texts=2)
        return encoder.encode, LogisticRegression(class_weight="balanced", max_iter=1000)
