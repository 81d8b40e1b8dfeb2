"""A row as text: its raw JSON in one way of writing, and hashes that tell whether it changed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantdb.sources.seatable.literals import canonical, encodable, encode_basestring, quoted
from crantdb.sources.seatable.moments import stamp_ms, without_zone
from crantdb.sources.seatable.types import NO_VALUES, SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crantdb.sources.seatable.catalogue import ColumnInfo, TableInfo

DIGEST_BYTES = 16
SILENT = frozenset({"link", "link-formula", "formula"})
"""Types whose cells change without the row's `_mtime` moving."""

SWEPT = ("_mtime", "_archived", "_locked")
"""What a sweep asks of a row's own state."""

_ZONED = frozenset({"date", "formula", "link", "link-formula"})
_STAMPED = frozenset({"ctime", "mtime"})
_VOLATILE = re.compile(r"\b(now|today)\s*\(", re.IGNORECASE)
_REFERENCE = re.compile(r"\{([^{}]*)\}")


def volatile_keys(table: TableInfo) -> frozenset[str]:
    """Return the keys of columns that change by themselves: formulas of `now()` or `today()`, and what uses them."""
    formulas = {
        column.key: (column.name, str(column.data.get("formula") or ""))
        for column in table.columns
        if column.type in {"formula", "link-formula"}
    }
    found = {key for key, (_, formula) in formulas.items() if _VOLATILE.search(formula)}
    while True:
        names = {formulas[key][0] for key in found}
        more = {
            key
            for key, (_, formula) in formulas.items()
            if key not in found and names & set(_REFERENCE.findall(formula))
        }
        if not more:
            return frozenset(found)
        found |= more


@dataclass(frozen=True, slots=True)
class RowText:
    """Raw JSON and digests of rows of one table.

    Attributes:
        raw: the row's JSON: sorted keys, number literals as served.
        digest: of the row's cells without volatile ones, moments without the server's zone, NULL and missing alike.
    """

    raw: str
    digest: bytes


class RowWriter:
    """Writes rows of one table as text.

    Args:
        table: whose columns say which cells are moments, and which change by themselves.
    """

    def __init__(self, table: TableInfo) -> None:
        volatile = volatile_keys(table)
        hashed = [column for column in table.columns if column.type not in NO_VALUES]
        self._hashed = (set(SYSTEM) | {column.key for column in hashed}) - volatile
        self._normal: dict[str, Callable[[Any], Any]] = {"_ctime": _stamp, "_mtime": _stamp}
        for column in hashed:
            if column.type in _ZONED | _STAMPED:
                self._normal[column.key] = _stamp if column.type in _STAMPED else without_zone
        silent = [column.key for column in hashed if column.type in SILENT and column.key not in volatile]
        self._names: dict[str, str] = {}
        self._silent = sorted({*SWEPT, *silent})

    def write(self, row: Mapping[str, Any]) -> RowText:
        """Return a row's raw JSON and its digest."""
        found = self._written(row, encode_basestring)
        # Half a surrogate pair is rare, and looking for one in every cell is not cheap.
        return found if encodable(found.raw) else self._written(row, quoted)

    def _written(self, row: Mapping[str, Any], quote: Callable[[str], str]) -> RowText:
        """Return a row's text, its strings quoted by a function."""
        parts, hashed = [], []
        for key in sorted(row):
            value = row[key]
            name = self._names.get(key) or self._names.setdefault(key, f"{quoted(key)}:")
            written = name + (quote(value) if type(value) is str else canonical(value))
            parts.append(written)
            if value is not None and key in self._hashed:
                normal = self._normal.get(key)
                hashed.append(name + canonical(normal(value)) if normal else written)
        return RowText(f"{{{','.join(parts)}}}", _digest(",".join(hashed)))

    def fingerprint(self, row: Mapping[str, Any]) -> bytes:
        """Return a digest of what a sweep asks for: the row's state, and cells that change silently."""
        return _digest("\n".join(canonical(row.get(key)) for key in self._silent))


def swept_columns(table: TableInfo) -> tuple[ColumnInfo, ...]:
    """Return the columns that a sweep reads beside `_id` and the row's own state."""
    volatile = volatile_keys(table)
    return tuple(column for column in table.columns if column.type in SILENT and column.key not in volatile)


def content_hash(table: TableInfo, digests: Sequence[bytes]) -> str:
    """Return the hash of a table: its columns and options, then its rows' digests in `_id` order."""
    columns = sorted(
        [column.key, column.name, column.type, [[option.id, option.name] for option in column.options]]
        for column in table.columns
    )
    total = hashlib.sha256(canonical([table.id, columns]).encode("utf-8", "backslashreplace"))
    for digest in digests:
        total.update(digest)
    return total.hexdigest()


def _stamp(value: object) -> object:
    """Return a system time without its zone; what is none stays as it is."""
    try:
        return str(stamp_ms(value))
    except ValueError:
        return value


def _digest(text: str) -> bytes:
    """Return a short hash of a text."""
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=DIGEST_BYTES).digest()
