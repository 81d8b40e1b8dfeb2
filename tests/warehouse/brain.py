"""Synapses of a small brain, seeded: few roots with many, many with few, and every root that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crantdb.sync.finish import Forms, finish
from crantdb.warehouse.commit import commit
from crantdb.warehouse.staging import open_staging
from tests.warehouse.making import ROOT, change, facts, staging_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.warehouse.commit import TableFacts
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import Staging
    from crantdb.warehouse.state import Snapshot
    from crantdb.warehouse.validate import ValidTable

MEMORY = 2_000_000_000


def synapses(rows: int, *, roots: int = 50, seed: int = 0, first_id: int = 1) -> pa.Table:
    """Return synapses in the order of their ids, which have gaps; roots are beyond 2^53, some NULL, 0 or 1."""
    random = np.random.default_rng(seed)
    ids = first_id + np.cumsum(random.integers(1, 4, rows))
    columns: dict[str, Any] = {"id": pa.array(ids, pa.int64())}
    for side in ("pre", "post"):
        # Squared: a few roots have many synapses. Neighbours by one, which a float could not tell apart.
        chosen = ROOT + (random.random(rows) ** 2 * roots).astype(np.int64)
        kind = random.random(rows)
        chosen[kind < 0.04] = 0
        chosen[(kind >= 0.04) & (kind < 0.05)] = 1
        columns[f"{side}_pt_root_id"] = pa.array(chosen, pa.int64(), mask=kind > 0.97)
        columns[f"{side}_pt_supervoxel_id"] = pa.array(2**56 + random.integers(0, 2**40, rows), pa.int64())
    for point in ("pre", "post", "ctr"):
        for axis in "xyz":
            columns[f"{point}_pt_position_{axis}"] = pa.array(random.integers(0, 50_000, rows), pa.int32())
    columns["size"] = pa.array(
        random.integers(1, 3000, rows).astype(np.float32), mask=random.random(rows) > 0.99
    )
    columns["score"] = pa.array(random.random(rows).astype(np.float32))
    return pa.table(columns)


def staged(
    warehouse: Warehouse, rows: pa.Table, *, table: str = "syn", pieces: int = 3, version: int = 1
) -> Staging:
    """Stage rows in pieces of equal length, the last piece first."""
    staging = open_staging(warehouse, staging_key(table, version))
    size = max(1, -(-rows.num_rows // pieces))
    for start in reversed(range(0, max(1, rows.num_rows), size)):
        staging.add(str(start), rows.slice(start, size))
    return staging


def finished(
    staging: Staging, *, canonical: str = "syn", others: Sequence[str] = (), version: int = 1
) -> list[tuple[ValidTable, TableFacts]]:
    """Return a synapse table in its five forms, checked."""
    forms = Forms(canonical, others, MEMORY)
    return finish(staging, facts(version), expected_rows=staging.rows, forms=forms)


def brain(warehouse: Warehouse, rows: pa.Table, *, version: int = 1, **others: Any) -> Snapshot:
    """Commit a snapshot with the synapses as the datastack's own."""
    tables = finished(staged(warehouse, rows, version=version), version=version)
    return commit(warehouse, change(warehouse, {}, version, tables=tables, **others))
