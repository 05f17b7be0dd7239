"""The writer of saved models: named tensors and JSON, everything once."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save
from scipy import sparse

from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ArtifactError, ParameterError

if TYPE_CHECKING:
    from recsys_kit.recommenders.base import Recommender

VERSION = 2
"""The version of the files; `store` reads no other."""
INDEX = "models.json"


def write_models(folder: str | Path, models: "Mapping[str, Recommender]", *, with_histories: bool = True) -> None:
    """Write fitted models into a new folder, as `store.save_models` says."""
    items = next(iter(models.values())).items
    if any(model.items is not items and not np.array_equal(model.item_ids, items.ids) for model in models.values()):
        raise ParameterError("RK-316", "the models rank different catalogues.", "Fit all on the same split.")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True)
        _Writer(folder, models, with_histories).write(items)
    except FileExistsError:
        raise ArtifactError(
            "RK-407", f"{folder} exists; expected a new folder for models.", "Save elsewhere or remove it."
        ) from None
    except (OSError, SafetensorError) as problem:
        raise ArtifactError(
            "RK-505",
            f"{folder} cannot be written ({problem}); expected a folder of yours on a disk with room.",
            "Make room, or name another folder.",
        ) from problem


class _Writer:
    """Writes models into a folder."""

    def __init__(self, folder: Path, models: "Mapping[str, Recommender]", with_histories: bool) -> None:
        self.folder, self.models, self.with_histories = folder, models, with_histories
        self.saved: list[tuple[str, Recommender]] = []
        self.features: list[tuple[str, Vectors]] = []
        self.digests: dict[str, str] = {}

    def write(self, items: Vocabulary) -> None:
        """Write the vocabulary, the models, their item features and the index."""
        for name, model in self.models.items():
            self._collect(name, model)
        self._write_file("items.json", json.dumps(items.ids.tolist(), ensure_ascii=False).encode())
        described = {name: self._write_model(name, model) for name, model in self.saved}
        names = {name: self._name_of(model) for name, model in self.models.items()}  # a model may have two
        features = {name: self._write_features(name, vectors) for name, vectors in self.features}
        index = {"version": VERSION, "names": names, "models": described, "features": features}
        text = json.dumps(index | {"sha256": self.digests}, ensure_ascii=False)
        (self.folder / INDEX).write_text(text, encoding="utf-8")

    def _collect(self, name: str, model: "Recommender") -> None:
        """Note a model and the models inside it that can change a list."""
        if self._name_of(model):
            return
        name = next((known for known, one in self.models.items() if one is model), name)
        while any(name == known for known, _ in self.saved):
            name += "_"
        self.saved.append((name, model))
        for member, inner in model.answering_members().items():
            self._collect(f"{name}.{member}", inner)

    def _name_of(self, model: "Recommender") -> str:
        return next((name for name, one in self.saved if one is model), "")

    def _write_model(self, name: str, model: "Recommender") -> dict[str, Any]:
        arrays = {"can_score": model.can_score, "item_counts": model.item_counts}
        is_complete = self.with_histories or bool(model.nested) or "histories" not in model.uses
        for attribute in model.state if is_complete else ():
            arrays |= _pack(attribute, getattr(model, attribute))
        path = f"tensors/{_file_name(name)}.safetensors"
        self._write_file(path, _serialize(arrays))
        vectors = getattr(model, "vectors", None)
        nested = {field: self._refer(getattr(model, field)) for field in model.nested}
        return {
            "model": model.name,
            "tensors": path,
            "parameters": {one.name: getattr(model, one.name) for one in fields(model) if one.name not in nested},
            "learned": {attribute: getattr(model, attribute) for attribute in model.learned},
            "nested": nested,
            "features": None if vectors is None else self._name_features(name, vectors),
            "understands_text": model.understands_text,
            "is_complete": is_complete,
            "uses": dict(model.uses),
        }

    def _refer(self, inner: "Recommender | Mapping[str, Recommender]") -> str | dict[str, str]:
        """Return the name of a saved model, or the names of those of a mapping that are saved."""
        if not isinstance(inner, Mapping):
            return self._name_of(inner)
        names = {member: self._name_of(model) for member, model in inner.items()}
        return {member: name for member, name in names.items() if name}

    def _name_features(self, name: str, vectors: Vectors) -> str:
        """Return the name of item features; equal arrays are written once."""
        for known, other in self.features:
            if other.values is vectors.values:
                return known
        self.features.append((name, vectors))
        return name

    def _write_features(self, name: str, vectors: Vectors) -> dict[str, Any]:
        path = f"features/{_file_name(name)}.safetensors"
        self._write_file(path, _serialize(_pack("values", vectors.values)))
        return {"tensors": path, "how": vectors.how}

    def _write_file(self, path: str, content: bytes) -> None:
        (self.folder / path).parent.mkdir(exist_ok=True)
        (self.folder / path).write_bytes(content)
        self.digests[path] = hashlib.sha256(content).hexdigest()


def _file_name(name: str) -> str:
    """Return a name that every file system takes: other characters as their code points.

    >>> _file_name("hybrid.ease"), _file_name("a/b")
    ('hybrid.ease', 'a%2fb')
    """
    return re.sub(r"[^\w.-]", lambda match: f"%{ord(match[0]):02x}", name)


def _serialize(arrays: Mapping[str, np.ndarray]) -> bytes:
    return save({key: np.ascontiguousarray(value) for key, value in arrays.items()})


def _pack(name: str, value: Any) -> dict[str, np.ndarray]:
    """Return a dense array as it is, a CSR matrix as its three arrays and its shape, named weights each by its name."""
    if isinstance(value, Mapping):
        return {f"{name}.{key}": array for key, array in value.items()}
    if not sparse.issparse(value):
        return {name: value}
    parts = {part: getattr(value, part) for part in ("data", "indices", "indptr")} | {"shape": np.array(value.shape)}
    return {f"{name}.{part}": array for part, array in parts.items()}
