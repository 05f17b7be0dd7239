"""Words into vectors: TF-IDF (scikit-learn) and a pretrained language model (sentence-transformers).

Both give rows of unit length, so that a product of two rows is their cosine, and a row of zeros where there is no text.
What is fitted is saved as JSON and safetensors, never pickled.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from recsys_kit.core.hardware import pick_device, pick_dtype
from recsys_kit.core.vectors import Encoder, Vectors
from recsys_kit.errors import ArtifactError, DataError
from recsys_kit.features.batches import fixed_shape_batches
from recsys_kit.features.cache import VectorCache
from recsys_kit.features.pretrained import DEFAULT_MODEL, files_of, find_model, load_sentence_model
from recsys_kit.features.similarity import nearest_items, nearest_neighbour_accuracy
from recsys_kit.features.words import CHARACTERS, WORDS, analyzer_of, words_and_characters

__all__ = [
    "DEFAULT_MODEL", "Encoder", "EncodingReport", "LanguageModel", "TfidfEncoder", "Vectors", "fit_tfidf",
    "has_words", "load_encoder", "nearest_items", "nearest_neighbour_accuracy",
]  # fmt: skip

MANY_UNKNOWN = 0.2  # share of unknown tokens above which a language model does not read a language
FEW_TEXTS = 4  # at most so many texts without a cache are computed one by one: a query waits for no other row
FLUSH_EVERY = 512  # texts between two writes of the cache: what an interruption costs at most


def load_encoder(how: dict[str, Any]) -> Encoder:
    """The encoder that `how` describes (see `Vectors.how`)."""
    if how.get("method") == "tfidf" and how.get("analyzer", WORDS) in (WORDS, CHARACTERS):
        return TfidfEncoder.from_how(how)
    if how.get("method") == "language_model":
        return LanguageModel.from_how(how)
    raise ArtifactError(
        "RK-211", f"no encoder is known for method {how.get('method')!r}.", "Run notebook 02_feature_extraction again."
    )


class TfidfEncoder:
    """TF-IDF rows: a word counts more when this text says it often and few others do. `fit_tfidf` makes one.

    Args:
        vocabulary: the word of each column.
        idf: the weight of each column.
        phrase_length: 2 counts pairs of neighbouring words too.
        analyzer: what counts as a word (`recsys_kit.features.words`).
    """

    def __init__(
        self, vocabulary: Sequence[str], idf: Sequence[float], *, phrase_length: int = 1, analyzer: str = WORDS
    ) -> None:
        self.phrase_length, self.analyzer = phrase_length, analyzer
        self._vectorizer = _vectorizer(phrase_length, analyzer, sublinear_tf=True, vocabulary=list(vocabulary))
        self._vectorizer.idf_ = np.asarray(idf, dtype=np.float32)

    @property
    def vocabulary(self) -> list[str]:
        """The word (or phrase) of each column."""
        return self._vectorizer.get_feature_names_out().tolist()

    @property
    def how(self) -> dict[str, Any]:
        """Plain values that `from_how` turns back into this encoder."""
        idf = [float(weight) for weight in self._vectorizer.idf_]
        how = {"method": "tfidf", "vocabulary": self.vocabulary, "idf": idf, "phrase_length": self.phrase_length}
        return how if self.analyzer == WORDS else how | {"analyzer": self.analyzer}

    @classmethod
    def from_how(cls, how: dict[str, Any]) -> "TfidfEncoder":
        """The encoder that `how` describes; vectors saved without the name of an analyzer used scikit-learn's."""
        options = {"phrase_length": how["phrase_length"], "analyzer": how.get("analyzer", WORDS)}
        return cls(how["vocabulary"], how["idf"], **options)

    def unweighted(self) -> "TfidfEncoder":
        """The same words, each worth the same: plain counts."""
        ones = np.ones(len(self.vocabulary))
        return TfidfEncoder(self.vocabulary, ones, phrase_length=self.phrase_length, analyzer=self.analyzer)

    def words(self, text: str) -> list[str]:
        """The words (and phrases) of a text as they are counted, in the order of the text."""
        return self._vectorizer.build_analyzer()(text)

    def encode(self, texts: Sequence[str]) -> csr_matrix:
        """(N, words) csr float32; words unseen in fitting count nothing."""
        return csr_matrix(self._vectorizer.transform(list(texts)))

    def vectors(self, texts: pd.Series) -> Vectors:
        """The rows of `texts`, a Series of text indexed by id."""
        return Vectors(texts.index.tolist(), self.encode(texts.tolist()), self.how)

    def weights(self, text: str) -> pd.Series:
        """The words of one text with their weights, heaviest first."""
        row = self.encode([text])
        found = pd.Series(row.data, index=self._vectorizer.get_feature_names_out()[row.indices], dtype=np.float32)
        return found.sort_values(ascending=False, kind="stable")


