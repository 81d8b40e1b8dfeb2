"""The five forms of a synapse table from those of the version before and the rows that were replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.warehouse.arrange import (
    BY_POST_COLUMNS,
    ID,
    POST,
    PRE,
    Arranged,
    FormsWriter,
    part_of,
)
from crantdb.warehouse.edges import EDGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import pyarrow as pa

    from crantdb.warehouse.arrange import SynapseNames
    from crantdb.warehouse.files import StagedFile
    from crantdb.warehouse.merge import Replaced
    from crantdb.warehouse.staging import StagedTable, Staging


@dataclass(frozen=True, slots=True)
class Before:
    """The files of the version before.

    Attributes:
        schema: the columns of the synapse table.
        main: its files.
        by_post: those of its copy by postsynaptic root.
        ids: those of its ids.
    """

    schema: pa.Schema
    main: Sequence[StagedFile]
    by_post: Sequence[StagedFile]
    ids: Sequence[StagedFile]


def rearrange(
    staging: Staging, con: duckdb.DuckDBPyConnection, names: SynapseNames, before: Before, replaced: Replaced
) -> Arranged:
    """Make the five tables; of a sorted one only the files in which a row was replaced are written.

    Args:
        staging: where new files go.
        con: sorts (see `sorting`), and knows the relations of `replaced`.
        names: what the four further tables are called.
        before: the tables before.
        replaced: the rows that go (with `id` and both roots) and come (whole).

    Raises:
        StorageError: when the disk or the memory promise is too small.
    """
    staging.clear_done()
    schema = before.schema
    narrow = part_of(schema, [name for name in BY_POST_COLUMNS if name in schema.names])
    with FormsWriter(staging, con) as write:
        main = write.merged(None, before.main, replaced, schema=schema, order=(PRE, POST, ID))
        edges = write.edges_beside(names.edges, main)
        by_post = write.merged(names.by_post, before.by_post, replaced, schema=narrow, order=(POST, PRE, ID))
        ids = write.merged(
            names.ids, before.ids, replaced, schema=part_of(schema, [ID, PRE, POST]), order=(ID,)
        )
        made = [file.path for file in edges.result().files]
        turned = write.sorted(names.edges_by_post, made, EDGES, ("post_root_id", "pre_root_id"))
    return Arranged(main, by_post, edges.result(), turned, ids)


def merged_table(
    staging: Staging, con: duckdb.DuckDBPyConnection, before: Before, replaced: Replaced
) -> StagedTable:
    """Make a table that is sorted by id alone; only the files in which a row was replaced are written.

    Raises:
        StorageError: when the disk or the memory promise is too small.
    """
    staging.clear_done()
    with FormsWriter(staging, con) as write:
        return write.merged(None, before.main, replaced, schema=before.schema, order=(ID,))
