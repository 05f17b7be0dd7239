"""Numbers as shops write them: with currency signs, decimal commas and thousands, read by the whole column."""

import re

import pandas as pd
import pyarrow as pa

_SIGNS = re.compile(
    r"(?<![A-Za-z])(?:USD|EUR|GBP|CHF|CAD|AUD|NZD|JPY|CNY|RMB|INR|BRL|MXN|PLN|CZK|HUF|SEK|NOK|DKK|TRY|RUB|UAH|ZAR|KRW|HKD|SGD|TWD)(?![A-Za-z])"
    r"|%|[A-Z]{1,2}\$|kr\.?|zł|Kč|Ft|Rs\.?|руб\.?|[$€£¥₹₩₽₺₫฿元円원]"
)
_THOUSANDS = re.compile(r"(?<=\d)[ \u00a0\u202f'’](?=\d{3}(?:\D|$))")
_IN_BRACKETS = re.compile(r"^\((.*\d.*)\)$")  # how accountants write what is below zero
_SHAPE = re.compile(r"[+-]?\d[\d.,]*")


def read_numbers(values: pd.Series) -> pd.Series:
    """Return the numbers of a column; what is none becomes NaN.

    If all values are plain numbers, they are read as they are. Otherwise signs of currencies and spaces are left out,
    and the column shows which sign is decimal: the last one of a number with both, one that is not followed by three
    digits, one that appears once where the other appears several times.

    >>> read_numbers(pd.Series(["1.299", "899,00", "€ 2.499,50", "free", "sold"])).tolist()
    [1299.0, 899.0, 2499.5, 0.0, nan]
    >>> read_numbers(pd.Series(["$1,299.00", "5.99"])).tolist(), read_numbers(pd.Series(["1.299", "2"])).tolist()
    ([1299.0, 5.99], [1.299, 2.0])
    >>> read_numbers(pd.Series(["$9.99", "9,99 €"])).tolist()
    [9.99, 9.99]
    >>> read_numbers(pd.Series(["1 299 zł", "REF100", "4 5", "EUR5"])).tolist()
    [1299.0, nan, nan, 5.0]
    """
    plain_numbers = cast_texts(values, pa.float64())
    if plain_numbers is not None:
        return plain_numbers
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    texts = values[numbers.isna() & values.notna()].astype("str")
    if texts.str.strip().eq("").all():
        return numbers
    written = values[values.notna()].astype("str").str.strip().str.replace(_IN_BRACKETS, r"-\1", regex=True)
    written = written.str.replace(r"[,:][-–—]+", ",00", regex=True).str.replace(_SIGNS, "", regex=True)
    written = written.str.replace("(?i)^(?:free|gratis|gratuit|kostenlos)$", "0", regex=True)
    written = written.str.replace(_THOUSANDS, "", regex=True).str.strip()
    fits = written.str.fullmatch(_SHAPE)
    if not fits[texts.index].any():
        return numbers
    comma = _has_decimal_commas(written[fits])
    plain = written[fits].str.replace("." if comma else ",", "", regex=False).str.replace(",", ".", regex=False)
    other = written[fits & written.str.fullmatch(r"[+-]?\d+\.\d{1,2}" if comma else r"[+-]?\d+,\d{1,2}")]
    plain[other.index] = other.str.replace(",", ".")  # of another country: no thousands have two digits
    read = pd.to_numeric(plain, errors="coerce").astype(float).reindex(values.index)
    return read.where(read.notna(), numbers) if comma else numbers.where(numbers.notna(), read)


def read_ratings(values: pd.Series) -> pd.Series:
    """Return the ratings of a column: numbers, also as `4 out of 5`, `4/5` or stars.

    >>> read_ratings(pd.Series(["4/5", "5 out of 5 stars", "★★★☆☆", "good"])).tolist()
    [4.0, 5.0, 3.0, nan]
    """
    numbers = read_numbers(values)
    texts = values[numbers.isna() & values.notna()].astype("str").str.strip()
    if texts.empty:
        return numbers
    parts = texts.str.extract(r"^(\d+(?:[.,]\d+)?)\s*(?:/|out of|of|von|sur|de|su)\s*(\d+)\b")
    if parts[1].nunique() == 1:  # else they are of several scales
        numbers = numbers.fillna(read_numbers(parts[0].dropna()))
    stars = texts[texts.str.fullmatch("[★⭐]+[☆✩]*")].str.count("[★⭐]")
    return numbers.fillna(stars.astype(float))


def _has_decimal_commas(texts: pd.Series) -> bool:
    def decimal(sign: str, other: str) -> int:
        last = texts.str.contains(rf"\{other}.*\{sign}")
        alone = texts.str.contains(rf"^[^{sign}]*\{sign}(?!\d{{3}}$)[^{sign}{other}]*$")
        return int((last | alone).sum())

    return decimal(",", ".") > decimal(".", ",")


def cast_texts(values: pd.Series, kind: pa.DataType) -> pd.Series | None:
    """Return a column of texts as numbers or times in one pass; None where one of them is not written plainly.

    >>> cast_texts(pd.Series(["2024-05-01", "2024-05-01 10:00"]), pa.timestamp("ns")).dt.hour.tolist()
    [0, 10]
    >>> cast_texts(pd.Series(["1", "1,5"]), pa.float64())
    """
    if values.dtype != "str":
        return None
    try:
        return pd.Series(pa.array(values).cast(kind).to_numpy(zero_copy_only=False), index=values.index)
    except pa.ArrowInvalid:
        return None