def fit_tfidf(
    texts: pd.Series | Sequence[str], *, phrase_length: int = 1, min_texts: int = 1, max_words: int = 50_000
) -> TfidfEncoder:
    """Learn the vocabulary and its weights from `texts`: pass what is known at the cut, nothing later.

    In scripts without spaces (Chinese, Japanese, Thai ...) characters and pairs of neighbours are counted as words.

    Args:
        texts: the texts to learn from.
        phrase_length: 2 counts pairs of neighbouring words too.
        min_texts: a word must be in this many texts; in one, where no word is in so many.
        max_words: keep the most frequent.

    Raises:
        DataError: RK-191 where no text holds a word.

    >>> encoder = fit_tfidf(["jazz piano", "jazz guitar", "piano strings"])
    >>> encoder.vocabulary
    ['guitar', 'jazz', 'piano', 'strings']
    >>> encoder.weights("jazz guitar").index.tolist()
    ['guitar', 'jazz']
    """
    texts = list(texts)
    analyzer = analyzer_of(texts)
    if not has_words(texts):
        raise DataError("RK-191", f"none of the {len(texts)} texts has a word to count.", "Check the text columns.")
    try:
        fitted = _vectorizer(phrase_length, analyzer, min_df=min_texts, max_features=max_words).fit(texts)
    except ValueError:  # every word is in too few texts
        fitted = _vectorizer(phrase_length, analyzer, max_features=max_words).fit(texts)
    return TfidfEncoder(
        fitted.get_feature_names_out().tolist(), fitted.idf_, phrase_length=phrase_length, analyzer=analyzer
    )


def has_words(texts: pd.Series | Sequence[str]) -> bool:
    """Whether any text has a word to count.

    >>> has_words(["", "7", "?!"]), has_words(["", "blue"])
    (False, True)
    """
    return any(words_and_characters(text) for text in texts)


def _vectorizer(phrase_length: int, analyzer: str, **options: Any) -> TfidfVectorizer:
    if analyzer == WORDS:
        return TfidfVectorizer(ngram_range=(1, phrase_length), dtype=np.float32, **options)
    return TfidfVectorizer(
        analyzer=partial(words_and_characters, phrase_length=phrase_length), dtype=np.float32, **options
    )


@dataclass(frozen=True)
class EncodingReport:
    """What one call of `LanguageModel.encode` did.

    `truncated` counts the texts longer than `max_length` tokens; `unknown` is the share of all their tokens that the
    model has no vector for (`[UNK]`): above `MANY_UNKNOWN` it does not know the language or the script.
    """

    texts: int
    empty: int
    truncated: int
    cached: int
    computed: int
    seconds: float
    unknown: float

    @property
    def readable(self) -> bool:
        """Whether the model knows most of the tokens."""
        return self.unknown <= MANY_UNKNOWN


