"""A base: its tables, its links, its version and the log of what was done to it."""

from __future__ import annotations

import json
import random
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.cells import SYSTEM, Json, Row, encoder
from crantdb.sandbox.seatable.clock import Clock, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crantdb.sandbox.seatable.model import LinkMap, Table

_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_FORMAT_VERSION = 9
ANNOTATOR = "annotator@auth.local"
"""Who edits when nobody is named."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What a base API token may do: ``r`` or ``rw``, and the name of the app it was made for."""

    app_name: str = "crantdb"
    permission: str = "r"


class Base:
    """One base.

    Args:
        name: its name.
        tables: its tables, with the rows they begin with.
        workspace_id: the workspace it lies in.
        api_tokens: base API tokens and what they may do (``r``, ``rw`` or an `ApiToken`).
        version: the counter to begin with.
        seed: where the ids of rows, keys and the base begin; the same seed and edits give the same ids.
        clock: what time edits carry; a server puts its own in this place.

    Attributes:
        version: moves by one with every change of rows, links, columns, tables or views that are not archived.
        links: the link maps by id.
        operations: the log of changes, oldest first, as ``operations/`` serves it.
        archive_log: the log of changes of archived rows, as ``db-operations/`` serves it.
        files: uploaded files by path.
        over_quota: whether its owner is over the storage quota, which makes every token read-only.
        lock: held while a request is answered or the base changed.
    """

    def __init__(
        self,
        name: str,
        tables: Iterable[Table] = (),
        *,
        workspace_id: int = 62919,
        api_tokens: Mapping[str, str | ApiToken] | None = None,
        version: int = 2,
        seed: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self.rng = random.Random(f"{name}:{seed}")  # noqa: S311 (ids, not secrets)
        self.name = name
        self.uuid = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        self.workspace_id = workspace_id
        self.api_tokens = {
            token: given if isinstance(given, ApiToken) else ApiToken(permission=given)
            for token, given in (api_tokens or {}).items()
        }
        self.version = version
        self.clock = clock or Clock()
        self.cleared_text: str | None = None
        self.over_quota = False
        self.tables: list[Table] = []
        self.links: dict[str, LinkMap] = {}
        self.operations: list[dict[str, Json]] = []
        self.archive_log: list[dict[str, Json]] = []
        self.files: dict[str, bytes] = {}
        self.snapshots: list[dict[str, Json]] = []
        self.lock = threading.RLock()
        for table in tables:
            self.adopt(table)

    def adopt(self, table: Table) -> None:
        """Take a table in with the rows it was given; ids and keys it lacks are made. The version stays."""
        taken = {known.id for known in self.tables}
        table.id = table.id or ("0000" if "0000" not in taken else self.new_key(taken))
        for column in table.columns:
            keys = {known.key for known in table.columns}
            column.key = column.key or ("0000" if "0000" not in keys else self.new_key(keys))
        self.tables.append(table)
        given, table.given = table.given, ()
        born = stamp(self.clock.now())
        columns = {column.name: (column.key, column, encoder(column.type)) for column in table.columns}
        for values in given:
            row = self.new_row(born)
            for name, value in values.items():
                if name in columns:
                    key, column, form = columns[name]
                    raw = value if form is None or value is None else form(column, value)
                    if raw is not None:
                        row[key] = raw
                else:
                    row[_system(name)] = value
            table.put(row)

    def table(self, name: str, table_id: str | None = None) -> Table:
        """Return the table of an id when there is one, else of a name.

        Raises:
            Refused: there is none.
        """
        for wanted, field in ((table_id, "id"), (name, "name")):
            for table in self.tables:
                if wanted and getattr(table, field) == wanted:
                    return table
        msg = f"table {name} not found"
        raise Refused(msg, 404)

    def new_row(self, born: str, author: str = ANNOTATOR) -> Row:
        """Return an empty row of a moment (as `stamp` writes it)."""
        return {
            "_id": self.new_row_id(),
            "_ctime": born,
            "_mtime": born,
            "_creator": author,
            "_last_modifier": author,
        }

    def stamp(self) -> str:
        """Return the time as rows carry it."""
        return stamp(self.clock.now())

    def new_row_id(self, lead: str = "") -> str:
        """Return an unused row id of 22 characters, with a given beginning."""
        return lead + "".join(self.rng.choices(_ID_LETTERS, k=22 - len(lead)))

    def new_key(self, taken: Iterable[str]) -> str:
        """Return a key of four characters that is not taken."""
        others = set(taken)
        while (key := "".join(self.rng.choices(_KEY_LETTERS, k=4))) in others:
            pass
        return key

    def record(self, operation: Mapping[str, Json], author: str = ANNOTATOR, *, app: str = "") -> None:
        """Move the version on and log an operation."""
        self.version += 1
        self.operations.append(self._entry(operation, author, app) | {"op_id": self.version})

    def record_archived(self, operation: Mapping[str, Json], author: str = ANNOTATOR) -> None:
        """Log an operation on archived rows, which moves no version."""
        self.archive_log.append(self._entry(operation, author, "") | {"op_id": len(self.archive_log) + 1})

    def metadata(self) -> dict[str, Json]:
        """Return what the metadata endpoint serves."""
        return {
            "tables": [table.info() for table in self.tables],
            "version": self.version,
            "format_version": _FORMAT_VERSION,
            "settings": {},
        }

    def _entry(self, operation: Mapping[str, Json], author: str, app: str) -> dict[str, Json]:
        """Return an entry of a log."""
        return {
            "id": len(self.operations) + len(self.archive_log) + 1,
            "op_time": int(self.clock.unix() * 1000),
            "author": author,
            "app": app,
            "dtable_uuid": self.uuid,
            "operation": json.dumps(operation, default=str),
        }


def _system(name: str) -> str:
    """Return the name of a system field.

    Raises:
        Refused: it is none, nor a column.
    """
    if name not in SYSTEM:
        msg = f"column {name} not found"
        raise Refused(msg, 404)
    return name
