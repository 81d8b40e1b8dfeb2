"""The part of the demo that mirrors L2 data, and makes skeletons of them once the server is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crantdb.warehouse.catalog import connect

if TYPE_CHECKING:
    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sync.l2 import L2Report
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse

NEURONS = 12
"""The strongest so many neurons get skeletons."""

_STRONGEST = f"""SELECT pre_root_id FROM edges WHERE pre_root_id > 0
GROUP BY ALL ORDER BY sum(syn_count) DESC, pre_root_id LIMIT {NEURONS}"""
CABLE = """SELECT root_id, nodes, branch_points, round(cable_mst_nm / 1e3) AS cable_um
FROM neuron_metrics ORDER BY cable_um DESC LIMIT 3"""


def mirror_skeletons(cave: Cave, warehouse: Warehouse, config: Config, progress: Progress) -> L2Report:
    """Mirror the L2 data of the strongest neurons."""
    from crantdb.sync.l2 import sync_l2

    with connect(warehouse.root) as con:
        roots = [root for (root,) in con.sql(_STRONGEST).fetchall()]
    return sync_l2(cave, warehouse, config, roots, progress)


def show_skeletons(warehouse: Warehouse) -> None:
    """Ask for cable lengths, and write the skeletons into a folder beside the warehouse."""
    from crantdb.analysis.swc import write_swc

    with connect(warehouse.root) as con:
        click.echo(f"-- How long are their skeletons?\n{CABLE};")
        click.echo(str(con.sql(CABLE)).rstrip("\n") + "\n")
        roots = [root for (root,) in con.sql("SELECT root_id FROM neuron_metrics").fetchall()]
        folder = warehouse.root.parent / f"{warehouse.root.name}-skeletons"
        report = write_swc(con, roots, folder)
    written = len(report.written) + len(report.kept)
    click.echo(f"-- As files: crantdb swc ROOT… -o {folder.name}\n{written} skeletons as SWC in {folder}\n")
