"""Saved models: vocabulary and item features once, each model as named tensors and JSON, members by name.

`models.json` describes the models; `items.json` holds the ids of the items in order; `features/` and `tensors/` hold
safetensors. Nothing is pickled, and no user id and no history is written, except the state of a model that `uses`
histories. Every file is checked against its SHA-256 when it is read.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load
from scipy import sparse

from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ArtifactError, IntegrityError
from recsys_kit.recommenders.base import MODELS, Recommender, check_models
from recsys_kit.recommenders.saving import INDEX, VERSION, write_models


def save_models(folder: str | Path, models: Mapping[str, Recommender], *, with_histories: bool = True) -> None:
    """Write fitted models of one catalogue into a new folder; `load_models` reads them.

    A model inside another (a member of an ensemble, the base of a re-ranker) is written once, under its own name where
    it is one of `models`. Of the members of an ensemble those are written that can change a list.

    Args:
        folder: that does not exist.
        models: by name.
        with_histories: write the state of a model that `uses` histories; without it `load_models` needs `complete`.

    Raises:
        ArtifactError: RK-407 the folder exists, RK-505 it cannot be written.
        NotFittedError: RK-369 a model is not fitted.
        ParameterError: RK-157 no models by name, RK-316 models of different catalogues.
    """
    check_models(models)
    write_models(folder, models, with_histories=with_histories)


def load_models(
    folder: str | Path,
    *,
    complete: Callable[[Recommender], None] | None = None,
    remedy: Callable[[], str] = lambda: "Save the models again.",
) -> "StoredModels":
    """Return the models of a folder by name; each is read on first use.

    Args:
        folder: that `save_models` wrote.
        complete: sets the state of a model that was saved without histories.
        remedy: says what to do about a damaged file; called only then.

    Raises:
        ArtifactError: RK-408 the folder holds no models, RK-406 it was written by another version or is damaged.
    """
    return StoredModels(Path(folder), complete, remedy)


def load_model(folder: str | Path) -> Recommender:
    """Return the model that `Recommender.save` wrote. Raises as `load_models`; RK-403 a kind that is not registered."""
    stored = load_models(folder)
    return stored[next(iter(stored))]


class StoredModels(Mapping[str, Recommender]):
    """Saved models by name, each read on first use."""

    def __init__(self, folder: Path, complete: Callable[[Recommender], None] | None, remedy: Callable[[], str]) -> None:
        self.folder, self._complete, self._remedy = folder, complete, remedy
        self._read: dict[str, Recommender] = {}
        self._features: dict[str, Vectors] = {}
        self._index = self._read_index()

    def __getitem__(self, name: str) -> Recommender:
        key = self._index["names"].get(name, name)
        if key not in self._read:
            self._read[key] = self._restore(self._index["models"][key])
        return self._read[key]

    def __contains__(self, name: object) -> bool:
        return name in self._index["names"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index["names"])

    def __len__(self) -> int:
        return len(self._index["names"])

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The items that all models rank."""
        return Vocabulary(np.array(json.loads(self._read_file("items.json")), dtype=str))

    def describe(self, name: str) -> dict[str, Any]:
        """Return what the index says of a model: model, parameters, learned, uses, understands_text ..."""
        return self._index["models"][self._index["names"].get(name, name)]

    def kind_of(self, name: str) -> type[Recommender]:
        """Return the class of a model without reading its tensors; RK-403 for a class that is not registered."""
        return self._kind(self.describe(name)["model"])

    def _kind(self, kind: str) -> type[Recommender]:
        if kind not in MODELS:
            _register_all()
        if kind not in MODELS:
            raise ArtifactError(
                "RK-403",
                f"{self.folder} holds a model named {kind!r}; known are {sorted(MODELS)}.",
                "Update recsys_kit, or import the module that defines the model.",
            )
        return MODELS[kind]

    def features_of(self, name: str) -> dict[str, Any]:
        """Return how the item features of a model were made (`Vectors.how`); empty for a model without."""
        features = self.describe(name)["features"]
        return self._index["features"][features]["how"] if features else {}

    def _restore(self, described: Mapping[str, Any]) -> Recommender:
        kind = self._kind(described["model"])
        try:
            nested = {
                field: self[inner] if isinstance(inner, str) else _Members(self, inner)
                for field, inner in described["nested"].items()
            }
            arrays = self._read_tensors(described["tensors"])
            model = kind(**described["parameters"], **nested)
            model.items = self.vocabulary
            model.can_score, model.item_counts = arrays["can_score"], arrays["item_counts"]
            if described["is_complete"]:
                for attribute in kind.state:
                    setattr(model, attribute, _unpack(attribute, arrays))
            for attribute in kind.learned:
                setattr(model, attribute, described["learned"][attribute])
            if described["features"]:
                model.vectors = self._read_features(described["features"])
        except (KeyError, TypeError, SafetensorError) as problem:  # this version does not know it, or misses it
            raise self._other_version(problem) from problem
        if not described["is_complete"] and self._complete:
            self._complete(model)
        return model

    def _read_features(self, name: str) -> Vectors:
        if name not in self._features:
            described = self._index["features"][name]
            values = _unpack("values", self._read_tensors(described["tensors"]), sparse.csr_matrix)
            self._features[name] = Vectors(self.vocabulary.ids.tolist(), values, described["how"])
        return self._features[name]

    def _read_tensors(self, path: str) -> dict[str, np.ndarray]:
        return load(self._read_file(path))

    def _read_file(self, path: str) -> bytes:
        """Return the content of a file; RK-374 where it is missing or not the one that was written."""
        try:
            content = (self.folder / path).read_bytes()
        except OSError as problem:
            raise IntegrityError(
                "RK-374", f"{self.folder / path} cannot be read ({problem}).", self._remedy()
            ) from None
        if hashlib.sha256(content).hexdigest() != self._index["sha256"][path]:
            raise IntegrityError(
                "RK-374", f"{self.folder / path} does not match its checksum in {INDEX}.", self._remedy()
            )
        return content

    def _read_index(self) -> dict[str, Any]:
        try:
            index = json.loads((self.folder / INDEX).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            if (self.folder / "model.json").exists():
                raise self._other_version("model.json") from None
            raise ArtifactError(
                "RK-408", f"{self.folder} holds no {INDEX}; expected a folder of saved models.", "Save them first."
            ) from None
        except ValueError as problem:
            raise self._other_version(problem) from problem
        if not isinstance(index, dict) or index.get("version") != VERSION:
            raise self._other_version(f"version {index.get('version') if isinstance(index, dict) else None}")
        return index

    def _other_version(self, problem: Any) -> ArtifactError:
        return ArtifactError("RK-406", f"{self.folder} was written by another version ({problem}).", "Save it again.")


def _register_all() -> None:
    """Import every module of this package: a model is registered by its definition, exported or not."""
    package = import_module("recsys_kit.recommenders")
    for module in walk_packages(package.__path__, f"{package.__name__}."):
        import_module(module.name)


class _Members(Mapping[str, Recommender]):
    """The members of a saved ensemble, each read on first use."""

    def __init__(self, stored: StoredModels, names: Mapping[str, str]) -> None:
        self._stored, self._names = stored, names

    def __getitem__(self, name: str) -> Recommender:
        return self._stored[self._names[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _unpack(name: str, arrays: Mapping[str, np.ndarray], kind: Callable[..., Any] = sparse.csr_array) -> Any:
    if name in arrays:
        return arrays[name]
    named = {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
    if named and "indptr" not in named:
        return named
    parts = tuple(arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    return kind(parts, shape=tuple(arrays[f"{name}.shape"]))
