"""The bugs that evaluation code is known for, planted one by one: each must make a named test fail.

`python -m tests.mutants` plants them all and prints which test catches which; `tests/test_mutants.py` asserts it.
A mutant is a change of one piece of source in a copy of the package; the tests then run on the copy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
METRICS, INTERVALS = "metrics.py", "intervals.py"
MEASURES, LEADERBOARD, COMPARISON = (f"evaluation/{name}.py" for name in ("measures", "leaderboard", "comparison"))
BASE, SPLITTING = "recommenders/base.py", "data/splitting.py"
SUMMARIES = "evaluation/summaries.py"
RANKING, ENCODED = "core/ranking.py", "core/encoded.py"
T_METRICS, T_INTERVALS = "tests/test_metrics.py", "tests/test_intervals.py"
T_MEASURES, T_COMPARISON = "tests/evaluation/test_measures.py", "tests/evaluation/test_comparison.py"


@dataclass(frozen=True)
class Mutant:
    """One bug: `old` stands once in the file of the package and becomes `new`; `killer` is the test that must fail."""

    bug: str
    file: str
    old: str
    new: str
    killer: str


BY_HAND = f"{T_METRICS}::test_the_list_a_x_b_y_z"
GRADED = f"{T_METRICS}::test_graded_ndcg_counts_judged_items_that_were_not_retrieved"
SLOW = f"{T_METRICS}::test_every_metric_agrees_with_the_slow_reference"
TREC = f"{T_METRICS}::test_ten_thousand_random_lists_agree_with_trec_eval"
EMPTY = f"{T_METRICS}::test_an_empty_list_scores_zero_and_no_relevant_item_gives_nan_in_every_metric"
SECOND = f"{T_MEASURES}::test_every_value_of_every_user_agrees_with_the_second_implementation"
TOP_K = "tests/recommenders/test_models.py::test_top_k_agrees_with_a_stable_sort_on_scores_full_of_ties"
ORDER = f"{T_MEASURES}::test_each_list_is_the_models_scores_in_order_without_the_seen_items"
NOBODY = f"{T_MEASURES}::test_no_user_is_left_out"
SLICES = f"{T_MEASURES}::test_the_slices_of_users_and_products_agree_with_the_second_implementation"

MUTANTS = [
    # -- the ideal list and the discount
    Mutant("ideal DCG from the retrieved items", METRICS,
           "-np.sort(-_worth(np.asarray(judged), gain), axis=1)", "-np.sort(-_worth(np.asarray(gains), gain), axis=1)",
           GRADED),
    Mutant("ideal DCG from the hits only", METRICS,
           ".cumsum()])[ideal]", ".cumsum()])[hits[:, :k].sum(axis=1)]", BY_HAND),
    Mutant("ideal DCG of all relevant items, beyond k", METRICS,
           "ideal = np.minimum(n_relevant, k)", "ideal = n_relevant", SLOW),
    Mutant("ideal DCG from the labels of the top k", METRICS,
           "-np.sort(-_worth(np.asarray(judged), gain), axis=1)", "-np.sort(-_worth(np.asarray(judged)[:, :k], gain))",
           GRADED),
    Mutant("ideal list not sorted", METRICS,
           "-np.sort(-_worth(np.asarray(judged), gain), axis=1)", "_worth(np.asarray(judged), gain)", GRADED),
    Mutant("graded ideal with binary gain", METRICS,
           "-np.sort(-_worth(np.asarray(judged), gain), axis=1)", "-np.sort(-_worth(np.asarray(judged) > 0, gain))",
           GRADED),
    Mutant("discount off by one: log2(rank + 2)", METRICS, "np.arange(2, k + 2)", "np.arange(3, k + 3)", BY_HAND),
    Mutant("discount off by one: ranks 1 and 2 worth the same", METRICS,
           "np.arange(2, k + 2)", "np.arange(1, k + 1).clip(2)", BY_HAND),
    Mutant("natural logarithm for one rank, log2 for the others", METRICS,
           "1 / np.log2(np.arange(2, k + 2))", "1 / np.r_[np.log(2), np.log2(np.arange(3, k + 2))]", BY_HAND),
    Mutant("exponential gain without the - 1", METRICS, "np.exp2(grades) - 1", "np.exp2(grades)",
           f"{T_METRICS}::test_the_two_gains_by_hand"),
    # -- what is a hit
    Mutant("K + 1 columns in recall", METRICS,
           "hits[:, :k].sum(axis=1) / np.maximum(n_relevant, 1)",
           "hits[:, : k + 1].sum(axis=1) / np.maximum(n_relevant, 1)", SLOW),
    Mutant("K + 1 columns in NDCG", METRICS,
           "_normalised(hits[:, :k] @ discounts(hits[:, :k].shape[1]), best)",
           "_normalised(hits[:, : k + 1] @ discounts(hits[:, : k + 1].shape[1]), best)", SLOW),
    Mutant("duplicates in a list counted", METRICS,
           "return hits & _first_time(recommended),", "return hits,",
           f"{T_METRICS}::test_a_repeated_item_counts_once_and_a_repeated_pair_is_one_relevant_item"),
    Mutant("duplicates in the ground truth counted", METRICS,
           "np.bincount(relevant // width, minlength=len(recommended))\n\n\ndef match_grades",
           "np.bincount(pairs // width, minlength=len(recommended))\n\n\ndef match_grades",
           f"{T_METRICS}::test_a_repeated_item_counts_once_and_a_repeated_pair_is_one_relevant_item"),
    Mutant("label-0 rows as hits", METRICS,
           "    best = np.zeros(len(relevant))\n", "    best = np.ones(len(relevant))\n", TREC),
    Mutant("disliked events as hits: min_rating ignored", SPLITTING,
           "events = events[~(events[\"rating\"] < min_rating)]", "events = events",
           "tests/data/test_splitting.py::test_ground_truth_holds_each_new_pair_once"),
    Mutant("an empty place matches an item", METRICS,
           "return np.where(recommended >= 0, keys, -1),", "return keys,",
           f"{T_METRICS}::test_an_empty_place_never_matches_the_last_item_of_the_shopper_before"),
    Mutant("unsorted CSR: binary search in unsorted pairs", METRICS,
           "relevant = np.sort(pairs)", "relevant = pairs", SLOW),
    Mutant("items outside the catalogue all one item", ENCODED,
           "items[items < 0] = len(self.items) + codes", "items[items < 0] = len(self.items)", SECOND),
    # -- the denominators
    Mutant("users without hits dropped", METRICS,
           "np.where(n_relevant > 0, values, np.nan)", "np.where((n_relevant > 0) & (values > 0), values, np.nan)",
           EMPTY),
    Mutant("users without relevant items count 0", METRICS,
           "np.where(n_relevant > 0, values, np.nan)", "np.where(n_relevant > 0, values, 0)", EMPTY),
    Mutant("precision divides by the length of the list", METRICS,
           "_answerable(hits[:, :k].sum(axis=1) / k, n_relevant)",
           "_answerable(hits[:, :k].sum(axis=1) / min(k, hits.shape[1]), n_relevant)",
           f"{T_METRICS}::test_the_denominator_never_shrinks"),
    Mutant("recall divides by min(k, relevant)", METRICS,
           "hits[:, :k].sum(axis=1) / np.maximum(n_relevant, 1)",
           "hits[:, :k].sum(axis=1) / np.minimum(np.maximum(n_relevant, 1), k)", SLOW),
    Mutant("MAP divides by the hits", METRICS,
           "denominator = np.minimum(n_relevant, k) if attainable else n_relevant", "denominator = top.sum(axis=1)",
           BY_HAND),
    Mutant("MAP divides by min(k, relevant) unasked", METRICS,
           "np.minimum(n_relevant, k) if attainable", "np.minimum(n_relevant, k) if True", SLOW),
    Mutant("MRR counts ranks from 0", METRICS, "/ (first + 1.0)", "/ (first + 2.0)", BY_HAND),
    Mutant("novelty divides by the length of the list", METRICS,
           "np.where(top >= 0, values[top], 0.0).sum(axis=1) / k",
           "np.where(top >= 0, values[top], 0.0).sum(axis=1) / np.maximum((top >= 0).sum(axis=1), 1)",
           f"{T_METRICS}::test_novelty_and_coverage_by_hand"),
    Mutant("a missing list is left out of the mean", SUMMARIES,
           "values.reshape(len(values), len(keys))",
           "np.where(values == 0, np.nan, values).reshape(len(values), len(keys))",
           NOBODY),
    Mutant("a hidden user cap", SPLITTING,
           'relevant = self.ground_truth("test", **named)', 'relevant = self.ground_truth("test", **named).head(100)',
           NOBODY),
    Mutant("values of the wrong users", MEASURES,
           "np.column_stack([*one.values()])", "np.column_stack([*one.values()])[::-1]", SECOND),
    Mutant("values of the wrong model", MEASURES, "np.stack(tables,", "np.stack(tables[::-1],", SECOND),
    # -- ties
    Mutant("negative scores the wrong way round", RANKING,
           "bits.astype(np.int64) ^ ((bits >> 31) & 0x7FFFFFFF)", "bits.astype(np.int64)", TOP_K),
    Mutant("ties within the list won by whom PyTorch names first", RANKING,
           "np.lexsort((columns[:, :k], -values", "np.lexsort((-columns[:, :k], -values", TOP_K),
    Mutant("ties at the end of the list left to PyTorch", RANKING,
           "return np.flatnonzero(tied & ", "return np.flatnonzero(~tied & ", TOP_K),
    # -- what is ranked
    Mutant("train items not masked", BASE, "            scores[block.masked.cells] = -np.inf\n", "", ORDER),
    Mutant("another user's mask row", BASE,
           "scores[block.masked.cells] = -np.inf",
           "scores[len(scores) - 1 - block.masked.cells[0], block.masked.cells[1]] = -np.inf", ORDER),
    Mutant("mask of the first block for every block", BASE,
           "scores[block.masked.cells] =", "scores[histories.masked.take(np.arange(len(block))).cells] =",
           f"{T_MEASURES}::test_neither_the_order_of_rows_nor_the_size_of_blocks_matters"),
    Mutant("padding item recommended where the list has ended", BASE,
           "np.nonzero(self.items >= 0)", "np.nonzero(self.items >= -1)", ORDER),
    Mutant("validation not in the history of the test", SPLITTING,
           'errors="ignore"), self._before("test")', 'errors="ignore"), self._before("valid")',
           f"{T_MEASURES}::test_no_list_shows_an_item_of_train_or_validation"),
    Mutant("seen_events mask no item", SPLITTING,
           'seen = self._before("test", seen_events) if seen_events else None', "seen = before.head(0)",
           f"{T_MEASURES}::test_with_seen_events_a_viewed_item_may_be_listed_and_relevant_a_purchased_one_never"),
    Mutant("seen items count as new", SPLITTING,
           "pairs[~pd.MultiIndex.from_frame(pairs).isin(seen)]", "pairs", SECOND),
    # -- beyond accuracy
    Mutant("diversity counts each item as its own pair", METRICS,
           "(k * (k - 1) / 2), 0, 1)", "(k * k / 2), 0, 1)", f"{T_METRICS}::test_diversity_by_hand_dense_and_sparse"),
    Mutant("popularity counts events instead of users", ENCODED,
           '"item": self.train.item}).drop_duplicates()', '"item": self.train.item})', SECOND),
    Mutant("serendipity without the obvious list", METRICS, "(hits[:, :k] & ~obvious)", "hits[:, :k]",
           f"{T_METRICS}::test_serendipity_counts_hits_that_the_obvious_list_did_not_show"),
    Mutant("an empty list is perfectly calibrated", METRICS,
           "np.where(answered, 1 - divergence.clip(0, 1), 0.0)", "1 - np.where(answered, divergence.clip(0, 1), 0.0)",
           f"{T_METRICS}::test_calibration_is_one_for_the_mix_of_the_history_and_zero_for_nothing_in_common"),
    Mutant("Gini over the shown items only", METRICS,
           "np.sort(np.bincount(top[top >= 0], minlength=n_items))",
           "np.sort(np.bincount(top[top >= 0], minlength=n_items).clip(1))",
           f"{T_METRICS}::test_gini_is_half_the_mean_absolute_difference_over_the_mean"),
    Mutant("warmth by the test events", LEADERBOARD,
           "counts[split.users.encode(targets.users)]", "np.bincount(targets.rows)", SLICES),
    Mutant("slices by product keep the other products in the ideal", MEASURES,
           "metrics.ranking_metrics(*matched, k)",
           "metrics.ranking_metrics(matched[0], np.bincount(self.targets.rows), k)", SLICES),
    # -- how sure
    Mutant("models resampled apart: pairs broken", COMPARISON,
           "differences = np.column_stack([values[model] - values[other] for",
           "differences = np.column_stack([values[model] - values[other].to_numpy()[::-1] for",
           f"{T_COMPARISON}::test_a_personal_model_is_better_than_popularity_and_the_difference_is_that_of_the_leaderboard"),
    Mutant("no correction for many comparisons", COMPARISON, '= holm(rows["p"])', '= rows["p"]',
           f"{T_COMPARISON}::test_every_pair_is_compared_once_and_corrected_for_all"),
    Mutant("better wherever the mean is larger", COMPARISON,
           'sign.where(rows["p_holm"] < 1 - level, 0)', 'np.sign(rows["difference"]).astype(int)',
           f"{T_COMPARISON}::test_of_models_that_differ_by_chance_few_are_called_better_in_any_of_many_tables"),
    Mutant("a one-sided test", INTERVALS, "(np.abs(flipped) >= observed)", "(flipped >= observed)",
           f"{T_INTERVALS}::test_a_few_users_are_tested_in_every_way_to_set_the_signs"),
    Mutant("p of zero", INTERVALS, "(extreme + 1) / (n_rows + 1)", "extreme / n_rows",
           f"{T_INTERVALS}::test_a_test_has_two_sides_and_its_p_is_never_zero"),
    Mutant("Holm without the running maximum", INTERVALS,
           "np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))",
           "(p_values[order] * np.arange(len(order), 0, -1))",
           f"{T_INTERVALS}::test_holm_by_hand_and_never_out_of_order"),
    Mutant("bootstrap draws without replacement", INTERVALS,
           "rng.integers(0, n, (rows, n)) + np", "rng.permuted(np.tile(np.arange(n), (rows, 1)), axis=1) + np",
           f"{T_INTERVALS}::test_a_95_percent_interval_covers_the_truth_about_95_times_in_100"),
]  # fmt: skip


class Copy:
    """A copy of the package and its tests, in which bugs are planted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__", "*.ipynb")
        for part in ("recsys_kit", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", folder)

    def run(self, *tests: str) -> subprocess.CompletedProcess[str]:
        """Run tests on the copy; return code 0 where all pass, 1 where one fails."""
        command = [sys.executable, "-B", "-m", "pytest", "--noconftest", "-q", "-p", "no:cacheprovider", *tests]
        environment = os.environ | {"PYTHONPATH": str(self.folder)}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def plant(self, mutant: Mutant, *tests: str) -> subprocess.CompletedProcess[str]:
        """Plant the bug, run the tests, take it out again."""
        path = self.folder / "recsys_kit" / mutant.file
        source = path.read_text(encoding="utf-8")
        path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            return self.run("-x", *tests)
        finally:
            path.write_text(source, encoding="utf-8")


def main() -> None:
    """Print a table: the bug, and the test that catches it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for mutant in MUTANTS:
            killed = copy.plant(mutant, mutant.killer).returncode == 1
            print(f"| {mutant.bug} | {mutant.file} | {mutant.killer if killed else 'SURVIVED'} |", flush=True)


if __name__ == "__main__":
    main()
