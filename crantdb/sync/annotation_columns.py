"""From a SeaTable's columns to typed ones: which column means what, and how its cells are read.

The names on the left are those of `annotations`; another lab says in crantdb.toml what its columns are called.
Empty text, and "0" for an id, mean that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from crantdb.warehouse.relations import ident

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["id", "text", "texts", "flag", "date", "place", "tags", "number", "count"]

FIELDS: Mapping[str, Kind] = MappingProxyType(
    {
        "root_id": "id",
        "supervoxel_id": "id",
        "side": "text",
        "flow": "text",
        "super_class": "text",
        "cell_class": "text",
        "cell_type": "text",
        "cell_subtype": "text",
        "cell_instance": "text",
        "hemilineage": "text",
        "nerve": "text",
        "tract": "text",
        "region": "texts",
        "status": "texts",
        "proofread": "flag",
        "date_proofread": "date",
        "known_nt": "text",
        "known_nt_source": "text",
        "alternative_names": "text",
        "annotator_notes": "text",
        "proofreader_notes": "text",
        "notes": "text",
        "user_annotator": "texts",
        "user_proofreader": "texts",
        "ngl_link": "text",
        "cave_table": "text",
        "nucleus_id": "id",
        "position": "place",
        "nucleus_position": "place",
        "root_position": "place",
        "root_id_processed": "tags",
        "volume_nm3": "number",
        "l2_nodes": "count",
        "l2_cable_length_um": "number",
        "input_connections": "count",
        "output_connections": "count",
        "axon_input": "count",
        "axon_output": "count",
        "dendrite_input": "count",
        "dendrite_output": "count",
        "segregation_index": "number",
    }
)
"""The columns of `annotations` that a SeaTable fills, and how each is read. A place becomes six columns."""

_BLANK = r"[\s\x{00A0}\x{200B}\x{FEFF}]"
"""White space, and what spreadsheets and web pages put in its place."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A SeaTable table that is the lab's annotations.

    Attributes:
        columns: by name in `annotations`: the SeaTable's column; those left out are looked for by the same name.
        voxel_nm: the size in nm of the voxels its positions are in.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    voxel_nm: tuple[float, float, float] = (8.0, 8.0, 42.0)

    def column(self, name: str, there: Mapping[str, str]) -> str | None:
        """Return the SeaTable's column for a name, or None when it has none."""
        wanted = self.columns.get(name, name)
        return wanted if wanted in there else None


def typed_columns(mapped: Mapped, there: Mapping[str, str]) -> list[str]:
    """Return what to select from a mirrored SeaTable table for the typed columns of `annotations`.

    Args:
        mapped: which column means what.
        there: the table's columns with their DuckDB types.
    """
    selected: list[str] = []
    for name, kind in FIELDS.items():
        column = mapped.column(name, there)
        if kind == "place":
            selected += _place(name, column, there, mapped.voxel_nm)
        else:
            typed = (
                f"NULL::{_TYPES[kind]}" if column is None else _READERS[kind](ident(column), there[column])
            )
            selected.append(f"{typed} AS {_OURS.get(name, name)}")
    return selected


_OURS: Mapping[str, str] = MappingProxyType({"root_id": "root_id_typed"})
_TYPES: Mapping[Kind, str] = MappingProxyType(
    {
        "id": "BIGINT",
        "text": "VARCHAR",
        "texts": "VARCHAR[]",
        "flag": "BOOLEAN",
        "date": "DATE",
        "tags": "MAP(VARCHAR, BIGINT)",
        "number": "DOUBLE",
        "count": "BIGINT",
    }
)


def text_of(column: str, kind: str) -> str:
    """Return a cell as text without blanks around it; NULL for none."""
    if kind.endswith("[]"):
        return f"nullif(array_to_string(list_transform({column}, lambda item: item::VARCHAR), ', '), '')"
    stripped = f"regexp_replace({column}::VARCHAR, '^{_BLANK}+|{_BLANK}+$', '', 'g')"
    return f"nullif({stripped}, '')"


def id_of(column: str, kind: str) -> str:
    """Return a cell as an id; NULL for none, for 0, and for what is not one."""
    if kind in {"DOUBLE", "FLOAT"}:
        return "NULL::BIGINT"  # a column of numbers has bent every id in it
    text = text_of(column, kind)
    return (
        f"CASE WHEN regexp_full_match({text}, '[0-9]{{1,19}}') THEN nullif(TRY_CAST({text} AS BIGINT), 0) END"
    )


def is_damaged(column: str, kind: str, *, least: int = 2) -> str:
    """Return whether a cell holds something in the place of an id that is none.

    Args:
        column: the column, quoted.
        kind: its DuckDB type.
        least: the least id there is: CAVE writes 1 for a root or a supervoxel that was never looked up.
    """
    if kind in {"DOUBLE", "FLOAT"}:
        return f"coalesce({column} <> 0, false)"
    text = text_of(column, kind)
    return f"coalesce({text} NOT IN ('0', '[]') AND coalesce({id_of(column, kind)}, 0) < {least}, false)"


