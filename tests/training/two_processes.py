"""Started by torchrun, once in each process; or alone, for comparison.

Arguments: "interrupted" or "whole", the folder for the results, the checkpoint's folder.
"""

import json
import sys
from pathlib import Path

from torch import distributed

from recsys_kit.finetuning import classifier
from recsys_kit.finetuning.classifier import ReviewClassifier
from recsys_kit.training import trainer
from recsys_kit.training.checkpoints import Checkpoints
from recsys_kit.training.plan import TrainingPlan
from recsys_kit.training.processes import Processes
from tests.finetuning.test_reviews import LABELS, TEXTS

STOP_AT = 10  # steps: in the second epoch of seven


def train(plan: TrainingPlan, checkpoint: Path | None = None, *, wrong: int = 0) -> ReviewClassifier:
    """Trained on 35 reviews; the label of every `wrong`th is wrong."""
    model = ReviewClassifier(plan=plan, max_length=16, device="cpu")
    texts, labels = [*TEXTS, "good", "bad", "so so"], [*LABELS, "5", "1", "1"]
    if wrong:
        labels = [{"1": "5", "5": "1"}[label] if row % wrong == 0 else label for row, label in enumerate(labels)]
    return model.fit(texts, labels, valid_texts=TEXTS[:7], valid_labels=LABELS[:7], checkpoint=checkpoint)


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


def main(what: str, results: Path, *checkpoint: str) -> None:
    if what == "interrupted":
        record = interrupted(Path(*checkpoint))
    else:
        model = train(TrainingPlan(learning_rate=5e-5, batch_size=8), wrong=3)  # else the loss is 0 after a few steps
        record = {"history": model.history.to_dict("list")}
    processes = Processes("cpu", together=True)
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{processes.rank}.json").write_text(json.dumps({**record, "processes": processes.count}))
    if processes.count > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
