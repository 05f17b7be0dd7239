"""Item statistics of the training set: counts for the lists of a shop, made once, without user ids and histories."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.core.ranking import BLOCK_CELLS
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.shop.events import VERBS, kinds_of

MIN_COMMON_USERS = 2  # one user of both items may be chance
MIN_BASKETS = 2  # likewise of baskets
MIN_LIFT = 1.0  # rules with a lift at or below this are no better than chance
N_RULES = 200  # rules kept for each item: as many with the highest count, and as many with the highest lift
MEASURES = ("support", "confidence", "lift")
PROMOTION_DAYS = 7
NOT_PROMOTED = ("", "0", "0.0", "false", "no", "none")  # values of ctx_promotion, in lower case
MATRICES = ("daily", "similarity", "common_users", "together")
PLAIN = ("n_baskets", "by_session", "kinds", "promoted")
PARTS = ("data", "indices", "indptr")  # of a CSR matrix


@dataclass(frozen=True, eq=False)
class ItemStatistics:
    """Counts of users per item and day, co-occurring items, and the items on promotion.

    All of it is counted in the training set; a row of the sparse matrices is an index of `items`, except in `daily`.
    """

    items: Vocabulary
    """The catalogue, N items."""
    users: np.ndarray
    """(N,) int64: users with a training interaction with the item."""
    daily: sparse.csr_array | None
    """(D, N) int32: users by the age in days of their latest interaction with the item; None without times."""
    similarity: sparse.csr_array
    """(N, N) float32: cosines of the neighbours of `ItemKNN` with at least `MIN_COMMON_USERS` common users."""
    common_users: sparse.csr_array
    """(N, N) int32: the number of common users, for the same pairs in the same order."""
    together: sparse.csr_array
    """(N, N) int32: baskets with both items, for the best rules of each item."""
    baskets: np.ndarray
    """(N,) int64: baskets with the item."""
    n_baskets: int
    by_session: bool
    """A basket is a session; otherwise all items of a user."""
    kinds: Mapping[str, int]
    """Kind of event (of `VERBS`) -> days between its latest event and the end."""
    promoted: list[str] | None
    """Ids of the items on promotion, sorted; None if the events do not tell."""

    @classmethod
    def of(cls, train: pd.DataFrame, items: Vocabulary, neighbours: ItemKNN) -> "ItemStatistics":
        """Count the training interactions.

        Args:
            train: `user_id, item_id`, and as far as known `timestamp` (UTC), `session_id`, `event`, `rating` and
                `ctx_promotion`; all items are in `items`.
            items: the catalogue.
            neighbours: fitted on the same catalogue; its similarities rank related items.

        >>> train = pd.DataFrame({"user_id": list("aabb"), "item_id": list("xyxy"), "position": [0, 1, 0, 1]})
        >>> counted = ItemStatistics.of(train, Vocabulary.of_items(["x", "y"]), ItemKNN().fit(train))
        >>> counted.find_related("x").to_dict("records")[0]["common_users"]
        2
        """
        columns = items.encode(train["item_id"])
        users = pd.factorize(train["user_id"])[0]
        ages = _days_before_end(train)
        by_user = _incidence(users, columns, len(items))
        by_basket, by_session = by_user, "session_id" in train
        if by_session:  # sessions of two users may have the same number; ids have no line ends
            named = train["user_id"].astype("str") + "\n" + train["session_id"].astype("str").fillna("")
            by_basket = _incidence(pd.factorize(named)[0], columns, len(items))
        common_users, similarity = _count_common(by_user, sparse.csr_array(neighbours.similarity))
        kinds = kinds_of(train)
        latest = pd.Series(0 if ages is None else ages, kinds.index).groupby(kinds, sort=False).min()
        return cls(
            items=items,
            users=np.asarray(by_user.sum(axis=0)).ravel(),
            daily=None if ages is None else _count_by_age(users, columns, ages, len(items)),
            similarity=similarity,
            common_users=common_users,
            together=_find_rules(by_basket),
            baskets=np.asarray(by_basket.sum(axis=0)).ravel(),
            n_baskets=by_basket.shape[0],
            by_session=by_session,
            kinds={str(kind): int(days) for kind, days in latest.items()},
            promoted=_find_promoted(train, ages),
        )

    def count_users(self, days: float = 0) -> np.ndarray:
        """Return the users of each item, (N,) int64, in the last `days` of the training set; of all of it for 0.

        Raises:
            ParameterError: RK-337 `days` is not a whole number, or there are no times.
        """
        if not days:
            return self.users
        is_whole = isinstance(days, int | float | np.number) and days > 0 and float(days).is_integer()
        if self.daily is None or not is_whole:
            untimed = ", and these events have no time" if self.daily is None else ""
            problem = f"days is {days!r}{untimed}; expected a whole number from 1, of events with a timestamp."
            raise ParameterError("RK-337", problem, "Leave it out to count the whole training set.")
        return np.asarray(self.daily[: int(min(days, self.daily.shape[0]))].sum(axis=0)).ravel().astype(np.int64)

    def find_related(self, item: str) -> pd.DataFrame:
        """Return the items of the same users, the most similar first: `item_id, score, common_users`."""
        rows = slice(*self.similarity.indptr[self.items.index.get_loc(item) :][:2])
        found = pd.DataFrame({
            "item_id": self.items.ids[self.similarity.indices[rows]],
            "score": self.similarity.data[rows],
            "common_users": self.common_users.data[rows],
        })  # fmt: skip
        return found.sort_values("score", ascending=False, kind="stable", ignore_index=True)

    def find_together(self, item: str) -> pd.DataFrame:
        """Return the rules from one item: `item_id, count, support, confidence, lift`, in the order of the catalogue.

        The rules of `AssociationRules`, the best `N_RULES` by count and by lift.
        """
        column = self.items.index.get_loc(item)
        rows, left = slice(*self.together.indptr[column:][:2]), float(self.baskets[column])
        columns, both = self.together.indices[rows], self.together.data[rows].astype(float)
        measures = (both / self.n_baskets, both / left, both * self.n_baskets / (left * self.baskets[columns]))
        rules = pd.DataFrame(dict(zip(MEASURES, measures, strict=True)), dtype=np.float32).astype(float).round(6)
        rules.insert(0, "item_id", self.items.ids[columns])
        rules.insert(1, "count", both.astype(int))
        return rules

    def verb(self, days: float = 0) -> str:
        """Return the verb of the events (of the last `days`) if they are of one kind; the neutral one if not."""
        kinds = [kind for kind, latest in self.kinds.items() if not days or latest < days]
        return VERBS[kinds[0]] if len(kinds) == 1 else VERBS[""]

    def to_tensors(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the arrays by name, and the plain values; without `items`."""
        matrices = {name: getattr(self, name) for name in MATRICES}
        arrays = {
            f"{name}.{part}": getattr(matrix, part)
            for name, matrix in matrices.items()
            for part in (PARTS if matrix is not None else ())
        }
        counts = {"users": self.users, "baskets": self.baskets}
        return counts | arrays, {name: getattr(self, name) for name in PLAIN}

    @classmethod
    def from_tensors(
        cls, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any], items: Vocabulary
    ) -> "ItemStatistics":
        """Put together what `to_tensors` returned, for the same catalogue."""
        matrices: dict[str, Any] = dict.fromkeys(MATRICES)
        for name in MATRICES:
            if f"{name}.data" in arrays:
                parts = tuple(arrays[f"{name}.{part}"] for part in PARTS)
                matrices[name] = sparse.csr_array(parts, shape=(len(parts[-1]) - 1, len(items)))
        return cls(items=items, users=arrays["users"], baskets=arrays["baskets"], **matrices, **plain)