def unread(mapped: Mapped, there: Mapping[str, str]) -> dict[str, str]:
    """Return conditions on a mirrored table's rows: by name in `annotations`, that a cell says something unreadable."""
    found: dict[str, str] = {}
    for name, kind in FIELDS.items():
        column = mapped.column(name, there)
        if column is None or there[column] != "VARCHAR":
            continue
        text = text_of(ident(column), "VARCHAR")
        if kind == "place":
            found[name] = f"{text} IS NOT NULL AND {_voxel(column, there, 1)} IS NULL"
        elif kind in {"date", "number", "count", "flag"}:
            found[name] = f"{text} IS NOT NULL AND {_READERS[kind](ident(column), 'VARCHAR')} IS NULL"
    return found


def _texts(column: str, kind: str) -> str:
    """Return a cell as a list of texts; NULL for an empty one. Text is read as a list when it looks like one."""
    if kind.endswith("[]"):
        cleaned = f"list_filter({column}, lambda item: item IS NOT NULL AND item::VARCHAR <> '')"
        return f"CASE WHEN len({cleaned}) > 0 THEN list_transform({cleaned}, lambda item: item::VARCHAR) END"
    text = text_of(column, kind)
    bare = f"regexp_replace({text}, '^\\[|\\]$', '', 'g')"
    parts = f"list_transform(string_split({bare}, ','), lambda item: trim(item, ' ''\"'))"
    return f"CASE WHEN {text} NOT IN ('[]', 'None') THEN nullif(list_filter({parts}, lambda item: item <> ''), []) END"


def _flag(column: str, kind: str) -> str:
    """Return a cell as yes or no; NULL for a box that was never touched."""
    if kind == "BOOLEAN":
        return column
    if kind in {"DOUBLE", "FLOAT"}:
        return f"{column} <> 0"
    word = f"lower({text_of(column, kind)})"
    return f"CASE WHEN {word} IN ('true', 'yes', 'x', '1') THEN true WHEN {word} IN ('false', 'no', '0') THEN false END"


def _date(column: str, kind: str) -> str:
    """Return a cell as a date. A date with a time keeps its own day: no zone moves it."""
    if kind == "DATE":
        return column
    if kind.startswith("TIMESTAMP"):
        return f"{column}::TIMESTAMP::DATE"
    return f"TRY_CAST(left({text_of(column, kind)}, 10) AS DATE)"


def _number(column: str, kind: str) -> str:
    """Return a cell as a number."""
    return f"TRY_CAST({column if kind != 'VARCHAR' else text_of(column, kind)} AS DOUBLE)"


def _count(column: str, kind: str) -> str:
    """Return a cell as a whole number."""
    return f"TRY_CAST(round({_number(column, kind)}) AS BIGINT)"


def _tags(column: str, kind: str) -> str:
    """Return tags like ``l2_576460752303423567`` as a map of metric to root; of several of a metric, the newest id."""
    tags = f"list_sort(regexp_extract_all({text_of(column, kind)}, '[A-Za-z][A-Za-z0-9_]*_[0-9]+'))"
    pairs = (
        f"list_filter(list_transform({tags}, lambda tag: {{'metric': regexp_extract(tag, '^(.*)_[0-9]+$', 1), "
        f"'root': TRY_CAST(regexp_extract(tag, '[0-9]+$') AS BIGINT)}}), lambda pair: pair.root > 1)"
    )
    metrics = f"list_distinct(list_transform({pairs}, lambda pair: pair.metric))"
    newest = (
        f"list_transform(list_sort({metrics}), lambda metric: {{'key': metric, 'value': "
        f"list_max(list_transform(list_filter({pairs}, lambda pair: pair.metric = metric), lambda pair: pair.root))}})"
    )
    return f"CASE WHEN len({pairs}) > 0 THEN map_from_entries({newest}) END"


_READERS = MappingProxyType(
    {
        "id": id_of,
        "text": text_of,
        "texts": _texts,
        "flag": _flag,
        "date": _date,
        "tags": _tags,
        "number": _number,
        "count": _count,
    }
)


def _place(
    name: str, column: str | None, there: Mapping[str, str], voxel_nm: tuple[float, float, float]
) -> list[str]:
    """Return three columns in voxels and three in nm of text like ``[x, y, z]``; NULL when it is not three numbers."""
    selected = []
    for axis, size, number in zip("xyz", voxel_nm, (1, 2, 3), strict=True):
        voxel = "NULL" if column is None else _voxel(column, there, number)
        selected.append(f"floor({voxel})::BIGINT AS {name}_{axis}")
        selected.append(f"({voxel})::DOUBLE * {size!r} AS {name}_{axis}_nm")
    return selected


def _voxel(column: str, there: Mapping[str, str], number: int) -> str:
    """Return one of a place's three numbers; NULL when the text is not three, of a size that a volume can have."""
    text = text_of(ident(column), there[column])
    return rf"TRY_CAST(nullif(regexp_extract({text}, '{_PLACE}', {number}), '') AS DOUBLE)"


_NUMBER = r"([+-]?[0-9]{1,15}(?:\.[0-9]*)?)"
_BETWEEN = rf"(?:{_BLANK}*[,;]{_BLANK}*|{_BLANK}+)"
_PLACE = rf"^[\[(]?{_BLANK}*{_NUMBER}{_BETWEEN}{_NUMBER}{_BETWEEN}{_NUMBER}{_BLANK}*[\])]?$"
