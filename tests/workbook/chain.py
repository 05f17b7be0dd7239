"""A workbook of four tiny notebooks with real kernels: what a chapter reads and writes, without the work."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

HEAD = """run_dir: str = "runs/x"
seed: int = 7
profile: str = "quick"
"""
OPEN = """from recsys_kit.workbook.runner.runs import open_run
import pandas as pd
run = open_run(run_dir, chapter={chapter!r}, seed=seed, profile=profile)
"""
CELLS = {
    "01_preprocessing": (
        'rows: int = 3  # rows to make [1..]\nsource: str = ""  # a text file',
        """from pathlib import Path
run.uses(Path(source))
first = Path(source).read_text().split()[0]
frame = pd.DataFrame({"item_id": [f"{first}{seed}{row}" for row in range(rows)], "price": float(rows)})
run.write("data/items.parquet", frame)
if rows > 5:
    run.write("data/reviews.parquet", frame)
""",
    ),
    "02_feature_extraction": (
        "factor: float = 2.0",
        """items = run.read("data/items.parquet")
run.write("features/notes.json", {"length": len(items), "factor": factor})
""",
    ),
    "03_finetuning": (
        "epochs: int = 1",
        """reviews = run.read("data/reviews.parquet")
run.write("results/review_classification.json", {"n": len(reviews)})
""",
    ),
    "04_evaluation": (
        "k: int = 10",
        """items = run.read("data/items.parquet")
notes = run.read("features/notes.json", required=False) or {}
run.write("results/metrics.parquet", items.assign(k=k, factor=notes.get("factor", 0.0)))
run.write("results/leaderboard.csv", items.head(k))
""",
    ),
}


def write_chain(folder: Path) -> Path:
    """The four notebooks, in a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (parameters, body) in CELLS.items():
        cells = [
            new_code_cell(HEAD + parameters, id="parameters", metadata={"tags": ["parameters"]}),
            new_code_cell(OPEN.format(chapter=name), id="setup"),
            new_code_cell(body, id="work"),
        ]
        kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / f"{name}.ipynb")
    (folder / "source.txt").write_text("i")
    return folder


def edit_cell(path: Path, cell_id: str, before: str, after: str) -> None:
    """Change the source of one cell."""
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if cell.id == cell_id)
    assert before in cell.source
    cell.source = cell.source.replace(before, after)
    nbformat.write(notebook, path)
