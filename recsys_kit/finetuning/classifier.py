"""Review -> label: a pretrained language model with a classification head, fine-tuned on this shop's reviews."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel

from recsys_kit.core.hardware import pick_device, pick_dtype
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.features import pretrained
from recsys_kit.features.rows import fixed_shape_batches, pad_to_shape
from recsys_kit.finetuning.dataset import ReviewDataset
from recsys_kit.finetuning.labels import as_pairs, as_texts, class_indices, classes_of, most_probable
from recsys_kit.finetuning.network import MeanPooledClassifier, class_weights, start_head
from recsys_kit.finetuning.scores import confusion_counts, macro_f1
from recsys_kit.training import Checkpoints, Processes, Trainer, TrainingPlan
from recsys_kit.training.batches import batches_of_few_shapes, cut, group_by_length

HEAD_FILE = "head.safetensors"
SETTINGS_FILE = "review_classifier.json"
PREDICT_ROWS = 16  # rows computed at once when predicting
WIDEST_BATCH = 4  # times the batch size: rows of a batch of short reviews on a GPU


class ReviewClassifier:
    """A pretrained language model, fine-tuned to predict the label of a review.

    Args:
        language_model: "minilm", a folder, or a Hugging Face name in the local cache.
        plan: see `TrainingPlan`.
        max_length: tokens read of a review.
        train_tokens: train the token table too.
        device: "" picks a GPU where there is one.
    """

    def __init__(
        self,
        language_model: str = pretrained.DEFAULT_MODEL,
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
    ) -> Self:
        """Train on `texts`, and keep the epoch with the highest macro-F1 on the validation texts.

        Under torchrun the processes share the reviews of each batch, and all end with the same weights.

        Args:
            texts: training reviews.
            labels: their labels; two or more different ones.
            valid_texts: validation reviews, which choose the epoch.
            valid_labels: their labels, each also a label of training.
            checkpoint: a folder from which an interrupted training goes on, to the same bytes.

        Raises:
            DataError: RK-192 a validation label that training lacks, RK-193 one label only, RK-375 to RK-377 texts and
                labels that are no pairs.
            RecsysKitError: RK-221 the loss or a weight is not a finite number.
        """
        texts, labels = as_pairs(texts, labels)
        valid_texts, valid_labels = as_pairs(valid_texts, valid_labels, "validation")
        classes = classes_of(labels)
        if len(classes) < 2:
            problem = f"every one of the {len(labels)} training reviews has the label {classes}; expected two or more."
            fix = "There is nothing to learn: predict the majority label, or use other data."
            raise DataError("RK-193", problem, fix)
        class_indices(valid_labels, classes)  # before anything is loaded
        processes = Processes(self.device, together=True)  # first: it gives each process a GPU of its own
        with torch.random.fork_rng():
            self._build(labels, classes)
            train, valid = self._dataset(texts, labels), self._dataset(valid_texts, valid_labels)
            device, width = str(processes.device), self.model.head.in_features
            pooled = self._compute(train.token_ids, self.model.pool, width, device)
            start_head(self.model.head, pooled, train.labels, device)
            states = self._checkpoints(checkpoint, processes, texts, labels, valid_texts, valid_labels)
            options = {"processes": processes, "mixed_precision": True, "checkpoints": states}
            trainer = Trainer(self.model, lambda module, inputs: module(**inputs).loss, self.plan, **options)
            batches, validate = partial(self._batches, train, processes), partial(self._validate, valid, processes)
            self.history = trainer.fit(batches, n_batches=len(self._rows(train, epoch=0)), validate=validate)
        return self

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return (N, classes) float32, rows sum to one; a text has the same row alone and in company."""
        self._check_fitted()
        rows = pretrained.token_ids(self.tokenizer, self._as_read(as_texts(texts)), self.max_length)
        compute, device = lambda *batch: self.model(*batch).logits, pick_device(self.device)
        logits = self._compute(rows, compute, len(self.classes), device)
        return torch.tensor(logits).softmax(dim=-1).numpy()

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the most probable label of each text."""
        return most_probable(self.predict_proba(texts), self.classes)

    # -- training --------------------------------------------------------------------------------------------------

    def _build(self, labels: Sequence[str], classes: list[str]) -> None:
        torch.manual_seed(self.plan.seed)  # of the new head
        encoder = pretrained.load_pretrained(AutoModel, self.language_model)
        encoder.get_input_embeddings().weight.requires_grad_(self.train_tokens)
        costs = class_weights(class_indices(labels, classes), len(classes))
        self.classes, self.model = classes, MeanPooledClassifier(encoder, torch.tensor(costs, dtype=torch.float32))
        self.tokenizer = pretrained.load_tokenizer(self.language_model, encoder)
        self.max_length = min(self.max_length, self.tokenizer.model_max_length)
        self.prompt, self.lower_case = pretrained.how_texts_are_read(self.language_model)

    def _dataset(self, texts: list[str], labels: list[str]) -> ReviewDataset:
        options = {"max_length": self.max_length, "few_widths": pick_device(self.device).startswith("cuda")}
        return ReviewDataset(self._as_read(texts), labels, self.classes, self.tokenizer, **options)

    def _rows(self, train: ReviewDataset, epoch: int) -> list[Sequence[int]]:
        """The rows of each batch of an epoch: as many a batch on a CPU, few shapes and as many tokens on a GPU."""
        size, seed = self.plan.batch_size, self.plan.seed + epoch
        if not train.few_widths:
            return cut(group_by_length(train.lengths, size, seed), size)
        n_tokens, rng = size * train.max_length, np.random.default_rng(seed)
        return batches_of_few_shapes(train.lengths, n_tokens, WIDEST_BATCH * size, train.max_length, rng)

    def _batches(self, train: ReviewDataset, processes: Processes, epoch: int) -> Any:
        torch.manual_seed(self.plan.seed + epoch)  # of the dropout
        return train.batches(map(processes.share, self._rows(train, epoch)), processes.device)

    def _validate(self, valid: ReviewDataset, processes: Processes, module: nn.Module) -> Mapping[str, float]:
        """Mean loss of a row and macro-F1; each process reads some of the batches."""
        batches = cut(range(len(valid)), self.plan.batch_size)[processes.rank :: processes.count]
        half = pick_dtype(str(processes.device)) == "bfloat16"
        found = [torch.empty(3, 0, device=processes.device)]  # of each row: loss, label, prediction
        with torch.inference_mode(), torch.autocast(processes.device.type, torch.bfloat16, enabled=half):
            for _, inputs in valid.batches(batches, processes.device):
                output, labels = module(**inputs), inputs["labels"]
                found.append(torch.stack([output.loss.expand_as(labels), labels, output.logits.argmax(dim=-1)]))
        loss, label, predicted = torch.cat(processes.gather(torch.cat(found, dim=1).cpu()), dim=1).numpy()
        score = macro_f1(confusion_counts(label.astype(int), predicted.astype(int), len(self.classes)))
        return {"valid_loss": float(loss.mean()), "valid_score": float(score)}

    def _checkpoints(self, folder: str | Path | None, processes: Processes, *data: Sequence[str]) -> Checkpoints | None:
        """The checkpoints whose key names plan, data, arithmetic, libraries, and the bytes of the language model."""
        if folder is None:
            return None
        weights = pretrained.weights_hash(self.language_model)
        device, versions = str(processes.device), [torch.__version__, transformers.__version__]
        arithmetic = [device.split(":")[0], pick_dtype(device), processes.count, *versions]
        key = [asdict(self.plan), self.max_length, self.train_tokens, *data, arithmetic, weights]
        return Checkpoints(folder, key)

    # -- computing -------------------------------------------------------------------------------------------------

    def _as_read(self, texts: list[str]) -> list[str]:
        texts = [self.prompt + text for text in texts]
        return [text.lower() for text in texts] if self.lower_case else texts

    def _compute(
        self, token_rows: list[list[int]], compute: Callable[..., torch.Tensor], width: int, device: str
    ) -> np.ndarray:
        """`compute(input_ids, attention_mask)` for every row, (N, width), in batches of fixed shape."""
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

    # -- on disk ---------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write weights as safetensors, tokenizer and settings as JSON.

        Under torchrun call it in every process: the main process writes, and the others wait until it has.

        Raises:
            ParameterError: RK-378 not fitted.
        """
        self._check_fitted()
        processes = Processes(self.device, together=True)
        try:
            if processes.is_main:
                self._write(Path(folder))
        finally:  # also where writing fails: the others would wait for ever
            processes.wait()

    def _write(self, folder: Path) -> None:
        self.model.encoder.config._name_or_path = self.language_model  # never a path of this machine
        with pretrained.quiet():
            self.model.encoder.save_pretrained(folder)
        head = {"weight": self.model.head.weight, "bias": self.model.head.bias, "costs": self.model.class_weights}
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in head.items()}, folder / HEAD_FILE)
        for file in folder.glob("*.safetensors"):  # save_file lets only this account read them
            file.chmod((folder / "config.json").stat().st_mode)
        self.tokenizer.save_pretrained(folder)
        history = self.history.to_dict(orient="records")
        record = {"classes": self.classes, "max_length": self.max_length, "history": history}
        record |= {"prompt": self.prompt, "lower_case": self.lower_case}
        (folder / SETTINGS_FILE).write_text(json.dumps(record, indent=2, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "") -> Self:
        """Read what `save` wrote."""
        record = json.loads((Path(folder) / SETTINGS_FILE).read_text("utf-8"))
        classifier = cls(str(folder), max_length=record["max_length"], device=device)
        classifier.classes, classifier.history = record["classes"], pd.DataFrame(record["history"])
        classifier.prompt, classifier.lower_case = record.get("prompt", ""), record.get("lower_case", False)
        head = load_file(Path(folder) / HEAD_FILE)
        encoder = pretrained.load_pretrained(AutoModel, str(folder))
        classifier.model = MeanPooledClassifier(encoder, head.pop("costs")).eval()
        classifier.model.head.load_state_dict(head)
        classifier.tokenizer = pretrained.load_tokenizer(str(folder), classifier.model.encoder)
        return classifier
