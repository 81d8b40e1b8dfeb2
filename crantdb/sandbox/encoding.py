"""Rows on the wire: the Arrow IPC stream and the JSON records of the materialization engine."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from crantdb.sandbox.exchange import JSON, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.sandbox.exchange import Request

_PANDAS = {
    "int64": ("int64", "Int64"),
    "int32": ("int32", "Int32"),
    "float": ("float32", "Float32"),
    "double": ("float64", "Float64"),
    "bool": ("bool", "boolean"),
    "string": ("unicode", "string"),
    "timestamp[ns, tz=UTC]": ("datetimetz", "datetime64[ns]"),
}


def as_served(rows: pa.Table, *, doubles: bool) -> pa.RecordBatch:
    """Return a result as the one record batch that is served.

    NaN becomes NULL, a double a float32 unless `doubles`, a timestamp one in ns and UTC.
    """
    arrays = [_served_column(column, doubles=doubles) for column in rows.columns]
    schema = pa.schema([pa.field(name, a.type) for name, a in zip(rows.column_names, arrays, strict=True)])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _served_column(column: pa.ChunkedArray, *, doubles: bool) -> pa.Array:
    """Return a column as one array in the type in which it is served."""
    array = column.combine_chunks()
    array = array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
        return array if doubles else array.cast(pa.float32(), safe=False)
    if pa.types.is_timestamp(array.type):
        return array.cast(pa.timestamp("ns")).cast(pa.timestamp("ns", "UTC"))
    if pa.types.is_decimal(array.type) or str(array.type) == "uint64":
        return array.cast(pa.int64())
    return array


def arrow_response(request: Request, batch: pa.RecordBatch, *, is_count: bool) -> Response:
    """Return a batch as an IPC stream, compressed as the request's Accept-Encoding asks.

    ``zstd`` and ``lz4`` compress the buffers inside the stream and leave no trace in the headers;
    ``gzip`` compresses the whole body. A count is marked as a plain pandas column, rows as nullable ones.
    """
    codec = "zstd" if request.accepts("zstd") else "lz4" if request.accepts("lz4") else None
    batch = batch.replace_schema_metadata({b"pandas": _pandas_metadata(batch, is_count=is_count)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_batch(batch)
    headers = (("Content-Type", "data.arrow"), ("Cache-Control", "no-cache"))
    response = Response(200, sink.getvalue(), headers, rows=batch.num_rows)
    return response.gzipped() if codec is None and request.accepts("gzip") else response


def json_records(request: Request, batch: pa.RecordBatch) -> Response:
    """Return a batch as JSON records: timestamps in ms since 1970, floats to ten places."""
    columns = [[_json_value(value) for value in column] for column in _plain_columns(batch)]
    names = batch.schema.names
    records = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    body = json.dumps(records, separators=(",", ":")).encode()
    response = Response(200, body, (("Content-Type", JSON),), rows=batch.num_rows)
    return response.gzipped() if request.accepts("gzip") else response


def _plain_columns(batch: pa.RecordBatch) -> Sequence[list[Any]]:
    """Return the columns as Python lists; timestamps as µs, so that no pandas type comes in."""
    out = []
    for column in batch.columns:
        is_time = pa.types.is_timestamp(column.type)
        out.append((column.cast(pa.timestamp("us", "UTC")) if is_time else column).to_pylist())
    return out


def _json_value(value: object) -> object:
    """Return a value as JSON can hold it."""
    if isinstance(value, float):
        return round(value, 10) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND
    return value


_MILLISECOND = datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)


def _pandas_metadata(batch: pa.RecordBatch, *, is_count: bool) -> bytes:
    """Return the metadata that makes pandas read nullable types, as the real server sends it."""
    columns = []
    for field in batch.schema:
        pandas_type, numpy_type = _PANDAS.get(str(field.type), (str(field.type), str(field.type)))
        numpy_type = pandas_type if is_count else numpy_type
        extra = {"timezone": "UTC"} if pandas_type == "datetimetz" else None
        column = {"name": field.name, "field_name": field.name, "pandas_type": pandas_type}
        columns.append({**column, "numpy_type": numpy_type, "metadata": extra})
    index = {"kind": "range", "name": None, "start": 0, "stop": batch.num_rows, "step": 1}
    names = {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object"}
    whole = {
        "index_columns": [index],
        "column_indexes": [{**names, "metadata": {"encoding": "UTF-8"}}],
        "columns": columns,
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.3.0",
    }
    return json.dumps(whole).encode()
