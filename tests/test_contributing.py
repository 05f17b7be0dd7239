"""The example of CONTRIBUTING: a recommender is one short file and one line."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_LINES = 25
FILE, CHECK, LINE = re.findall(r"(?s)```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
LEADERBOARD = """
from recsys_kit.data import Split
from recsys_kit.evaluation import evaluate
from recsys_kit.testing import planted_shop
from recsys_kit.workbook import lineup
from recsys_kit.workbook.lineup import Entry

shop = planted_shop()
lineup.LINEUP = dict(lineup.LINEUP) | {ENTRY}
encoded = shop.encode()
chosen, _ = lineup.choose(encoded, names=["random_walk"])
models = {name: entry.model(seed=0, features=encoded.item_features).fit(encoded) for name, entry in chosen.items()}
evaluation = evaluate(models, Split(shop.train, shop.valid.iloc[:0], shop.valid, shop.train.iloc[:0]), items=shop.items)
print(evaluation.leaderboard().to_string())
values = evaluation.metrics.query("slice == 'all' and metric == 'ndcg' and k == 10").set_index("model")["value"]
assert list(values.index) == ["popularity", "random_walk"], values
assert values["random_walk"] > 3 * values["popularity"], values
"""


def run(folder, code):
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_file_is_short_and_in_style():
    assert len([line for line in FILE.splitlines() if line.strip()]) <= MAX_LINES
    name = "recsys_kit/recommenders/random_walk.py"
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--stdin-filename", name, "-"]
        result = subprocess.run(command, cwd=ROOT, input=FILE, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr


def test_the_recommender_passes_the_conformance_suite(tmp_path):
    (tmp_path / "random_walk.py").write_text(FILE, encoding="utf-8")
    result = run(tmp_path, f"from random_walk import RandomWalk\n{CHECK}")
    assert result.returncode == 0, result.stderr


def test_its_line_puts_it_on_the_leaderboard_beside_popularity(tmp_path):
    (tmp_path / "random_walk.py").write_text(FILE, encoding="utf-8")
    export = (
        "import random_walk\nfrom recsys_kit import recommenders\nrecommenders.RandomWalk = random_walk.RandomWalk\n"
    )
    result = run(tmp_path, export + LEADERBOARD.replace("{ENTRY}", f"{{{LINE}}}"))
    assert result.returncode == 0, result.stdout + result.stderr


ANSWERS = """
from pathlib import Path
import recsys_kit.recommenders
from recsys_kit.recommenders import load

recsys_kit.recommenders.__path__.append({folder!r})  # as if the file lay beside the others; nobody has imported it
print(load(Path({folder!r}, "model")).recommend(histories=[["i00", "i01"]], k=3)["item_id"].tolist())
"""


def test_a_saved_model_is_loaded_by_a_process_that_has_not_imported_its_file(tmp_path):
    (tmp_path / "random_walk.py").write_text(FILE, encoding="utf-8")
    save = "RandomWalk().fit(planted_shop().train).save('model')"
    made = run(tmp_path, f"import os; os.chdir({str(tmp_path)!r})\nfrom random_walk import RandomWalk\n"
               f"from recsys_kit.testing import planted_shop\n{save}")  # fmt: skip
    assert made.returncode == 0, made.stderr
    code = ANSWERS.format(folder=str(tmp_path))
    answered = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answered.returncode == 0, answered.stderr
    assert answered.stdout.count("i0") == 3
