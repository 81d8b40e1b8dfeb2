"""The files of a sorted table with some rows replaced: those without a change stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.warehouse.sorting import write_sorted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    import duckdb

    from crantdb.warehouse.files import StagedFile


@dataclass(frozen=True, slots=True)
class Replaced:
    """Rows of a table that are not as they were, as relations of one connection.

    Attributes:
        out: relation with the columns `id` and the table's key: the rows that go, as they were.
        into: relation with the table's columns: the rows that come.
    """

    out: str
    into: str


def merge_sorted(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[StagedFile],
    replaced: Replaced,
    columns: Sequence[str],
    *,
    order: Sequence[str],
    into: Path,
    summing: Executor,
) -> tuple[StagedFile, ...]:
    """Return the files of a table after rows were replaced; a file that holds none of them is listed as it is.

    Args:
        con: sorts within its memory limit (see `sorting`).
        files: the table's files before, in key order, whole keys each.
        replaced: the rows that go and come; both by `id`.
        columns: the table's columns.
        order: the columns it is sorted by, NULLs last; the first is the key.
        into: where new files go, and what their names begin with.
        summing: see `write_sorted`.

    Returns:
        The files in key order; at least one.

    Raises:
        StorageError: when the disk refuses.
    """
    made: list[StagedFile] = []
    filled = [file for file in files if file.rows] or list(files[:1])
    for number, (file, mine) in enumerate(zip(filled, _conditions(order[0], filled), strict=True)):
        if not _touched(con, replaced, mine):
            made.append(file)
            continue
        chosen = ", ".join(f'"{name}"' for name in columns)
        path = str(file.path).replace("'", "''")
        rows = con.sql(
            f"SELECT {chosen} FROM read_parquet('{path}', hive_partitioning = false) "
            f"ANTI JOIN (SELECT id FROM {replaced.out} WHERE {mine}) AS gone USING (id) "
            f"UNION ALL SELECT {chosen} FROM {replaced.into} WHERE {mine}"
        )
        made += write_sorted(
            con, rows, columns, order=order, into=into.with_name(f"{into.name}-{number:05d}"), summing=summing
        )
    full = [file for file in made if file.rows]
    return tuple(full or made[:1])


def _conditions(key: str, files: Sequence[StagedFile]) -> list[str]:
    """Return which keys are each file's: from its first (the first file: from any) up to the next file's first.

    Rows without a key are the last file's. One that holds no others gets none: a key behind all is the file's before.
    """
    starts = [file.key_min for file in files]
    alone = len(files) > 1 and starts[-1] is None
    keyed = len(files) - 1 if alone else len(files)
    found = []
    for number in range(keyed):
        parts = [] if number == 0 else [f'"{key}" >= {starts[number]}']
        parts += [f'"{key}" < {starts[number + 1]}'] if number + 1 < keyed else []
        found.append(" AND ".join([f'"{key}" IS NOT NULL', *parts]))
    if alone:
        return [*found, f'"{key}" IS NULL']
    return [*found[:-1], f'({found[-1]} OR "{key}" IS NULL)']


def _touched(con: duckdb.DuckDBPyConnection, replaced: Replaced, mine: str) -> bool:
    """Tell whether a row of a file goes, or one comes into it."""
    found = con.sql(
        f"SELECT count(*) FROM (SELECT 1 FROM {replaced.out} WHERE {mine} UNION ALL "
        f"SELECT 1 FROM {replaced.into} WHERE {mine})"
    ).fetchall()
    return bool(found[0][0])
