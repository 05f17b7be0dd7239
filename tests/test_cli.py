"""The command as its user sees it: quick help, sub-commands, one-line errors, exit codes."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import recsys_kit
from recsys_kit import cli
from recsys_kit.cli.terminal import HERE, PROJECT
from recsys_kit.workbook.runner import execute, parameters, places
from tests.conftest import ROOT
from tests.workbook.test_execute import BROKEN


def command(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "recsys_kit.cli", *arguments], capture_output=True, text=True, timeout=120, **options
    )


@pytest.fixture
def on_broken(monkeypatch, tmp_path):
    """Runs the command in this process with the broken notebooks as the workbook; gives exit code and output."""
    chapters = parameters.list_chapters(BROKEN)
    monkeypatch.setattr(parameters, "list_chapters", lambda folder=None: chapters)
    monkeypatch.setattr(places, "project_root", lambda: tmp_path)
    monkeypatch.setattr(execute, "shared_name", str)  # the kernels count from the real project
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli.app, list(arguments))


def test_help_answers_at_once():
    started = time.monotonic()
    done = command("--help")
    assert time.monotonic() - started < 5  # 0.2 s on an idle machine
    assert done.returncode == 0
    for word in ("run", "check", "datasets", "lab", "report"):
        assert word in done.stdout


def test_a_run_ends_by_the_path_of_its_page_in_a_folder_named_after_the_data(on_broken, tmp_path):
    done = on_broken("run", "--only", "01", "--set", "share=0.75", "--profile", "full")
    assert done.exit_code == 0, done.output
    page = tmp_path / "runs/toyshop/index.html"
    assert done.stdout.strip().splitlines()[-1] == str(page)
    assert page.exists()
    state = json.loads((page.parent / "run.json").read_text())
    assert state["parameters"]["01_fine"] | {"share": 0.75, "profile": "full"} == state["parameters"]["01_fine"]


def test_the_status_of_a_copied_run_names_the_folder_it_was_given(on_broken, tmp_path):
    done = on_broken("run", "--only", "01", "--set", "share=0.75", "--out", "runs/first")
    assert done.exit_code == 0, done.output
    shutil.copytree(tmp_path / "runs/first", tmp_path / "runs/copied")
    last = on_broken("status", "runs/copied").stdout.strip().splitlines()[-1]
    assert last == "recsys-kit run --only 01 --out runs/copied --set share=0.75"


def test_lab_gives_its_kernels_what_figures_and_threads_need(monkeypatch):
    given = {}
    monkeypatch.setattr(os, "execve", lambda path, command, environment: given.update(environment))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    assert CliRunner().invoke(cli.app, ["lab"]).exit_code == 0
    assert given["MPLBACKEND"] == places.INLINE
    assert given["GOMP_SPINCOUNT"] == os.environ["GOMP_SPINCOUNT"]


def test_a_relative_source_counts_from_where_the_command_is_called(on_broken, tmp_path):
    done = on_broken("run", "--only", "01", "--dataset", "amazon", "--source", "my data", "--out", "runs/mine")
    assert done.exit_code == 0, done.output
    state = json.loads((tmp_path / "runs/mine/run.json").read_text())
    assert state["source"] == {"dataset": "amazon", "source": str(tmp_path / "my data")}


@pytest.fixture
def planned(monkeypatch, tmp_path):
    """Runs the command on the real chapters up to the first kernel; gives the folder and the parameters."""
    calls = []

    def execute_nothing(chapters, folder, *, parameters, **options):
        calls.append((folder, parameters))
        raise SystemExit(0)

    monkeypatch.setattr(execute, "execute", execute_nothing)
    monkeypatch.setattr(places, "project_root", lambda: tmp_path)
    monkeypatch.setattr(parameters, "project_root", lambda: ROOT)
    monkeypatch.chdir(tmp_path)

    def plan(*arguments: str):
        done = CliRunner().invoke(cli.app, ["run", *arguments])
        assert done.exit_code == 0, (done.output, done.exception)
        return calls[-1]

    return plan


def test_own_files_become_parameters_and_name_the_folder(planned, tmp_path):
    folder, given = planned("--interactions", "my shop.csv.gz", "--columns", "user_id=Customer ID,item_id=SKU")
    assert folder == tmp_path / "runs/my shop"
    assert given["01_preprocessing"] == {
        "dataset": "files",
        "interactions": str(tmp_path / "my shop.csv.gz"),
        "columns": "user_id=Customer ID,item_id=SKU",
    }


def test_items_go_along_with_sequences_and_the_data_set_names_the_folder(planned, tmp_path):
    folder, given = planned(
        "--dataset", "sequences", "--source", "s.txt", "--items", "map.json", "--encoding", "utf-16"
    )
    assert folder == tmp_path / "runs/sequences"
    assert given["01_preprocessing"] == {
        "dataset": "sequences",
        "source": str(tmp_path / "s.txt"),
        "items": str(tmp_path / "map.json"),
        "encoding": "utf-16",
    }


def test_a_file_that_the_data_set_does_not_read_is_refused_before_anything_is_made(on_broken, tmp_path):
    done = on_broken("run", "--dataset", "amazon", "--interactions", "events.csv")
    assert "RK-143" in str(done.exception) and done.exception.exit_code == 2
    assert not (tmp_path / "runs").exists()


def check(*arguments: str, width: int = 200):
    return CliRunner().invoke(cli.app, ["check", *map(str, arguments)], env={"COLUMNS": str(width)})


def test_a_check_shows_each_file_and_goes_on_behind_a_refusal(tmp_path):
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu,i,2024-05-01\n,i,2024-05-01\n")
    (tmp_path / "wrong.csv").write_text("uid,sku,ts\nu,i,2024-05-01\n")
    done = check(tmp_path / "wrong.csv", tmp_path / "nowhere.csv", tmp_path / "events.csv")
    assert done.exit_code == 2
    lines = done.output.splitlines()
    assert "events.csv: 2 rows, read as interactions (by its columns; --as says otherwise)" in lines
    place = next(number for number, line in enumerate(lines) if "missing user_id" in line)
    assert "quarantined" in lines[place] and "line 3" in lines[place + 1]
    assert '--columns "user_id=uid,item_id=sku,timestamp=ts"' in lines
    assert sum("RK-1" in line for line in lines) == 2
    assert lines[-1] == "usable"


def test_a_check_of_usable_files_is_no_failure(tmp_path):
    (tmp_path / "events.csv").write_text("uid,sku,ts\nu,i,2024-05-01\n")
    assert check("--columns", "user_id=uid,item_id=sku,timestamp=ts", tmp_path / "events.csv").exit_code == 0
    done = check("--as", "users", "--columns", "user_id=uid", tmp_path / "events.csv")
    assert done.exit_code == 0 and "read as users" in done.output


def test_a_check_fits_a_narrow_terminal_whole_and_says_a_thing_once(tmp_path):
    rows = ["u,i,2024-05-01,Bowl,x", ",i,2024-05-01,Bowl,x", "u,i,2024-05-02,Oak bowl,x", "u,i"]
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp,title,Positive Feedback Count\n" + "\n".join(rows))
    lines = check(tmp_path / "events.csv", width=60).output.splitlines()
    assert max(map(len, lines)) <= 60 and not any("…" in line for line in lines)
    assert [line.strip() for line in lines if "made from it" in line] == ["items, made from it"]
    said = " ".join(" ".join(lines).replace("│", " ").split())
    assert "products with more than one title: the most frequent counts" in " ".join(
        line.split("│")[3].strip() for line in lines if line.count("│") == 4
    )
    assert said.count("missing user_id") == said.count("row is too short") == 1


def test_a_check_of_sequences_says_how_to_run_them(tmp_path):
    (tmp_path / "my shop.txt").write_text("u1 i1 i2 i3\nu2 i2\n")
    done = check(tmp_path / "my shop.txt", width=60)
    assert done.exit_code == 2
    assert f"--dataset sequences --source '{tmp_path / 'my shop.txt'}'" in done.output


def test_a_check_obeys_nothing_that_is_in_a_file(tmp_path):
    (tmp_path / "items.csv").write_text("item_id,price\n\x1b[2J[red]i,-5\n[red]i,-[bold]\x1b]0;x\x07\n[red]i,-3\n")
    (tmp_path / "asked.csv").write_text("sku,\x1b[2J,name\n1,2,\x1b]0;x\x07[red]\n")
    done = check(tmp_path / "items.csv", tmp_path / "asked.csv")
    assert "\x1b" not in done.output and "\x07" not in done.output
    assert "[red]" in done.output


@pytest.mark.parametrize(("only", "code"), [("02", 3), ("05", 2), ("06", 2), ("01,05", 2)])
def test_the_exit_code_tells_whose_fault_it_was_and_the_page_is_there(on_broken, tmp_path, only, code):
    done = on_broken("run", "--only", only, "--out", "runs/x")
    assert done.exit_code == code
    assert "failed" in (tmp_path / "runs/x/index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "sede=3"], "RK-302 parameter 'sede'"),
        (["--set", "seed=x"], "RK-303 parameter seed"),
        (["--only", "77"], "RK-304 chapter '77'"),
        (["--only", "01", "--from", "02"], "RK-304 no chapter is left"),
        (["--set", "run_dir=/tmp/z"], "RK-309 --set run_dir=/tmp/z"),
        (["--set", "01.source=x"], "Use --source instead"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_made(on_broken, tmp_path, arguments, words):
    done = on_broken("run", *arguments)
    assert words in str(done.exception)
    assert done.exception.exit_code == 2
    assert not (tmp_path / "runs").exists()


def test_a_run_from_a_chapter_on_leaves_the_earlier_ones_alone(on_broken, tmp_path):
    assert on_broken("run", "--from", "05", "--out", "runs/x").exit_code == 2
    state = json.loads((tmp_path / "runs/x/run.json").read_text())
    statuses = {name[:2]: chapter["status"] for name, chapter in state["chapters"].items()}
    assert statuses == dict.fromkeys(("01", "02", "03", "04"), "not_requested") | {
        "05": "failed", "06": "not_reached", "07": "not_reached"
    }  # fmt: skip


def test_the_same_command_again_runs_nothing_and_status_says_so(on_broken):
    arguments = ("run", "--only", "01", "--set", "share=0.75", "--out", "runs/x")
    on_broken(*arguments)
    assert "01_fine: reused" in on_broken(*arguments).output
    assert "01_fine: started, 6 cells: --force" in on_broken(*arguments, "--force").output
    said = on_broken("status", "runs/x").output
    assert "reused" in next(line for line in said.splitlines() if "01_fine" in line)
    assert "not asked for" in next(line for line in said.splitlines() if "02_raises" in line)
    assert said.splitlines()[-1] == "recsys-kit run --only 01 --out runs/x --set share=0.75"


def test_a_run_of_other_data_is_not_replaced_by_a_forgotten_option(on_broken, tmp_path):
    on_broken("run", "--only", "01", "--dataset", "amazon", "--out", "runs/music")
    refused = on_broken("run", "--only", "01", "--out", "runs/music")
    assert "RK-308 runs/music holds a run of 'amazon'" in str(refused.exception).replace(str(tmp_path) + "/", "")
    assert on_broken("run", "--only", "01", "--dataset", "toyshop", "--out", "runs/music").exit_code == 0


def test_a_damaged_manifest_is_refused_and_force_starts_over(on_broken, tmp_path):
    on_broken("run", "--only", "01", "--out", "runs/x")
    path = tmp_path / "runs/x/run.json"
    path.write_text(path.read_text().replace("toyshop", "toyshoq"))
    refused = on_broken("run", "--only", "01", "--out", "runs/x")
    assert "RK-410" in str(refused.exception)
    assert refused.exception.exit_code == 4
    assert on_broken("run", "--only", "01", "--out", "runs/x", "--force").exit_code == 0


def all_commands(group=None, names=()):
    for name, command in (group or typer.main.get_command(cli.app)).commands.items():
        yield (*names, name), command
        if hasattr(command, "commands"):
            yield from all_commands(command, (*names, name))


def test_every_path_of_the_help_says_where_it_counts_from():
    paths = {
        "source",
        "interactions",
        "items",
        "users",
        "reviews",
        "out",
        "paths",
        "folder",
        "folders",
        "csv",
        "run",
        "compare",
    }
    for names, sub in all_commands():
        for option in sub.params:
            help_of = getattr(option, "help", None) or ""
            where = PROJECT in help_of or HERE in help_of
            assert where == (option.name in paths), (names, option.name)
            assert "[" not in help_of, "it would be taken for a style and not be shown"


def test_every_option_of_every_command_is_explained():
    for names, sub in all_commands():
        for option in sub.params:
            assert getattr(option, "help", None), (names, option.name)


def test_help_says_what_a_bundle_holds_of_shoppers_and_which_days_are_counted():
    wide = {"COLUMNS": "300", "TERM": "dumb"}
    said = " ".join(CliRunner().invoke(cli.app, ["bundle", "--help"], env=wide).stdout.split())
    assert "no user ids and no histories; counts are aggregates, and some count a single user" in said
    assert "personal data: the salt lies in it" in said
    assert "whole days" in CliRunner().invoke(cli.app, ["recommend", "popular", "--help"], env=wide).stdout


def test_help_of_run_ends_with_the_parameters_of_the_notebooks():
    said = command("run", "--help", env={**os.environ, "COLUMNS": "200"}).stdout
    for word in ("--from", "--force", "n_users", "learning_rate", "passes over the training reviews"):
        assert word in said


def test_the_parameters_are_a_table_for_a_readme():
    lines = command("parameters", "--markdown").stdout.splitlines()
    assert lines[0].startswith("| chapter | parameter |")
    assert any(line.startswith("| all | `seed` | int | `7` |") for line in lines)
    assert any(line.startswith("| 03 | `epochs` | int | `2` |") for line in lines)


def test_a_refusal_is_one_line_without_a_traceback(tmp_path):
    done = command("report", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("RK-402 ")
    assert len(done.stderr.splitlines()) == 1


def test_a_page_is_made_anew(tmp_path):
    (tmp_path / "run.json").write_text('{"chapters": {}}')
    done = command("report", str(tmp_path))
    assert done.returncode == 0
    assert (tmp_path / "index.html").exists()


def test_it_speaks_in_a_terminal_that_knows_only_ascii(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    folder = tmp_path / "größe"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    assert command("report", str(folder), env=environment).returncode == 0


# -- recommend ---------------------------------------------------------------------------------------------------------


def recommend(*arguments: str):
    return CliRunner().invoke(cli.app, ["recommend", *arguments])


def refuse(*arguments: str) -> str:
    """What a call prints that is refused with exit code 2; the frame around it is taken away."""
    done = recommend(*arguments)
    code = done.exit_code if done.exception is None or isinstance(done.exception, SystemExit) else None
    assert (code or done.exception.exit_code, done.stdout) == (2, "")
    return " ".join(f"{done.stderr} {done.exception}".replace("│", " ").split())


@pytest.fixture(scope="module")
def shop(small_run):
    """The folder of a run, a shopper and two products of it."""
    train = pd.read_parquet(small_run.folder / "data/train.parquet")
    top = train["item_id"].value_counts()
    return str(small_run.folder), train["user_id"].iloc[0], top.index[0], top.index[1]


ASKED = {  # sub-command: the new spelling, the old one, the same in Python
    "user": (["user", "USER"], ["--user", "USER"], lambda run, user, *_: recsys_kit.recommend(run, user=user, k=3)),
    "history": (
        ["history", "ITEM,OTHER", "--candidates", "OTHER,0001,0002,0003,0004"],
        ["--history", "ITEM", "--history", "OTHER", "--candidates", "OTHER,0001,0002,0003,0004"],
        lambda run, _, item, other: recsys_kit.recommend(
            run, history=[item, other], candidates=[other, "0001", "0002", "0003", "0004"], k=3
        ),
    ),
    "context": (
        ["user", "USER", "--model", "context_aware", "--context", "device=phone", "--seen", "ITEM"],
        ["--context=device=phone", "--user=USER", "--model", "context_aware", "--seen", "ITEM"],
        lambda run, user, item, _: recsys_kit.recommend(
            run, user=user, seen=[item], model="context_aware", context={"device": "phone"}, k=3
        ),
    ),
    "text": (
        ["text", "a funny teapot"],
        ["--text", "a funny teapot", "--context", "device=phone"],
        lambda run, *_: recsys_kit.recommend(run, text="a funny teapot", k=3),
    ),
    "dash": (
        ["text", "--", "-5 % tea"],
        ["--text", "-5 % tea"],
        lambda run, *_: recsys_kit.recommend(run, text="-5 % tea", k=3),
    ),
    "promotions": (
        ["promotions", "--user", "USER"],
        ["--promotions", "--user", "USER"],
        lambda run, user, *_: recsys_kit.promotions(run, user=user, k=3),
    ),
    "related": (
        ["related", "ITEM"],
        ["--related", "ITEM"],
        lambda run, _, item, __: recsys_kit.related(run, item, k=3),
    ),
    "together": (
        ["together", "ITEM,OTHER"],
        ["--together", "ITEM,OTHER"],
        lambda run, _, *items: recsys_kit.bought_together(run, items, k=3),
    ),
    "popular": (["popular"], ["--popular"], lambda run, *_: recsys_kit.popular(run, k=3)),
    "category": (
        ["popular", "--category", "Garden", "--days", "90"],
        ["--days", "90", "--category=Garden"],
        lambda run, *_: recsys_kit.popular(run, category="Garden", days=90, k=3),
    ),
    "new-item": (
        ["new-item", "a funny teapot"],
        ["--new-item", "a funny teapot"],
        lambda run, *_: recsys_kit.shoppers_for(run, text="a funny teapot", k=3),
    ),
    "shoppers-for": (
        ["shoppers-for", "ITEM"],
        ["--shoppers-for", "ITEM"],
        lambda run, _, item, __: recsys_kit.shoppers_for(run, item=item, k=3),
    ),
}


def filled(words, shop):
    for name, value in zip(("USER", "ITEM", "OTHER"), shop[1:], strict=True):
        words = [word.replace(name, value) for word in words]
    return words


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_recommend_answers_as_python_does_in_the_new_spelling_and_in_the_old_one(shop, name, tmp_path):
    new, old, ask = ASKED[name]
    new, old = filled(new, shop), filled(old, shop)
    place = new.index("--") if "--" in new else len(new)
    options = ["--run", shop[0], "-k", "3", "--json"]
    done = recommend(*new[:place], *options, "--csv", str(tmp_path / "list.csv"), *new[place:])
    assert (done.exit_code, done.stderr) == (0, ""), (done.output, done.exception)
    found, expected = json.loads(done.stdout), ask(*shop)
    key = "user_id" if "user_id" in expected else "item_id"
    rows = found["shoppers" if key == "user_id" else "items"]
    assert [row[key] for row in rows] == expected[key].tolist() != []
    assert [row["reason"] for row in rows] == expected["reason"].tolist()
    assert pd.read_csv(tmp_path / "list.csv", dtype={key: str})[key].tolist() == expected[key].tolist()
    assert ("model" in found) == ("fallback" in expected)

    before = recommend(*options[:2], *old, "-k3", "--json")
    assert before.exit_code == 0, (before.output, before.exception)
    answered = json.loads(before.stdout)
    for one in (answered, found):
        one.pop("asked_at", None)
    assert answered == found
    (note,) = before.stderr.splitlines()
    assert note.startswith(f"note: the new spelling is: recsys-kit recommend {new[0]} ")


def test_the_note_on_an_old_spelling_is_a_call_that_can_be_copied(shop):
    note = recommend("--run", shop[0], "--text", "a 'big' lamp", "-k", "2", "--json").stderr
    words = shlex.split(note.partition("is: ")[2])
    assert words[:4] == ["recsys-kit", "recommend", "text", "a 'big' lamp"]
    assert len(json.loads(CliRunner().invoke(cli.app, words[1:]).stdout)["items"]) == 2


def test_several_shoppers_are_answered_in_one_call(shop):
    run, user, *_ = shop
    done = recommend("user", user, "nobody", "--run", run, "-k", "2", "--seen", shop[2])
    assert done.exit_code == 0, (done.output, done.exception)
    assert f"for the shopper {user}" in done.stdout and "for the shopper nobody" in done.stdout
    assert "note: shopper 'nobody' is unknown" in done.stdout
    rows = json.loads(recommend("user", user, "nobody", "--run", run, "-k", "2", "--json").stdout)["items"]
    assert [row["query"] for row in rows] == [user, user, "nobody", "nobody"]


def test_a_table_shows_the_list_its_model_and_its_reasons(shop):
    run, user, item, _ = shop
    lines = recommend("user", user, "--run", run, "-k", "2").stdout.splitlines()
    assert lines[0].endswith(f", for the shopper {user}")
    assert "because you" in "".join(lines) and len([line for line in lines if line.startswith("│")]) == 2
    shown = recommend("together", f"{item},x", "--run", run, "--by", "lift", "-k", "1").stdout
    assert "lift" in shown and "note: product 'x' is unknown" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["user", "--run", "RUN"], "Missing argument 'ID'"),
        (["user", "USER"], "Missing option '--run'"),
        (["history", "ITEM"], "Missing option '--run'"),
        (["popular", "--run", "RUN", "--context", "device=phone"], "No such option: --context"),
        (["related", "ITEM", "--run", "RUN", "--seen", "ITEM"], "No such option: --seen"),
        (["text", "tea", "--run", "RUN", "--days", "3"], "No such option: --days"),
        (["user", "USER", "--run", "RUN", "-k", "many"], "Invalid value for '-k'"),
        (["poplar", "--run", "RUN"], "No such command 'poplar'"),
        (["--run", "RUN"], "Name one list before the options"),
        (["--run", "RUN", "--user", "USER", "--text", "tea"], "Name one list before the options"),
        (["--run", "RUN", "--popular", "--promotions"], "No such option: --promotions"),
        (["promotions", "--run", "RUN"], "RK-330"),
        (["promotions", "--run", "RUN", "--user", "USER", "--text", "tea"], "RK-330"),
        (["user", "USER", "--run", "RUN", "-k", "0"], "RK-312"),
        (["user", "USER", "--run", "RUN", "--model", "eas"], "RK-318"),
        (["user", "USER", "--run", "RUN", "--context", "phone"], "RK-310"),
        (["history", ",", "--run", "RUN"], "RK-331"),
        (["related", "x", "--run", "RUN"], "RK-335"),
        (["together", "ITEM", "--run", "RUN", "--by", "luck"], "RK-341"),
        (["popular", "--run", "RUN", "--category", "Gardn"], "RK-336"),
        (["popular", "--run", "RUN/data"], "RK-402"),
    ],
)
def test_a_wrong_question_is_refused_with_exit_code_2(shop, arguments, words):
    said = refuse(*[word.replace("RUN", shop[0]) for word in filled(arguments, shop)])
    assert words in said


def test_the_help_of_each_list_has_an_example_that_runs(shop):
    """The product, the words and the shopper of the examples are not those of this small shop."""
    group = typer.main.get_command(cli.app).commands["recommend"]
    assert list(group.commands) == [
        "user", "history", "text", "promotions", "related", "together", "popular", "new-item", "shoppers-for",
    ]  # fmt: skip
    for name, sub in group.commands.items():
        call = shlex.split(sub.epilog.removeprefix("Example: "))
        assert call[:3] == ["recsys-kit", "recommend", name]
        done = CliRunner().invoke(cli.app, [*call[1:-1], shop[0], "-k", "1"])
        assert done.exit_code == 0, (call, done.output, done.exception)
