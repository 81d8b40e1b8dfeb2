"""What changed from one version (or snapshot) to another: counts first, and the rows behind each of them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from crantdb.analysis.answers import schema_of
from crantdb.errors import BadArgument, NoSuchSnapshot, NoSuchTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

Kind = Literal["roots", "edges", "synapses"]
"""What a macro lists the changes of."""

Side = int | str
"""One side of a comparison: a version's number, `latest` for what stands in main, or a schema: `v7`, `s41`."""

COUNTS = pl.Schema({"what": pl.String, "table_name": pl.String, "change": pl.String, "rows": pl.Int64})

_CHANGES: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "roots": ("root_changes", ("born", "retired")),
        "edges": ("edge_changes", ("gained", "lost", "changed")),
        "synapses": ("synapse_changes", ("added", "removed", "reassigned")),
    }
)
"""The macro of each kind, and what it may say."""

_OWN_KEYS: Mapping[str, str] = MappingProxyType(
    {"neurons": "root_id", "root_ids": "supervoxel_id", "annotations": "_id"}
)
"""The tables of crantdb's own making that are compared, and what names a row in each; all others follow from these."""


def diff(con: duckdb.DuckDBPyConnection, before: Side, after: Side = "latest") -> pl.DataFrame:
    """Count what changed from one version to another.

    Args:
        con: a connection that holds both: `connect(versions=[…])`, or `connect(snapshots=[…])`.
        before: the one to compare.
        after: the one to compare it with, as a rule the later one; what stands in `main` by default.

    Returns:
        One row a change: `what` (roots, edges, synapses, rows, columns), `table_name`, `change`, `rows`. Of roots,
        edges and synapses every line, of tables those that say something. Rows are changed when their key is in
        both and some column of both differs; in a table without a key they go and come instead.

    Raises:
        NoSuchSnapshot: when the connection does not hold one of them.
    """
    sides = _Sides(con, _schema(con, before), _schema(con, after))
    found = [line for kind in get_args(Kind) for line in _counted(sides, kind)]
    for name, one, other in sides.both():
        found += _table_counts(con, name, one, other)
    found += [("tables", name, change, rows) for name, change, rows in sides.of_one()]
    return pl.DataFrame(found, schema=COUNTS, orient="row")


def changes(
    con: duckdb.DuckDBPyConnection, what: Kind, before: Side, after: Side = "latest"
) -> duckdb.DuckDBPyRelation:
    """Return the roots born and retired, the edges gained, lost and changed, or the synapses reassigned, added, removed.

    Args:
        con: as `diff`.
        what: `roots`, `edges` or `synapses`.
        before: as `diff`.
        after: as `diff`.

    Raises:
        BadArgument: for any other kind.
        NoSuchSnapshot: as `diff`.
    """
    if what not in _CHANGES:
        msg = f"there are changes of {', '.join(_CHANGES)}, not of {what!r}; of a table's rows with row_changes()"
        raise BadArgument(msg)
    one, other = _schema(con, before), _schema(con, after)
    return con.sql(f"FROM main.{_CHANGES[what][0]}('{one}', '{other}')")


def row_changes(
    con: duckdb.DuckDBPyConnection, table: str, before: Side, after: Side = "latest"
) -> duckdb.DuckDBPyRelation:
    """Return the rows of a table that were added, removed or changed: `change`, then the row (of `after` if it has one).

    Args:
        con: as `diff`.
        table: a mirrored table's name, with its schema (`cave.cell_types`) or without.
        before: as `diff`.
        after: as `diff`.

    Raises:
        NoSuchTable: when not both have it.
        NoSuchSnapshot: as `diff`.
    """
    sides = _Sides(con, _schema(con, before), _schema(con, after))
    for name, one, other in sides.both():
        if table in {name, name.split(".", 1)[1]}:
            return con.sql(_rows_sql(one, other))
    names = ", ".join(sorted(name for name, *_ in sides.both())) or "none"
    msg = f"there is no table {table!r} in both; there are {names}"
    raise NoSuchTable(msg)


def _schema(con: duckdb.DuckDBPyConnection, side: Side) -> str:
    """Return the schema in which one side stands."""
    if not isinstance(side, str) or side == "latest":
        return schema_of(con, side)  # type: ignore[arg-type]
    known = {name for (name,) in con.sql("SELECT schema_name FROM duckdb_schemas()").fetchall()}
    if side not in known or not (side == "main" or side[1:].isdigit()):
        msg = (
            f"the connection holds no {side!r}: connect with versions=[7] for 'v7', with snapshots=[41] for 's41'; "
            f"'main' is what it is pinned to"
        )
        raise NoSuchSnapshot(msg)
    return side


