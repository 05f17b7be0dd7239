"""Started by torchrun, once in each process; or alone, for comparison.

Arguments: "interrupted" or "whole", the folder for the results, the folder of the checkpoint or language model.
"""

import json
import sys
from pathlib import Path

import torch
from torch import distributed

from recsys_kit.finetuning import classifier
from recsys_kit.finetuning.classifier import ReviewClassifier
from recsys_kit.training import trainer
from recsys_kit.training.batches import cut
from recsys_kit.training.checkpoints import Checkpoints
from recsys_kit.training.plan import TrainingPlan
from recsys_kit.training.processes import Processes
from tests.finetuning.test_reviews import LABELS, TEXTS

STOP_AT = 10  # steps: in the second epoch of seven


def train(plan: TrainingPlan, checkpoint: Path | None = None) -> ReviewClassifier:
    model = ReviewClassifier(plan=plan, max_length=16, device="cpu")
    texts, labels = [*TEXTS, "good", "bad", "so so"], [*LABELS, "5", "1", "1"]
    return model.fit(texts, labels, valid_texts=TEXTS[:7], valid_labels=LABELS[:7], checkpoint=checkpoint)


def whole(language_model: str) -> dict:
    """Trained without an interruption; every third label is wrong, so that the loss does not fall to 0."""
    model = ReviewClassifier(language_model, plan=TrainingPlan(epochs=2, batch_size=16), max_length=16, device="cpu")
    texts = [
        f"{text} {word}" for word in ("", "today", "again", "really", "then", "so", "now", "here") for text in TEXTS
    ]
    labels = [label if row % 3 else {"1": "5", "5": "1"}[label] for row, label in enumerate(LABELS * 8)]
    model.fit(texts, labels, valid_texts=texts[:40], valid_labels=labels[:40])
    return {"history": model.history.to_dict("list"), "steps": steps_without_dropout()}


def steps_without_dropout() -> list[float]:
    """The weights of a small network that sees the same rows, whatever the number of processes."""
    torch.manual_seed(0)
    network, x = torch.nn.Linear(4, 2), torch.randn(32, 4)
    processes = Processes("cpu", together=True)

    def batches(epoch):
        for rows in cut(range(32), 8):
            yield list(rows), x[list(processes.share(rows))]

    def objective(module, inputs):
        return torch.nn.functional.cross_entropy(module(inputs), (inputs[:, 0] > 0).long())

    plan = TrainingPlan(epochs=3, learning_rate=0.1)
    trainer.Trainer(network, objective, plan, processes=processes).fit(batches, n_batches=4)
    return network.weight.flatten().tolist()


def interrupted(checkpoint: Path) -> dict:
    """Trained in two goes, the first of which is interrupted within an epoch."""
    trainer.CHECK_EVERY, Checkpoints.is_due = 1, property(lambda self: True)
    plan = TrainingPlan(epochs=3, learning_rate=5e-4, batch_size=5)  # 35 reviews: 3 and 2 of a batch to each process
    score, validated, steps = classifier.macro_f1, [], [0, 0]
    end_step = trainer.Trainer._end_step

    def counted(self, *given):
        end_step(self, *given)
        steps[len(left) > 0] += 1
        if steps == [STOP_AT, 0]:
            raise KeyboardInterrupt

    classifier.macro_f1 = lambda confusion: validated.append(int(confusion.sum())) or score(confusion)
    trainer.Trainer._end_step, left = counted, []
    try:
        train(plan, checkpoint)
    except KeyboardInterrupt:
        left = sorted(path.name for path in checkpoint.iterdir())
    Processes("cpu", together=True).wait()
    model = train(plan, checkpoint)
    return {
        "left": len(left), "steps": steps, "validated": validated, "there": checkpoint.exists(),
        "weights": [tensor.double().sum().item() for tensor in model.model.state_dict().values()],
        "history": model.history.to_dict("list"), "right": model.predict(TEXTS) == LABELS,
    }  # fmt: skip


def main(what: str, results: Path, given: str) -> None:
    record = interrupted(Path(given)) if what == "interrupted" else whole(given)
    processes = Processes("cpu", together=True)
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{processes.rank}.json").write_text(json.dumps({**record, "processes": processes.count}))
    if processes.count > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
