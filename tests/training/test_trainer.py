import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoTokenizer, BertConfig, BertModel

from recsys_kit.errors import ParameterError, RecsysKitError
from recsys_kit.features.pretrained import find_model
from recsys_kit.training import trainer as trainers
from recsys_kit.training.batches import cut
from recsys_kit.training.checkpoints import Checkpoints
from recsys_kit.training.plan import TrainingPlan
from recsys_kit.training.processes import Processes
from recsys_kit.training.trainer import Trainer, decay_groups

ROOT = Path(__file__).parents[2]
N_ROWS, BATCH, N_STEPS = 48, 8, 6


class TwoLayers(nn.Module):
    """Small enough to train in a blink; dropout, so that a seed forgotten on resuming shows; one layer is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))
        self.frozen = nn.Linear(2, 2).requires_grad_(False)

    def forward(self, x):
        return self.frozen(self.layers(x))


def cross_entropy(module, inputs):
    return nn.functional.cross_entropy(module(inputs["x"]).float(), inputs["labels"])


class Data:
    """Rows whose first number decides the label; batches are drawn by a generator that goes through all epochs."""

    def __init__(self, n=N_ROWS, *, poison=None):
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(n, 4, generator=generator)
        self.labels = (self.x[:, 0] > 0).long()
        if poison is not None:
            self.x[poison] = float("nan")
        self.rng = np.random.default_rng(3)

    def batches(self, epoch):
        order = self.rng.permutation(len(self.x)).tolist()
        for rows in cut(order, BATCH):
            noise = torch.from_numpy(self.rng.normal(0, 0.1, (len(rows), 4)).astype(np.float32))
            yield rows, {"x": self.x[rows] + noise, "labels": self.labels[rows]}

    def accuracy(self, module):
        with torch.inference_mode():
            return float((module(self.x).argmax(dim=-1) == self.labels).float().mean())


def train(plan, *, score=None, model=None, data=None, folder=None, objective=cross_entropy):
    """A trained model and its history; with a folder, saved after every step."""
    torch.manual_seed(1)
    model, data = model or TwoLayers(), data or Data()
    key = [plan.epochs, plan.learning_rate]
    checkpoints = None if folder is None else Checkpoints(folder, key, save_every_s=0)
    trainer = Trainer(model, objective, plan, rng=data.rng, checkpoints=checkpoints)
    history = trainer.fit(data.batches, n_batches=N_STEPS, validate=score or data.accuracy)
    return model, history


def weights_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_loop_overfits_a_few_rows():
    _, history = train(TrainingPlan(epochs=30, learning_rate=3e-2))
    assert history.valid_score.iloc[-1] > 0.95
    assert history.train_loss.iloc[-1] < 0.6 * history.train_loss.iloc[0]


def with_scores(scores, **options):
    """The model, its history, and its weights after each epoch, where validation gives these scores."""
    seen, marks, model = [], iter(scores), TwoLayers()

    def score(module):
        assert module is model, "the live module is validated"
        assert not module.training
        seen.append(weights_of(model))
        return next(marks)

    _, history = train(TrainingPlan(learning_rate=1e-2, **options), score=score, model=model)
    return model, history, seen


@pytest.mark.parametrize(
    ("scores", "options", "best"),
    [
        ([0.1, 0.9, 0.3], {}, 1),
        ([0.9, 0.9, 0.3], {}, 0),
        ([0.9, 0.9, 0.3], {"prefer_later": True}, 1),
        ([0.1, 0.9, float("nan")], {}, 1),
        ([float("nan"), -0.9, float("nan")], {"prefer_later": True}, 1),
    ],
)
def test_the_best_epoch_is_kept_and_not_the_last(scores, options, best):
    model, history, seen = with_scores(scores, epochs=3, **options)
    assert np.flatnonzero(history.best).tolist() == [best]
    assert same(weights_of(model), seen[best])
    assert not same(seen[best], seen[2])


@pytest.mark.parametrize(
    ("scores", "options", "n_epochs"),
    [
        ([0.5, 0.4, 0.3, 0.2, 0.1], {"patience": 2}, 3),
        ([0.5, 0.4, 0.6, 0.2, 0.1], {"patience": 2}, 5),
        ([0.5, 0.5, 0.3, 0.2, 0.1], {"patience": 2}, 3),
        ([0.5, 0.4, 0.5, 0.2, 0.1], {"patience": 2, "prefer_later": True}, 4),
        ([0.1, 0.2, 0.3, 0.4, 0.5], {"stop_after": 2}, 2),
    ],
)
def test_training_ends_early_where_patience_is_over(scores, options, n_epochs):
    assert len(with_scores(scores, epochs=5, **options)[1]) == n_epochs


def test_without_validation_the_last_epoch_is_kept_and_no_weights_are_copied(monkeypatch):
    monkeypatch.setattr(Trainer, "_weights", lambda self: pytest.fail("the module itself holds the last weights"))
    model, data = TwoLayers(), Data()
    trainer = Trainer(model, cross_entropy, TrainingPlan(epochs=2, learning_rate=1e-2))
    history = trainer.fit(data.batches, n_batches=N_STEPS)
    assert history.best.tolist() == [False, True]
    assert history.columns.tolist() == ["epoch", "train_loss", "best"]


@pytest.mark.parametrize("schedule", ["linear", "linear_to_floor", "constant"])
def test_the_rate_follows_its_schedule(schedule):
    plan = TrainingPlan(learning_rate=2.0, schedule=schedule, warmup_share=0.2)
    rates = [plan.rate(step, 20) for step in range(20)]
    assert max(rates) == 2.0
    assert min(rates) >= 0
    peak = int(np.argmax(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


# -- going on after an interruption ------------------------------------------------------------------------------------


def stop_at(n_calls, how):
    calls = []

    def objective(module, inputs):
        calls.append(1)
        if len(calls) == n_calls:
            how()
        return cross_entropy(module, inputs)

    return objective


def interrupt():
    raise KeyboardInterrupt


def falling(module):
    """A score that is best after the first epoch."""
    return -float(module.layers[0].weight.detach().norm())


@pytest.mark.parametrize("score", [None, falling])
@pytest.mark.parametrize("n_steps", [1, 2, 6, 7, 8, 15, 24])
def test_an_interrupted_training_ends_with_the_same_bytes(tmp_path, n_steps, score, monkeypatch):
    """In the middle of the first epoch, between two, in the last: a state is saved after every step."""
    monkeypatch.setattr(trainers, "CHECK_EVERY", 1)
    plan = TrainingPlan(epochs=4, learning_rate=1e-2)
    whole, history = train(plan, score=score)
    assert history.best[0] == (score is falling)
    with pytest.raises(KeyboardInterrupt):
        train(plan, score=score, folder=tmp_path / "state", objective=stop_at(n_steps, interrupt))
    calls = []
    resumed, again = train(plan, score=score, folder=tmp_path / "state",
                           objective=lambda *given: calls.append(1) or cross_entropy(*given))  # fmt: skip
    assert len(calls) == 4 * N_STEPS - (n_steps - 1)
    assert same(weights_of(whole), weights_of(resumed))
    assert history.equals(again)
    assert not (tmp_path / "state").exists()


def killed(folder):
    """Run in a process of its own: it is killed in the middle of an epoch."""
    trainers.CHECK_EVERY = 3
    plan = TrainingPlan(epochs=4, learning_rate=1e-2)
    train(plan, folder=folder, objective=stop_at(17, lambda: os.kill(os.getpid(), signal.SIGKILL)))


def test_without_validation_an_interrupted_training_ends_with_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(trainers, "CHECK_EVERY", 1)

    def run(objective, checkpoints=None):
        torch.manual_seed(1)
        model, data = TwoLayers(), Data()
        trainer = Trainer(model, objective, TrainingPlan(epochs=3), rng=data.rng, checkpoints=checkpoints)
        trainer.fit(data.batches, n_batches=N_STEPS)
        return weights_of(model)

    with pytest.raises(KeyboardInterrupt):
        run(stop_at(9, interrupt), Checkpoints(tmp_path, "last", save_every_s=0))
    assert same(run(cross_entropy), run(cross_entropy, Checkpoints(tmp_path, "last", save_every_s=0)))


@pytest.mark.slow
def test_a_training_killed_within_an_epoch_ends_with_the_same_bytes(tmp_path):
    code = f"from tests.training.test_trainer import killed; killed({str(tmp_path / 'state')!r})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT)
    assert ended.returncode == -signal.SIGKILL
    plan = TrainingPlan(epochs=4, learning_rate=1e-2)
    assert any("epoch-0002-step-0000003" in path.name for path in (tmp_path / "state").iterdir())
    assert same(weights_of(train(plan)[0]), weights_of(train(plan, folder=tmp_path / "state")[0]))


@pytest.fixture
def left(tmp_path, monkeypatch):
    """A folder with the states of an interrupted training."""
    monkeypatch.setattr(trainers, "CHECK_EVERY", 1)
    with pytest.raises(KeyboardInterrupt):
        train(TrainingPlan(epochs=4, learning_rate=1e-2), folder=tmp_path, objective=stop_at(15, interrupt))
    return tmp_path


def test_a_truncated_newest_checkpoint_falls_back_to_the_one_before(left):
    plan = TrainingPlan(epochs=4, learning_rate=1e-2)
    newest = sorted(left.iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:50])
    assert same(weights_of(train(plan)[0]), weights_of(train(plan, folder=left)[0]))


def test_a_checkpoint_of_another_plan_is_not_used(left):
    other = TrainingPlan(epochs=3, learning_rate=2e-2)
    assert same(weights_of(train(other, folder=left)[0]), weights_of(train(other)[0]))


def test_checkpoints_are_named_tensors_and_json_and_leave_out_what_is_not_trained(left):
    files = list(left.iterdir())
    assert {file.suffix for file in files} == {".safetensors"}
    assert len(files) == 2
    with safe_open(files[0], "pt") as file:
        assert json.loads(file.metadata()["settings"])["step"] in (13, 14)
        names = set(file.keys())
    assert {"model.layers.0.weight", "best.layers.1.running_mean", "optimizer.layers.0.bias/exp_avg"} <= names
    assert not any("frozen" in name for name in names)


# -- losses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_steps", [1, 4, 100])
def test_a_loss_that_is_not_a_number_stops_and_names_the_batch(n_steps, monkeypatch):
    """Even where it is looked at some steps later."""
    monkeypatch.setattr(trainers, "CHECK_EVERY", n_steps)
    rows = next(place for place, (rows, _) in enumerate(Data().batches(0)) if 13 in rows)
    with pytest.raises(RecsysKitError, match=rf"RK-221 .*loss is nan at batch {rows} \(training rows \[.*\b13\b.*\]\)"):
        train(TrainingPlan(epochs=1), data=Data(poison=13))


class NaNGradient(torch.autograd.Function):
    """Its value is finite, its gradient is not."""

    @staticmethod
    def forward(ctx, loss):
        return loss.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * float("nan")


def spoiled(n_steps):
    """Return an objective whose gradient, not whose loss, is no number at one step."""
    calls = []

    def objective(module, inputs):
        calls.append(1)
        loss = cross_entropy(module, inputs)
        return NaNGradient.apply(loss) if len(calls) == n_steps else loss

    return objective


@pytest.mark.parametrize(("n_steps", "every"), [(N_STEPS, 20), (2 * N_STEPS, 20), (2, 2)])
def test_weights_that_are_not_numbers_are_neither_validated_nor_saved(tmp_path, monkeypatch, n_steps, every):
    """The last step before a checkpoint, or of an epoch: its loss is finite, and no later loss shows its gradient."""
    monkeypatch.setattr(trainers, "CHECK_EVERY", every)
    epoch, batch = (n_steps - 1) // N_STEPS + 1, (n_steps - 1) % N_STEPS
    words = rf"RK-221 .*layers.0.weight holds .* not finite after batch {batch} \(training rows .* of epoch {epoch};"
    with pytest.raises(RecsysKitError, match=words):
        train(TrainingPlan(epochs=2, learning_rate=1e-2), folder=tmp_path / "state", objective=spoiled(n_steps))
    for path in (tmp_path / "state").glob("*"):
        with safe_open(path, "pt") as file:
            assert all(file.get_tensor(name).isfinite().all() for name in file.keys())  # noqa: SIM118
    assert len([*(tmp_path / "state").glob("*")]) == epoch - 1


def test_weights_are_looked_at_where_the_losses_of_the_epoch_have_been(monkeypatch):
    monkeypatch.setattr(trainers, "CHECK_EVERY", N_STEPS)
    with pytest.raises(RecsysKitError, match=r"RK-221 .*layers.0.weight holds .* not finite after batch 5 "):
        train(TrainingPlan(epochs=1, learning_rate=1e-2), objective=spoiled(N_STEPS))


def test_the_loss_is_the_mean_over_rows_and_the_short_last_batch_does_not_count_as_a_whole_one():
    data, losses = Data(42), []  # five batches of eight, and two rows

    def objective(module, inputs):
        loss = cross_entropy(module, inputs)
        losses.append((loss.item(), len(inputs["labels"])))
        return loss

    _, history = train(TrainingPlan(epochs=1), data=data, objective=objective)
    expected = sum(loss * n for loss, n in losses) / 42
    assert history.train_loss.item() == pytest.approx(expected, rel=1e-5)


def test_biases_do_not_decay():
    decayed, kept = decay_groups(TwoLayers(), 0.5)
    assert {p.ndim for p in decayed["params"]} == {2}
    assert {p.ndim for p in kept["params"]} == {1}
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.5, 0.0)
    assert sum(len(group["params"]) for group in (decayed, kept)) == 6, "what is frozen is not in the optimizer"


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
        {"max_grad_norm": 0},
        {"patience": 0},
        {"schedule": "cosine"},
        {"seed": -1},
    ],
)
def test_a_plan_out_of_range_is_refused(wrong):
    with pytest.raises(ParameterError, match="RK-351"):
        TrainingPlan(**wrong)


def test_a_plan_takes_numbers_of_numpy():
    assert type(TrainingPlan(epochs=np.int64(3)).epochs) is int


# -- devices and processes ---------------------------------------------------------------------------------------------


def test_each_training_uses_the_device_it_was_asked_for():
    for device in ("cpu", "meta:1", "cpu", "meta:0"):
        assert Processes(device, together=True).device == torch.device(device)


def test_processes_share_the_rows_of_a_batch_and_none_is_without_a_row():
    first, second = Processes("cpu"), Processes("cpu")
    first.count = second.count = 2
    second.rank = 1
    assert (first.share([3, 1, 2]), second.share([3, 1, 2])) == ([3, 2], [1])
    assert (first.share([3]), second.share([3])) == ([3], [3])
    for rows, expected in (([3, 1, 2], [1]), ([5, 4, 3, 1], [4, 1]), ([3], [3])):
        assert second.share(np.array(rows)).tolist() == expected, "also NumPy rows, as batches_of_tokens gives"


class Threads(Processes):
    """Two threads in place of two processes; each has a module of its own, and their gradients are not averaged."""

    def __init__(self, rank, barrier, values):
        super().__init__("cpu")
        self.rank, self.count, self.barrier, self.values = rank, 2, barrier, values

    def wrap(self, module):
        return module

    def gather(self, value):
        self.values[self.rank] = value
        self.wait()
        values = list(self.values)
        self.wait()
        return values

    def wait(self):
        self.barrier.wait(timeout=20)


@pytest.mark.parametrize("poisoned", [0, 1])
def test_a_loss_that_is_not_a_number_stops_all_processes_and_names_the_rows_of_the_one_that_has_it(
    tmp_path, monkeypatch, poisoned
):
    monkeypatch.setattr(trainers, "CHECK_EVERY", 3)
    barrier, values = threading.Barrier(2), [None, None]

    def run(rank):
        data = Data(poison=13 if rank == poisoned else None)
        checkpoints = Checkpoints(tmp_path / "state", "two", save_every_s=0)
        options = {"processes": Threads(rank, barrier, values), "rng": data.rng, "checkpoints": checkpoints}
        with pytest.raises(RecsysKitError) as raised:
            trainer = Trainer(TwoLayers(), cross_entropy, TrainingPlan(epochs=1), **options)
            trainer.fit(data.batches, n_batches=N_STEPS)
        return str(raised.value)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, range(2))
    assert first == second
    assert re.search(r"RK-221 .*loss is nan at batch \d \(training rows \[.*\b13\b", first)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_training_on_a_gpu_goes_on_within_an_epoch_to_the_same_bytes(tmp_path, monkeypatch):
    """In bfloat16, with the fused optimizer."""
    monkeypatch.setattr(trainers, "CHECK_EVERY", 1)

    def on_gpu(objective, folder=None):
        torch.manual_seed(1)
        model, data, plan = TwoLayers(), Data(), TrainingPlan(epochs=3, learning_rate=1e-2)
        checkpoints = None if folder is None else Checkpoints(folder, "gpu", save_every_s=0)
        options = {"processes": Processes("cuda"), "mixed_precision": True, "checkpoints": checkpoints}

        def batches(epoch):
            for rows, inputs in data.batches(epoch):
                yield rows, {name: tensor.cuda() for name, tensor in inputs.items()}

        Trainer(model, objective, plan, rng=data.rng, **options).fit(batches, n_batches=N_STEPS)
        return weights_of(model)

    whole = on_gpu(cross_entropy)
    with pytest.raises(KeyboardInterrupt):
        on_gpu(stop_at(9, interrupt), tmp_path)
    assert same(whole, on_gpu(cross_entropy, tmp_path))


def two_processes(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "tests.training.two_processes", *map(str, arguments)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_share_a_checkpoint_go_on_from_it_and_end_with_the_same_weights(tmp_path):
    two_processes("interrupted", tmp_path, tmp_path / "state")
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert (first["processes"], first["left"], first["there"]) == (2, 2, False)
    assert first["steps"] == [10, 11], "it went on within an epoch, and each process took every step"
    assert first["validated"] == [7] * 3, "each validation review counts once, whatever process read it"
    assert first["right"]


@pytest.mark.slow
def test_two_processes_end_with_the_loss_of_one(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(str(find_model()))
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    for part in (BertModel(BertConfig(vocab_size=len(tokenizer), **size)), tokenizer):
        part.save_pretrained(tmp_path / "tiny")
    two_processes("whole", tmp_path / "two", tmp_path / "tiny")
    command = [sys.executable, "-m", "tests.training.two_processes", "whole", tmp_path / "one", tmp_path / "tiny"]
    subprocess.run(command, cwd=ROOT, check=True)
    one, two, other = (json.loads((tmp_path / path).read_text()) for path in ("one/0.json", "two/0.json", "two/1.json"))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two == other
    assert two["steps"] == pytest.approx(one["steps"], rel=1e-4), "without dropout they take the same steps"
    assert two["history"]["valid_loss"][-1] == pytest.approx(one["history"]["valid_loss"][-1], rel=0.01)
