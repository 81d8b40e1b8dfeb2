"""demo: from nothing to queries, in a fresh folder, without a token."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import polars as pl

from crantdb.cli.demo_mirror import Mirrored, mirror
from crantdb.cli.demo_skeletons import show_skeletons
from crantdb.cli.query import duckdb_shell
from crantdb.cli.settings import Settings, verb
from crantdb.warehouse.catalog import connect, scan

if TYPE_CHECKING:
    import duckdb

    from crantdb.warehouse.layout import Warehouse

QUERIES = (
    ("What is this?", "SELECT snapshot, version, as_of, datastack FROM snapshot"),
    (
        "What does it hold?",
        "SELECT name, kind, status, rows, completeness FROM tables ORDER BY status, rows DESC",
    ),
    (
        "Which neurons give the most synapses?",
        """SELECT pre_root_id, sum(syn_count)::BIGINT AS synapses, count(*) AS partners
FROM edges WHERE pre_root_id > 0 GROUP BY ALL ORDER BY synapses DESC LIMIT 5""",
    ),
    (
        "Who are the neurons, and are their roots of this moment?",
        "SELECT cell_type, root_status, count(*) AS annotations FROM annotations GROUP BY ALL ORDER BY ALL LIMIT 8",
    ),
    (
        "How did the synapses of this version come?",
        "SELECT name, completeness, rows FROM tables WHERE name = 'synapses_v2'",
    ),
    (
        "In which chunks do these supervoxels lie?",
        "FROM id_chunk((SELECT list(DISTINCT pre_pt_supervoxel_id)[:3] FROM synapses WHERE pre_pt_supervoxel_id > 1))",
    ),
)

PARTNERS = """SELECT post_root_id, syn_count FROM edges
WHERE pre_root_id = {root} AND post_root_id > 0 ORDER BY syn_count DESC, post_root_id LIMIT 3"""


@verb("demo")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def demo_verb(settings: Settings, folder: Path | None) -> None:
    """Serve a generated brain on loopback, mirror it into FOLDER (default: a new one), and query it."""
    from crantdb.sandbox import generate_world

    settings.say("making a small brain: neurons with real shapes, synapses, edits over time, annotations …")
    world = generate_world(edits=2)
    place = folder or Path(tempfile.mkdtemp(prefix="crantdb-demo-")) / "warehouse"
    made = mirror(world, place, settings)
    rows = sum(made.first.fetched.values()) + sum(made.second.fetched.values())
    settings.say(
        f"mirrored two versions and the annotations, {rows:,} rows, in {made.first.seconds + made.second.seconds:.1f} s, "
        f"and {made.skeletons.new_nodes:,} L2 chunks of {made.skeletons.new_roots} neurons in "
        f"{made.skeletons.seconds:.1f} s; the server is gone now, the rest is offline\n"
    )
    _show(made.warehouse)
    _show_difference(made)
    show_skeletons(made.warehouse)
    _next(settings, made.warehouse)


def _show(warehouse: Warehouse) -> None:
    """Ask the first questions."""
    con = connect(warehouse.root)
    for title, query in QUERIES:
        click.echo(f"-- {title}\n{query};")
        click.echo(str(con.sql(query)).rstrip("\n") + "\n")
    [(root, _, _), *_] = con.sql(QUERIES[2][1]).fetchall()
    _show_partners(warehouse, con, root)


def _show_difference(made: Mirrored) -> None:
    """Say what changed between the two versions."""
    from crantdb.analysis.versions import diff

    one, other = (report.snapshot.main.version for report in (made.first, made.second))
    assert one is not None  # noqa: S101 - both syncs brought a version
    assert other is not None  # noqa: S101
    with connect(made.warehouse.root, versions=[one, other]) as con:
        counts = diff(con, one, other).filter(pl.col("rows") > 0)
    click.echo(f"-- What changed between the two versions: crantdb diff v{one} v{other}")
    with pl.Config(tbl_rows=20, tbl_hide_dataframe_shape=True):
        click.echo(f"{counts}\n")


def _show_partners(warehouse: Warehouse, con: duckdb.DuckDBPyConnection, root: int) -> None:
    """Ask one question three ways: in Python, in polars, in the DuckDB shell. The answers are equal."""
    query = PARTNERS.format(root=root)
    click.echo(f"-- Its strongest partners, three ways. In Python: con.sql(...)\n{query};")
    click.echo(str(con.sql(query)).rstrip("\n") + "\n")
    ask = (pl.col("pre_root_id") == root) & (pl.col("post_root_id") > 0)
    lazy = scan("edges", warehouse.root).filter(ask).select("post_root_id", "syn_count")
    click.echo('-- In polars: crantdb.scan("edges", ...).filter(...)')
    click.echo(f"{lazy.sort(['syn_count', 'post_root_id'], descending=[True, False]).head(3).collect()}\n")
    shell = duckdb_shell()
    if shell is None:
        click.echo("-- In the DuckDB shell: not shown, there is none here (pip install duckdb-cli)\n")
        return
    click.echo(f"-- In the DuckDB shell: duckdb -readonly {warehouse.database.name}", nl=True)
    done = subprocess.run(  # noqa: S603 - our own query, on our own file
        [shell, "-readonly", str(warehouse.database), "-c", query], capture_output=True, text=True, check=True
    )
    click.echo(done.stdout)


def _next(settings: Settings, warehouse: Warehouse) -> None:
    """Say what to try next."""
    settings.say(
        f"try next:\n"
        f"  crantdb tables --warehouse {warehouse.root}\n"
        f"  crantdb macros --warehouse {warehouse.root}\n"
        f'  crantdb sql "FROM cell_types LIMIT 5" --warehouse {warehouse.root}\n'
        f"  crantdb plot skeleton $(crantdb sql 'SELECT root_id FROM neuron_metrics LIMIT 1' --output csv "
        f"--warehouse {warehouse.root} | tail -1) -o neuron.png --warehouse {warehouse.root}\n"
        f"  crantdb shell --warehouse {warehouse.root}\n"
        f"  crantdb init my_lab --datastack kronauer_ant && crantdb sync --warehouse my_lab   # with your token"
    )