def _days_before_end(train: pd.DataFrame) -> np.ndarray | None:
    """(E,) int64: whole days between each event and the last one; None without times."""
    if "timestamp" not in train:
        return None
    return ((train["timestamp"].max() - train["timestamp"]) // pd.Timedelta(days=1)).to_numpy(np.int64)


def _incidence(rows: np.ndarray, columns: np.ndarray, n_items: int) -> sparse.csr_array:
    """(R, N) int32: 1 for each item of a row, however often it occurs."""
    pairs = np.unique(rows.astype(np.int64) * n_items + columns)
    rows, columns = np.divmod(pairs, max(n_items, 1))
    n_rows = int(rows.max(initial=-1)) + 1
    return sparse.csr_array((np.ones(len(pairs), np.int32), (rows, columns)), shape=(n_rows, n_items))


def _count_by_age(users: np.ndarray, columns: np.ndarray, ages: np.ndarray, n_items: int) -> sparse.csr_array:
    """(D, N) int32: users by the age in days of their latest event with the item."""
    events = pd.DataFrame({"user": users, "item": columns, "age": ages})
    latest = events.groupby(["user", "item"], as_index=False).min()
    ones, shape = np.ones(len(latest), np.int32), (int(ages.max(initial=-1)) + 1, n_items)
    counted = sparse.coo_array((ones, (latest["age"], latest["item"])), shape=shape).tocsr()
    counted.sum_duplicates()
    return counted


def _count_pairs(incidence: sparse.csr_array, keep: Callable[..., np.ndarray]) -> sparse.csr_array:
    """(N, N) int32: the rows with both items, for the pairs that `keep(first, second, counts)` returns the places of.

    Block by block: X'X as a whole may not fit into memory.
    """
    by_item, n_items = incidence.T.tocsr(), incidence.shape[1]
    blocks, size = [sparse.csr_array((0, n_items), dtype=np.int32)], max(1, BLOCK_CELLS // max(n_items, 1))
    for start in range(0, n_items, size):
        gram = (by_item[start : start + size] @ incidence).tocoo()
        kept = keep(start + gram.row, gram.col, gram.data)
        cells = gram.data[kept].astype(np.int32), (gram.row[kept], gram.col[kept])
        blocks.append(sparse.coo_array(cells, shape=gram.shape).tocsr())
    counted = sparse.csr_array(sparse.vstack(blocks), dtype=np.int32)
    counted.sort_indices()
    return counted


def _count_common(by_user: sparse.csr_array, similarity: sparse.csr_array) -> tuple[sparse.csr_array, sparse.csr_array]:
    """The common users of similar items, and their similarity, for pairs with at least `MIN_COMMON_USERS` of them."""

    def keep(first: np.ndarray, second: np.ndarray, both: np.ndarray) -> np.ndarray:
        often = np.flatnonzero(both >= MIN_COMMON_USERS)
        return often[look_up(first[often], second[often]) > 0]

    def look_up(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.asarray(similarity[first, second]).ravel() if len(first) else np.zeros(0)

    common = _count_pairs(by_user, keep)
    cosines = look_up(*common.nonzero()).astype(np.float32)
    return common, sparse.csr_array((cosines, common.indices, common.indptr), shape=common.shape)


def _find_rules(baskets: sparse.csr_array) -> sparse.csr_array:
    """(N, N) int32: baskets with both items, for the best rules of each item."""
    counts, n_baskets = np.asarray(baskets.sum(axis=0)).ravel().astype(float), baskets.shape[0]

    def keep(first: np.ndarray, second: np.ndarray, both: np.ndarray) -> np.ndarray:
        lift = both.astype(float) * n_baskets / (counts[first] * counts[second])
        kept = np.flatnonzero((first != second) & (both >= MIN_BASKETS) & (lift > MIN_LIFT))
        first, second, both, lift = first[kept], second[kept], both[kept], lift[kept]
        by_count, by_lift = _place_in_row(first, -both, second), _place_in_row(first, -lift, -both, second)
        return kept[(by_count < N_RULES) | (by_lift < N_RULES)]

    return _count_pairs(baskets, keep)


def _place_in_row(rows: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """The place of each pair among those of its row, from 0, by the keys in turn."""
    order = np.lexsort((*keys[::-1], rows))
    places = np.empty(len(rows), np.int64)
    places[order] = np.arange(len(rows)) - np.searchsorted(rows[order], rows[order])
    return places


def _find_promoted(train: pd.DataFrame, ages: np.ndarray | None) -> list[str] | None:
    """The items whose latest event, in the last `PROMOTION_DAYS`, was under a promotion."""
    if ages is None or "ctx_promotion" not in train:
        return None
    latest = train[ages < PROMOTION_DAYS].sort_values(["timestamp", "ctx_promotion"])
    latest = latest.drop_duplicates("item_id", keep="last")
    values = latest["ctx_promotion"].astype("str").fillna("").str.strip().str.lower()
    return sorted(latest.loc[~values.isin(NOT_PROMOTED), "item_id"])
