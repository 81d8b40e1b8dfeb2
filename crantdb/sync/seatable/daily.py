"""Daily CSV files become history: what differs from file to file is appended to `annotation_changes`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from crantdb.errors import NoSuchTable
from crantdb.sources.seatable.moments import stamp_ms
from crantdb.sources.seatable_csv import Daily, find_daily, read_daily
from crantdb.sync.inventory import clear_shared, parent_of
from crantdb.sync.progress import Silence
from crantdb.sync.registration import keep_registered
from crantdb.sync.seatable.changes import ADDED, CHANGED, REMOVED, Between, in_batches
from crantdb.sync.seatable.history import KEY, appended, stage_changes
from crantdb.warehouse.commit import commit, keeping
from crantdb.warehouse.lock import writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from crantdb.config import Config
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState

_SAID = frozenset({"_id", "_mtime", "_last_modifier", "_ctime", "_creator"})
_DAYS = "csv_days"


@dataclass(frozen=True, slots=True)
class CsvReport:
    """What an import of daily files did.

    Attributes:
        snapshot: the snapshot that is current now; None when there is none and nothing was new.
        changed: whether this import made it.
        days: the days that were new.
        changes: how many changes of each kind they brought.
    """

    snapshot: Snapshot | None
    changed: bool
    days: tuple[date, ...]
    changes: Mapping[str, int]


def import_daily(
    warehouse: Warehouse,
    config: Config,
    folder: Path,
    *,
    table: str,
    base: str | None = None,
    progress: Progress | None = None,
) -> CsvReport:
    """Append what changed between daily CSV files to the history.

    The first file is what the others are compared with. Days that were imported before are passed over, so that a
    folder may be imported again when files were added behind. A change is somewhere between the beginning of the
    one day and the end of the other, as a file does not say at what time of its day it was made.

    Args:
        warehouse: where.
        config: its configuration.
        folder: the folder of files, or one of them.
        table: the SeaTable table that they are of.
        base: its base; None for the only one that crantdb.toml names.
        progress: hears how it goes.

    Raises:
        BadFile: when a file is not what it should be; nothing is committed.
        NoSuchTable: when it is not known which base the table is of.
        WarehouseError: when the store refuses.
    """
    progress = progress or Silence()
    files = find_daily(folder)
    with writing(warehouse, "import"):
        parent = parent_of(warehouse, config)
        name = base or _only_base(config)
        log = None if parent is None else parent.shared.get(KEY)
        known = _Known(name, table, parent)
        done = {} if log is None else dict(log.source.get(_DAYS, {}))
        days = set(done.get(known.label, ()))
        new = [daily for daily in files if daily.day.isoformat() not in days]
        counts: Counter[str] = Counter()
        if not new:
            return CsvReport(parent, changed=False, days=(), changes=counts)
        progress.begin(table, len(files), 0)
        changes = _changes(files, {daily.day for daily in new}, known, counts, progress)
        done[known.label] = sorted(days | {daily.day.isoformat() for daily in new})
        made = stage_changes(
            warehouse,
            config,
            in_batches(changes),
            seen_at=datetime.now(UTC) if log is None else log.fetched_at,
            source={**({} if log is None else log.source), _DAYS: done},
        )
        progress.end(table)
        going = appended(warehouse, config, log, made)
        change = keeping(
            parent, operation="import seatable-csv", datastack=config.datastack, server=config.server
        )
        news = replace(change, shared=going.get("shared", ()), appended=going.get("appended", ()))
        snapshot = commit(warehouse, news)
        progress.say(f"committed snapshot {snapshot.number}")
        clear_shared(warehouse)
    keep_registered(warehouse, snapshot)
    return CsvReport(snapshot, changed=True, days=tuple(daily.day for daily in new), changes=counts)


def _only_base(config: Config) -> str:
    """Return the only base of crantdb.toml."""
    bases = () if config.seatable is None else config.seatable.bases
    if len(bases) == 1:
        return bases[0]
    msg = "which SeaTable base are the files of? Say it with --base (crantdb.toml does not name exactly one)"
    raise NoSuchTable(msg)


class _Known:
    """What the warehouse knows of the table that files are of.

    Args:
        base: the base's name.
        table: the table's name.
        parent: the current snapshot.
    """

    def __init__(self, base: str, table: str, parent: Snapshot | None) -> None:
        self.base = base
        self.table = table
        self.label = f"{base}.{table}"
        state: TableState | None = None if parent is None else parent.shared.get(f"seatable.{base}.{table}")
        source = {} if state is None else state.source
        self.table_id = None if state is None else str(source["table_id"])
        self._keys = {column["name"]: column["key"] for column in source.get("columns", ())}

    def key_of(self, column: str) -> str | None:
        """Return a column's identity, where it is known."""
        return column if column.startswith("_") else self._keys.get(column)


def _changes(
    files: Sequence[Daily], new: set[date], known: _Known, counts: Counter[str], progress: Progress
) -> Iterator[dict[str, Any]]:
    """Yield what changed from file to file, where the later one is new; two files are in memory at a time."""
    before: dict[str, dict[str, str]] | None = None
    for number, daily in enumerate(files):
        rows = read_daily(daily) if _is_needed(files, number, new) else None
        if rows is not None and before is not None and daily.day in new:
            between = Between(
                known.base,
                known.table_id,
                known.table,
                datetime.combine(files[number - 1].day, time.min, UTC),
                datetime.combine(daily.day, time.max, UTC),
                source="csv",
                counts=counts,
            )
            yield from _between(before, rows, between, known)
        progress.advance(known.table, 1)
        before = rows


def _is_needed(files: Sequence[Daily], number: int, new: set[date]) -> bool:
    """Tell whether a file must be read: it is new, or the one before a new one."""
    return files[number].day in new or (number + 1 < len(files) and files[number + 1].day in new)


def _between(
    before: Mapping[str, Mapping[str, str]],
    now: Mapping[str, Mapping[str, str]],
    between: Between,
    known: _Known,
) -> Iterator[dict[str, Any]]:
    """Yield what changed between two files."""
    for row_id in sorted(before.keys() | now.keys()):
        old, new = before.get(row_id), now.get(row_id)
        said = _said(new if new is not None else old or {})
        if old is None:
            yield between.change(row_id, ADDED, to_value=_as_json(new or {}), **said)
        elif new is None:
            yield between.change(row_id, REMOVED, from_value=_as_json(old), **said)
        else:
            for name in sorted((old.keys() | new.keys()) - _SAID):
                if old.get(name) != new.get(name):
                    yield between.change(
                        row_id,
                        CHANGED,
                        column_key=known.key_of(name),
                        column_name=name,
                        from_value=old.get(name),
                        to_value=new.get(name),
                        **said,
                    )


def _as_json(cells: Mapping[str, str]) -> str:
    """Return a row of a file as JSON, by column name."""
    return json.dumps(cells, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _said(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return who changed a row last and when, where the file says it."""
    try:
        moment = datetime.fromtimestamp(stamp_ms(cells.get("_mtime")) / 1000, UTC).replace(tzinfo=None)
    except ValueError:
        moment = None
    return {"modified_by": cells.get("_last_modifier"), "modified_at": moment}
