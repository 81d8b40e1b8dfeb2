"""Another lab's table: its own names, voxels and backup of nuclei, said in crantdb.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crantdb.config import read_config
from crantdb.errors import ConfigError
from crantdb.sandbox import Sandbox
from crantdb.sync.beside import Deriving
from crantdb.sync.progress import Silence
from crantdb.warehouse.catalog import connect
from tests.ids.bringing import bringing
from tests.ids.chain import Truth, chain

if TYPE_CHECKING:
    from pathlib import Path

TOML = """
[annotations]
voxel_nm = [4, 4, 40]
backup_cells = "cell_types"
columns = { root_id = "pt_root", supervoxel_id = "sv", cell_type = "Type", position = "xyz" }
"""


def test_its_columns_become_ours(tmp_path: Path) -> None:
    """Ids, types and positions are found under the lab's names, in its voxels; columns it does not have are NULL."""
    stack = chain(seed=5, neurons=6, edits=10, synapses=1000, versions=1)
    assert stack.chunkedgraph is not None
    with Sandbox(stack) as sandbox:
        brought = bringing(tmp_path / "wh", sandbox, "chain_ant")
        place = brought.warehouse.config
        place.write_text(place.read_text("utf-8") + TOML, "utf-8")
        config = read_config(place)
        brought.annotated = Deriving(brought.warehouse, config, lambda: None, 2**29, Silence()).annotated()
        brought.version(1)
        supervoxel = int(stack.chunkedgraph.pieces.supervoxels[0])
        root = Truth(stack.chunkedgraph).root(supervoxel, 1)
        row = {"_id": "a", "pt_root": str(root), "sv": str(supervoxel), "Type": "ER1", "xyz": "10, 20, 30"}
        brought.annotate([{**row, "cell_type": "not this one"}])
        with connect(brought.warehouse.root) as con:
            found = con.sql(
                "SELECT root_id, root_id_typed, cell_type, position_x_nm, position_z_nm, cell_class FROM annotations"
            ).fetchall()
            ranks = con.sql("SELECT DISTINCT rank, source FROM cell_ids ORDER BY rank").fetchall()
    assert found == [(root, root, "ER1", 40.0, 1200.0, None)]
    assert ranks == [(1, "nuclei_v1"), (2, "cell_types")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[annotations]\nvoxel_nm = [8, 8]", "annotations.voxel_nm must be three numbers above 0"),
        ("[annotations]\nvoxel_nm = [8, 8, true]", "annotations.voxel_nm must be three numbers above 0"),
        ("[annotations]\ncolumns = ['a']", "annotations.columns must be a section of names"),
        ("[annotations]\ntabel = 'x'", "annotations.tabel is unknown .did you mean annotations.table"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    """What the section says wrong is told with its name."""
    path = tmp_path / "crantdb.toml"
    path.write_text(f'datastack = "ants"\nserver = "http://127.0.0.1:1"\n{text}\n', "utf-8")
    with pytest.raises(ConfigError, match=said):
        read_config(path)


def test_a_column_that_annotations_do_not_have_is_told(tmp_path: Path) -> None:
    """A name on the left that is none of ours is an error that names the nearest, not a column passed over."""
    path = tmp_path / "crantdb.toml"
    path.write_text(
        'datastack = "ants"\nserver = "http://127.0.0.1:1"\n[annotations.columns]\ncell_typ = "Type"\n',
        "utf-8",
    )
    with Sandbox(chain(seed=5, neurons=6, edits=5, synapses=1000, versions=1)) as sandbox:
        warehouse = bringing(tmp_path / "wh", sandbox, "chain_ant").warehouse
    deriving = Deriving(warehouse, read_config(path), lambda: None, 2**29, Silence())
    with pytest.raises(ConfigError, match="did you mean cell_type"):
        deriving.annotated()
