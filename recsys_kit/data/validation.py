"""The front door: raw rows become typed rows or go to quarantine.

Nothing disappears: of every table, rows read = kept + deduplicated + quarantined, and the report counts all three.
"""

from typing import Any

import pandas as pd
from pandera.errors import SchemaErrors

from recsys_kit.data.tables import (
    KEYS,
    NUMBERS,
    QUARANTINE_COLUMNS,
    REPORT_COLUMNS,
    SCHEMAS,
    TIMES,
    Dataset,
    RawTables,
    is_present,
    report_entry,
    to_number,
    to_time,
)
from recsys_kit.errors import DataError


def validate(raw: RawTables) -> Dataset:
    """Typed tables of the rows that pass every rule, the others in quarantine, and a report of both.

    A negative or unreadable price is set to missing and counted as repaired: the product is still one that people buy.
    Of items (users, reviews) with the same id the first stays. An item that only the interactions know joins the
    catalogue. Raises `DataError` (RK-104) where a required column is missing, (RK-106) where no row is left.
    """
    report, quarantine, tables = list(raw.notes), list(raw.rejected), {}
    for table, frame in raw.frames.items():
        _check_columns(table, frame)
        bad = _failures(table, frame)
        quarantine += bad.to_dict("records")
        typed = _typed(frame.drop(index=bad["row"]))
        typed, entries = _repair_prices(table, typed, frame)
        report += entries
        tables[table], entries = _first_of_each_id(table, typed)
        report += entries
    if not len(tables["interactions"]):
        raise DataError(
            "RK-106", f"{raw.name} has no valid interaction; expected at least one.", "Look at the quarantined rows."
        )
    report += [report_entry(table, "passed every rule", "kept", len(tables[table])) for table in raw.frames]
    tables["items"], entries = _complete_catalogue(tables.get("items"), tables["interactions"])
    report += entries
    quarantined = pd.DataFrame(quarantine, columns=list(QUARANTINE_COLUMNS))
    report += _quarantine_entries(quarantined)
    return Dataset(
        name=raw.name,
        **{table: tables.get(table) for table in SCHEMAS},
        quarantine=quarantined,
        report=pd.DataFrame(report, columns=list(REPORT_COLUMNS)),
        truth=raw.truth,
    )


def _check_columns(table: str, frame: pd.DataFrame) -> None:
    needed = [name for name, column in SCHEMAS[table].columns.items() if column.required]
    missing = [name for name in needed if name not in frame]
    if table == "interactions" and not {"timestamp", "position"} & set(frame):
        missing.append("timestamp")
    if missing:
        raise DataError(
            "RK-104",
            f"{table} is missing column {missing[0]!r}; found {sorted(map(str, frame))}.",
            f"Pass columns={{{missing[0]!r}: <the name it has in your file>}}.",
        )


def _failures(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that break a rule, each with the first rule it breaks: entries of the quarantine."""
    schema = SCHEMAS[table]
    try:
        schema.validate(frame, lazy=True)
        return pd.DataFrame(columns=list(QUARANTINE_COLUMNS))
    except SchemaErrors as errors:
        failed = errors.failure_cases
    order = [(column, check.name) for column, rules in schema.columns.items() for check in rules.checks]
    failed["order"] = [order.index(key) for key in zip(failed["column"], failed["check"], strict=True)]
    first = failed.sort_values(["index", "order"]).drop_duplicates("index")
    values = [frame.at[row, column] for row, column in zip(first["index"], first["column"], strict=True)]
    return pd.DataFrame({
        "table": table,
        "row": first["index"].astype(int),
        "column": first["column"],
        "rule": first["check"],
        "value": ["" if pd.isna(value) else str(value) for value in values],
    })  # fmt: skip


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Ids and texts as strings exactly as written, numbers as floats, times as UTC."""
    columns: dict[str, pd.Series] = {}
    for name, values in frame.items():
        if name in TIMES:
            columns[name] = to_time(values)
        elif name in NUMBERS:
            columns[name] = to_number(values)
        elif name == "position":
            columns[name] = to_number(values).astype(int)
        else:
            columns[name] = values if name == "attributes" else values.astype("str")
    return pd.DataFrame(columns, index=frame.index)


def _repair_prices(table: str, typed: pd.DataFrame, raw: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Prices below zero, or that are no number, become missing."""
    if "price" not in typed:
        return typed, []
    given = raw.loc[typed.index, "price"]
    broken = {
        "negative price": typed["price"] < 0,
        "price is not a number": typed["price"].isna() & is_present(given),
    }
    repaired = typed.assign(price=typed["price"].mask(typed["price"] < 0))
    return repaired, [
        report_entry(table, rule, "repaired", mask.sum(), given[mask].iloc[0])
        for rule, mask in broken.items()
        if mask.any()
    ]


def _first_of_each_id(table: str, typed: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Of rows with the same id the first; tables without one, and review rows that are equal, are left to cleaning."""
    if table not in ("items", "users"):
        return typed.reset_index(drop=True), []
    again = typed.duplicated(KEYS[table])
    entries = (
        [report_entry(table, "id listed twice", "deduplicated", again.sum(), typed[KEYS[table]][again].iloc[0])]
        if again.any()
        else []
    )
    return typed[~again].reset_index(drop=True), entries


def _complete_catalogue(
    items: pd.DataFrame | None, interactions: pd.DataFrame
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Every item of the table, then those that only the interactions know."""
    if items is None:
        return pd.DataFrame({"item_id": interactions["item_id"].unique()}).astype("str"), []
    unknown = interactions.loc[~interactions["item_id"].isin(items["item_id"]), "item_id"]
    if unknown.empty:
        return items, []
    entry = report_entry("interactions", "item not in the catalogue", "noted", len(unknown), unknown.iloc[0])
    new = pd.DataFrame({"item_id": unknown.unique()}).astype("str")
    return pd.concat([items, new], ignore_index=True), [entry]


def _quarantine_entries(quarantine: pd.DataFrame) -> list[dict[str, Any]]:
    groups = quarantine.groupby(["table", "rule"], sort=False)["value"]
    return [report_entry(*key, "quarantined", len(values), values.iloc[0]) for key, values in groups]
