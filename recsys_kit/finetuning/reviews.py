"""Review -> label: a pretrained encoder with a classification head, and the two baselines it has to beat.

All three share one interface: `fit(texts, labels)`, then `predict_proba(texts)` with one column per entry of `classes`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from transformers import AutoModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.trainer_pt_utils import LengthGroupedSampler

from recsys_kit.core.hardware import pick_device, pick_dtype
from recsys_kit.data.splitting import PARTS
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.features.batches import fixed_shape_batches, pad_to_shape, rounded_length
from recsys_kit.features.pretrained import (
    DEFAULT_MODEL,
    files_of,
    find_model,
    how_texts_are_read,
    load_pretrained,
    load_tokenizer,
    quiet,
    token_ids,
)
from recsys_kit.features.text import fit_tfidf
from recsys_kit.finetuning.scores import confusion_counts, macro_f1
from recsys_kit.training.loop import TrainingPlan, fit_model

MAX_CLASSES = 100  # more different labels than this are no classes
HEAD_FILE = "head.safetensors"
PREDICT_ROWS = 16  # rows computed at once when predicting


def labels_of(reviews: pd.DataFrame) -> pd.Series:
    """The label of each review, a str or missing: the column `label` where the data has one, else the rating.

    The series is named "label" or "stars". Ratings become "5" or "2.5".

    >>> labels_of(pd.DataFrame({"rating": [5.0, 2.5, None]})).tolist()
    ['5', '2.5', nan]
    >>> labels_of(pd.DataFrame({"label": ["bug", " "], "rating": [5.0, 2.5]})).tolist()
    ['bug', nan]
    """
    for column, name in (("label", "label"), ("rating", "stars")):
        if column in reviews and reviews[column].notna().any():
            found = reviews[column].map(_label, na_action="ignore").astype(object).rename(name)
            return found.mask(found == "")
    return pd.Series(np.nan, reviews.index, dtype=object, name="label")


def _label(value: Any) -> str:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return str(value).strip()
    return str(int(value)) if value // 1 == value else str(value)


def as_texts(texts: Iterable[str]) -> list[str]:
    """The texts as a list: of a list, an array, a Series, a generator ...

    Raises:
        DataError: RK-375 where it is one string, or holds something else than strings.

    >>> as_texts(text for text in ("a mug", ""))
    ['a mug', '']
    """
    if isinstance(texts, str | bytes):
        shown = repr(texts[:40])
        raise DataError("RK-375", f"texts is one string ({shown}); expected a list of texts.", f"Pass [{shown}].")
    found = list(texts)
    for place, text in enumerate(found):
        if not isinstance(text, str):
            problem = f"text {place} is {text!r}; expected a string."
            raise DataError("RK-375", problem, "Pass '' for a review without words.")
    return found


def as_labels(labels: Iterable[Any]) -> list[str]:
    """The labels as strings: 5, 5.0 and NumPy's 5 are "5".

    Raises:
        DataError: RK-376 where it is one string, or a label is missing.

    >>> as_labels(np.array([5, 1]))
    ['5', '1']
    """
    if isinstance(labels, str | bytes):
        raise DataError("RK-376", f"labels is one string ({labels[:40]!r}); expected a list.", "Pass one a text.")
    found = list(labels)
    missing = [place for place, label in enumerate(found) if pd.isna(label)]
    if missing:
        problem = f"{len(missing)} labels are missing, such as label {missing[0]}; expected one a text."
        raise DataError("RK-376", problem, "Leave these texts out.")
    return [_label(label) for label in found]


def as_pairs(texts: Iterable[str], labels: Iterable[Any], what: str = "training") -> tuple[list[str], list[str]]:
    """Texts and their labels; RK-377 where they are missing or their numbers differ."""
    texts, labels = as_texts(texts), as_labels(labels)
    if len(texts) != len(labels) or not texts:
        problem = f"{what} has {len(texts)} texts and {len(labels)} labels; expected as many of both, at least one."
        raise DataError("RK-377", problem, "Pass one label a text.")
    return texts, labels


def names_its_label(titles: pd.Series, labels: pd.Series) -> pd.Series:
    """True where a review's title is only its label, or only stars ("Five Stars"): it gives the answer away.

    >>> titles = pd.Series(["Five Stars", "1 star!", "Five stars for the box", "Positive.", None])
    >>> names_its_label(titles, pd.Series(["5", "5", "5", "positive", "5"], name="stars")).tolist()
    [True, True, False, True, False]
    """
    titles = titles.fillna("")
    stars = titles.str.fullmatch(r"\s*(?:one|two|three|four|five|[1-5])\s+stars?\W*", case=False).astype(bool)
    named = titles.str.strip(" .!").str.casefold() == labels.astype("str").str.casefold()
    return (stars & (labels.name == "stars")) | named.fillna(False)


def classes_of(labels: Sequence[str]) -> list[str]:
    """The classes found in `labels`, in order of number where they are numbers.

    >>> classes_of(["10", "5", "5", "1"])
    ['1', '5', '10']
    """
    found = sorted(set(as_labels(labels)))
    try:
        return sorted(found, key=float)
    except ValueError:
        return found


def class_indices(labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Each label's place in `classes`, (N,) int.

    Raises:
        DataError: RK-192 where a label is in no class, with the labels listed.

    >>> class_indices(["5", "1"], ["1", "5"])
    array([1, 0])
    """
    place, labels = {name: index for index, name in enumerate(classes)}, as_labels(labels)
    unknown = [label for label in labels if label not in place]
    if unknown:
        raise DataError(
            "RK-192",
            f"{len(unknown)} labels were not seen in training: {sorted(set(unknown))[:5]}; "
            f"expected one of {list(classes)}.",
            "Leave these reviews out (labels.isin(classes)) or train on reviews that have them.",
        )
    return np.array([place[label] for label in labels], dtype=np.int64)


