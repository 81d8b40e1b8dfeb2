"""The verbs init and doctor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crantdb.cli.output import output_for
from crantdb.cli.seatable import check_bases, settings_from_address
from crantdb.cli.settings import Settings, verb
from crantdb.config import Config, SeaTableSettings, config_text, profiles, read_config
from crantdb.errors import ConfigError, CrantdbError
from crantdb.tokens import cave_token
from crantdb.warehouse.durable import neighbour
from crantdb.warehouse.layout import create_warehouse, free_bytes, open_warehouse
from crantdb.warehouse.lock import holder, is_stale

if TYPE_CHECKING:
    from collections.abc import Callable

    from crantdb.warehouse.layout import Warehouse


@verb("init")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--datastack", default="kronauer_ant", show_default=True, help="The CAVE datastack to mirror.")
@click.option("--cave-server", help="The global CAVE server (known for CRANTb's datastacks).")
@click.option(
    "--seatable",
    is_flag=False,
    flag_value="",
    metavar="[ADDRESS]",
    help="Mirror annotations too: a base's address as a browser shows it (CRANTb's when left out).",
)
@click.option(
    "--shared", is_flag=True, help="Let others read the folder (by default only you can: mode 0700)."
)
def init_verb(
    settings: Settings,
    folder: Path | None,
    datastack: str,
    cave_server: str | None,
    *,
    seatable: str | None,
    shared: bool,
) -> None:
    """Make FOLDER (default: the warehouse's folder) a warehouse by writing its crantdb.toml."""
    text = config_text(datastack, cave_server, seatable=_seatable(datastack, seatable))
    warehouse = create_warehouse(folder or settings.warehouse, text, shared=shared)
    settings.say(f"made the warehouse {warehouse.root}: it will mirror {datastack}")
    where = "" if folder is None else f" --warehouse {folder}"
    settings.say(f"next: crantdb doctor{where} · crantdb plan{where} · crantdb sync{where}")


def _seatable(datastack: str, given: str | None) -> SeaTableSettings | None:
    """Return what to mirror of SeaTable: nothing, what an address says, or what the datastack is known for."""
    if given is None:
        return None
    if given:
        return settings_from_address(given)
    known = profiles().get(datastack)
    if known is None:
        msg = (
            f"crantdb does not know which SeaTable base annotates {datastack!r}. Give its address as a browser shows "
            f"it: --seatable https://…/workspace/…/dtable/…/"
        )
        raise ConfigError(msg)
    return known.seatable


@verb("doctor")
def doctor_verb(settings: Settings) -> None:
    """Check servers, tokens, disk and file system; exit 1 when something is wrong."""
    warehouse = open_warehouse(settings.warehouse)
    config = read_config(warehouse.config)
    checks: list[tuple[str, Callable[[], str]]] = [
        ("file system", lambda: _file_system(warehouse)),
        ("disk", lambda: f"{free_bytes(warehouse.root) / 1e9:,.1f} GB free at {warehouse.root}"),
        ("lock", lambda: _lock(warehouse)),
        ("token", lambda: _token(config)),
        ("server", lambda: _server(config)),
    ]
    if config.seatable is not None:
        checks.append(("seatable", lambda: check_bases(config)))
    rows = []
    for name, check in checks:
        try:
            rows.append((name, "ok", check()))
        except (CrantdbError, OSError) as error:
            rows.append((name, "problem", str(error)))
    output_for(settings.output).rows(("check", "result", "what"), rows)
    if any(result == "problem" for _, result, _ in rows):
        raise click.exceptions.Exit(1)


def _file_system(warehouse: Warehouse) -> str:
    """Try what a commit needs where the warehouse lies: a hard link, an exclusive one, a rename."""
    one, two, three = (neighbour(warehouse.root / "doctor") for _ in range(3))
    try:
        one.write_text("x")
        os.link(one, two)
        try:
            os.link(one, two)
        except FileExistsError:
            pass
        else:
            msg = "the file system lets a hard link replace a file: two commits could collide unseen"
            raise ConfigError(msg)
        two.replace(three)
    finally:
        for path in (one, two, three):
            path.unlink(missing_ok=True)
    return "hard links, exclusive links and renames work"


def _lock(warehouse: Warehouse) -> str:
    """Say who writes."""
    who = holder(warehouse)
    if who is None:
        return "nobody writes"
    return (
        f"left by {who}, which is gone; the next sync takes it over"
        if is_stale(warehouse, who)
        else f"held by {who}"
    )


def _token(config: Config) -> str:
    """Say where the token comes from."""
    token = cave_token(config.server)
    return str(token) if token else "none found (fine for a server that asks for none)"


def _server(config: Config) -> str:
    """Ask the server who it is and what it has."""
    from datetime import UTC, datetime

    from crantdb.cli.sync import options_of
    from crantdb.sources.opening import open_cave

    token = cave_token(config.server)
    cave = open_cave(
        config.datastack, config.server, None if token is None else token.value, options_of(config)
    )
    ready = sorted((v for v in cave.versions() if v.is_available), key=lambda v: v.number)
    versions = ", ".join(f"{v.number} ({v.as_of:%Y-%m-%d})" for v in ready[-5:]) or "none"
    clock = cave.server_clock()
    apart = (
        "" if clock is None else f"; clocks {abs((datetime.now(UTC) - clock).total_seconds()):.0f} s apart"
    )
    return (
        f"materialization engine {cave.engine_version()} at {cave.local_server}; "
        f"versions of {config.datastack} available: {versions}{apart}"
    )
