"""Verify: is every file what its manifest says? Reads, never writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.errors import CorruptWarehouse, WarehouseTooNew
from crantdb.warehouse.agreement import disagreements, forms_in
from crantdb.warehouse.deep import Content, between_files, look_into, parts_of
from crantdb.warehouse.durable import sha256_of
from crantdb.warehouse.manifest import read_manifest
from crantdb.warehouse.state import VersionState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import DataFile, TableState


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: which file, and what."""

    path: Path
    what: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One file looked at: its path, its size, and what was found (nothing when all is well)."""

    path: Path
    bytes: int
    finding: Finding | None


def verify(warehouse: Warehouse, *, deep: bool = False) -> Iterator[Checked]:
    """Check every manifest and every file that any of them lists.

    Args:
        warehouse: which.
        deep: also decode every file and check its rows, columns, key range and order against the manifest,
            and that the forms of a synapse table agree.

    Yields:
        Each file as it was checked: first the manifests, then the data files, each once; at last what is wrong
        with files together, as checks of no bytes.
    """
    states: list[VersionState] = []
    shared: list[TableState] = []
    for number in warehouse.numbers():
        path = warehouse.manifest(number)
        try:
            size = path.stat().st_size
            snapshot = read_manifest(path)
        except (CorruptWarehouse, WarehouseTooNew) as error:
            yield Checked(path, size, Finding(path, str(error)))
            continue
        except FileNotFoundError:  # expired while we looked
            continue
        yield Checked(path, size, None)
        states += snapshot.states()
        shared += snapshot.shared.values()
    yield from _files(warehouse, [*states, *map(_alone, shared)], deep=deep)


def _alone(table: TableState) -> VersionState:
    """Return a table that all versions share as a state of its own: it is compared with no other."""
    return VersionState(None, None, {table.key: table})


def _files(warehouse: Warehouse, states: Sequence[VersionState], *, deep: bool) -> Iterator[Checked]:
    """Check the data files of version states, each file once, then what they are together."""
    listed = _listed([table for state in states for table in state.tables.values()])
    whole: dict[str, Content] = {}
    for file, table in listed.values():
        path = warehouse.root / file.path
        what = _fault(path, file)
        if what is None and deep:
            content = look_into(path, file, table)
            what = content.fault
            if what is None:
                whole[file.path] = content
        yield Checked(path, file.bytes, None if what is None else Finding(path, f"{what} ({table.key})"))
    if deep:
        yield from _together(warehouse, states, whole)


def _listed(tables: Sequence[TableState]) -> dict[str, tuple[DataFile, TableState]]:
    """Return each file by its path, with a table as which it can be read."""
    result = {file.path: (file, table) for table in tables for file in table.files}
    for table in sorted(
        tables, key=lambda t: t.kind == "derived"
    ):  # a layer's files are those of a synapse table
        for file, part in parts_of(table):
            result.setdefault(file.path, (file, part))
    return result


def _together(
    warehouse: Warehouse, states: Sequence[VersionState], whole: Mapping[str, Content]
) -> Iterator[Checked]:
    """Check the order across the files of each table, and that forms agree; a table that is wrong by itself is compared with none."""
    seen: set[tuple[str, ...]] = set()
    wrong: set[tuple[str, ...]] = set()
    for state in states:
        for table in state.tables.values():
            files = _paths(table)
            unknown = files in seen or table.layers is not None or not whole.keys() >= set(files)
            found = None if unknown else between_files(table, whole)
            seen.add(files)
            if found is not None:
                wrong.add(files)
                yield _of_no_bytes(warehouse, found[0], f"{found[1]} ({table.key})")
        for main, forms in forms_in(state):
            files = _paths(main, *forms.values())
            if files not in seen and _paths(main) not in wrong and whole.keys() >= set(files):
                for form, what in disagreements(warehouse, main, forms):
                    yield _of_no_bytes(warehouse, form.own[0].path, f"{what} ({form.key})")
            seen.add(files)


def _paths(*tables: TableState) -> tuple[str, ...]:
    """Return the paths of every file of tables."""
    return tuple(file.path for table in tables for file in table.needed)


def _of_no_bytes(warehouse: Warehouse, path: str, what: str) -> Checked:
    """Return a finding on a file that was counted already."""
    return Checked(warehouse.root / path, 0, Finding(warehouse.root / path, what))


def _fault(path: Path, file: DataFile) -> str | None:
    """Return what is wrong with a file's bytes, or None."""
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return f"has {size:,} bytes, its manifest says {file.bytes:,}"
        if sha256_of(path) != file.sha256:
            return "is damaged: its SHA-256 is not the manifest's"
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None
