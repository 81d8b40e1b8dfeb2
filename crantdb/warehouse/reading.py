"""Does a statement only read? The fences of a connection stop most; this stops the rest.

`COPY … (USE_TMP_FILE false)` onto a data file that the fence allows would get through.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from duckdb import StatementType
from sqlglot.tokens import Tokenizer

from crantdb.errors import QueryRefused

if TYPE_CHECKING:
    import duckdb

_READS = {StatementType.SELECT}
_EXPLAIN = re.compile(
    r"\A(?:\s|--[^\n]*\n|/\*.*?\*/)*EXPLAIN\b(?:\s+ANALYZE\b)?\s*(?:\([^)]*\))?", re.IGNORECASE | re.DOTALL
)
_FIRST_WORDS = {"SELECT", "FROM", "WITH", "PIVOT", "UNPIVOT"}


def check_reads(con: duckdb.DuckDBPyConnection, query: str) -> None:
    """Refuse a text with any statement that does more than read.

    Raises:
        QueryRefused: naming the statement.
        duckdb.Error: when DuckDB cannot parse it.
    """
    for statement in con.extract_statements(query):
        text = statement.query
        kind = statement.type
        if kind == StatementType.EXPLAIN:
            check_reads(con, _explained(text))
            continue
        # PIVOT is several statements to DuckDB, and so is any statement with a PIVOT in it.
        pivots = kind == StatementType.MULTI and _first_word(text) in _FIRST_WORDS
        if kind not in _READS and not pivots:
            msg = (
                f"{kind.name} does more than read: {_start(text)}. The warehouse's files stay as they are; "
                f"to run it nevertheless on your own, say --unsafe"
            )
            raise QueryRefused(msg)


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