def draw_parts(
    reviews: pd.DataFrame, caps: Mapping[str, int], *, seed: int
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Train, valid and test of labelled reviews, each at most as long as its cap, and a table of what was left out.

    Args:
        reviews: with `part` and `label`.
        caps: the most reviews of a part; a part that is not named has no cap.
        seed: of the draw.

    Returns:
        The frames by part, labels that the drawn train lacks left out; and per part reviews,
        used, and those whose label is not in train.
    """
    parts, rows = {}, []
    for part in PARTS:
        mine = reviews[reviews["part"] == part]
        known = mine[mine["label"].isin(parts["train"]["label"])] if parts else mine
        parts[part] = known.sample(min(caps.get(part, len(known)), len(known)), random_state=seed).sort_index()
        rows.append({"reviews": len(mine), "used": len(parts[part]), "label not in train": len(mine) - len(known)})
    return parts, pd.DataFrame(rows, index=list(parts))


class MajorityClassifier:
    """Says the most frequent label, whatever the text. Its probabilities are the shares in training.

    >>> MajorityClassifier().fit(["good", "fine", "bad"], ["5", "5", "1"]).predict(["awful"])
    ['5']
    """

    def fit(self, texts: Sequence[str], labels: Sequence[str]) -> "MajorityClassifier":
        """Count the labels."""
        _, labels = as_pairs(texts, labels)
        self.classes = classes_of(labels)
        counts = np.bincount(class_indices(labels, self.classes), minlength=len(self.classes))
        self.shares = counts / counts.sum()
        return self

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """(N, classes), every row the same."""
        return np.tile(self.shares, (len(as_texts(texts)), 1))

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The most probable label of each text."""
        return most_probable(self.predict_proba(texts), self.classes)


class TfidfClassifier:
    """TF-IDF of words and pairs, then logistic regression with each class given the same weight.

    >>> model = TfidfClassifier().fit(["good mug", "good cup", "bad mug", "bad cup"], ["5", "5", "1", "1"])
    >>> model.predict(["a bad day"])
    ['1']
    """

    def fit(self, texts: Sequence[str], labels: Sequence[str]) -> "TfidfClassifier":
        """Learn the words and their weights."""
        texts, labels = as_pairs(texts, labels)
        self.classes = classes_of(labels)
        self._encoder = fit_tfidf(texts, phrase_length=2, min_texts=2)
        self._model = LogisticRegression(class_weight="balanced", max_iter=1000)
        self._model.fit(self._encoder.encode(texts), class_indices(labels, self.classes))
        return self

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """(N, classes), rows sum to one."""
        return self._model.predict_proba(self._encoder.encode(as_texts(texts)))

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The most probable label of each text."""
        return most_probable(self.predict_proba(texts), self.classes)


class ReviewDataset(Dataset):
    """One row per review: its token ids (cut at `max_length`), the index of its label, and its own number.

    The tutorial stored every review as `max_length` tokens; here a row is as long as its text, and `collate` pads a
    batch to its longest row (with `few_widths`, for a GPU, on to the next of 8, 16, 32, 64 ... tokens).
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        classes: Sequence[str],
        tokenizer: Any,
        *,
        max_length: int,
        few_widths: bool = False,
    ) -> None:
        self.max_length = min(max_length, tokenizer.model_max_length)
        self.token_ids = token_ids(tokenizer, texts, self.max_length)
        self.labels = class_indices(labels, classes)
        self.tokenizer, self.few_widths = tokenizer, few_widths

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"input_ids": self.token_ids[row], "labels": int(self.labels[row]), "rows": row}

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(ids) for ids in self.token_ids]

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Rows -> one batch: input_ids and attention_mask (B, longest), labels (B,), rows (B,)."""
        ids = [row["input_ids"] for row in rows]
        width = max(map(len, ids))
        width = rounded_length(width, self.max_length, doubling=True) if self.few_widths else width
        batch = pad_to_shape(self.tokenizer, ids, (len(ids), width))
        batch = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return {**batch, **{name: torch.tensor([row[name] for row in rows]) for name in ("labels", "rows")}}

    def batches(self, batch_size: int, *, seed: int | None = None) -> DataLoader:
        """Batches for training (with a `seed`: shuffled, similar lengths together) or for validation (in order)."""
        sampler = LengthGroupedBySeed(self.lengths, batch_size, seed) if seed is not None else None
        return DataLoader(self, batch_size=batch_size, sampler=sampler, collate_fn=self.collate)


def batch_widths(lengths: Sequence[int], order: Sequence[int], batch_size: int, *, fixed: int = 0) -> list[list[tuple]]:
    """The batches of an order as `(row, width)` pairs: as wide as their longest row, or `fixed`.

    >>> batch_widths([3, 9, 4], [0, 2, 1], 2)
    [[(0, 4), (2, 4)], [(1, 9)]]
    """
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return [[(row, fixed or max(lengths[other] for other in batch)) for row in batch] for batch in batches]


class LengthGroupedBySeed(LengthGroupedSampler):
    """transformers' length-grouped order, drawn anew for each epoch from `seed` alone."""

    def __init__(self, lengths: list[int], batch_size: int, seed: int) -> None:
        super().__init__(batch_size, lengths=lengths, generator=torch.Generator())
        self.seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Fix the order of the next pass."""
        self.generator.manual_seed(self.seed + epoch)


class MeanPooledClassifier(nn.Module):
    """A pretrained encoder, the mean of its token vectors, a linear head; called with a batch, gives loss and logits.

    The mean and not the first token's vector, because sentence encoders such as MiniLM were pretrained for it.

    Args:
        encoder: from transformers' AutoModel.
        class_weights: (classes,) what a mistake on each class costs.
        dropout: share of the pooled numbers hidden from the head while training.
    """

    def __init__(self, encoder: nn.Module, class_weights: torch.Tensor, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder, self.dropout = encoder, nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, len(class_weights))
        self.register_buffer("class_weights", class_weights)

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Token ids (B, L) -> the mean of the token vectors, padding left out (B, D)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, L, D)
        mask = attention_mask.unsqueeze(-1)  # (B, L, 1)
        return (states * mask).sum(dim=1) / mask.sum(dim=1)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Token ids (B, L) -> logits (B, classes), and the weighted cross-entropy where there are labels (B,)."""
        logits = self.head(self.dropout(self.pool(input_ids, attention_mask))).float()  # (B, classes)
        loss = None
        if labels is not None:  # not cross_entropy's own `weight`: it divides by the weights of the batch
            loss = (cross_entropy(logits, labels, reduction="none") * self.class_weights[labels]).mean()
        return SequenceClassifierOutput(loss=loss, logits=logits)


