"""Folders of every kind are read as sentence-transformers reads them, or refused with a code."""

import json

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers import models as algorithms
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    BertTokenizerFast,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5Model,
)

from recsys_kit.core.hardware import pick_device
from recsys_kit.errors import ArtifactError
from recsys_kit.features.pretrained import (
    find_model,
    fit_tokenizer,
    load_pretrained,
    load_tokenizer,
    token_ids,
    usable_positions,
)
from recsys_kit.features.rows import rounded_length
from recsys_kit.features.text import LanguageModel

TEXTS = [
    "good mug works fine",
    "Good JAZZ piano",
    "a gift",
    "http://a.example/mug.jpg",
    "fine works a gift for a gardener " * 4,
    "fine works a gift for a gardener " * 100,
]
SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """name -> a folder with a tiny model of that kind (random weights, saved as pretrained ones are)."""
    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    words = BertTokenizerFast.from_pretrained(find_model())
    cased = BertTokenizerFast.from_pretrained(find_model(), do_lower_case=False)
    pieces = {"bos_token": "<|end|>", "eos_token": "<|end|>", "unk_token": "<|end|>"}

    def save(name, model, tokenizer):
        for part in (model, tokenizer):
            part.save_pretrained(root / name)

    def save_sentences(name, base, *more, pooling="mean", lower=False, **options):
        parts = [modules.Transformer(str(root / base)), modules.Pooling(32, pooling_mode=pooling), *more]
        SentenceTransformer(modules=parts, **options).save(str(root / name))
        settings = root / name / "sentence_bert_config.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"do_lower_case": lower}))

    save("bert", BertModel(BertConfig(vocab_size=len(words), **SMALL)), words)
    save("cased", BertModel(BertConfig(vocab_size=len(cased), **SMALL)), cased)
    short = BertConfig(vocab_size=len(words), max_position_embeddings=32, **SMALL)
    save("32 positions", BertModel(short), words)
    save_sentences("first token", "bert", pooling="cls")
    save_sentences("dense layer", "bert", modules.Dense(32, 16))
    save_sentences("cut rows", "bert", truncate_dim=8)
    save_sentences("prompt", "bert", prompts={"passage": "passage: "}, default_prompt_name="passage")
    save_sentences("lower case", "cased", lower=True)
    gpt2 = PreTrainedTokenizerFast(tokenizer_object=_byte_pairs(), **pieces)
    save("no padding token", GPT2Model(GPT2Config(vocab_size=len(gpt2), n_embd=32, n_layer=1, n_head=2)), gpt2)
    roberta = PreTrainedTokenizerFast(tokenizer_object=_byte_pairs(), **pieces, pad_token="<|end|>")
    config = RobertaConfig(vocab_size=len(roberta), max_position_embeddings=514, pad_token_id=1, **SMALL)
    save("roberta", RobertaModel(config), roberta)
    t5 = T5Config(vocab_size=len(words), d_model=32, d_kv=16, num_layers=1, num_heads=2, d_ff=64)
    t5.decoder_start_token_id = 0
    save("encoder and decoder", T5Model(t5), words)
    return lambda name: str(root / name)


