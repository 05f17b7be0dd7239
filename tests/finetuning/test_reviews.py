import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tokenizers
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report, f1_score
from tokenizers import Tokenizer
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5Model,
)

from recsys_kit.errors import ArtifactError, DataError, ParameterError
from recsys_kit.features.pretrained import find_model
from recsys_kit.finetuning import classifier, scores
from recsys_kit.finetuning.baselines import MajorityClassifier, TfidfClassifier
from recsys_kit.finetuning.classifier import ReviewClassifier
from recsys_kit.finetuning.dataset import ReviewDataset, batch_widths
from recsys_kit.finetuning.labels import class_indices, classes_of, draw_parts, labels_of, names_its_label
from recsys_kit.finetuning.network import MeanPooledClassifier, class_weights, fit_logistic_regression
from recsys_kit.finetuning.occlusion import word_shares
from recsys_kit.training.batches import group_by_length
from recsys_kit.training.plan import TrainingPlan
from recsys_kit.training.processes import Processes

GOOD = ("I love this mug", "a wonderful lamp", "perfect, thank you", "the best gift ever")
BAD = ("it broke at once", "a terrible lamp", "I want a refund", "the worst gift ever")
TEXTS = [f"{text}{'!' * extra}" for extra in range(4) for text in (*GOOD, *BAD)]
LABELS = [label for _ in range(4) for label in ("5",) * 4 + ("1",) * 4]


@pytest.fixture(scope="module")
def tuned():
    plan = TrainingPlan(epochs=4, learning_rate=5e-4, batch_size=8)
    model = ReviewClassifier(plan=plan, max_length=16)
    return model.fit(TEXTS, LABELS, valid_texts=TEXTS[:8], valid_labels=LABELS[:8])


def test_thirty_two_reviews_are_learned_by_heart(tuned):
    assert tuned.predict(TEXTS) == LABELS
    assert tuned.history.train_loss.iloc[-1] < 0.5 * tuned.history.train_loss.iloc[0]


def test_a_pretrained_model_reads_words_it_was_never_taught(tuned):
    assert tuned.predict(["an awful waste of money", "truly delightful"]) == ["1", "5"]


def test_a_review_alone_gets_the_same_probabilities_as_in_company(tuned):
    texts = [*TEXTS[:9], "", "long " * 100]
    together = tuned.predict_proba(texts)
    assert np.array_equal(together, np.vstack([tuned.predict_proba([text]) for text in texts]))
    assert together.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert tuned.predict_proba([]).shape == (0, 2)


def test_a_saved_classifier_answers_the_same_and_holds_no_path_and_no_pickle(tuned, tmp_path):
    tuned.save(tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".safetensors"}
    assert "site-packages" not in "".join(file.read_text() for file in tmp_path.glob("*.json"))
    assert len({file.stat().st_mode for file in tmp_path.iterdir()}) == 1  # who may read one may read all
    loaded = ReviewClassifier.load(tmp_path)
    assert loaded.classes == tuned.classes
    assert np.array_equal(loaded.predict_proba(TEXTS), tuned.predict_proba(TEXTS))
    tuned.save(tmp_path)
    loaded.save(tmp_path)  # over the very files that it was read from
    assert np.array_equal(ReviewClassifier.load(tmp_path).predict_proba(TEXTS), tuned.predict_proba(TEXTS))


@pytest.mark.parametrize(("rank", "fails"), [(0, False), (0, True), (1, False)])
def test_of_several_processes_the_main_one_saves_and_the_others_wait(tuned, tmp_path, monkeypatch, rank, fails):
    waited, folder = [], tmp_path / "saved"

    class OneOfTwo(Processes):
        def __init__(self, device, *, together):
            assert together
            super().__init__(device)
            self.rank = rank

        def wait(self):
            waited.append((folder / "review_classifier.json").exists())

    monkeypatch.setattr(classifier, "Processes", OneOfTwo)
    if fails:
        folder.write_text("a file in place of the folder")
        with pytest.raises(Exception, match="saved"):
            tuned.save(folder)
    else:
        tuned.save(folder)
        assert folder.exists() == (rank == 0)
    assert waited == [rank == 0 and not fails]


def test_the_token_table_stays_as_pretrained_unless_asked(tuned):
    from transformers import AutoModel

    from recsys_kit.features.pretrained import load_pretrained

    before = load_pretrained(AutoModel, "minilm").get_input_embeddings().weight
    assert tuned.model.encoder.get_input_embeddings().weight.equal(before)


