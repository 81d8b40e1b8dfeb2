"""Does a statement only read? The fences of a connection stop most; this stops the rest.

A COPY onto a data file gets through the fence, which allows that file: as a statement, inside a WITH (which DuckDB
calls a SELECT), or in the text that a table function runs. So a statement must be of a kind that reads, and the plan
that DuckDB makes of it must hold nothing that writes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from duckdb import StatementType
from sqlglot.tokens import Tokenizer

from crantdb.errors import QueryRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

_READS = {StatementType.SELECT}
_EXPLAIN = re.compile(
    r"\A(?:\s|--[^\n]*\n|/\*.*?\*/)*EXPLAIN\b(?:\s+ANALYZE\b)?\s*(?:\([^)]*\))?", re.IGNORECASE | re.DOTALL
)
_FIRST_WORDS = {"SELECT", "FROM", "WITH", "PIVOT", "UNPIVOT"}
_WRITING = re.compile(
    "COPY|INSERT|UPDATE|DELETE|MERGE|CREATE|ALTER|DROP|TRUNCATE|ATTACH|DETACH|EXPORT|LOAD|CHECKPOINT|EXECUTE|ENABLE|"
    "DISABLE|REGISTER|DESTROY|VACUUM|SET$|RESET"
)
"""What the names of DuckDB's operators and table functions hold that do more than read."""


def check_reads(con: duckdb.DuckDBPyConnection, query: str) -> None:
    """Refuse a text with any statement that does more than read; none of them is run.

    Raises:
        QueryRefused: naming the statement.
        duckdb.Error: when DuckDB cannot parse it, or finds no sense in it.
    """
    for statement in con.extract_statements(query):
        text = statement.query
        kind = _kind(statement)
        if kind is None:
            what = "a statement of a new kind"
            raise _refused(what, text)
        if kind == StatementType.EXPLAIN:
            check_reads(con, _explained(text))
            continue
        # PIVOT is several statements to DuckDB, and so is any statement with a PIVOT in it.
        pivots = kind == StatementType.MULTI and _first_word(text) in _FIRST_WORDS
        if kind not in _READS and not pivots:
            raise _refused(kind.name, text)
        for name in _operators(con, text):
            if _WRITING.search(name):
                raise _refused(name, text)


def _kind(statement: duckdb.Statement) -> StatementType | None:
    """Return the kind of a statement; None for one that DuckDB's Python library does not know."""
    try:
        return statement.type
    except ValueError:
        return None


def _refused(what: str, text: str) -> QueryRefused:
    """Return the error for a statement that does more than read."""
    msg = (
        f"{what} does more than read: {_start(text)}. The warehouse's files stay as they are; "
        f"to run it nevertheless on your own, say --unsafe"
    )
    return QueryRefused(msg)


def _operators(con: duckdb.DuckDBPyConnection, text: str) -> Iterator[str]:
    """Yield the names of the operators and table functions in the plan of a statement."""
    # On a line of its own, so that a message about the statement shows it as it was written.
    rows = con.execute(f"EXPLAIN (FORMAT JSON)\n{text}").fetchall()
    waiting = [part for _, plan in rows for part in json.loads(plan)]
    while waiting:
        part = waiting.pop()
        yield str(part.get("name", "")).upper().strip()
        waiting += part.get("children", [])


def _first_word(text: str) -> str:
    """Return the first word of a statement, comments aside."""
    tokens = Tokenizer(dialect="duckdb").tokenize(text)
    return tokens[0].text.upper() if tokens else ""


def _explained(text: str) -> str:
    """Return the statement that an EXPLAIN explains; EXPLAIN ANALYZE runs it, whatever it is."""
    return _EXPLAIN.sub("", text, count=1)


def _start(text: str) -> str:
    """Return the beginning of a statement for a message."""
    folded = " ".join(text.split())
    return folded if len(folded) < 60 else folded[:59] + "…"
