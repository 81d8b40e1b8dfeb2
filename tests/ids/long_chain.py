"""Ten versions with 2,200 edits, mirrored with all that ids can be known by; and what is known with some of it taken away."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crantdb.analysis.idmap import ids_at
from crantdb.config import read_config
from crantdb.sandbox import Sandbox
from crantdb.sync.l2 import sync_l2
from crantdb.warehouse.catalog import connect
from tests.ids.bringing import bringing
from tests.ids.chain import Truth, chain, micros, moment
from tests.ids.conftest import Chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import duckdb
    import polars as pl

TEN = 10
WITH_L2 = (1, 4, 7, 10)
"""Versions of whose roots the L2 chunks are mirrored."""

SYNAPSES, IDS, LINEAGE, L2 = "supervoxels of synapses", "shared synapses", "lineage", "shared L2 chunks"
BY_EVIDENCE = (SYNAPSES, LINEAGE, IDS, L2)

_SYNAPSES_BUT = (
    "CREATE OR REPLACE VIEW main.root_overlaps AS SELECT * REPLACE (0 AS {what}) FROM main.kept_overlaps"
)
_NONE = MappingProxyType(
    {
        SYNAPSES: _SYNAPSES_BUT.format(what="supervoxels"),
        IDS: _SYNAPSES_BUT.format(what="synapses"),
        LINEAGE: "CREATE OR REPLACE MACRO main.evidence_of_lineage(of_roots) AS TABLE "
        "SELECT 0::BIGINT AS id, 0::BIGINT AS new_id, false AS merged, false AS sure WHERE false",
        L2: "CREATE OR REPLACE MACRO main.evidence_of_l2(of_roots) AS TABLE "
        "SELECT 0::BIGINT AS id, 0::BIGINT AS new_id, 0 AS votes, 0.0 AS fraction WHERE false",
    }
)
"""What takes a sort of evidence out of a connection."""

_NO_SYNAPSES = "CREATE OR REPLACE VIEW main.root_overlaps AS SELECT * FROM main.kept_overlaps WHERE false"
_NO_ANCHORS = (
    "CREATE OR REPLACE MACRO main.evidence_of_anchors(of_roots) AS TABLE "
    "SELECT 0::BIGINT AS id, 0::BIGINT AS new_id, 1 AS rank, 1 AS votes, 1.0 AS fraction WHERE false"
)


@contextmanager
def mirrored_long(folder: Path) -> Iterator[Chain]:
    """Give the chain, brought version by version, with L2 chunks of some, and annotations of all days at the end."""
    stack = chain(neurons=12, edits=200, synapses=20_000, versions=TEN)
    assert stack.chunkedgraph is not None
    truth = Truth(stack.chunkedgraph)
    with Sandbox(stack) as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setattr("crantdb.sync.l2.keep_registered", lambda *_: None)
        brought = bringing(folder, sandbox, "chain_ant")
        made = Chain(stack, truth, sandbox, brought)
        for number in range(1, TEN + 1):
            brought.version(number)
            if number in WITH_L2:
                sync_l2(
                    brought.cave,
                    brought.warehouse,
                    read_config(brought.warehouse.config),
                    made.stood([number]),
                )
        brought.annotate(typed_rows(truth))
        yield made


def typed_rows(truth: Truth, count: int = 40) -> list[dict[str, str]]:
    """Return annotations: supervoxels with the roots that they had at moments all along the chain."""
    history = truth.history
    supervoxels = np.random.default_rng(8).choice(history.pieces.supervoxels, count, replace=False).tolist()
    first, last = micros(moment(0)), micros(moment(TEN))
    rows = []
    for turn, supervoxel in enumerate(supervoxels):
        at = first + (last - first) * (turn + 1) // (count + 1)
        root = int(history.roots_at([supervoxel], at)[0])
        rows.append({"_id": f"row{turn:02d}", "root_id": str(root), "supervoxel_id": str(supervoxel)})
    return rows


def mapped(con: duckdb.DuckDBPyConnection, ids: list[int], version: int | None = None) -> pl.DataFrame:
    """Return ids mapped to a version that a connection holds; to its main one when none is named."""
    rows: pl.DataFrame = ids_at(con, ids, materialization="latest" if version is None else version)  # type: ignore[assignment]
    assert rows.get_column("old_id").to_list() == ids
    return rows


@contextmanager
def knowing_only(root: Path, version: int, sort: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection to a version that knows of old roots by one sort of evidence only."""
    with connect(root, version=version) as con:
        con.execute("CREATE TABLE main.kept_overlaps AS FROM main.root_overlaps")
        con.execute(_NO_ANCHORS)
        if sort in {SYNAPSES, IDS}:
            con.execute(_NONE[IDS if sort == SYNAPSES else SYNAPSES])
        else:
            con.execute(_NO_SYNAPSES)
        for other in {LINEAGE, L2} - {sort}:
            con.execute(_NONE[other])
        yield con


class Rates:
    """How often a mapping was right, by what decided and how sure it was.

    Args:
        truth: what is really so.
        version: the version mapped to.
    """

    def __init__(self, truth: Truth, version: int) -> None:
        self._truth = truth
        self._version = version
        self._right: Counter[tuple[str, bool]] = Counter()
        self._sure: Counter[bool] = Counter()

    def count(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count rows of `ids_at` that votes, lineage or L2 chunks decided; one that is sure and wrong is an error.

        Right is the root that has most of the old one's supervoxels. What is decided holds at least a part of it.
        """
        for row in rows:
            if row["method"] not in BY_EVIDENCE:
                continue
            shares = self._truth.shares(row["old_id"], self._version)
            assert row["new_id"] in shares, row
            right = shares[row["new_id"]] == max(shares.values())
            assert right or row["confidence"] <= 0.9, row
            self._right[row["method"], right] += 1
            if row["confidence"] > 0.9:
                self._sure[right] += 1

    def right(self, *methods: str) -> int:
        """Return how many were right by some methods; by any when none is named."""
        return sum(self._right[method, True] for method in methods or BY_EVIDENCE)

    def decided(self, *methods: str) -> int:
        """Return how many were decided by some methods; by any when none is named."""
        return self.right(*methods) + sum(self._right[method, False] for method in methods or BY_EVIDENCE)

    @property
    def sure(self) -> int:
        """How many were above 0.9."""
        return self._sure.total()

    def said(self) -> str:
        """Return it in words."""
        parts = [
            f"{method} {self.right(method)} of {self.decided(method)} right"
            for method in BY_EVIDENCE
            if self.decided(method)
        ]
        return f"{', '.join(parts)} ({self.sure} above 0.9, none of them wrong)"