class LanguageModel:
    """A pretrained model as a text encoder: tokens in, one pooled row of unit length out.

    The folder decides how a text is read (prompt, lower case, pooling, dense layers), as in sentence-transformers.
    Every batch has the same number of rows (filled up with copies) and a rounded length that depends on the text
    alone: on one processor a row is the same, bit for bit, in any company, now or after an interruption.
    A call of at most four texts without a cache (a query) computes each as a batch of one, which is quicker. That,
    another `batch_size` or another processor moves a row a little (cosine above 0.9999; 0.999 between the dtypes).

    Args:
        language_model: "minilm", a folder, or a Hugging Face name in the local cache.
        max_length: tokens read of a text; the rest is cut and counted.
        batch_size: rows computed at once; 0 picks 16 on a CPU, 256 on a GPU.
        device: "" takes a GPU where there is one.
        dtype: "" takes bfloat16 where the hardware is faster in it.
    """

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
        self.weights_hash = _hash_files(files_of(find_model(language_model)))
        self.report = EncodingReport(0, 0, 0, 0, 0, 0.0, 0.0)

    @property
    def dim(self) -> int:
        """Numbers in a row."""
        return self._model.get_embedding_dimension()

    @property
    def fingerprint(self) -> str:
        """Changes with whatever changes a row: files, length, dtype, the kind of device, rows a batch."""
        device = self.device.split(":")[0]
        parts: tuple = (self.weights_hash, self.max_length, self.dtype, device, self.batch_size)
        lower = getattr(self._model[0], "do_lower_case", False)
        if self.prompt or lower:  # the files say so too, but rows made before these were obeyed must not be found
            parts += (self.prompt, lower)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    @property
    def how(self) -> dict[str, Any]:
        """Plain values that `from_how` turns back into this encoder."""
        return {
            "method": "language_model",
            "language_model": self.name,
            "weights": self.weights_hash,
            "max_length": self.max_length,
            "batch_size": self.batch_size,
            "dtype": self.dtype,
        }

    @classmethod
    def from_how(cls, how: dict[str, Any]) -> "LanguageModel":
        """The encoder that `how` describes; RK-206 where the model of that name is another one by now."""
        options = {name: how[name] for name in ("max_length", "batch_size", "dtype")}
        model = cls(how["language_model"], **options)
        if model.weights_hash != how["weights"]:
            raise ArtifactError(
                "RK-206",
                f"language_model {how['language_model']!r} has weights {model.weights_hash[:12]}, the vectors were "
                f"made with {how['weights'][:12]}.",
                "Run notebook 02_feature_extraction again with this model.",
            )
        return model

    @property
    def note(self) -> str:
        """What a reader must know of the last call: a sentence where the model could not read the texts, else ""."""
        if self.report.readable:
            return ""
        reads = (
            "MiniLM reads English" if self.name == DEFAULT_MODEL else "The model does not know this language or script"
        )
        return (
            f" {reads}; {self.report.unknown:.0%} of the tokens are unknown to it ([UNK]), so its vectors say little "
            "here. Pass language_model=<folder of a multilingual model>; see README, “Languages”."
        )

    def tokens(self, text: str) -> list[str]:
        """The sub-word tokens that the model reads, cut at `max_length`; those of the model's own prompt come first."""
        return self.tokenizer.convert_ids_to_tokens(
            self.tokenizer(self.prompt + text, truncation=True, max_length=self.max_length)["input_ids"]
        )

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """Tokens of each text before the cut, [CLS] and [SEP] included."""
        return np.array([len(ids) for ids in self._whole_ids(texts)], dtype=int)

    def _whole_ids(self, texts: Sequence[str]) -> list[list[int]]:
        prompted = [self.prompt + text for text in texts]
        return self.tokenizer(prompted, truncation=False, verbose=False)["input_ids"] if prompted else []

    def unknown_shares(self, texts: Sequence[str]) -> list[float]:
        """Of each text the share of its tokens that the model has no vector for: 0 is all read."""
        return [self._unknown_share([ids]) for ids in self._whole_ids(texts)]

    def _unknown_share(self, whole: Sequence[list[int]]) -> float:
        unknown, taken = self.tokenizer.unk_token_id, self.tokenizer.all_special_ids
        others = [number for number in taken if number != unknown]
        if unknown is None or unknown == self.tokenizer.eos_token_id:  # byte-level: every sign has a token
            return 0.0
        ids = np.fromiter((number for ids in whole for number in ids), dtype=int)
        read = ids[~np.isin(ids, others)]
        return float((read == unknown).mean()) if len(read) else 0.0

    def encode(self, texts: Sequence[str], *, cache: str | Path | None = None, progress: bool = False) -> np.ndarray:
        """(N, D) float32, rows of unit length, zeros where a text is empty. `self.report` says what was done.

        Args:
            texts: what to encode; repeated texts are computed once.
            cache: a folder that keeps rows by content; an interrupted call goes on from there.
            progress: show a bar.
        """
        start = time.perf_counter()
        texts = [str(text) for text in texts]
        unique = list(dict.fromkeys(text for text in texts if text.strip()))
        rows = VectorCache(cache, self.fingerprint) if cache is not None else VectorCache(None, "")
        known = {text: row for text in unique if (row := rows.get(text)) is not None}
        whole = self._whole_ids(unique)
        counts = dict(zip(unique, map(len, whole), strict=True))
        todo = {text: count for text, count in counts.items() if count and text not in known}
        few = cache is None and len(todo) <= FEW_TEXTS
        for text, row in self._compute(todo, 1 if few else self.batch_size, progress=progress):
            known[text] = row
            rows.add(text, row, flush_every=FLUSH_EVERY)
        rows.flush()
        values = np.zeros((len(texts), self.dim), dtype=np.float32)
        for index, text in enumerate(texts):
            if text in known:
                values[index] = known[text]
        self.report = EncodingReport(
            texts=len(texts),
            empty=sum(not counts.get(text) for text in texts),
            truncated=sum(counts.get(text, 0) > self.max_length for text in texts),
            cached=sum(count > 0 for count in counts.values()) - len(todo),
            computed=len(todo),
            seconds=time.perf_counter() - start,
            unknown=self._unknown_share(whole),
        )
        return values

    def vectors(self, texts: pd.Series, *, cache: str | Path | None = None, progress: bool = False) -> Vectors:
        """The rows of `texts`, a Series of text indexed by id."""
        values = self.encode(texts.tolist(), cache=cache, progress=progress)
        return Vectors(texts.index.tolist(), values, self.how)

    def _compute(self, counts: dict[str, int], batch_size: int, *, progress: bool) -> Iterator[tuple[str, np.ndarray]]:
        """Rows batch by batch, longest texts first: what does not fit in memory fails at once."""
        from tqdm.auto import tqdm

        texts, on_gpu = list(counts), self.device != "cpu"
        batches = fixed_shape_batches(list(counts.values()), batch_size, self.max_length, doubling=on_gpu)
        with tqdm(total=len(texts), desc="encoding", unit="text", disable=not (progress and texts)) as bar:
            for rows, length in batches:
                values = self._forward([texts[row] for row in rows], (batch_size, length))
                yield from zip((texts[row] for row in rows), values, strict=True)
                bar.update(len(rows))

    def _forward(self, texts: list[str], shape: tuple[int, int]) -> np.ndarray:
        """One batch of exactly `shape` (B, L), filled up with copies of the first text -> (texts given, D)."""
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


def _hash_files(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
