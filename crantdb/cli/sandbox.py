"""sandbox: CAVE on loopback, for trying things out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crantdb.cli.settings import Settings, verb
from crantdb.config import SeaTableSettings, config_text
from crantdb.errors import ConfigError

if TYPE_CHECKING:
    from crantdb.sandbox import Datastack
    from crantdb.sandbox.seatable import SeaTable


@verb("sandbox")
@click.option("--port", type=int, default=0, help="The port (default: a free one).")
@click.option(
    "--tables",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve the Parquet and CSV files of a folder as CAVE tables instead.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Which world to generate.")
@click.option("--neurons", type=int, default=60, show_default=True, help="Neurons of the generated world.")
@click.option(
    "--synapses", type=int, default=20_000, show_default=True, help="Synapses of the generated world."
)
@click.option(
    "--row-limit", type=int, default=10_000, show_default=True, help="Rows a query gives at the most."
)
@click.option("--token", help="Ask for this token (default: ask for none).")
def sandbox_verb(settings: Settings, port: int, folder: Path | None, token: str | None, **world: int) -> None:
    """Serve a generated world as CAVE and SeaTable do, until Ctrl-C, and print the config that points at it."""
    from crantdb.sandbox import Sandbox

    settings.say("making the world …" if folder is None else f"reading {folder} …")
    datastack = _datastack(folder, world)
    seatable = _seatable(datastack, world["seed"], token)
    limit = world["row_limit"]
    with Sandbox(datastack, port=port, token=token, row_limit=limit, seatable=seatable) as sandbox:
        mirrored = None if seatable is None else _mirrored(seatable)
        click.echo(f"# crantdb.toml\n{config_text(datastack.name, sandbox.url, seatable=mirrored)}")
        settings.say(
            f"serving {datastack.name} at {sandbox.url}; Ctrl-C ends it. In another terminal:\n"
            f"  crantdb init somewhere --datastack {datastack.name} --cave-server {sandbox.url}{_base(mirrored)}\n"
            f"  {'' if mirrored is None else 'CRANTTABLE_TOKEN=… '}crantdb sync --warehouse somewhere"
        )
        while True:
            time.sleep(3600)


def _seatable(datastack: Datastack, seed: int, token: str | None) -> SeaTable | None:
    """Return a SeaTable with annotations of the generated world; None for tables that were given."""
    from crantdb.sandbox.seatable import SeaTable, crantb_base

    return None if datastack.truth is None else SeaTable(crantb_base(datastack, seed=seed).base, token=token)


def _base(mirrored: SeaTableSettings | None) -> str:
    """Return the option of `init` that names the served base."""
    if mirrored is None:
        return ""
    return f" --seatable {mirrored.server}/workspace/{mirrored.workspace}/dtable/{mirrored.bases[0]}/"


def _mirrored(seatable: SeaTable) -> SeaTableSettings:
    """Return the settings that mirror a SeaTable."""
    names = tuple(base.name for base in seatable.bases)
    return SeaTableSettings(seatable.url, seatable.bases[0].workspace_id, names)


def _datastack(folder: Path | None, world: dict[str, int]) -> Datastack:
    """Return what to serve."""
    from crantdb.sandbox import datastack_from_tables, generate_world, tables_from_folder

    if folder is None:
        return generate_world(seed=world["seed"], neurons=world["neurons"], synapses=world["synapses"])
    tables = tables_from_folder(folder)
    if not tables:
        msg = f"{folder} holds no .parquet or .csv file to serve"
        raise ConfigError(msg)
    synapses = next((table.name for table in tables if "synapse" in table.name), None)
    return datastack_from_tables(tables, name="given", synapse_table=synapses)
