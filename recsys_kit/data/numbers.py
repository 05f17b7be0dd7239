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
_OPEN = r"[+-]?[1-9]\d{0,2}[.,]\d{3}"  # thousands or a fraction


def read_numbers(values: pd.Series) -> pd.Series:
    """Return the numbers of a column; what is none becomes NaN.

    If all values are plain numbers, they are read as they are. Otherwise signs of currencies and spaces are left out.
    Of a point and a comma the last is decimal; one alone is decimal where it is not followed by three digits, and
    separates thousands where it appears several times. What is open, such as 1.201, is read like the others.

    >>> read_numbers(pd.Series(["1.299", "899,00", "€ 2.499,50", "free", "sold"])).tolist()
    [1299.0, 899.0, 2499.5, 0.0, nan]
    >>> read_numbers(pd.Series(["$1,299.00", "5.99"])).tolist(), read_numbers(pd.Series(["1.299", "2"])).tolist()
    ([1299.0, 5.99], [1.299, 2.0])
    >>> read_numbers(pd.Series(["$9.99", "9,99 €", "1.299,00 €"])).tolist()
    [9.99, 9.99, 1299.0]
    >>> read_numbers(pd.Series(["1 299 zł", "REF100", "4 5", "EUR5"])).tolist()
    [1299.0, nan, nan, 5.0]
    """
    return examine_numbers(values)[0]


def examine_numbers(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the numbers of a column, as `read_numbers`, and the texts of which no other tells how to read them.

    >>> examine_numbers(pd.Series(["1.201", "3"]))[1].tolist(), examine_numbers(pd.Series(["1.201", "3.5"]))[1].tolist()
    (['1.201'], [])
    """
    nothing = values[:0]
    plain = cast_texts(values, pa.float64())
    if plain is not None:
        signed = values[values.str.contains(".", regex=False, na=False)]
        is_open = signed.head(1000).str.fullmatch(_OPEN).all() and signed.str.fullmatch(_OPEN).all()
        return plain, signed if is_open else nothing
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    if values[numbers.isna() & values.notna()].astype("str").str.strip().eq("").all():
        return numbers, nothing
    written = values[values.notna()].astype("str").str.strip().str.replace(_IN_BRACKETS, r"-\1", regex=True)
    written = written.str.replace(r"[,:][-–—]+", ",00", regex=True).str.replace(_SIGNS, "", regex=True)
    written = written.str.replace("(?i)^(?:free|gratis|gratuit|kostenlos)$", "0", regex=True)
    written = written.str.replace(_THOUSANDS, "", regex=True).str.strip()
    written = written[written.str.fullmatch(_SHAPE)]
    parts = written.str.extract(r"^(?P<whole>.*)(?P<sign>[.,])(?P<rest>\d*)$")
    is_once = written.str.count(r"\.").where(parts["sign"] == ".", written.str.count(",")) == 1
    is_open = written.str.fullmatch(_OPEN)
    with_comma, with_point = (int((is_once & ~is_open & (parts["sign"] == sign)).sum()) for sign in ",.")
    is_decimal = is_once & (~is_open | (parts["sign"] == ("," if with_comma > with_point else ".")))
    whole = parts["whole"].where(is_decimal, written).str.replace("[.,]", "", regex=True)
    read = pd.to_numeric(whole.where(~is_decimal, whole + "." + parts["rest"]), errors="coerce")
    is_told = (with_comma > 0) != (with_point > 0)
    return read.astype(float).reindex(values.index).fillna(numbers), nothing if is_told else written[is_open]


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
