"""The leaderboard of a run beside published results, as Markdown."""

from collections.abc import Iterable

from recsys_kit.errors import ParameterError
from recsys_kit.evaluation.published import BENCHMARKS, beside_published
from recsys_kit.recommenders.inputs import WITHOUT
from recsys_kit.workbook.lineup import LINEUP
from recsys_kit.workbook.runner.runs import Run

ITEM_INPUTS = {"item_features", "attributes", "category"}  # of `Recommender.uses`: attributes or texts of items


def show_published(run: Run) -> str:
    """Return title, protocol and the table of `beside_published` of a run, as Markdown.

    Raises:
        ParameterError: RK-367 the run is on other data or has another split.
        ArtifactError: RK-401 the run has no leaderboard.
    """
    protocol = run.read("results/protocol.json")
    name = protocol.get("benchmark", "")
    if name not in BENCHMARKS:
        known = " or ".join(f"{one.title} (split={one.method})" for one in BENCHMARKS.values())
        raise ParameterError("RK-367", f"run {run.folder.name} is on none of the published sets.", f"Run {known}.")
    metrics = run.read("results/metrics.parquet")
    attributes = find_attribute_models(metrics["model"].unique()) if protocol["item_attributes"] else []
    table = beside_published(name, metrics, protocol["best_on_validation"], with_attributes=attributes)
    ours = [f"{'with' if protocol['item_attributes'] else 'without'} item attributes"]
    ours += ["parameters chosen on validation"] if protocol.get("tuned") else []
    ours += ["refitted on training and validation set"] if protocol.get("refit") else []
    head = (
        f"**{BENCHMARKS[name].title}**: {BENCHMARKS[name].protocol}. Reported: by the authors of the model; rerun: by "
        f"others. Ours: {', '.join(ours)}."
    )
    lines = [list(table), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join([head, "", *(f"| {' | '.join(line)} |" for line in lines)])


def find_attribute_models(models: Iterable[str]) -> list[str]:
    """Return the models that use attributes or texts of items, where there are some; ensembles do.

    >>> find_attribute_models(["ease", "content_tfidf", "popular_in_category", "shallow", "shallow_no_text", "hybrid"])
    ['content_tfidf', 'popular_in_category', 'shallow', 'hybrid']
    """

    def reads_items(name: str) -> bool:
        model = LINEUP[name].make()
        return not ITEM_INPUTS.isdisjoint(model.uses) and getattr(model, "features", "") != WITHOUT

    return [name for name in models if name not in LINEUP or reads_items(name)]
