"""Reads tables of a base whole, and proves it: keyset pages, counts, a sweep, until nothing moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from crantdb.sources.seatable.catalogue import BaseInfo
    from crantdb.sources.seatable.result import BaseRead, PageNews
    from crantdb.sources.seatable.server import Base


@dataclass(frozen=True, slots=True)
class ReadRules:
    """How a base is read.

    Attributes:
        page_rows: rows to ask for at once; lowered for wide tables and after failures.
        rounds: how often what changed meanwhile is read again, at the most.
        settle_s: seconds to wait before reading a base that has just changed: its SQL may lag behind.
    """

    page_rows: int = 10_000
    rounds: int = 3
    settle_s: float = 10.0


def read_tables(
    base: Base,
    tables: Sequence[str] | None,
    *,
    spill: Path | None = None,
    rules: ReadRules | None = None,
    known: BaseInfo | None = None,
    previous_version: int | None = None,
    on_page: Callable[[PageNews], None] | None = None,
) -> BaseRead:
    """Read tables of a base whole, at one version when the base rests, else within a window of time.

    Args:
        base: an opened base.
        tables: their names; None for all tables of the base.
        spill: an empty folder for pages on their way (Arrow files; the caller removes it after having
            read the pieces); None keeps them in memory.
        rules: page sizes and rounds.
        known: what `base.metadata()` just gave, to save a request.
        previous_version: the version of the last mirror; None when there is none.
        on_page: hears of every page.

    Returns:
        Every row of every table, with the consistency that was reached.

    Raises:
        NotServed: when a table is not there.
        IncompleteError: when counts and rows do not agree after the last round.
        SourceError: every failure of the server, after the tries its kind is worth.
        Interrupted: when the server's `stop` was set.
    """
    raise NotImplementedError


def unchanged(info: BaseInfo, previous_version: int | None, previous_hash: str) -> bool:
    """Tell whether a base is as it was: same version and same schema.

    The version does not see archived rows, formulas that change by themselves, or renamed people: read in
    full once a day all the same.

    Args:
        info: what `base.metadata()` gave now (one request).
        previous_version: of the last mirror.
        previous_hash: `catalogue.base_hash(info.tables)` of the last mirror.
    """
    raise NotImplementedError
