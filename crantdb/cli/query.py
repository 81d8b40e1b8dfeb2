"""The verbs sql and shell."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click
import duckdb

from crantdb.cli.output import output_for
from crantdb.cli.results import BATCH_ROWS, rows, write_parquet
from crantdb.cli.settings import OUTPUTS, Settings, verb
from crantdb.errors import ConfigError, CrantdbError, QueryRefused
from crantdb.warehouse.catalog import check_kept, connect, fence
from crantdb.warehouse.interrupting import interruptible
from crantdb.warehouse.layout import open_warehouse
from crantdb.warehouse.reading import check_reads
from crantdb.warehouse.register import register
from crantdb.warehouse.snapshot import read_snapshot, state_for


class QueryError(CrantdbError):
    """DuckDB does not understand the query, or cannot answer it."""


@verb("sql", outputs=(*OUTPUTS, "parquet"))
@click.argument("query", required=False)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("-f", "--file", "text_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--version", type=int, help="The materialization version that stands in main (default: the main one)."
)
@click.option("--snapshot", type=int, help="The snapshot's number (default: the current one).")
@click.option(
    "--versions", type=int, multiple=True, help="A further kept version, as schema v<n>; repeat for more."
)
@click.option(
    "--unsafe", is_flag=True, help="Let the query do anything DuckDB can: other files, COPY, ATTACH …"
)
def sql_verb(
    settings: Settings,
    query: str | None,
    path: Path | None,
    text_file: Path | None,
    **pins: Any,  # noqa: ANN401 - version, snapshot, versions, unsafe
) -> None:
    """Query a snapshot: crantdb sql "SELECT count(*) FROM synapses".

    With --output parquet the result goes to PATH: crantdb sql "FROM synapses" --output parquet out.parquet
    """
    if text_file is not None:
        query, path = text_file.read_text("utf-8"), Path(query) if query else path
    if not query:
        msg = "say a query, or a file of one with -f"
        raise click.UsageError(msg)
    if (settings.output == "parquet") != (path is not None):
        msg = "--output parquet takes a PATH behind the query, the other outputs take none"
        raise click.UsageError(msg)
    con = _connection(settings, **pins)
    try:
        text, unsafe = query, bool(pins["unsafe"])
        interruptible(con, lambda: _answer(settings, con, text, path, unsafe=unsafe))
    except duckdb.Error as error:
        # To a connection with the fences up, a file that is gone is one it may not look for.
        if isinstance(error, (duckdb.IOException, duckdb.PermissionException)):
            _check_kept(settings, con, (pins["version"], *pins["versions"]))
        raise _in_words(error, unsafe=pins["unsafe"]) from error


def _in_words(error: duckdb.Error, *, unsafe: bool) -> CrantdbError:
    """Return DuckDB's error as ours: of a mistake with the place it is at, of all else the first line."""
    if isinstance(error, (duckdb.ParserException, duckdb.BinderException)):
        return QueryError(str(error))
    lines = str(error).splitlines()
    first = " ".join(lines[: 2 if lines[0].endswith(":") else 1])
    if isinstance(error, duckdb.PermissionException) and not unsafe:
        return QueryRefused(
            f"{first}. A query may open the snapshot's files and nothing else; --unsafe lifts that"
        )
    return QueryError(first)


def _check_kept(settings: Settings, con: duckdb.DuckDBPyConnection, versions: tuple[int | None, ...]) -> None:
    """Say so when a file was lost because its snapshot expired while the connection stood."""
    [(number,)] = con.sql("SELECT snapshot FROM main.snapshot").fetchall()
    check_kept(open_warehouse(settings.warehouse), number, versions)


def _connection(
    settings: Settings, *, version: int | None, snapshot: int | None, versions: tuple[int, ...], unsafe: bool
) -> duckdb.DuckDBPyConnection:
    """Open the snapshot, with the fences up unless told otherwise."""
    con = connect(settings.warehouse, snapshot, version, versions)
    if not unsafe:
        warehouse = open_warehouse(settings.warehouse)
        found = read_snapshot(warehouse, snapshot)
        fence(
            con, settings.warehouse, [state_for(warehouse, found, pinned) for pinned in (version, *versions)]
        )
    return con


def _answer(
    settings: Settings, con: duckdb.DuckDBPyConnection, query: str, path: Path | None, *, unsafe: bool
) -> None:
    """Run the statements and print each result."""
    statements = con.extract_statements(query)
    if not unsafe:
        check_reads(con, query)
    if settings.output != "table" and len(statements) != 1:
        msg = f"{len(statements)} statements cannot be one {settings.output} result: say one at a time"
        raise QueryRefused(msg)
    for statement in statements:
        if settings.output == "table":
            relation = con.sql(statement.query)
            if relation is not None:
                click.echo(str(relation).rstrip("\n"))
            continue
        reader = con.sql(statement.query).to_arrow_reader(BATCH_ROWS)
        if path is not None:
            settings.say(f"wrote {write_parquet(reader, path):,} rows to {path}")
        else:
            output_for(settings.output).rows(reader.schema.names, rows(reader))


def duckdb_shell() -> str | None:
    """Return the DuckDB shell: the one installed with crantdb, else the one on the PATH, else None."""
    beside = Path(sys.executable).parent / "duckdb"
    return str(beside) if beside.is_file() else shutil.which("duckdb")


@verb("shell")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def shell_verb(settings: Settings, arguments: tuple[str, ...]) -> None:
    """Open the DuckDB shell, read-only, on the current snapshot; ARGUMENTS go to the shell."""
    program = duckdb_shell()
    if program is None:
        msg = "there is no `duckdb` on the PATH. Get it: pip install duckdb-cli (or see duckdb.org); any since 1.2 will do"
        raise ConfigError(msg)
    warehouse = open_warehouse(settings.warehouse)
    if not warehouse.database.exists():
        register(warehouse.root)
    sys.stdout.flush()
    os.execv(program, [program, "-readonly", str(warehouse.database), *arguments])  # noqa: S606 - the shell takes over
