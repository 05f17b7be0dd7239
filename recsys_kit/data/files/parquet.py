"""Bytes -> rows of a Parquet file, every column as text, lists of texts, or None. Nothing is unpickled."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from recsys_kit.data.files.jsonlines import to_column, to_json, to_text
from recsys_kit.data.files.rows import FileRows, check_names, check_rows, check_size, damaged, note
from recsys_kit.data.files.unpacking import BROKEN, MAX_BYTES, Content

Values = list[str | list[str] | None]


def read_parquet(content: Content) -> FileRows:
    """The rows of a Parquet file; pandas' own metadata is ignored.

    A column of bytes that are no UTF-8 is left out with a note. Raises `DataError`: (RK-117) damaged, (RK-122) no rows,
    (RK-125) two columns of one name, (RK-132) too large.
    """
    try:
        if content.cut_off:
            raise ValueError("cut off")
        file = pq.ParquetFile(pa.OSFile(str(content.path)), page_checksum_verification=True)
        check_size(content.name, file.metadata.num_rows, file.metadata.num_columns)
        groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
        if sum(group.total_byte_size for group in groups) > MAX_BYTES:
            raise ValueError("it unpacks to more than the reader holds")
        table = file.read()
        table.validate(full=True)
    except (*BROKEN, pa.ArrowException, MemoryError) as error:
        raise damaged(content.name, "Parquet file", error) from error
    check_names(content.name, table.column_names)
    check_rows(content.name, table.num_rows, [], "")
    columns, notes, index = {}, list(content.notes), pd.RangeIndex(1, table.num_rows + 1)
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns[name] = _column(column, index)
        except (pa.ArrowException, ValueError, OverflowError):
            notes.append(note("column left out: it holds no text", len(column), f"{name}: {column.type}"))
    return FileRows(pd.DataFrame(columns, index), [], notes)


# -- one column --------------------------------------------------------------------------------------------------------


def _column(column: pa.ChunkedArray, index: pd.Index) -> pd.Series:
    parts = [_values(chunk) for chunk in column.chunks]
    if all(isinstance(part, pa.Array) and not part.null_count for part in parts):
        return pa.chunked_array(parts).to_pandas().set_axis(index)
    return to_column([value for part in parts for value in _listed(part)], index)


def _listed(values: pa.Array | Values) -> Values:
    return values.to_pylist() if isinstance(values, pa.Array) else values


def _values(array: pa.Array) -> pa.Array | Values:
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _values(array.storage)
    if pt.is_dictionary(kind):
        return _values(array.dictionary_decode())
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        return list(_lists(array))
    if pt.is_struct(kind) or pt.is_map(kind):
        return [None if value is None else to_json(value) for value in array.to_pylist()]
    return _times(array) if pt.is_timestamp(kind) else _scalars(array)


def _lists(array: pa.Array) -> Iterator[list[str] | None]:
    inner = iter(_listed(_values(array.flatten())))
    for length in pc.list_value_length(array).to_pylist():
        parts = None if length is None else list(islice(inner, length))
        yield parts and [to_text(part) for part in parts if part is not None]


def _scalars(array: pa.Array) -> pa.Array:
    """Numbers in full, floats as the shortest text that gives them back."""
    if pt.is_floating(array.type):
        texts = array.to_numpy(zero_copy_only=False).astype("U32")
        return pa.array(texts, pa.large_string(), mask=np.asarray(array.is_null()))
    return array.cast(pa.large_string())


def _times(array: pa.Array) -> pa.Array:
    """`2014-05-13T16:53:20`, with `+00:00` where the column has a zone: the same instant, without a zone table."""
    texts = pc.replace_substring(_scalars(array.cast(pa.timestamp(array.type.unit))), " ", "T")
    texts = pc.replace_substring_regex(texts, r"(\.[0-9]*?)0+$", r"\1")
    zone, nothing = (pa.scalar(text, pa.large_string()) for text in ("+00:00" if array.type.tz else "", ""))
    return pc.binary_join_element_wise(pc.utf8_rtrim(texts, "."), zone, nothing)