def class_weights(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """What a mistake on each class costs so that all classes weigh the same, mean 1 over the rows.

    >>> class_weights(np.array([0, 0, 0, 0, 1]), 2).round(3)
    array([0.625, 2.5  ])
    """
    counts = np.bincount(labels, minlength=n_classes)
    return len(labels) / np.maximum(counts, 1) / np.count_nonzero(counts)


class ReviewClassifier:
    """A pretrained BERT-family encoder with a classification head; every layer is trained, the token table is not.

    The table is half of MiniLM's weights, most of its tokens never occur in a shop's reviews, and moving it costs AdamW
    as much time as the layers above: `train_tokens=True` trains it too.

    Args:
        language_model: "minilm", a folder, or a Hugging Face name in the local cache.
        plan: how long and how hard to train.
        max_length: tokens read of a review; fewer where the language model has not as many positions.
        train_tokens: train the token table too.
        device: "" takes a GPU where there is one.
    """

    def __init__(
        self,
        language_model: str = DEFAULT_MODEL,
        *,
        plan: TrainingPlan | None = None,
        max_length: int = 128,
        train_tokens: bool = False,
        device: str = "",
    ) -> None:
        self.language_model, self.plan = language_model, plan or TrainingPlan()
        self.max_length, self.train_tokens, self.device = max_length, train_tokens, device
        self.classes: list[str] = []
        self.prompt, self.lower_case = "", False
        self.history = pd.DataFrame()
        self.model: MeanPooledClassifier | None = None

    def fit(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        *,
        valid_texts: Sequence[str],
        valid_labels: Sequence[str],
        checkpoint: str | Path | None = None,
    ) -> "ReviewClassifier":
        """Train on `texts`, keep the epoch with the highest macro-F1 on the validation texts.

        Args:
            texts: training reviews.
            labels: their labels; two or more different ones.
            valid_texts: reviews to choose the epoch by.
            valid_labels: their labels, all seen in training.
            checkpoint: a folder that lets an interrupted training go on.
        """
        texts, labels = as_pairs(texts, labels)
        valid_texts, valid_labels = as_pairs(valid_texts, valid_labels, "validation")
        classes = classes_of(labels)
        if len(classes) < 2:
            raise DataError(
                "RK-193",
                f"every one of the {len(labels)} training reviews has the label {classes}; expected two or more.",
                "There is nothing to learn: say the majority label, or take other data.",
            )
        class_indices(valid_labels, classes)  # refused before anything is loaded
        self._new_model(labels, classes)
        on_gpu = pick_device(self.device).startswith("cuda")
        train, valid = (
            ReviewDataset(
                self._as_read(pair[0]),
                pair[1],
                self.classes,
                self.tokenizer,
                max_length=self.max_length,
                few_widths=on_gpu,
            )
            for pair in ((texts, labels), (valid_texts, valid_labels))
        )
        self._start_head(train)
        self.history = fit_model(
            self.model,
            train.batches(self.plan.batch_size, seed=self.plan.seed),
            valid.batches(self.plan.batch_size),
            self.plan,
            score=lambda true, found: macro_f1(confusion_counts(true, found, len(self.classes))),
            checkpoint=checkpoint,
            data_key=self._data_key(texts, labels, valid_texts, valid_labels) if checkpoint is not None else "",
            device=self.device,
        )
        return self

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """(N, classes) float32, rows sum to one; the same for a text alone as in company."""
        self._check_fitted()
        rows = token_ids(self.tokenizer, self._as_read(as_texts(texts)), self.max_length)
        logits = self._by_batch(rows, lambda *batch: self.model(*batch).logits, len(self.classes))
        return torch.tensor(logits).softmax(dim=-1).numpy()

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The most probable label of each text."""
        return most_probable(self.predict_proba(texts), self.classes)

    def save(self, folder: str | Path) -> None:
        """Weights as safetensors, tokenizer and settings as JSON."""
        self._check_fitted()
        folder = Path(folder)
        self.model.encoder.config._name_or_path = self.language_model  # never a path of this machine
        with quiet():
            self.model.encoder.save_pretrained(folder)
        head = {"weight": self.model.head.weight, "bias": self.model.head.bias, "costs": self.model.class_weights}
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in head.items()}, folder / HEAD_FILE)
        self.tokenizer.save_pretrained(folder)
        history = self.history.to_dict(orient="records")
        record = {"classes": self.classes, "max_length": self.max_length, "history": history}
        record |= {"prompt": self.prompt, "lower_case": self.lower_case}
        (folder / "review_classifier.json").write_text(json.dumps(record, indent=2, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "") -> "ReviewClassifier":
        """Read what `save` wrote."""
        record = json.loads((Path(folder) / "review_classifier.json").read_text("utf-8"))
        classifier = cls(str(folder), max_length=record["max_length"], device=device)
        classifier.classes, classifier.history = record["classes"], pd.DataFrame(record["history"])
        classifier.prompt, classifier.lower_case = record.get("prompt", ""), record.get("lower_case", False)
        head = load_file(Path(folder) / HEAD_FILE)
        classifier.model = MeanPooledClassifier(load_pretrained(AutoModel, str(folder)), head.pop("costs")).eval()
        classifier.model.head.load_state_dict(head)
        classifier.tokenizer = load_tokenizer(str(folder), classifier.model.encoder)
        return classifier

    def _new_model(self, labels: Sequence[str], classes: list[str]) -> None:
        torch.manual_seed(self.plan.seed)  # the head is new: its first weights are drawn
        encoder = load_pretrained(AutoModel, self.language_model)
        encoder.get_input_embeddings().weight.requires_grad_(self.train_tokens)
        costs = class_weights(class_indices(labels, classes), len(classes))
        self.classes, self.model = classes, MeanPooledClassifier(encoder, torch.tensor(costs, dtype=torch.float32))
        self.tokenizer = load_tokenizer(self.language_model, encoder)
        self.max_length = min(self.max_length, self.tokenizer.model_max_length)
        self.prompt, self.lower_case = how_texts_are_read(self.language_model)

    def _as_read(self, texts: list[str]) -> list[str]:
        texts = [self.prompt + text for text in texts]
        return [text.lower() for text in texts] if self.lower_case else texts

    def _start_head(self, train: ReviewDataset) -> None:
        """Start from a logistic regression on what the encoder already says, not from a random head.

        A random head first pulls the encoder towards the majority, and on skewed labels it never comes back.
        Source: Kumar et al., Fine-tuning can distort pretrained features, 2022.
        """
        pooled = self._pooled(train.token_ids)
        start = LogisticRegression(class_weight="balanced", max_iter=1000).fit(pooled, train.labels)
        weight, bias = start.coef_, start.intercept_
        if len(self.classes) == 2:  # scikit-learn has one row for two classes
            weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        with torch.no_grad():
            self.model.head.weight.copy_(torch.tensor(weight, dtype=torch.float32))
            self.model.head.bias.copy_(torch.tensor(bias, dtype=torch.float32))

    def _pooled(self, rows: list[list[int]]) -> np.ndarray:
        return self._by_batch(rows, self.model.pool, self.model.head.in_features)

    def _by_batch(self, token_rows: list[list[int]], compute: Callable[..., torch.Tensor], width: int) -> np.ndarray:
        """`compute(input_ids, attention_mask)` for every row, (N, width), in batches of fixed shape."""
        device = pick_device(self.device)
        half, on_gpu = pick_dtype(device) == "bfloat16", device.startswith("cuda")
        self.model.to(device).eval()
        values = np.zeros((len(token_rows), width), dtype=np.float32)
        lengths = [len(ids) for ids in token_rows]
        for rows, length in fixed_shape_batches(lengths, PREDICT_ROWS, self.max_length, doubling=on_gpu):
            ids = [token_rows[row] for row in rows]
            batch = pad_to_shape(self.tokenizer, ids, (PREDICT_ROWS, length)).to(device)
            with torch.inference_mode(), torch.autocast(device.split(":")[0], dtype=torch.bfloat16, enabled=half):
                computed = compute(batch["input_ids"], batch["attention_mask"])
            values[rows] = computed.float().cpu().numpy()[: len(rows)]
        return values

    def _check_fitted(self) -> None:
        if self.model is None:
            problem = "ReviewClassifier is not fitted; expected a fitted model."
            raise ParameterError("RK-378", problem, "Call fit(texts, labels, ...) or ReviewClassifier.load(folder).")

    def _data_key(self, *parts: Sequence[str]) -> str:
        """Changes with the data and with the content of the language model's folder, wherever that lies."""
        digest = hashlib.sha256(json.dumps([self.max_length, self.train_tokens, *parts]).encode())
        for path in files_of(find_model(self.language_model)):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def most_probable(probabilities: np.ndarray, classes: Sequence[str]) -> list[str]:
    """The class with the highest probability in each row.

    >>> most_probable(np.array([[0.1, 0.9]]), ["1", "5"])
    ['5']
    """
    return [classes[index] for index in probabilities.argmax(axis=1)]
