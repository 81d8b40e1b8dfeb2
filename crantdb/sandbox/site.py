"""What all services of a running sandbox share: the datastacks, the database and the options."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from crantdb.sandbox.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crantdb.sandbox.given import Datastack

# The servers of the recordings.
SERVER_VERSIONS: Mapping[str, str] = MappingProxyType(
    {"info": "4.3.3", "materialize": "5.26.4", "segmentation": "2.21.1"}
)


@dataclass(frozen=True, slots=True)
class Options:
    """How a sandbox behaves.

    Attributes:
        row_limit: the most rows a query gives.
        rows_in_order: False serves rows in another order at every request.
        foreign_key_500: whether a fresh worker refuses a reference table until it has seen its target.
        server_versions: the versions that info, materialize and segmentation say they are.
        seed: where the orders of rows start.
        quiet_500: whether the chunkedgraph fails for the edits of a time without any, as older ones do.
    """

    row_limit: int = 10_000
    rows_in_order: bool = False
    foreign_key_500: bool = False
    server_versions: Mapping[str, str] = field(default_factory=lambda: SERVER_VERSIONS)
    seed: int = 0
    quiet_500: bool = False


class Site:
    """The state of a running sandbox; safe to use from many threads."""

    def __init__(self, datastacks: Iterable[Datastack], options: Options) -> None:
        self.options = options
        self.store = Store()
        self.workers = Workers()
        self.url = ""
        self._lock = threading.Lock()
        self._datastacks = {datastack.name: datastack for datastack in datastacks}
        self._requests = itertools.count(1)

    def datastack(self, name: str) -> Datastack | None:
        """Return the datastack of a name, or None."""
        return self._datastacks.get(name)

    def datastacks(self) -> tuple[Datastack, ...]:
        """Return all datastacks."""
        with self._lock:
            return tuple(self._datastacks.values())

    def replace(self, datastack: Datastack) -> None:
        """Put a datastack in the place of the one with its name, or beside the others."""
        with self._lock:
            self._datastacks[datastack.name] = datastack
            served = [version for stack in self._datastacks.values() for version in stack.versions]
            tables = [table.rows for version in served for table in version.tables]
            views = [view.rows for version in served for view in version.views]
        self.store.keep_only([*tables, *views])

    def order_seed(self) -> int | None:
        """Return a number that fixes the order of this request's rows, or None for the table's order."""
        if self.options.rows_in_order:
            return None
        return self.options.seed * 1_000_003 + next(self._requests)


class Workers:
    """The server's two pretend processes, each with its own memory of the tables it has met."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns = itertools.cycle((0, 1))
        self._met: set[tuple[int, str, int, str]] = set()

    def meets(self, datastack: str, version: int, tables: Iterable[str], *, needs: str | None) -> bool:
        """Let the next worker meet tables; return whether it already knew the one needed."""
        with self._lock:
            worker = next(self._turns)
            known = needs is None or (worker, datastack, version, needs) in self._met
            self._met |= {(worker, datastack, version, table) for table in tables}
        return known