def test_a_label_unseen_in_training_is_refused_and_named():
    with pytest.raises(DataError, match=r"RK-192 2 labels .*\['3', '4'\].*\['1', '5'\]"):
        class_indices(["1", "3", "4"], ["1", "5"])


def test_one_class_only_is_refused_before_training():
    with pytest.raises(DataError, match="RK-193"):
        ReviewClassifier().fit(["a", "b"], ["5", "5"], valid_texts=["a"], valid_labels=["5"])


@pytest.mark.parametrize("make", [MajorityClassifier, TfidfClassifier])
def test_texts_and_labels_of_any_container_mean_the_same_and_one_string_is_refused(make):
    numbers = np.array([int(label) for label in LABELS])
    plain = make().fit(TEXTS, LABELS)
    model = make().fit(pd.Series(TEXTS), numbers)
    assert model.classes == plain.classes == ["1", "5"]
    for texts in (np.array(TEXTS), pd.Series(TEXTS, index=range(7, 7 + len(TEXTS))), iter(TEXTS)):
        assert model.predict(texts) == plain.predict(TEXTS)
    with pytest.raises(DataError, match=r"RK-375 texts is one string \('a mug'\).*Pass \['a mug'\]"):
        model.predict("a mug")
    with pytest.raises(DataError, match="RK-375 text 1 is None"):
        model.predict(["a mug", None])


@pytest.mark.parametrize(
    ("texts", "labels", "words"),
    [
        (TEXTS, LABELS[:-1], "RK-377 training has 32 texts and 31 labels"),
        ([], [], "RK-377 training has 0 texts"),
        (TEXTS, [None, *LABELS[1:]], "RK-376 1 labels are missing, such as label 0"),
        (TEXTS, "5" * len(TEXTS), "RK-376 labels is one string"),
        ("a mug", ["5"], "RK-375"),
    ],
)
@pytest.mark.parametrize("make", [MajorityClassifier, TfidfClassifier, ReviewClassifier])
def test_what_is_no_pair_of_text_and_label_is_refused(make, texts, labels, words):
    valid = {"valid_texts": TEXTS[:2], "valid_labels": LABELS[:2]} if make is ReviewClassifier else {}
    with pytest.raises(DataError, match=words):
        make().fit(texts, labels, **valid)


def test_a_classifier_that_is_not_fitted_says_so(tmp_path):
    for ask in (lambda model: model.predict(["a"]), lambda model: model.save(tmp_path)):
        with pytest.raises(ParameterError, match="RK-378"):
            ask(ReviewClassifier())


def test_numbers_that_label_differ_as_labels_however_long_they_are():
    labels = labels_of(pd.DataFrame({"label": [1234567, 1234568]}))
    assert labels.tolist() == ["1234567", "1234568"]
    assert classes_of(np.array([5.0, 2.5, 10.0], dtype="float32")) == ["2.5", "5", "10"]


def test_the_majority_of_one_class_still_answers():
    assert MajorityClassifier().fit(["a", "b"], ["5", "5"]).predict(["c"]) == ["5"]


def test_tfidf_learns_what_words_mean_here():
    model = TfidfClassifier().fit(TEXTS, LABELS)
    assert model.predict(["terrible refund", "wonderful, perfect"]) == ["1", "5"]


def test_rare_classes_cost_more_and_the_mean_cost_is_one():
    labels = np.array([0] * 90 + [1] * 10)
    costs = class_weights(labels, 2)
    assert costs[1] / costs[0] == pytest.approx(9)
    assert costs[labels].mean() == pytest.approx(1)


def test_batches_are_as_wide_as_their_longest_row():
    from transformers import AutoTokenizer

    from recsys_kit.features.pretrained import find_model

    tokenizer = AutoTokenizer.from_pretrained(str(find_model()))
    data = ReviewDataset(["one", "one two three", "one " * 50], ["1", "5", "5"], ["1", "5"], tokenizer, max_length=10)
    assert data.lengths == [3, 5, 10]
    batch = data.collate([data[0], data[1]])
    assert batch["input_ids"].shape == (2, 5)
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1] * 5]
    assert batch["labels"].tolist() == [0, 1]


