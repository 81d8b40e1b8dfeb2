"""The part of the demo that mirrors: an older version, then the newest by what changed, with the annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.cli.demo_skeletons import mirror_skeletons
from crantdb.cli.draw import progress_for
from crantdb.config import Config, SeaTableSettings, config_text
from crantdb.sources.cave import CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sync.run import sync
from crantdb.sync.selection import Wish
from crantdb.tokens import Token
from crantdb.warehouse.layout import create_warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.cli.settings import Settings
    from crantdb.sandbox.given import Datastack
    from crantdb.sync.l2 import L2Report
    from crantdb.sync.run import SyncReport
    from crantdb.warehouse.layout import Warehouse

FIRST_VERSION = 3
ONLY_IN_FIRST = "bound_tags_user"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What the demo mirrored.

    Attributes:
        warehouse: where.
        first: the sync of the older version.
        second: the sync of the newest, with SeaTable.
        skeletons: the sync of L2 data.
    """

    warehouse: Warehouse
    first: SyncReport
    second: SyncReport
    skeletons: L2Report


def mirror(world: Datastack, place: Path, settings: Settings) -> Mirrored:
    """Serve a generated world and mirror it; the server is gone when this returns."""
    from crantdb.sandbox import Sandbox
    from crantdb.sandbox.seatable import SeaTable, crantb_base
    from crantdb.sources.seatable.server import Limits, SeaTableServer, TokenKind
    from crantdb.sync.seatable import part

    with Sandbox(world, seatable=SeaTable(crantb_base(world).base)) as sandbox:
        settings.say(f"serving it at {sandbox.url}; mirroring it into {place}")
        annotations = SeaTableSettings(sandbox.url, 62919, ("CRANTb",), requests_per_s=100)
        text = config_text(world.name, sandbox.url, seatable=annotations)
        warehouse, config = (
            create_warehouse(place, text),
            Config(world.name, sandbox.url, seatable=annotations),
        )
        server = SeaTableServer(
            sandbox.url, Token("demo", "the demo"), kind=TokenKind.ACCOUNT, limits=Limits(requests_per_s=100)
        )
        cave = open_cave(world.name, sandbox.url, None, CaveOptions(chunk_rows=2_000))
        with progress_for(settings) as progress:
            first = sync(cave, warehouse, config, Wish(FIRST_VERSION), progress)
            wish = Wish(drop=(ONLY_IN_FIRST,))
            second = sync(
                cave, warehouse, config, wish, progress, seatable=part.SeaTable(server, annotations)
            )
            skeletons = mirror_skeletons(cave, warehouse, config, progress)
    return Mirrored(warehouse, first, second, skeletons)
