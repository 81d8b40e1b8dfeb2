"""`verify --online` asks the chunkedgraph of every root, and says which were not as they should be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from crantdb.sandbox import Datastack, Sandbox
from crantdb.sources.chunkedgraph import open_chunkedgraph
from crantdb.sync.online import check_online
from tests.cli.conftest import run
from tests.ids.bringing import bringing
from tests.ids.chain import chain, micros, moment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def stack() -> Datastack:
    """Return one version."""
    return chain(seed=8, neurons=8, edits=30, synapses=1500, versions=1)


def test_what_is_right_passes(stack: Datastack, tmp_path: Path) -> None:
    """Nothing is found in a warehouse as the servers gave it, by the function and by the verb."""
    with Sandbox(stack) as sandbox:
        brought = bringing(tmp_path / "wh", sandbox, "chain_ant")
        brought.version(1)
        assert check_online(brought.warehouse, open_chunkedgraph(brought.cave)) == {}
        done = run("verify", "--online", "--warehouse", brought.warehouse.root)
    assert (done.code, "nothing wrong" in done.err) == (0, True), done.err


def test_every_stale_root_is_counted(stack: Datastack, tmp_path: Path) -> None:
    """Roots of synapses that were not current, which a sync's sample may pass, are all found."""
    history, version = stack.chunkedgraph, stack.versions[0]
    assert history is not None
    stale = [root.id for root in history.roots.values() if not root.is_latest(micros(moment(1)))][:7]
    table = version.table("synapses_v2")
    assert table is not None
    roots = table.rows["pre_pt_root_id"].to_pylist()
    roots[: len(stale)] = stale
    place = table.rows.column_names.index("pre_pt_root_id")
    rows = table.rows.set_column(place, "pre_pt_root_id", pa.array(roots, pa.int64()))
    tables = tuple(replace(t, rows=rows) if t.name == "synapses_v2" else t for t in version.tables)
    with Sandbox(replace(stack, versions=(replace(version, tables=tables),))) as sandbox:
        brought = bringing(tmp_path / "wh", sandbox, "chain_ant")
        brought.version(1)
        found = check_online(brought.warehouse, open_chunkedgraph(brought.cave))
        done = run("verify", "--online", "--warehouse", brought.warehouse.root)
    assert found == {"synapses' pre_root_id is no root at as_of": len(stale)}
    assert done.code == 1
    assert f"{len(stale)}: synapses' pre_root_id is no root at as_of" in done.out