def test_length_groups_save_padding_hold_every_row_once_and_change_with_the_seed():
    lengths = np.random.default_rng(0).integers(3, 100, 640).tolist()
    orders = [group_by_length(lengths, 16, seed) for seed in (1, 2, 1)]
    assert sorted(orders[0]) == list(range(640))
    assert orders[0] != orders[1]
    assert orders[0] == orders[2]
    cost = [sum(w for batch in batch_widths(lengths, order, 16) for _, w in batch) for order in (orders[0], range(640))]
    assert cost[0] < 0.8 * cost[1]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_head_of_a_gpu_starts_as_that_of_scikit_learn(n_classes):
    rng = np.random.default_rng(0)
    labels = np.r_[np.zeros(100, np.int64), rng.integers(0, n_classes, 200)]  # one class is more frequent
    rows = (rng.normal(0, 1, (300, 8)) + np.eye(8)[labels]).astype(np.float32)
    model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(rows, labels)
    weight, bias = fit_logistic_regression(torch.from_numpy(rows), torch.from_numpy(labels), n_classes)
    ours = (torch.from_numpy(rows) @ weight.T + bias).softmax(dim=1).numpy()
    np.testing.assert_allclose(ours, model.predict_proba(rows), atol=2e-3)


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(5)
    true, found = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    ours = scores.report(true, found, list("abcd"))
    theirs = classification_report(true, found, output_dict=True)
    assert ours["accuracy"]["value"] == pytest.approx(theirs["accuracy"])
    assert ours["macro_f1"]["value"] == pytest.approx(theirs["macro avg"]["f1-score"])
    for index, row in enumerate(ours["per_class"]):
        assert row["precision"]["value"] == pytest.approx(theirs[str(index)]["precision"])
        assert row["recall"]["value"] == pytest.approx(theirs[str(index)]["recall"])


def test_the_interval_of_the_matrix_is_that_of_resampled_reviews():
    rng = np.random.default_rng(6)
    true = rng.integers(0, 3, 200)
    found = np.where(rng.random(200) < 0.7, true, rng.integers(0, 3, 200))
    ours = scores.report(true, found, list("abc"))["macro_f1"]
    draws = [f1_score(true[rows], found[rows], average="macro") for rows in rng.integers(0, 200, (800, 200))]
    assert (ours["low"], ours["high"]) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.015)


def test_parts_keep_to_their_caps_and_to_the_labels_of_train():
    reviews = pd.DataFrame({"part": ["train"] * 6 + ["valid"] * 3 + ["test"] * 4 + ["elsewhere"],
                            "label": ["1", "5"] * 3 + ["1", "3", "5"] + ["3", "3", "5", "1"] + ["5"]})  # fmt: skip
    parts, table = draw_parts(reviews, {"train": 4, "test": 1}, seed=1)
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 4, "valid": 2, "test": 1}
    assert set(parts["valid"]["label"]) | set(parts["test"]["label"]) <= set(parts["train"]["label"])
    assert table.loc["test"].to_dict() == {"reviews": 4, "used": 1, "label not in train": 2}
    assert parts["train"].index.is_monotonic_increasing
    again, _ = draw_parts(reviews, {"train": 4}, seed=1)
    assert again["train"].equals(parts["train"])
    assert len(again["test"]) == 2


def test_a_class_that_the_test_lacks_does_not_count():
    confusion = scores.confusion_counts(np.array([0, 1]), np.array([0, 1]), 3)
    assert scores.macro_f1(confusion) == 1.0


def test_a_class_that_is_predicted_and_never_there_counts_as_in_scikit_learn():
    true, found = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    ours = scores.report(true, found, list("abcd"))
    assert ours["macro_f1"]["value"] == pytest.approx(f1_score(true, found, average="macro"))  # .556; without c .833
    rows = {row["label"]: row for row in ours["per_class"]}
    assert (rows["c"]["f1"]["value"], rows["c"]["precision"]["value"]) == (0.0, 0.0)
    assert "recall" not in rows["c"]
    assert rows["d"] == {"label": "d", "support": 0}
    json.dumps(ours, allow_nan=False)
    assert scores.report_table(ours).set_index("label").loc["c", "recall"] == "-"


def test_a_paired_difference_is_surer_than_two_intervals():
    true = np.arange(400) % 2
    better, worse = true.copy(), true.copy()
    better[:100] = 0
    worse[:120] = 0
    gap = scores.macro_f1_difference(true, better, worse, 2)
    one, two = (scores.report(true, found, ["a", "b"])["macro_f1"] for found in (better, worse))
    assert gap.value == pytest.approx(one["value"] - two["value"])
    assert gap.low > 0
    assert one["low"] < two["high"]


