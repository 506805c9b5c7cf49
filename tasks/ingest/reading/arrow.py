"""Reads Parquet, Arrow and Feather files.

Every type as text, names in the place of class numbers, and no more than fits in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import DataError
from tasks.ingest.raw import packed
from tasks.ingest.raw.rows import LONGEST_LINE, RawRow
from tasks.ingest.raw.values import UnsupportedValue, text_of
from tasks.ingest.reading import class_names

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 1_000
"""Rows that are in memory in both forms; each may hold an image."""
MOST_BYTES = 4 * LONGEST_LINE
GIANT = UnsupportedValue("", f"a text of more than {LONGEST_LINE:,} characters")


def read(path: Path, name: str, is_parquet: bool) -> Iterator[RawRow]:
    """Rows of the file `path`, called `name`; `line` is the row's number.

    Raises:
        DataError: it is no such file, names a column twice, or unpacks to far more than its size.
    """
    import pyarrow as pa

    left, number = packed.limit(path), 0
    try:
        for batch in _parquet(path, name) if is_parquet else _ipc(path, name):
            left -= sum(_size(column) for column in batch.columns) + packed.ROW_COST * batch.num_rows
            if left < 0:
                raise DataError(name, packed.too_large(path))
            columns = _columns(batch)
            for at in range(batch.num_rows):
                number += 1
                yield RawRow(name, number, {column: values[at] for column, values in columns.items()})
    except (pa.ArrowException, OSError) as error:
        raise DataError(name, f"is no readable {_called(name, is_parquet)} ({_first_line(error)})") from None


def _called(name: str, is_parquet: bool) -> str:
    return "Parquet" if is_parquet else "Feather" if packed.suffix(name) == ".feather" else "Arrow"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _parquet(path: Path, name: str) -> Iterator[pa.RecordBatch]:
    """In batches. A value that stands in many rows is held once, as in the file."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    _check_names(name, metadata.schema.to_arrow_schema())
    # Nothing is asked of single columns of a row group: pyarrow ends the process where their number is
    # damaged.
    sizes = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
    if sum(sizes) + packed.ROW_COST * metadata.num_rows > packed.limit(path):
        raise DataError(name, packed.too_large(path))
    leaves = [metadata.schema.column(number) for number in range(len(metadata.schema))]
    coded = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    with pq.ParquetFile(path, read_dictionary=coded) as file:
        yield from file.iter_batches(batch_size=BATCH)


def _ipc(path: Path, name: str) -> Iterator[pa.RecordBatch]:
    """Of a file, which has a directory at its end, or of a stream, as the library `datasets` saves them."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            file = pa.ipc.open_file(source)
        except pa.ArrowInvalid:
            source.seek(0)
            file = pa.ipc.open_stream(source)
        _check_names(name, file.schema)
        found = (
            file
            if isinstance(file, pa.RecordBatchStreamReader)
            else map(file.get_batch, range(file.num_record_batches))
        )
        for batch in found:
            batch.validate(full=True)
            yield from (batch.slice(start, BATCH) for start in range(0, batch.num_rows, BATCH))


def _check_names(name: str, schema: pa.Schema) -> None:
    twice = [column for column, count in Counter(schema.names).items() if count > 1]
    if twice:
        shown = ", ".join(f"`{column}`" for column in twice[:5])
        raise DataError(name, f"names {shown} twice; give each column a name of its own")


def _columns(batch: pa.RecordBatch) -> dict[str, list[str | bytes]]:
    named = class_names.of_schema(batch.schema.metadata)
    found = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        values = [_image(value) for value in _values(column)] if _is_image(field.type) else _values(column)
        change = named.get(field.name)
        found[field.name] = [text_of(_changed(value, change) if change else value) for value in values]
    return found


def _changed(value: Any, change: class_names.Named) -> Any:
    try:
        return change(value)
    except ValueError as error:
        return UnsupportedValue(str(value)[:1000], str(error))


def _values(column: pa.Array) -> list[Any]:
    """As Python has them. A giant text is never made one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_coded = pa.types.is_dictionary(column.type)
    lengths = (
        _lengths(column) if pa.types.is_string(column.dictionary.type if is_coded else column.type) else None
    )
    if lengths is not None and (pc.max(lengths).as_py() or 0) > MOST_BYTES:
        return [
            GIANT if (length or 0) > MOST_BYTES else _value(one)
            for one, length in zip(column, lengths.to_pylist(), strict=True)
        ]
    try:
        return list((column.dictionary_decode() if is_coded else column).to_pylist())
    except Exception:  # a single time before the year 1 is enough
        return [_value(one) for one in column]


def _value(scalar: pa.Scalar) -> Any:
    import pyarrow as pa

    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return UnsupportedValue("", "bytes that are no characters")
    except Exception:  # what cannot be a value of Python may have a text
        try:
            text = scalar.cast(pa.string()).as_py()
            return (
                UnsupportedValue(text, f"a value of the type {scalar.type} that is out of range")
                if "out of range" in text
                else text
            )
        except Exception:
            return UnsupportedValue("", f"a value of the type {scalar.type} that cannot be written as text")


def _size(column: pa.Array) -> int:
    """Bytes of texts and the like that its values are made of, a value that stands in many rows counted in
    each.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, is_a = column.type, pa.types
    if isinstance(column, pa.ExtensionArray):
        return _size(column.storage)
    if is_a.is_struct(kind):
        return sum(map(_size, column.flatten()))
    if is_a.is_map(kind):
        return _size(column.keys) + _size(column.items) + packed.ROW_COST * len(column.keys)
    if is_a.is_list(kind) or is_a.is_large_list(kind) or is_a.is_fixed_size_list(kind):
        inner = column.flatten()
        return _size(inner) + packed.ROW_COST * len(inner)
    lengths = _lengths(column)
    return int(pc.sum(lengths).as_py() or 0) if lengths is not None else int(column.nbytes)


def _lengths(column: pa.Array) -> pa.Array | None:
    """Bytes of each text or bytes; None for other types."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        lengths = _lengths(column.dictionary)
        return lengths.take(column.indices) if lengths is not None else None
    if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
        return pa.array([one.as_buffer().size if one.is_valid else 0 for one in column], pa.int64())
    has_length = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return (
        pc.binary_length(column).cast(pa.int64()) if any(test(column.type) for test in has_length) else None
    )


def _is_image(column: Any) -> bool:
    """Whether a column holds images as the hub stores them: their bytes, or where they are."""
    import pyarrow as pa

    return pa.types.is_struct(column) and {field.name for field in column} == {"bytes", "path"}


def _image(value: dict[str, Any] | None) -> Any:
    return value and (value["bytes"] or value["path"])
