"""Text encoders: TF-IDF (scikit-learn) and a pretrained language model (sentence-transformers).

Rows have unit length, so the product of two rows is their cosine. An empty text is a row of zeros. A fitted encoder is
saved as JSON, its rows as safetensors; nothing is pickled.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from recsys_kit.core.hardware import pick_device, pick_dtype
from recsys_kit.errors import ArtifactError, DataError, NotFittedError
from recsys_kit.features.base import Encoder
from recsys_kit.features.pretrained import DEFAULT_MODEL, load_sentence_model, weights_hash
from recsys_kit.features.rows import fixed_shape_batches, key_of, read_rows, write_rows
from recsys_kit.features.words import CHARACTERS, WORDS, choose_analyzer, words_and_characters

MANY_UNKNOWN = 0.2  # share of unknown tokens above which a language model cannot read a text
FEW_TEXTS = 4  # up to this many texts without a cache are computed one by one: a query waits for no other row
FLUSH_EVERY = 512  # texts between two writes of the cache: the most that an interruption loses


class TfidfEncoder(Encoder):
    """TF-IDF: a word weighs more the more often this text and the fewer other texts contain it.

    In scripts without spaces (Chinese, Japanese, Thai ...) characters and pairs of neighbouring characters are counted
    as words. Source: scikit-learn's `TfidfVectorizer`, with sublinear term frequencies.

    Args:
        phrase_length: the longest phrase that counts as a word; 2 adds pairs of neighbouring words.
        min_texts: a word must occur in this many texts; 1 is used if no word does.
        max_words: the number of words kept, the most frequent ones.

    >>> encoder = TfidfEncoder().fit(["jazz piano", "jazz guitar", "piano strings"])
    >>> encoder.vocabulary
    ['guitar', 'jazz', 'piano', 'strings']
    >>> encoder.weights("jazz guitar").index.tolist()
    ['guitar', 'jazz']
    """

    method = "tfidf"

    def __init__(self, *, phrase_length: int = 1, min_texts: int = 1, max_words: int = 50_000) -> None:
        self.phrase_length, self.min_texts, self.max_words = phrase_length, min_texts, max_words
        self.analyzer = WORDS
        self._fitted: TfidfVectorizer | None = None

    def fit(self, contents: Sequence[str] | pd.Series) -> Self:
        """Learn the vocabulary and its weights from texts known at the cut, nothing later.

        Raises:
            DataError: RK-191 no text has a word.
        """
        texts = list(contents)
        if not has_words(texts):
            raise DataError("RK-191", f"none of the {len(texts)} texts has a word to count.", "Check the text columns.")
        analyzer, limit = choose_analyzer(texts), {"max_features": self.max_words}
        try:
            fitted = _new_vectorizer(self.phrase_length, analyzer, min_df=self.min_texts, **limit).fit(texts)
        except ValueError:  # every word is in too few texts
            fitted = _new_vectorizer(self.phrase_length, analyzer, **limit).fit(texts)
        return self._set_weights(analyzer, fitted.get_feature_names_out().tolist(), fitted.idf_)

    def _set_weights(self, analyzer: str, vocabulary: Sequence[str], idf: Sequence[float]) -> Self:
        self.analyzer = analyzer
        self._fitted = _new_vectorizer(self.phrase_length, analyzer, sublinear_tf=True, vocabulary=list(vocabulary))
        self._fitted.idf_ = np.asarray(idf, dtype=np.float32)
        return self

    @property
    def _vectorizer(self) -> TfidfVectorizer:
        if self._fitted is None:
            problem = "TfidfEncoder is not fitted; expected a fitted encoder."
            raise NotFittedError("RK-369", problem, "Call fit(texts) first.")
        return self._fitted

    @property
    def vocabulary(self) -> list[str]:
        """The word (or phrase) of each column."""
        return self._vectorizer.get_feature_names_out().tolist()

    @property
    def how(self) -> dict[str, Any]:
        """The vocabulary and its weights, as plain JSON."""
        idf = [float(weight) for weight in self._vectorizer.idf_]
        how = {"method": self.method, "vocabulary": self.vocabulary, "idf": idf, "phrase_length": self.phrase_length}
        return how if self.analyzer == WORDS else how | {"analyzer": self.analyzer}

    @classmethod
    def from_how(cls, how: dict[str, Any]) -> Self:
        """Rebuild the encoder that `how` describes; a description without an analyzer means scikit-learn's.

        Raises:
            ArtifactError: RK-211 an unknown analyzer.
        """
        analyzer = how.get("analyzer", WORDS)
        if analyzer not in (WORDS, CHARACTERS):
            problem = f"no TF-IDF encoder is known for analyzer {analyzer!r}; expected one of {[WORDS, CHARACTERS]}."
            raise ArtifactError("RK-211", problem, "Make the vectors again.")
        return cls(phrase_length=how["phrase_length"])._set_weights(analyzer, how["vocabulary"], how["idf"])

    def unweighted(self) -> Self:
        """Return an encoder of the same words in which all weigh the same: word counts."""
        return type(self).from_how(self.how | {"idf": np.ones(len(self.vocabulary))})

    def words(self, text: str) -> list[str]:
        """Return the words (and phrases) of a text as they are counted, in the order of the text."""
        return self._vectorizer.build_analyzer()(text)

    def encode(self, contents: Sequence[str]) -> csr_matrix:
        """Return `(N, words)` csr float32; words that `fit` has not seen are ignored."""
        return csr_matrix(self._vectorizer.transform(list(contents)))

    def weights(self, text: str) -> pd.Series:
        """Return the weights of the words of one text, the heaviest first."""
        row = self.encode([text])
        found = pd.Series(row.data, index=self._vectorizer.get_feature_names_out()[row.indices], dtype=np.float32)
        return found.sort_values(ascending=False, kind="stable")


def fit_tfidf(texts: Sequence[str] | pd.Series, **options: int) -> TfidfEncoder:
    """Return `TfidfEncoder(**options).fit(texts)`.

    >>> fit_tfidf(["blue mug", "red mug"]).vocabulary
    ['blue', 'mug', 'red']
    """
    return TfidfEncoder(**options).fit(texts)


def has_words(texts: Sequence[str] | pd.Series) -> bool:
    """Return whether any text has a word to count.

    >>> has_words(["", "7", "?!"]), has_words(["", "blue"])
    (False, True)
    """
    return any(words_and_characters(text) for text in texts)


def _new_vectorizer(phrase_length: int, analyzer: str, **options: Any) -> TfidfVectorizer:
    if analyzer == WORDS:
        return TfidfVectorizer(ngram_range=(1, phrase_length), dtype=np.float32, **options)
    return TfidfVectorizer(
        analyzer=partial(words_and_characters, phrase_length=phrase_length), dtype=np.float32, **options
    )


@dataclass(frozen=True)
class EncodingReport:
    """The counts of one call of `LanguageModel.encode`."""

    texts: int
    empty: int
    truncated: int
    """Texts longer than `max_length` tokens."""
    cached: int
    """Different texts found in the cache."""
    computed: int
    """Different texts encoded."""
    seconds: float
    unknown: float
    """Share of all tokens that the model has no vector for (`[UNK]`)."""

    @property
    def readable(self) -> bool:
        """Whether the model knows the language and the script: at most `MANY_UNKNOWN` of the tokens are unknown."""
        return self.unknown <= MANY_UNKNOWN


class LanguageModel(Encoder):
    """A pretrained language model: tokens in, one pooled vector of unit length out.

    The model's folder decides how a text is read (prompt, lower case, pooling, dense layers), as in
    sentence-transformers. All batches of one rounded length have the same shape (missing rows are copies), and that
    length depends on the text alone. So on one processor the row of a text is the same, bit for bit, whatever other
    texts are encoded with it, also after an interruption. A call of at most four texts without a cache (a query)
    encodes each as a batch of one, which is faster. That, another batch size or another processor changes a row a
    little (cosine above 0.9999; 0.999 between the dtypes).

    Args:
        language_model: "minilm", a folder, or a Hugging Face name in the local cache.
        max_length: tokens read of a text; longer texts are cut and counted.
        batch_size: texts in a batch; 0 for 16 on a CPU, 256 on a GPU.
        device: such as "cpu" or "cuda"; "" for a GPU if there is one.
        dtype: "float32" or "bfloat16"; "" for bfloat16 if the hardware computes faster with it.

    Raises:
        ArtifactError: RK-201 to RK-204, RK-213 as `load_sentence_model`; RK-205 as `pick_device`.
    """

    method = "language_model"

    def __init__(
        self,
        language_model: str = DEFAULT_MODEL,
        *,
        max_length: int = 128,
        batch_size: int = 0,
        device: str = "",
        dtype: str = "",
    ) -> None:
        import torch

        self.name, self.device = language_model, pick_device(device)
        self.dtype = dtype or pick_dtype(self.device)
        self._model = load_sentence_model(language_model, self.device)
        self._model.to(getattr(torch, self.dtype))
        self.tokenizer = self._model.tokenizer
        self.max_length = min(max_length, self.tokenizer.model_max_length)
        self.batch_size = batch_size or (16 if self.device == "cpu" else 256)
        self.prompt = self._model.prompts.get(self._model.default_prompt_name) or ""  # E5's "passage: " and the like
        self.weights_hash = weights_hash(language_model)
        self.report = EncodingReport(0, 0, 0, 0, 0, 0.0, 0.0)

    @property
    def dim(self) -> int:
        """The length of a row, D."""
        return self._model.get_embedding_dimension()

    @property
    def fingerprint(self) -> str:
        """A short hash that changes with everything that changes a row: files, length, dtype, device, batch shape."""
        parts = (self.weights_hash, self.max_length, self.dtype, self.device.split(":")[0], self.batch_size)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    @property
    def how(self) -> dict[str, Any]:
        """The name of the model, the hash of its files and the options, as plain JSON."""
        options = {"max_length": self.max_length, "batch_size": self.batch_size, "dtype": self.dtype}
        return {"method": self.method, "language_model": self.name, "weights": self.weights_hash} | options

    @classmethod
    def from_how(cls, how: dict[str, Any]) -> Self:
        """Load the model that `how` describes.

        Raises:
            ArtifactError: RK-206 the model of that name has other weights; and as the constructor.
        """
        options = {name: how[name] for name in ("max_length", "batch_size", "dtype") if name in how}
        model = cls(how["language_model"], **options)
        if model.weights_hash != how["weights"]:
            made = f"{model.weights_hash[:12]}, the vectors were made with {how['weights'][:12]}"
            problem = f"language_model {how['language_model']!r} has weights {made}."
            raise ArtifactError("RK-206", problem, "Make the vectors again with this model.")
        return model

    @property
    def note(self) -> str:
        """A warning about the last call of `encode`, as a sentence, if the model could not read the texts; else ""."""
        if self.report.readable:
            return ""
        unable = "The model does not know this language or script"
        reads = "MiniLM reads English" if self.name == DEFAULT_MODEL else unable
        return (
            f" {reads}; {self.report.unknown:.0%} of the tokens are unknown to it ([UNK]), so its vectors say little "
            "here. Pass language_model=<folder of a multilingual model>; see README, “Languages”."
        )

    def tokens(self, text: str) -> list[str]:
        """Return the sub-word tokens that the model reads, cut at `max_length`; its prompt comes first."""
        read = self.tokenizer(self.prompt + text, truncation=True, max_length=self.max_length)
        return self.tokenizer.convert_ids_to_tokens(read["input_ids"])

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the number of tokens of each text before the cut, [CLS] and [SEP] included."""
        return np.array([len(ids) for ids in self._uncut_ids(texts)], dtype=int)

    def _uncut_ids(self, texts: Sequence[str]) -> list[list[int]]:
        prompted = [self.prompt + text for text in texts]
        return self.tokenizer(prompted, truncation=False, verbose=False)["input_ids"] if prompted else []

    def unknown_shares(self, contents: Sequence[str]) -> list[float]:
        """Return the share of unknown tokens (`[UNK]`) of each text; 0 if the model can read all of it."""
        return [self._unknown_share([ids]) for ids in self._uncut_ids(contents)]

    def _unknown_share(self, rows: Sequence[list[int]]) -> float:
        unknown, special = self.tokenizer.unk_token_id, self.tokenizer.all_special_ids
        if unknown is None or unknown == self.tokenizer.eos_token_id:  # byte-level: every character has a token
            return 0.0
        ids = np.fromiter((token for ids in rows for token in ids), dtype=int)
        ids = ids[~np.isin(ids, [token for token in special if token != unknown])]
        return float((ids == unknown).mean()) if len(ids) else 0.0

    def encode(self, contents: Sequence[str], *, cache: str | Path | None = None, progress: bool = False) -> np.ndarray:
        """Return `(N, D)` float32, one row of unit length per text, zeros for an empty text.

        `self.report` counts what was found in the cache and what was computed.

        Args:
            contents: the texts; equal texts are encoded once.
            cache: a folder that keeps rows by the content of their text; an interrupted call resumes from it.
            progress: show a progress bar.
        """
        start = time.perf_counter()
        texts = [str(text) for text in contents]
        unique = list(dict.fromkeys(text for text in texts if text.strip()))
        uncut = self._uncut_ids(unique)
        counts = dict(zip(unique, map(len, uncut), strict=True))
        folder = None if cache is None else Path(cache) / self.fingerprint
        kept = {} if folder is None else read_rows(folder)
        rows = {text: kept[key] for text in unique if (key := key_of(text)) in kept}
        todo = {text: count for text, count in counts.items() if count and text not in rows}
        few = folder is None and len(todo) <= FEW_TEXTS
        computed = self._compute(todo, 1 if few else self.batch_size, progress=progress)
        while new := dict(islice(computed, FLUSH_EVERY)):
            rows |= new
            if folder is not None:
                write_rows(folder, new)
        zeros = np.zeros(self.dim, dtype=np.float32)
        values = np.array([rows.get(text, zeros) for text in texts], np.float32).reshape(len(texts), self.dim)
        self.report = EncodingReport(
            texts=len(texts),
            empty=sum(not counts.get(text) for text in texts),
            truncated=sum(counts.get(text, 0) > self.max_length for text in texts),
            cached=sum(count > 0 for count in counts.values()) - len(todo),
            computed=len(todo),
            seconds=time.perf_counter() - start,
            unknown=self._unknown_share(uncut),
        )
        return values

    def _compute(self, counts: dict[str, int], batch_size: int, *, progress: bool) -> Iterator[tuple[str, np.ndarray]]:
        """Encode batch by batch, the longest texts first."""
        from tqdm.auto import tqdm

        texts, on_gpu = list(counts), self.device != "cpu"
        batches = fixed_shape_batches(list(counts.values()), batch_size, self.max_length, doubling=on_gpu)
        with tqdm(total=len(texts), desc="encoding", unit="text", disable=not (progress and texts)) as bar:
            for rows, length in batches:
                batch = [texts[row] for row in rows]
                yield from zip(batch, self._forward(batch, (batch_size, length)), strict=True)
                bar.update(len(rows))

    def _forward(self, texts: list[str], shape: tuple[int, int]) -> np.ndarray:
        """Encode a batch of exactly `shape` (B, L), filled with copies of the first text; return (len(texts), D)."""
        import torch
        from sentence_transformers.util import batch_to_device

        n_rows, length = shape
        fixed = {"text": {"padding": "max_length", "truncation": True, "max_length": length}}
        filled = texts + texts[:1] * (n_rows - len(texts))
        batch = self._model.preprocess(filled, prompt=self.prompt or None, processing_kwargs=fixed)
        with torch.inference_mode():
            pooled = self._model(batch_to_device(batch, self._model.device))["sentence_embedding"]
        values = pooled[: len(texts), : self.dim].float().cpu().numpy()
        return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