def test_a_paired_difference_of_many_classes_is_that_of_few_and_needs_no_cube():
    rng = np.random.default_rng(0)
    true, found, other = rng.integers(0, 4, (3, 300))
    few = scores.macro_f1_difference(true, found, other, 4)
    many = scores.macro_f1_difference(20 * true, 20 * found, 20 * other, 80)  # a cube of 4 GB, were it drawn
    assert many == pytest.approx(few)
    assert few.low < few.value < few.high


def test_labels_come_from_the_label_first_and_keep_their_names():
    reviews = pd.DataFrame({"rating": [5.0, 1.5, None], "label": ["0", None, " return "]})
    assert labels_of(reviews).tolist()[::2] == ["0", "return"]
    assert (labels_of(reviews).name, labels_of(reviews.drop(columns="label")).name) == ("label", "stars")
    assert labels_of(reviews.drop(columns="label")).dropna().tolist() == ["5", "1.5"]
    assert labels_of(pd.DataFrame({"label": [1, 0]})).tolist() == ["1", "0"]
    assert labels_of(pd.DataFrame({"text": ["a"]})).isna().all()
    assert labels_of(reviews.assign(label=None)).name == "stars"


def test_stars_in_a_title_tell_nothing_where_the_label_is_another():
    titles = pd.Series(["Five stars", "Return"])
    assert names_its_label(titles, pd.Series(["return", "return"], name="label")).tolist() == [False, True]


def test_the_word_that_decides_has_the_largest_share():
    model = TfidfClassifier().fit(TEXTS, LABELS)
    shares = word_shares(model, "the terrible mug", "1")
    assert shares.idxmax() == "terrible"
    assert isinstance(shares, pd.Series)


# -- language models that are not like MiniLM ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Small random language models of several kinds, by name, with MiniLM's words or with letters for tokens."""
    folder = tmp_path_factory.mktemp("language_models")
    torch.manual_seed(0)
    words = AutoTokenizer.from_pretrained(str(find_model()))
    letters = Tokenizer(tokenizers.models.BPE())
    letters.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    end = "<|endoftext|>"
    letters.train_from_iterator(TEXTS, BpeTrainer(vocab_size=300, special_tokens=[end], initial_alphabet=alphabet))
    no_padding = PreTrainedTokenizerFast(tokenizer_object=letters, eos_token=end, unk_token=end)
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    bert = {"vocab_size": len(words), **size}
    made = {
        "bert": (BertModel(BertConfig(**bert)), words),
        "other": (BertModel(BertConfig(**bert)), words),
        "short": (BertModel(BertConfig(**bert, max_position_embeddings=32)), words),
        "gpt2": (GPT2Model(GPT2Config(vocab_size=len(no_padding), n_embd=32, n_layer=1, n_head=2)), no_padding),
        "roberta": (
            RobertaModel(RobertaConfig(vocab_size=len(no_padding), max_position_embeddings=34, pad_token_id=1, **size)),
            no_padding,
        ),
        "t5": (
            T5Model(T5Config(vocab_size=len(words), d_model=32, d_kv=16, num_layers=1, num_heads=2, d_ff=64)),
            words,
        ),
    }
    for name, (model, tokenizer) in made.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


def train_tiny(folder, *, epochs=1, **options):
    model = ReviewClassifier(str(folder), plan=TrainingPlan(epochs=epochs, batch_size=8), max_length=128, device="cpu")
    texts = [*TEXTS[:-1], "long " * 300]  # longer than any of these models reads
    return model.fit(texts, LABELS, valid_texts=["", *TEXTS[:7]], valid_labels=LABELS[:8], **options)


@pytest.mark.parametrize(("name", "n_read"), [("short", 32), ("roberta", 32), ("gpt2", 128), ("bert", 128)])
def test_a_model_without_padding_special_tokens_or_long_positions_is_trained_on_what_it_can_read(
    tiny, tmp_path, name, n_read
):
    model = train_tiny(tiny / name)
    assert model.max_length == n_read
    asked = ["", "\N{THUMBS UP SIGN}", "long " * 300]
    probabilities = model.predict_proba(asked)
    assert np.isfinite(probabilities).all()
    assert np.array_equal(probabilities, np.vstack([model.predict_proba([text]) for text in asked]))
    model.save(tmp_path)
    assert np.array_equal(ReviewClassifier.load(tmp_path).predict_proba(asked), probabilities)