def _byte_pairs():
    made = Tokenizer(algorithms.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<|end|>"], initial_alphabet=alphabet)
    made.train_from_iterator(["good mug bad cup gift for gardener the a of and jazz piano fine works"] * 50, trainer)
    return made


KINDS = [
    "bert", "cased", "first token", "dense layer", "cut rows", "prompt", "lower case", "no padding token", "roberta",
    "encoder and decoder", "32 positions",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_sentence_transformers(folder_of, kind):
    model = LanguageModel(folder_of(kind), max_length=512, dtype="float32")
    rows = model.encode(TEXTS)
    theirs = SentenceTransformer(folder_of(kind), device="cpu")
    theirs.max_seq_length = model.max_length
    if kind == "no padding token":  # sentence-transformers asks for one
        theirs.tokenizer.pad_token = theirs.tokenizer.eos_token
    expected = theirs.encode(TEXTS, normalize_embeddings=True)
    assert rows.shape == expected.shape
    assert (rows * expected).sum(axis=1).min() >= 0.9999


@pytest.mark.parametrize(("kind", "plain"), [("prompt", "bert"), ("lower case", "cased")])
def test_a_setting_of_the_folder_changes_the_rows(folder_of, kind, plain):
    set_, without = (LanguageModel(folder_of(name), dtype="float32") for name in (kind, plain))
    assert (set_.encode(["Good JAZZ piano"]) * without.encode(["Good JAZZ piano"])).sum() < 0.9999
    assert set_.fingerprint != without.fingerprint


def test_the_tokens_shown_are_those_that_are_read(folder_of):
    assert LanguageModel(folder_of("prompt")).tokens("mug") == ["[CLS]", "passage", ":", "mug", "[SEP]"]
    assert "jazz" in LanguageModel(folder_of("lower case")).tokens("JAZZ")


@pytest.mark.parametrize(("kind", "longest"), [("bert", 512), ("32 positions", 32), ("roberta", 512)])
def test_a_text_is_cut_where_the_positions_end(folder_of, kind, longest):
    model = load_pretrained(AutoModel, folder_of(kind))
    assert usable_positions(model) == longest
    tokenizer = load_tokenizer(folder_of(kind), model)
    assert tokenizer.model_max_length == longest
    encoder = LanguageModel(folder_of(kind), max_length=1000)
    assert encoder.max_length == longest
    encoder.encode(TEXTS)
    assert encoder.report.truncated >= 1


def test_a_text_without_a_token_is_a_row_of_zeros_and_one_padding_token_for_a_classifier(folder_of):
    model = LanguageModel(folder_of("roberta"))
    rows = model.encode(["", " ", "good mug"])
    assert np.linalg.norm(rows, axis=1).round(3).tolist() == [0, 0, 1]
    words = LanguageModel(folder_of("bert"))
    words.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A", special_tokens=[])
    assert np.linalg.norm(words.encode(["\u200b", "good mug"]), axis=1).round(2).tolist() == [0, 1]
    assert (words.report.empty, words.report.computed) == (1, 1)
    found = token_ids(model.tokenizer, ["", "good mug"], 8)
    assert found[0] == [model.tokenizer.pad_token_id]
    assert len(found[1]) > 1
    assert token_ids(model.tokenizer, [], 8) == []


def test_a_model_without_any_token_to_pad_with_is_refused(folder_of):
    bare = PreTrainedTokenizerFast(tokenizer_object=_byte_pairs())
    with pytest.raises(ArtifactError, match=r"RK-213 .*'some'.*pad_token"):
        fit_tokenizer(bare, GPT2Model.from_pretrained(folder_of("no padding token")), "some")


def test_an_encoder_decoder_is_refused_where_it_would_have_to_write(folder_of):
    with pytest.raises(ArtifactError, match=r"RK-212 .*encoder-decoder \(t5\)"):
        load_pretrained(AutoModel, folder_of("encoder and decoder"))


@pytest.fixture
def watched(monkeypatch):
    """A model, and the shapes of the batches that it computed."""
    model = LanguageModel(max_length=32)
    shapes, forward = [], model._forward
    monkeypatch.setattr(model, "_forward", lambda texts, shape: shapes.append(shape) or forward(texts, shape))
    return model, shapes


def test_a_query_is_a_batch_of_one_and_does_not_depend_on_its_company(watched):
    model, shapes = watched
    alone = model.encode(["a gift for a gardener"])
    in_company = model.encode(["a blue mug", "a gift for a gardener", "jazz"])
    assert {rows for rows, _ in shapes} == {1}
    assert np.array_equal(alone[0], in_company[1])
    in_bulk = model.encode(["a gift for a gardener", *(f"text {number}" for number in range(9))])
    assert {rows for rows, _ in shapes[4:]} == {16}
    assert (alone[0] * in_bulk[0]).sum() > 0.9999


def test_a_call_with_a_cache_never_takes_the_short_way(watched, tmp_path):
    model, shapes = watched
    model.encode(["a gift for a gardener"], cache=tmp_path)
    assert shapes == [(16, 8)]


def test_lengths_on_a_gpu_have_few_values():
    assert len({rounded_length(length, 512, doubling=True) for length in range(513)}) == 7
    assert rounded_length(0, 128) == 8


@pytest.mark.parametrize("device", ["cuda:97", "graphics card"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(ArtifactError, match=f"RK-205 .*{device}"):
        pick_device(device)