def _counted(sides: _Sides, kind: str) -> Iterator[tuple[str, str, str, int]]:
    """Yield the counts of a kind of change, each of them also when there is none."""
    macro, possible = _CHANGES[kind]
    query = f"SELECT change, count(*) FROM main.{macro}('{sides.before}', '{sides.after}') GROUP BY change"
    counts = dict(sides.con.sql(query).fetchall())
    return ((kind, "", change, counts.get(change, 0)) for change in possible)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table on one side: its relation, quoted, its columns with their types, and what names a row (or None)."""

    relation: str
    columns: Mapping[str, str]
    key: str | None


@dataclass(frozen=True, slots=True)
class _Sides:
    """Two versions on a connection, by the schema of each."""

    con: duckdb.DuckDBPyConnection
    before: str
    after: str

    def both(self) -> Iterator[tuple[str, _Table, _Table]]:
        """Yield the tables that both have, by name; one that is the same relation for both is left out."""
        one, other = self._tables(self.before), self._tables(self.after)
        for name in sorted(one.keys() & other.keys()):
            if one[name].relation != other[name].relation:
                yield name, one[name], other[name]

    def of_one(self) -> Iterator[tuple[str, str, int]]:
        """Yield the tables that only one has: name, `gained` or `lost`, and the rows."""
        one, other = self._tables(self.before), self._tables(self.after)
        for name in sorted(one.keys() ^ other.keys()):
            table, change = (one[name], "lost") if name in one else (other[name], "gained")
            [(rows,)] = self.con.sql(f"SELECT count(*) FROM {table.relation}").fetchall()
            yield name, change, rows

    def _tables(self, schema: str) -> dict[str, _Table]:
        """Return the tables of one side that are compared, by the name both sides know them by."""
        suffix = "" if schema == "main" else f"_{schema}"
        rows = self.con.sql(
            f"SELECT relation, kind FROM \"{schema}\".tables WHERE status = 'mirrored'"
        ).fetchall()
        columns = self._columns()
        found = {}
        for relation, kind in rows:
            room, name = relation.split(".", 1)
            plain = room.removesuffix(suffix)
            if plain in {"history", "l2"} or (plain == "derived" and name not in _OWN_KEYS):
                continue
            known = columns[room, name]
            key = _key(plain, name, kind, known)
            found[f"{plain}.{name}"] = _Table(f"{_quoted(room)}.{_quoted(name)}", known, key)
        return found

    def _columns(self) -> dict[tuple[str, str], dict[str, str]]:
        """Return the columns of every relation of the connection."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        query = "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() ORDER BY column_index"
        for schema, table, column, kind in self.con.sql(query).fetchall():
            found.setdefault((schema, table), {})[column] = kind
        return found


def _key(schema: str, name: str, kind: str, columns: Mapping[str, str]) -> str | None:
    """Return the column that names a row, or None: the rows of a view may come more than once."""
    wanted = {"cave": "id", "seatable": "_id", "derived": _OWN_KEYS.get(name, "")}.get(schema, "")
    return wanted if wanted in columns and kind != "view" else None


def _shared(one: _Table, other: _Table) -> list[str]:
    """Return the columns that both have, of the same type."""
    return [_quoted(name) for name, kind in other.columns.items() if one.columns.get(name) == kind]


def _table_counts(
    con: duckdb.DuckDBPyConnection, name: str, one: _Table, other: _Table
) -> Iterator[tuple[str, str, str, int]]:
    """Yield the counts of what changed in a table that both have."""
    columns = ", ".join(_shared(one, other))
    for table, against, change in ((other, one, "gained"), (one, other, "lost")):
        only = [column for column, kind in table.columns.items() if against.columns.get(column) != kind]
        if only:
            yield "columns", name, change, len(only)
    if one.key is None or one.key != other.key:
        counts = (_bag_count(con, other, one, columns), _bag_count(con, one, other, columns), 0)
    else:
        key = _quoted(one.key)
        was, became = (
            f"(SELECT {key} AS named, hash({columns}) AS row_hash FROM {table.relation})"
            for table in (one, other)
        )
        [counts] = con.sql(
            "SELECT count(*) FILTER (WHERE was.row_hash IS NULL), count(*) FILTER (WHERE became.row_hash IS NULL), "
            "count(*) FILTER (WHERE was.row_hash <> became.row_hash) "
            f"FROM {was} AS was FULL JOIN {became} AS became USING (named)"
        ).fetchall()
    for change, count in zip(("added", "removed", "changed"), counts, strict=True):
        if count:
            yield "rows", name, change, count


def _bag_count(con: duckdb.DuckDBPyConnection, table: _Table, against: _Table, columns: str) -> int:
    """Count the rows of a table that another does not have, each as often as it comes."""
    query = f"SELECT {columns} FROM {table.relation} EXCEPT ALL SELECT {columns} FROM {against.relation}"
    [(count,)] = con.sql(f"SELECT count(*) FROM ({query})").fetchall()
    return int(count)


def _rows_sql(one: _Table, other: _Table) -> str:
    """Return the query for the rows of a table that differ."""
    columns = ", ".join(_shared(one, other))
    if one.key is None or one.key != other.key:
        return " UNION ALL ".join(
            f"SELECT '{change}' AS change, * FROM (SELECT {columns} FROM {table.relation} "
            f"EXCEPT ALL SELECT {columns} FROM {against.relation})"
            for table, against, change in ((other, one, "added"), (one, other, "removed"))
        )
    key = _quoted(one.key)
    was, became = (f"(SELECT {columns} FROM {table.relation})" for table in (one, other))
    return (
        f"SELECT 'added' AS change, became.* FROM {became} AS became ANTI JOIN {was} AS was USING ({key}) "
        f"UNION ALL SELECT 'removed', was.* FROM {was} AS was ANTI JOIN {became} AS became USING ({key}) "
        f"UNION ALL SELECT 'changed', became.* FROM {became} AS became JOIN {was} AS was "
        f"ON became.{key} = was.{key} WHERE became IS DISTINCT FROM was"
    )


def _quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'
