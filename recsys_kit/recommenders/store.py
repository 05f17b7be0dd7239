"""Saved models: vocabulary and item features once, each model as named tensors and JSON, members by name.

`models.json` describes the models; `items.json` holds the ids of the items in order; `features/` and `tensors/` hold
safetensors. Nothing is pickled, and no user id and no history is written, except the state of a model that `uses`
histories. Every file is checked against its SHA-256 when it is read.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy import sparse

from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ArtifactError, IntegrityError, ParameterError

if TYPE_CHECKING:
    from recsys_kit.recommenders.base import Recommender

VERSION = 2
"""The version of the files; no other is read."""
INDEX = "models.json"
CSR = ("data", "indices", "indptr", "shape")  # the arrays of a sparse matrix
MODELS: dict[str, type["Recommender"]] = {}
"""Every model class, registered by its `name`."""


def check_models(models: Any) -> None:
    """Raise `ParameterError` (RK-157) unless these are models by name."""
    known = tuple(MODELS.values())
    if not isinstance(models, Mapping) or not models or not all(isinstance(m, known) for m in models.values()):
        problem = f"models is {models!r:.60}; expected one fitted model or more by name."
        raise ParameterError("RK-157", problem, "Pass {'ease': model}.")


# -- writing -----------------------------------------------------------------------------------------------------------


def save_models(folder: str | Path, models: "Mapping[str, Recommender]", *, with_histories: bool = True) -> None:
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
    items = next(iter(models.values())).items
    if any(model.items is not items and not np.array_equal(model.item_ids, items.ids) for model in models.values()):
        raise ParameterError("RK-316", "the models rank different catalogues.", "Fit all on the same split.")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True)
        _write(folder, models, items, with_histories)
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


def _write(folder: Path, models: "Mapping[str, Recommender]", items: Vocabulary, with_histories: bool) -> None:
    digests: dict[str, str] = {}

    def write(path: str, content: bytes) -> str:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
        digests[path] = hashlib.sha256(content).hexdigest()
        return path

    def write_arrays(kind: str, name: str, values: Mapping[str, Any]) -> str:
        arrays = {key: array for one, value in values.items() for key, array in _pack(one, value).items()}
        content = save({key: np.ascontiguousarray(array) for key, array in arrays.items()})
        return write(f"{kind}/{quote(name, safe='')}.safetensors", content)  # every file system takes this

    write("items.json", json.dumps(items.ids.tolist(), ensure_ascii=False).encode())
    saved, described = _with_members(models), {}
    names = {id(model): name for name, model in saved.items()}
    features: dict[int, tuple[str, Vectors]] = {}  # equal arrays are written once
    for name, model in saved.items():
        if (vectors := getattr(model, "vectors", None)) is not None:
            features.setdefault(id(vectors.values), (name, vectors))
        is_complete = with_histories or bool(model.nested) or "histories" not in model.uses
        state = ("can_score", "item_counts", *(model.state if is_complete else ()))
        described[name] = {
            "model": model.name,
            "tensors": write_arrays("tensors", name, {attribute: getattr(model, attribute) for attribute in state}),
            "parameters": {one.name: getattr(model, one.name) for one in fields(model) if one.name not in model.nested},
            "learned": {attribute: getattr(model, attribute) for attribute in model.learned},
            "nested": {field: _refer(getattr(model, field), names) for field in model.nested},
            "features": None if vectors is None else features[id(vectors.values)][0],
            "understands_text": model.understands_text,
            "is_complete": is_complete,
            "uses": dict(model.uses),
        }
    index = {
        "version": VERSION,
        "names": {name: names[id(model)] for name, model in models.items()},  # a model may have two
        "models": described,
        "features": {
            name: {"tensors": write_arrays("features", name, {"values": vectors.values}), "how": vectors.how}
            for name, vectors in features.values()
        },
        "sha256": digests,
    }
    (folder / INDEX).write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")


def _with_members(models: "Mapping[str, Recommender]") -> "dict[str, Recommender]":
    """Return the models, and the models inside them that can change a list, each once and by a name of its own."""
    saved: dict[str, Recommender] = {}

    def add(name: str, model: "Recommender") -> None:
        if any(one is model for one in saved.values()):
            return
        name = next((known for known, one in models.items() if one is model), name)
        while name in saved:
            name += "_"
        saved[name] = model
        for member, inner in model.answering_members().items():
            add(f"{name}.{member}", inner)

    for name, model in models.items():
        add(name, model)
    return saved


def _refer(inner: Any, names: Mapping[int, str]) -> str | dict[str, str]:
    """Return the name of a saved model, or the names of those of a mapping that are saved."""
    if not isinstance(inner, Mapping):
        return names[id(inner)]
    return {member: names[id(model)] for member, model in inner.items() if id(model) in names}


def _pack(name: str, value: Any) -> dict[str, np.ndarray]:
    """Return a dense array as it is, a CSR matrix as its three arrays and its shape, named weights each by its name."""
    if sparse.issparse(value):
        value = {part: np.array(getattr(value, part)) for part in CSR}
    if not isinstance(value, Mapping):
        return {name: value}
    return {f"{name}.{part}": array for part, array in value.items()}


def _unpack(name: str, arrays: Mapping[str, np.ndarray], kind: Callable[..., Any] = sparse.csr_array) -> Any:
    """Return what `_pack` was given."""
    if name in arrays:
        return arrays[name]
    parts = {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
    if parts and "indptr" not in parts:
        return parts
    return kind(tuple(parts[part] for part in CSR[:3]), shape=tuple(parts["shape"]))


# -- reading -----------------------------------------------------------------------------------------------------------


class _OnDemand(Mapping[str, Any]):
    """Models by name, each read on first use; `names` are those by which they are saved."""

    def __init__(self, names: Mapping[str, str], read: "Callable[[str], Recommender]") -> None:
        self.names, self._read = names, read

    def __getitem__(self, name: str) -> "Recommender":
        return self._read(self.names[name])

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class StoredModels(_OnDemand):
    """Saved models by name, each read on first use.

    Args:
        folder: that `save_models` wrote.
        complete: sets the state of a model that was saved without histories.
        remedy: says what to do about a damaged file; called only then.

    Raises:
        ArtifactError: RK-408 the folder holds no models, RK-406 it was written by another version or is damaged.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        complete: "Callable[[Recommender], None] | None" = None,
        remedy: Callable[[], str] = lambda: "Save the models again.",
    ) -> None:
        self.folder, self._complete, self._remedy = Path(folder), complete, remedy
        self._index = self._read_index()
        self._features = cache(self._read_features)
        super().__init__(self._index["names"], cache(self._restore))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The items that all models rank."""
        return Vocabulary(np.array(json.loads(self._read_file("items.json")), dtype=str))

    def describe(self, name: str) -> dict[str, Any]:
        """Return what the index says of a model: model, parameters, learned, uses, understands_text ..."""
        return self._index["models"][self.names[name]]

    def kind_of(self, name: str) -> "type[Recommender]":
        """Return the class of a model without reading its tensors; RK-403 for a class that is not registered."""
        return self._kind(self.describe(name)["model"])

    def _kind(self, kind: str) -> "type[Recommender]":
        if kind not in MODELS:  # a model is registered by its definition, whether it is exported or not
            package = import_module("recsys_kit.recommenders")
            for module in walk_packages(package.__path__, f"{package.__name__}."):
                import_module(module.name)
        if kind not in MODELS:
            problem = f"{self.folder} holds a model named {kind!r}; known are {sorted(MODELS)}."
            raise ArtifactError("RK-403", problem, "Update recsys_kit, or import the module that defines the model.")
        return MODELS[kind]

    def _restore(self, name: str) -> "Recommender":
        described = self._index["models"][name]
        kind = self._kind(described["model"])
        try:
            nested = {
                field: self._read(inner) if isinstance(inner, str) else _OnDemand(inner, self._read)
                for field, inner in described["nested"].items()
            }
            arrays = load(self._read_file(described["tensors"]))
            model = kind(**described["parameters"], **nested)
            model.items = self.vocabulary
            for attribute in ("can_score", "item_counts", *(kind.state if described["is_complete"] else ())):
                setattr(model, attribute, _unpack(attribute, arrays))
            for attribute in kind.learned:
                setattr(model, attribute, described["learned"][attribute])
            if described["features"]:
                model.vectors = self._features(described["features"])
        except (KeyError, TypeError, SafetensorError) as problem:  # this version does not know it, or misses it
            raise self._other_version(problem) from problem
        if not described["is_complete"] and self._complete:
            self._complete(model)
        return model

    def _read_features(self, name: str) -> Vectors:
        described = self._index["features"][name]
        values = _unpack("values", load(self._read_file(described["tensors"])), sparse.csr_matrix)
        return Vectors(self.vocabulary.ids.tolist(), values, described["how"])

    def _read_file(self, name: str) -> bytes:
        """Return the content of a file; RK-374 where it is missing or not the one that was written."""
        path = self.folder / name
        try:
            content = path.read_bytes()
        except OSError as problem:
            raise IntegrityError("RK-374", f"{path} cannot be read ({problem}).", self._remedy()) from None
        if hashlib.sha256(content).hexdigest() != self._index["sha256"][name]:
            raise IntegrityError("RK-374", f"{path} does not match its checksum in {INDEX}.", self._remedy())
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
        version = index.get("version") if isinstance(index, dict) else None
        if version != VERSION:
            raise self._other_version(f"version {version}")
        return index

    def _other_version(self, problem: Any) -> ArtifactError:
        return ArtifactError("RK-406", f"{self.folder} was written by another version ({problem}).", "Save it again.")


load_models = StoredModels
"""Return the models of a folder by name; each is read on first use."""


def load_model(folder: str | Path) -> "Recommender":
    """Return the model that `Recommender.save` wrote. Raises as `load_models`; RK-403 a kind that is not registered."""
    return next(iter(load_models(folder).values()))
