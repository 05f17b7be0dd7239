"""Every metric against a second implementation with sets and loops, on a shop with all that makes metrics go wrong."""

import math

import numpy as np
import pandas as pd
import pytest

from recsys_kit.data import Split
from recsys_kit.errors import DataError
from recsys_kit.evaluation import POPULARITY, WARMTH, evaluate
from recsys_kit.recommenders import EASE, ItemKNN, Popularity, validation_ndcg

K = 5
N_ITEMS, N_USERS = 40, 120


def uneven_shop(seed: int = 0) -> tuple[Split, pd.DataFrame]:
    """Long tails, short and long histories, cold users, repeated events, new and unknown items, ratings, categories."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, N_ITEMS + 1)
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(N_ITEMS)], "category": list("abcd") * (N_ITEMS // 4)})
    items.loc[3, "category"] = None

    def events(users, n_each, day, n_sold):
        chosen = [rng.choice(n_sold, n, p=weights[:n_sold] / weights[:n_sold].sum()) for n in n_each]
        frame = pd.DataFrame({"user_id": np.repeat(users, n_each), "item_id": items["item_id"][np.concatenate(chosen)]})
        frame["rating"] = rng.integers(0, 6, len(frame)).astype(float)
        return frame.assign(timestamp=pd.Timestamp(day, tz="UTC") + pd.to_timedelta(rng.permutation(len(frame)), "min"))

    users = np.array([f"u{n}" for n in range(N_USERS)])
    train = events(users[:100], rng.integers(1, 12, 100), "2024-01-01", 30)
    valid = events(users[::3], rng.integers(1, 4, len(users[::3])), "2024-02-01", 35)
    test = events(users, rng.integers(1, 5, N_USERS), "2024-03-01", N_ITEMS)
    unknown = test.tail(3).assign(item_id=["x", "y", "y"])
    return Split(train, valid, pd.concat([test, unknown], ignore_index=True), train.iloc[:0]), items


SPLIT, ITEMS = uneven_shop()


def evaluated(split: Split = SPLIT, **options):
    known = ITEMS.head(38)
    models = {name: model.fit(split.train, items=known) for name, model in
              {"popularity": Popularity(), "item_knn": ItemKNN(), "ease": EASE(regularization=5)}.items()}  # fmt: skip
    return evaluate(models, split, items=ITEMS, cutoffs=(K,), grades="rating", **options)


@pytest.fixture(scope="module")
def evaluation():
    return evaluated()


class SecondOpinion:
    """Everything computed from the tables, one user at a time."""

    def __init__(self, evaluation):
        self.lists = {
            (model, user): rows.sort_values("rank")["item_id"].tolist()
            for (model, user), rows in evaluation.recommendations.groupby(["model", "user_id"])
        }
        before = pd.concat([SPLIT.train, SPLIT.valid])
        self.histories = before.groupby("user_id")["item_id"].agg(set).to_dict()
        bought = SPLIT.test.groupby("user_id")["item_id"].agg(set)
        self.relevant = {user: items - self.histories.get(user, set()) for user, items in bought.items()}
        self.relevant = {user: items for user, items in self.relevant.items() if items}
        self.grades = SPLIT.test.groupby(["user_id", "item_id"])["rating"].max().to_dict()
        self.item_users = SPLIT.train.groupby("item_id")["user_id"].nunique().to_dict()
        self.n_train_users = SPLIT.train["user_id"].nunique()
        self.events = SPLIT.train["user_id"].value_counts().to_dict()
        self.kind = ITEMS.dropna().set_index("item_id")["category"].to_dict()

    def values(self, model: str, user: str) -> dict[str, float]:
        shown, relevant = self.lists.get((model, user), [])[:K], self.relevant[user]
        obvious = self.lists.get(("popularity", user), [])[:K]
        bits = [-math.log2((self.item_users.get(item, 0) + 1) / (self.n_train_users + 1)) for item in shown]
        pairs = [(a, b) for at, a in enumerate(shown) for b in shown[at + 1 :]]
        unlike = [self.kind.get(a) is None or self.kind.get(a) != self.kind.get(b) for a, b in pairs]
        values = self.ranking(shown, relevant) | {
            "ndcg_linear": self.graded(shown, user, lambda grade: grade),
            "ndcg_exponential": self.graded(shown, user, lambda grade: 2**grade - 1),
            "novelty": sum(bits) / K,
            "popularity": sum(self.item_users.get(item, 0) for item in shown) / self.n_train_users / K,
            "serendipity": len((set(shown) & relevant) - set(obvious)) / K,
            "category_diversity": sum(unlike) / (K * (K - 1) / 2),
            "calibration": self.calibration(shown, self.histories.get(user, set())),
        }
        most = math.log2(self.n_train_users + 1)
        values["experience"] = 0.5 * values["ndcg"] + 0.3 * values["recall"] + 0.2 * values["novelty"] / most
        return values

    def ranking(self, shown: list[str], relevant: set[str]) -> dict[str, float]:
        hits = [item in relevant for item in shown]
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(K, len(relevant))))
        precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank, hit in enumerate(hits) if hit]
        return {
            "ndcg": sum(hit / math.log2(rank + 2) for rank, hit in enumerate(hits)) / ideal,
            "recall": sum(hits) / len(relevant),
            "precision": sum(hits) / K,
            "f1": 2 * sum(hits) / (K + len(relevant)),
            "map": sum(precisions) / len(relevant),
            "mrr": 1 / (hits.index(True) + 1) if any(hits) else 0.0,
            "hit_rate": float(any(hits)),
        }

    def graded(self, shown, user, worth):
        gains = [worth(self.grades[user, item]) if item in self.relevant[user] else 0 for item in shown]
        best = sorted((worth(self.grades[user, item]) for item in self.relevant[user]), reverse=True)[:K]
        ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(best))
        return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains)) / ideal if ideal else math.nan

    def calibration(self, shown, history):
        shares = []
        for some in (shown, history):
            kinds = [self.kind[item] for item in some if item in self.kind and item in ITEMS["item_id"][:38].tolist()]
            shares.append({kind: kinds.count(kind) / len(kinds) for kind in kinds})
        if not shares[1]:
            return math.nan
        if not shares[0]:
            return 0.0
        divergence = 0.0
        for kind in set(shares[0]) | set(shares[1]):
            p, q = shares[0].get(kind, 0), shares[1].get(kind, 0)
            divergence += sum(x / 2 * math.log2(2 * x / (p + q)) for x in (p, q) if x)
        return 1 - divergence


def test_every_value_of_every_user_agrees_with_the_second_implementation(evaluation):
    second = SecondOpinion(evaluation)
    assert sorted(second.relevant) == evaluation.per_user.query("model == 'ease'")["user_id"].tolist()
    for row in evaluation.per_user.to_dict("records"):
        expected = second.values(row["model"], row["user_id"])
        measured = {name.removesuffix(f"@{K}"): value for name, value in row.items() if "@" in name}
        assert measured == pytest.approx(expected, abs=1e-9, nan_ok=True), (row["model"], row["user_id"])


def test_the_slices_of_users_and_products_agree_with_the_second_implementation(evaluation):
    second = SecondOpinion(evaluation)
    bounds = [*WARMTH.values(), math.inf], [*POPULARITY.values(), math.inf]
    expected = {}
    for model in ("popularity", "item_knn", "ease"):
        for name, low, high in zip(WARMTH, bounds[0], bounds[0][1:], strict=False):
            users = [user for user in second.relevant if low <= second.events.get(user, 0) < high]
            expected[model, name] = (np.mean([second.values(model, user)["ndcg"] for user in users]), len(users))
        for name, low, high in zip(POPULARITY, bounds[1], bounds[1][1:], strict=False):
            relevant = {
                user: {item for item in items if low <= second.item_users.get(item, 0) < high}
                for user, items in second.relevant.items()
            }
            values = [
                second.ranking(second.lists.get((model, user), [])[:K], items)["ndcg"]
                for user, items in relevant.items()
                if items
            ]
            if values:
                expected[model, name] = (np.mean(values), len(values))
    rows = evaluation.metrics.query("metric == 'ndcg' and slice not in ('all', 'warm')")
    found = {(row.model, row.slice): (row.value, row.n_users) for row in rows.itertuples()}
    assert found.keys() == expected.keys()
    assert len(found) == 3 * (len(WARMTH) + len(POPULARITY))
    for key, values in expected.items():
        assert found[key] == pytest.approx(values, abs=1e-9), key


@pytest.mark.parametrize("kind", [Popularity, ItemKNN, EASE])
def test_each_list_is_the_models_scores_in_order_without_the_seen_items(kind):
    model = kind().fit(SPLIT.train, items=ITEMS.head(38))
    histories = SPLIT.histories("test")
    users = sorted(SPLIT.test["user_id"].unique())
    ranked = model.recommend(users, histories=[histories.get(user, []) for user in users], k=50)
    lists = ranked.sort_values("rank").groupby("query")["item_id"].agg(list)
    known = set(SPLIT.train["item_id"])
    for user in users:
        history = histories.get(user, [])
        scores = model.score([history])[0] if known & set(history) else model.item_counts
        order = sorted(range(38), key=lambda column: (-scores[column], column))
        kept = [model.item_ids[column] for column in order if model.can_score[column]]
        assert lists[user] == [item for item in kept if item not in history], user


def test_no_list_shows_an_item_of_train_or_validation(evaluation):
    seen = pd.concat([SPLIT.train, SPLIT.valid])[["user_id", "item_id"]].drop_duplicates()
    assert evaluation.recommendations.merge(seen, on=["user_id", "item_id"]).empty


def test_no_user_is_left_out(evaluation):
    n_in_test = SPLIT.test["user_id"].nunique()
    assert evaluation.protocol["n_users"] + evaluation.protocol["n_without_new_item"] == n_in_test == N_USERS
    assert (
        evaluation.metrics.query("slice == 'all' and metric == 'ndcg'")["n_users"]
        == len(SecondOpinion(evaluation).relevant)
    ).all()
    sizes = evaluation.metrics.query("metric == 'ndcg' and model == 'ease'").set_index("slice")["n_users"]
    assert sizes[list(WARMTH)].sum() == sizes["all"]
    assert sizes["warm"] == sizes["all"] - sizes["history 0"]


def test_a_metric_without_an_answer_for_some_says_how_many_have_one(evaluation):
    of_ease = evaluation.metrics.query("model == 'ease' and slice == 'all'").set_index("metric")
    answered = evaluation.per_user.query("model == 'ease'")[f"calibration@{K}"].notna().sum()
    assert of_ease.loc["calibration", "n_users"] == answered < of_ease.loc["ndcg", "n_users"]


def test_a_model_without_a_list_for_a_user_scores_0_there_and_keeps_the_denominator(monkeypatch):
    score = EASE._score

    def fail_for_every_second(self, histories):
        scores = score(self, histories)
        scores[::2] = np.nan
        return scores

    monkeypatch.setattr(EASE, "_score", fail_for_every_second)
    monkeypatch.setattr(EASE, "_knows", lambda self, histories: np.ones(len(histories), bool))
    result = evaluated()
    of_ease = result.per_user.query("model == 'ease'").set_index("user_id")
    unanswered = of_ease.iloc[::2].filter(like="@")
    assert (unanswered.fillna(0) == 0).all(axis=None)
    assert of_ease.iloc[1::2][f"novelty@{K}"].gt(0).all()
    sizes = result.metrics.query("slice == 'all' and metric == 'ndcg'")["n_users"]
    assert sizes.nunique() == 1


def test_neither_the_order_of_rows_nor_the_size_of_blocks_matters(evaluation, monkeypatch):
    monkeypatch.setattr("recsys_kit.core.ranking.BLOCK_CELLS", 7 * N_ITEMS)
    frames = [frame.sample(frac=1, random_state=3).reset_index(drop=True) for frame in SPLIT.parts.values()]
    again = evaluated(Split(*frames))
    pd.testing.assert_frame_equal(again.per_user, evaluation.per_user)
    pd.testing.assert_frame_equal(again.metrics, evaluation.metrics)


def test_grades_need_their_column():
    models = {"popularity": Popularity().fit(SPLIT.train)}
    with pytest.raises(DataError, match="RK-362"):
        evaluate(models, SPLIT, grades="stars")


def test_popularity_is_neither_serendipitous_nor_varied_and_the_lists_say_how_unequal_they_are(evaluation):
    board = evaluation.leaderboard(K).set_index("model")
    assert board.loc["popularity", f"serendipity@{K}"] == 0 < board.loc["ease", f"serendipity@{K}"]
    assert board.loc["popularity", f"gini@{K}"] > board.loc["ease", f"gini@{K}"]
    assert board.loc["popularity", f"popularity_lift@{K}"] > board.loc["ease", f"popularity_lift@{K}"]
    assert f"gini@{K}_low" not in board


def with_kinds_of_event() -> Split:
    """The uneven shop, every third event a purchase, the others views."""
    kinds = {name: np.where(np.arange(len(part)) % 3, "view", "purchase") for name, part in SPLIT.parts.items()}
    return Split(**{name: part.assign(event=kinds[name]) for name, part in SPLIT.parts.items()})


def test_with_seen_events_a_viewed_item_may_be_listed_and_relevant_a_purchased_one_never():
    split, kind = with_kinds_of_event(), {"target_events": ["purchase"], "seen_events": ["purchase"]}
    found, default = evaluated(split, **kind), evaluated(split, target_events=["purchase"])
    before = pd.concat([split.train, split.valid]).groupby("event")[["user_id", "item_id"]]
    bought, viewed = (before.get_group(name)[["user_id", "item_id"]].drop_duplicates() for name in ("purchase", "view"))
    only_viewed = viewed.merge(bought, how="left", indicator=True).query("_merge == 'left_only'")
    for table in (found.recommendations, found.ground_truth):
        assert table.merge(bought, on=["user_id", "item_id"]).empty
        assert len(table.merge(only_viewed, on=["user_id", "item_id"]))
    for table in (default.recommendations, default.ground_truth):
        assert table.merge(only_viewed, on=["user_id", "item_id"]).empty
    assert len(found.ground_truth) > len(default.ground_truth)


def test_all_kinds_of_event_named_are_the_default():
    split, kinds = with_kinds_of_event(), ["view", "purchase"]
    pd.testing.assert_frame_equal(evaluated(split, seen_events=kinds).metrics, evaluated(split).metrics)


def test_validation_ranks_among_the_items_that_are_not_seen():
    split, kinds = with_kinds_of_event(), {"target_events": ["purchase"], "seen_events": ["purchase"]}
    encoded = split.encode(**kinds)
    model = ItemKNN().fit(encoded)
    valid, seen = split.ground_truth("valid", **kinds), split.seen_items("valid", ["purchase"])
    found = validation_ndcg({"item_knn": model}, encoded, k=K)["item_knn"]
    users = [user for user in sorted(valid["user_id"].unique()) if user in set(split.train["user_id"])]
    asked = {"seen": [seen.get(user, []) for user in users], "k": K}
    lists = model.recommend(users, **asked).groupby("query")["item_id"].agg(list)
    relevant = valid[valid["item_id"].isin(model.item_ids)].groupby("user_id")["item_id"].agg(set)
    values = []
    for user in set(users) & set(relevant.index):
        gains = [1 / math.log2(rank + 2) for rank, item in enumerate(lists[user]) if item in relevant[user]]
        values.append(sum(gains) / sum(1 / math.log2(rank + 2) for rank in range(min(K, len(relevant[user])))))
    assert found == pytest.approx(np.mean(values))
    unmasked = split.encode(target_events=["purchase"])
    assert found != pytest.approx(validation_ndcg({"item_knn": model}, unmasked, k=K)["item_knn"])