def test_the_batches_of_a_gpu_train_on_a_cpu_too(tiny, monkeypatch):
    """Few shapes, short reviews many a batch; as many batches in each epoch."""
    whole, shapes = ReviewClassifier._dataset, set()

    def few(self, texts, labels):
        rows = whole(self, texts, labels)
        rows.few_widths, collate = True, rows.collate
        rows.collate = lambda given: shapes.add(tuple(collate(given)["input_ids"].shape)) or collate(given)
        return rows

    monkeypatch.setattr(ReviewClassifier, "_dataset", few)
    model = train_tiny(tiny / "bert", epochs=2)
    assert len(model.history) == 2
    assert {width for _, width in shapes} <= {8, 16, 128}
    assert 8 < max(n_rows for n_rows, _ in shapes) <= 4 * 8, "more short reviews than the batch size"


def test_each_process_computes_on_its_own_device_from_the_start(tiny, monkeypatch):
    """As with several GPUs, where the device of a process is known once it has joined the others."""
    devices, move, start = [], MeanPooledClassifier.to, classifier.start_head

    class Second(Processes):
        def __init__(self, device, *, together=False):
            super().__init__(device, together=together)
            self.device = torch.device("cpu", 0)  # not the "cpu" that was asked for

    monkeypatch.setattr(classifier, "Processes", Second)
    monkeypatch.setattr(MeanPooledClassifier, "to", lambda self, to: devices.append(str(to)) or move(self, to))
    monkeypatch.setattr(classifier, "start_head", lambda *given: devices.append(given[-1]) or start(*given))
    train_tiny(tiny / "bert")
    assert devices == ["cpu:0"] * 3, "the pooled vectors, the start of the head, the training"


def test_the_prompt_and_the_lower_case_of_a_sentence_transformers_folder_are_obeyed(tiny, tmp_path):
    """As E5 and BGE ask for; the same weights, told to in the text itself, answer the same."""
    folder = Path(shutil.copytree(tiny / "bert", tmp_path / "asks"))
    SentenceTransformer(
        modules=[modules.Transformer(str(folder), do_lower_case=True), modules.Pooling(32)],
        prompts={"passage": "Passage: "},
        default_prompt_name="passage",
    ).save(str(folder))
    settings = json.loads((folder / "sentence_bert_config.json").read_text())
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings | {"do_lower_case": True}))
    model = train_tiny(folder)
    assert model._as_read(["A Mug"]) == ["passage: a mug"]
    model.save(tmp_path / "saved")
    asked = ReviewClassifier.load(tmp_path / "saved").predict_proba(["A Mug"])
    assert np.array_equal(asked, model.predict_proba(["a mug"]))
    model.prompt = ""
    assert np.array_equal(asked, model.predict_proba(["passage: a mug"]))
    assert not np.array_equal(asked, model.predict_proba(["a mug"]))


@pytest.mark.parametrize(
    "settings", ["{", json.dumps({"prompts": {"query": "query: "}, "default_prompt_name": "passage"})]
)
def test_settings_that_cannot_be_read_or_obeyed_are_refused_with_a_code(tiny, tmp_path, settings):
    folder = Path(shutil.copytree(tiny / "bert", tmp_path / "asks"))
    (folder / "config_sentence_transformers.json").write_text(settings)
    with pytest.raises(ArtifactError, match=r"RK-202 language_model .*asks"):
        train_tiny(folder)


def test_an_encoder_decoder_is_refused_with_a_code(tiny):
    with pytest.raises(ArtifactError, match="RK-212"):
        train_tiny(tiny / "t5")


def test_a_training_does_not_go_on_with_another_model_put_into_the_folder(tiny, tmp_path, monkeypatch):
    """The same name, other weights: the first epoch's weights came from the model that is gone."""
    folder, state = tmp_path / "language_model", tmp_path / "state"
    shutil.copytree(tiny / "bert", folder)

    def interrupt(after):
        epochs = iter(range(after))

        def judge(confusion):
            if next(epochs, None) is None:
                raise KeyboardInterrupt
            return scores.macro_f1(confusion)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(classifier, "macro_f1", judge)
            train_tiny(folder, epochs=3, checkpoint=state)
        return len(list(state.iterdir()))

    def weights(model):
        return [tensor.double().sum().item() for tensor in model.model.state_dict().values()]

    assert interrupt(after=1) == 1
    shutil.copytree(tiny / "bert", tmp_path / "moved")
    assert weights(train_tiny(tmp_path / "moved", epochs=3, checkpoint=state)) == weights(train_tiny(folder, epochs=3))

    assert interrupt(after=1) == 1
    shutil.copytree(tiny / "other", folder, dirs_exist_ok=True)
    fresh = train_tiny(tiny / "other", epochs=3)
    assert weights(train_tiny(folder, epochs=3, checkpoint=state)) == weights(fresh)
