import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader
from transformers.modeling_outputs import SequenceClassifierOutput

from recsys_kit.core.hardware import pick_dtype
from recsys_kit.errors import ParameterError, RecsysKitError
from recsys_kit.finetuning.reviews import LengthGroupedBySeed
from recsys_kit.training import loop
from recsys_kit.training.loop import TrainingPlan, fit_model


class TwoLayers(nn.Module):
    """Small enough to train in a blink; dropout, so that a seed forgotten on resuming shows."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))

    def forward(self, x, labels):
        logits = self.layers(x)
        return SequenceClassifierOutput(loss=nn.functional.cross_entropy(logits.float(), labels), logits=logits)


def batches(n=48, *, poison=None):
    torch.manual_seed(0)
    rows = torch.randn(n, 4)
    labels = (rows[:, 0] > 0).long()
    if poison is not None:
        rows[poison] = float("nan")
    data = [{"x": x, "labels": label, "rows": row} for row, (x, label) in enumerate(zip(rows, labels, strict=True))]
    sampler = LengthGroupedBySeed([1 + row % 5 for row in range(n)], 8, seed=3)
    return DataLoader(data, batch_size=8, sampler=sampler), DataLoader(data, batch_size=8)


def right(labels, predictions):
    return float(np.mean(labels == predictions))


def train(plan, *, score=right, model=None, **options):
    torch.manual_seed(1)
    model = model or TwoLayers()
    history = fit_model(model, *batches(), plan, score=score, **options)
    return model, history


def weights_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_loop_overfits_a_few_rows():
    _, history = train(TrainingPlan(epochs=30, learning_rate=3e-2))
    assert history.valid_score.iloc[-1] > 0.95
    assert history.train_loss.iloc[-1] < 0.3 * history.train_loss.iloc[0]


def test_the_best_epoch_is_kept_and_not_the_last():
    seen, marks = [], iter([0.1, 0.9, 0.3])
    model = TwoLayers()

    def score(labels, predictions):
        seen.append(weights_of(model))
        return next(marks)

    _, history = train(TrainingPlan(epochs=3, learning_rate=1e-2), score=score, model=model)
    assert history.best.tolist() == [False, True, False]
    assert same(weights_of(model), seen[1])
    assert not same(seen[1], seen[2])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    plan = TrainingPlan(epochs=2, learning_rate=1e-2)
    assert same(weights_of(train(plan)[0]), weights_of(train(plan)[0]))
    assert not same(
        weights_of(train(plan)[0]), weights_of(train(TrainingPlan(epochs=2, learning_rate=1e-2, seed=8))[0])
    )


def interrupted(plan, folder, after):
    calls = []

    def stop(labels, predictions):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return right(labels, predictions)

    with pytest.raises(KeyboardInterrupt):
        train(plan, score=stop, checkpoint=folder)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, stop_after):
    plan = TrainingPlan(epochs=4, learning_rate=1e-2)
    whole, history = train(plan)
    interrupted(plan, tmp_path / "state", after=stop_after)
    resumed, again = train(plan, checkpoint=tmp_path / "state")
    assert same(weights_of(whole), weights_of(resumed))
    assert history.equals(again)
    assert not (tmp_path / "state").exists()


def test_a_truncated_newest_checkpoint_falls_back_to_the_one_before(tmp_path):
    plan = TrainingPlan(epochs=4, learning_rate=1e-2)
    whole, _ = train(plan)
    interrupted(plan, tmp_path, after=3)
    newest = sorted(tmp_path.glob("epoch-*"))[-1] / "model.safetensors"
    newest.write_bytes(newest.read_bytes()[:50])
    resumed, _ = train(plan, checkpoint=tmp_path)
    assert same(weights_of(whole), weights_of(resumed))


def test_a_checkpoint_of_another_plan_is_not_taken_for_ours(tmp_path):
    interrupted(TrainingPlan(epochs=4, learning_rate=1e-2), tmp_path, after=2)
    other = TrainingPlan(epochs=3, learning_rate=2e-2)
    assert same(weights_of(train(other, checkpoint=tmp_path)[0]), weights_of(train(other)[0]))


def test_checkpoints_are_safetensors_and_json(tmp_path):
    interrupted(TrainingPlan(epochs=2, learning_rate=1e-2), tmp_path, after=1)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".safetensors", ".json"}
    for file in files:
        assert json.loads(file.read_text()) if file.suffix == ".json" else load_file(file)


def test_a_loss_that_is_not_a_number_stops_and_names_the_batch():
    train_batches, valid_batches = batches(poison=13)
    with pytest.raises(RecsysKitError, match=r"RK-221 .*loss is nan at batch \d+ \(training rows \[.*\b13\b.*\]\)"):
        fit_model(TwoLayers(), train_batches, valid_batches, TrainingPlan(epochs=1), score=right)


def test_biases_do_not_decay():
    decayed, kept = loop._decay_groups(TwoLayers(), 0.5)
    assert {p.ndim for p in decayed["params"]} == {2}
    assert {p.ndim for p in kept["params"]} == {1}
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.5, 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"batch_size": 0},
        {"warmup_share": 1.5},
        {"epochs": float("nan")},
        {"weight_decay": float("inf")},
        {"weight_decay": -1},
        {"learning_rate": float("inf")},
        {"learning_rate": float("nan")},
        {"max_grad_norm": float("nan")},
        {"seed": -1},
    ],
)
def test_a_plan_out_of_range_is_refused(wrong):
    with pytest.raises(ParameterError, match="RK-351"):
        TrainingPlan(**wrong)


def test_a_loss_is_the_mean_over_rows_and_the_short_last_batch_does_not_count_as_a_whole_one():
    train_batches, valid_batches = batches(41)  # five batches of eight, and one row
    torch.manual_seed(1)
    model = TwoLayers()
    one = fit_model(model, train_batches, valid_batches, TrainingPlan(epochs=1, batch_size=8), score=right)
    everything = next(iter(DataLoader(valid_batches.dataset, batch_size=41)))
    with torch.inference_mode():
        loss = model(everything["x"], everything["labels"]).loss
    assert one.valid_loss.item() == pytest.approx(loss.item(), rel=1e-2 if pick_dtype("cpu") == "bfloat16" else 1e-5)


def test_each_training_uses_the_device_it_was_asked_for():
    """The number of a GPU too; accelerate alone keeps the first device of the process, and the first GPU."""
    for device in ("cpu", "meta:1", "cpu", "meta:0"):
        assert loop.make_accelerator(device).device == torch.device(device)


@pytest.mark.slow
def test_two_processes_share_a_checkpoint_go_on_from_it_and_end_with_the_same_weights(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    arguments = ["-m", "tests.training.two_processes", str(tmp_path / "state"), str(tmp_path)]
    ended = subprocess.run([*command, *arguments], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert (first["processes"], first["left"], first["there"]) == (2, ["epoch-001"], False)
    assert first["judged"] == [7, 7], "each validation review counts once, whatever process read it"
    assert first["right"]
