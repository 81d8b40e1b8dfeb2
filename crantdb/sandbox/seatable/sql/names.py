"""The dialect's words."""

from __future__ import annotations

AGGREGATES = frozenset({"count", "sum", "min", "max", "avg"})
"""Functions over the rows of a group."""

FUNCTIONS = frozenset(
    {
        *("now", "today", "date", "year", "month", "day", "hour", "minute", "second", "isodate"),
        *("datedif", "dateadd"),
        *("upper", "lower", "trim", "left", "right", "mid", "len", "find", "concatenate", "text", "value"),
        *("abs", "round", "floor", "ceiling", "int", "mod"),
        *("if", "ifs", "and", "or", "not", "countitems"),
    }
)
"""Functions of one row."""

RESERVED = frozenset(
    {
        *("SELECT", "DISTINCT", "FROM", "WHERE", "GROUP", "BY", "HAVING", "ORDER", "ASC", "DESC", "LIMIT"),
        *("OFFSET", "UPDATE", "SET", "DELETE", "INSERT", "INTO", "VALUES", "AS", "AND", "OR", "NOT", "LIKE"),
        *("ILIKE", "IN", "BETWEEN", "IS", "NULL", "TRUE", "FALSE", "HAS", "JOIN", "INNER", "LEFT", "RIGHT"),
        *("OUTER", "CROSS", "ON", "UNION", "CASE", "WHEN", "THEN", "ELSE", "END", "EXISTS"),
    }
)
"""Words that are no names without backticks."""
