"""Started by torchrun, once in each process: an interrupted training goes on, and every process ends alike.

Arguments: the checkpoint's folder, the folder for the results.
"""

import json
import sys
from pathlib import Path

from accelerate import PartialState

from recsys_kit.finetuning import reviews
from recsys_kit.finetuning.reviews import ReviewClassifier
from recsys_kit.training.loop import TrainingPlan
from tests.finetuning.test_reviews import LABELS, TEXTS

PLAN = TrainingPlan(epochs=3, learning_rate=5e-4, batch_size=5)  # 35 reviews: the last round of batches is not full


def train(checkpoint: Path) -> ReviewClassifier:
    model = ReviewClassifier(plan=PLAN, max_length=16, device="cpu")
    texts, labels = [*TEXTS, "good", "bad", "so so"], [*LABELS, "5", "1", "1"]
    return model.fit(texts, labels, valid_texts=TEXTS[:7], valid_labels=LABELS[:7], checkpoint=checkpoint)


def main(checkpoint: Path, results: Path) -> None:
    judge, epochs = reviews.macro_f1, []

    def stop(confusion):
        epochs.append(int(confusion.sum()))
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return judge(confusion)

    reviews.macro_f1 = stop
    try:
        train(checkpoint)
    except KeyboardInterrupt:
        left = sorted(path.name for path in checkpoint.iterdir())
    PartialState().wait_for_everyone()
    reviews.macro_f1 = judge
    model = train(checkpoint)
    state = PartialState()
    record = {
        "left": left, "judged": epochs,
        "weights": [tensor.double().sum().item() for tensor in model.model.state_dict().values()],
        "history": model.history.to_dict("list"),
        "there": checkpoint.exists(), "right": model.predict(TEXTS) == LABELS, "processes": state.num_processes,
    }  # fmt: skip
    (results / f"{state.process_index}.json").write_text(json.dumps(record))
    state.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
