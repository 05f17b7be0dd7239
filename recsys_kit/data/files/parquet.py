"""Bytes -> rows of a Parquet file, every column as text, lists of texts, or None. Nothing is unpickled."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from recsys_kit.data.files.jsonlines import to_column, to_json
from recsys_kit.data.files.rows import FileRows, check_names, check_rows, check_size, note
from recsys_kit.data.files.unpacking import MAX_BYTES, Content
from recsys_kit.errors import DataError

Values = list[str | list[str] | None]


class NoText(Exception):
    """A column that cannot be told as text."""


def read_parquet(content: Content) -> FileRows:
    """The rows of a Parquet file; pandas' own metadata is ignored.

    A column of bytes that are no UTF-8 is left out with a note. Raises `DataError`: (RK-122) no rows, (RK-125) two
    columns of one name, (RK-131) damaged, (RK-132) too large.
    """
    table = _read(content)
    names = table.column_names
    check_names(content.name, names)
    check_rows(content.name, table.num_rows, [], "")
    columns, notes, index = {}, list(content.notes), pd.RangeIndex(1, table.num_rows + 1)
    for name in names:
        try:
            columns[name] = to_column(_texts(table[name]), index)
        except NoText as error:
            notes.append(note("column left out: it holds no text", table.num_rows, f"{name}: {error}"))
    return FileRows(pd.DataFrame(columns, index), [], notes)


def _read(content: Content) -> pa.Table:
    if content.cut_off:
        raise _damaged(content, "cut off")
    try:
        file = pq.ParquetFile(pa.OSFile(str(content.path)), page_checksum_verification=True)
        check_size(content.name, file.metadata.num_rows, file.metadata.num_columns)
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        if sum(group.total_byte_size for group in groups) > MAX_BYTES:
            raise _damaged(content, "it unpacks to more than the reader holds")
        table = file.read()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError, KeyError, TypeError) as error:
        raise _damaged(content, error) from error
    return table


def _damaged(content: Content, why: Any) -> DataError:
    return DataError(
        "RK-131",
        f"{content.name} is damaged ({' '.join(str(why).split())[:200]}); expected a whole Parquet file.",
        "Download or write it again.",
    )


# -- one column --------------------------------------------------------------------------------------------------------


def _texts(column: pa.ChunkedArray) -> Values:
    return [value for chunk in column.chunks for value in _values(chunk)]


def _values(array: pa.Array) -> Values:
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _values(array.storage)
    if pt.is_dictionary(kind):
        return _values(array.dictionary_decode())
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        return list(_lists(array))
    if pt.is_struct(kind) or pt.is_map(kind):
        return [None if value is None else to_json(value) for value in _python(array)]
    texts = _scalars(array).to_pylist()
    return _times(texts, kind) if pt.is_timestamp(kind) else texts


def _lists(array: pa.Array) -> Iterator[list[str] | None]:
    inner = iter(_values(array.flatten()))
    for length in pc.list_value_length(array).to_pylist():
        parts = None if length is None else list(islice(inner, length))
        yield parts and [part if isinstance(part, str) else to_json(part) for part in parts if part is not None]


def _python(array: pa.Array) -> list[Any]:
    try:
        return array.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise NoText(str(array.type)) from error


def _scalars(array: pa.Array) -> pa.Array:
    """Numbers in full, floats as the shortest text that gives them back, times as ISO 8601, with their zone."""
    kind = array.type
    if pt.is_timestamp(kind):
        array = array.cast(pa.timestamp(kind.unit))
    if pt.is_floating(kind):
        texts = array.to_numpy(zero_copy_only=False).astype("U32")
        return pa.array(texts, pa.string(), mask=np.asarray(array.is_null()))
    try:
        return array.cast(pa.large_string())
    except (pa.ArrowException, ValueError) as error:
        raise NoText(str(kind)) from error


def _times(texts: list[str | None], kind: pa.TimestampType) -> Values:
    """`2014-05-13T16:53:20`, with `+00:00` where the column has a zone: the same instant, without a zone table."""
    zone = "+00:00" if kind.tz else ""
    whole = (text and (text.rstrip("0").rstrip(".") if "." in text else text) for text in texts)
    return [text and text.replace(" ", "T") + zone for text in whole]
