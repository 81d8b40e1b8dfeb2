"""What to sync from where (`crantdb.toml`), and tokens, read only when asked for."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from crantdb.checks import (
    address,
    between,
    checked,
    names,
    renamed,
    section,
    some_names,
    text,
    three_sizes,
    yes_or_no,
)
from crantdb.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SeaTableSettings:
    """How to mirror SeaTable.

    Attributes:
        server: the server's address.
        workspace: the workspace that the bases stand in: the number in a base's address.
        bases: their names.
        tables: the tables to mirror, by name, of whatever base has them; None for all tables.
        max_requests: gateway requests a sync may make at the most; None for no bound.
        requests_per_s: gateway requests a second at the most: the allowance is shared by all who use a base.
        timeout_s: seconds without a byte after which a request is given up.
        tries: how often a request is made before a transient failure becomes final.
        full_every_h: hours after which a base that says it has not changed is read all the same.
    """

    server: str
    workspace: int
    bases: tuple[str, ...]
    tables: tuple[str, ...] | None = None
    max_requests: int | None = None
    requests_per_s: float = 2.0
    timeout_s: float = 120.0
    tries: int = 5
    full_every_h: float = 24.0


@dataclass(frozen=True, slots=True)
class Profile:
    """A datastack that crantdb knows by name: its CAVE server, and the SeaTable base that annotates it."""

    datastack: str
    server: str
    seatable: SeaTableSettings


@dataclass(frozen=True, slots=True)
class CaveSettings:
    """How to mirror CAVE.

    Attributes:
        tables: the tables and views to mirror; None for all that can be read.
        exclude: tables and views to leave out.
        synapse_tables: tables to arrange as synapses beside the datastack's own synapse table.
        parallel: requests at a time, 1 to 8.
        timeout_s: seconds without a byte after which a request is given up.
        chunk_rows: rows to ask for at once; lowered by itself to what the server allows.
        tries: how often a request is made before a transient failure becomes final.
        patience_s: seconds after which no further try is begun.
        full_every: every so many versions a large table is fetched in full; the others by what changed.
    """

    tables: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    synapse_tables: tuple[str, ...] = ()
    parallel: int = 2
    timeout_s: float = 120.0
    chunk_rows: int = 100_000
    tries: int = 6
    patience_s: float = 600.0
    full_every: int = 8


@dataclass(frozen=True, slots=True)
class L2Settings:
    """How to mirror L2 data.

    Attributes:
        where: a predicate over `neurons`: whose L2 data to mirror; None for every annotated neuron whose status
            does not say that it is debris, glia or to be deleted.
        parallel: requests at a time, 1 to 8.
        ids_at_once: L2 ids to ask the L2 cache for at once.
        synapses: whether the L2 ids of the neurons' synapses are mirrored too, so that each is attached exactly.
    """

    where: str | None = None
    parallel: int = 4
    ids_at_once: int = 2000
    synapses: bool = False


@dataclass(frozen=True, slots=True)
class AnnotationSettings:
    """Which table of SeaTable is the lab's annotations, and what its columns are called.

    Attributes:
        table: the table's name; None for the only one that is mirrored, else CRANTb's.
        columns: by the names of `annotations`: the table's own; those left out are called the same.
        voxel_nm: the size in nm of the voxels its positions are in.
        backup_cells: a CAVE table of cells, looked in where the datastack's soma table has none.
    """

    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    voxel_nm: tuple[float, float, float] = (8.0, 8.0, 42.0)
    backup_cells: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The content of a `crantdb.toml`.

    Attributes:
        datastack: the datastack's name.
        server: the address of its global CAVE server.
        cave: how to mirror CAVE.
        l2: how to mirror L2 data.
        syncs_l2: whether a sync without a named source mirrors L2 data too: the file has a section `[l2]`.
        seatable: how to mirror SeaTable; None when the file has no section `[seatable]`.
        annotations: how the lab's annotations are read.
    """

    datastack: str
    server: str
    cave: CaveSettings = field(default_factory=CaveSettings)
    l2: L2Settings = field(default_factory=L2Settings)
    syncs_l2: bool = False
    seatable: SeaTableSettings | None = None
    annotations: AnnotationSettings = field(default_factory=AnnotationSettings)


def profiles() -> dict[str, Profile]:
    """Return the datastacks known by name; any other is a `server` line in `crantdb.toml`."""
    server = "https://proofreading.zetta.ai"
    crantb = SeaTableSettings("https://cloud.seatable.io", 62919, ("CRANTb",), ("CRANTb_meta",))
    return {name: Profile(name, server, crantb) for name in ("kronauer_ant", "kronauer_ant_sandbox")}


def config_text(
    datastack: str, server: str | None, *, parallel: int = 2, seatable: SeaTableSettings | None = None
) -> str:
    """Return the text of a new `crantdb.toml`.

    Args:
        datastack: its name.
        server: the address of its CAVE server; None for a datastack that crantdb knows.
        parallel: requests at a time.
        seatable: what to mirror of SeaTable; None for nothing (the section is then written as a comment).

    Raises:
        ConfigError: when no server is given for a datastack that crantdb does not know.
    """
    known = profiles().get(datastack)
    if server is None and known is None:
        names = ", ".join(profiles())
        msg = (
            f"crantdb does not know which server has the datastack {datastack!r} (it knows {names}). "
            f"Say it with --cave-server https://…"
        )
        raise ConfigError(msg)
    address = check_server(server or (known.server if known else ""))
    return (
        "# What this warehouse mirrors, and from where. Tokens never stand here: see `crantdb doctor`.\n"
        f"datastack = {_quoted(datastack)}\n"
        f"server = {_quoted(address)}\n"
        "\n[cave]\n"
        '# tables = ["synapses_v2", "cell_types"]   # default: every table and view that can be read\n'
        "# exclude = []\n"
        f"parallel = {parallel}      # requests at a time\n"
        "# timeout_s = 120   # seconds without a byte before a request is given up\n"
        "# chunk_rows = 100000   # rows a request; lowered by itself to what the server allows\n"
        "# full_every = 8     # large tables come by what changed; every so many versions in full\n"
        "\n# [l2]                # with this section, a sync mirrors the L2 data of annotated neurons too\n"
        "# where = \"cell_class = 'ER'\"   # default: all that are not marked as debris, glia or to be deleted\n"
        + _seatable_text(seatable)
    )


def _seatable_text(wanted: SeaTableSettings | None) -> str:
    """Return the section `[seatable]`; without one wanted, that of CRANTb as a comment."""
    shown = wanted or profiles()["kronauer_ant"].seatable
    mark = "# " if wanted is None else ""
    tables = "[]" if shown.tables is None else f"[{', '.join(map(_quoted, shown.tables))}]"
    lines = [
        "[seatable]" + ("          # with this section, a sync mirrors annotations too" if mark else ""),
        f"server = {_quoted(shown.server)}",
        f"workspace = {shown.workspace}",
        f"bases = [{', '.join(map(_quoted, shown.bases))}]",
        f"tables = {tables}   # default: every table of every base"
        if shown.tables
        else "# tables = []   # default: every table of every base",
        "# max_requests = 200   # gateway requests a sync may make; everybody who uses the bases shares the quota",
    ]
    marked = (line if line.startswith("#") else mark + line for line in lines)
    return "\n" + "\n".join(marked) + "\n"


def _quoted(text: str) -> str:
    """Write a text as TOML, which takes JSON's escapes but for its surrogate pairs, and wants one more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_config(path: Path) -> Config:
    """Read a `crantdb.toml`.

    Raises:
        ConfigError: naming every mistake in it at once.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}"
        raise ConfigError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ConfigError(msg) from error
    mistakes: list[str] = []
    fields = {"datastack": text, "server": address, "cave": section, "l2": section, "seatable": section}
    fields |= {"annotations": section}
    top = checked(raw, fields, "", mistakes)
    cave = checked(top.get("cave", {}), _CAVE_FIELDS, "cave.", mistakes)
    l2 = checked(top.get("l2", {}), _L2_FIELDS, "l2.", mistakes)
    annotations = checked(top.get("annotations", {}), _ANNOTATION_FIELDS, "annotations.", mistakes)
    if "datastack" not in raw:
        mistakes.append("datastack is missing")
    known = profiles().get(top.get("datastack", ""))
    if "server" not in raw and known is None:
        mistakes.append("server is missing, and the datastack is not one that crantdb knows")
    seatable = _seatable(top["seatable"], known, mistakes) if "seatable" in top else None
    if mistakes:
        msg = f"{path}: " + "; ".join(mistakes)
        raise ConfigError(msg)
    server = top.get("server") or (known.server if known else "")
    return Config(
        top["datastack"],
        server,
        CaveSettings(**cave),
        L2Settings(**l2),
        syncs_l2="l2" in top,
        seatable=seatable,
        annotations=AnnotationSettings(**annotations),
    )


def _seatable(raw: Mapping[str, Any], known: Profile | None, mistakes: list[str]) -> SeaTableSettings | None:
    """Return the section `[seatable]`; what a datastack that crantdb knows leaves out is as that has it."""
    found = checked(raw, _SEATABLE_FIELDS, "seatable.", mistakes)
    if "base" in found:
        found["bases"] = (*found.get("bases", ()), found.pop("base"))
    whole = {"server", "workspace", "bases"} <= found.keys()
    if not whole and (known is None or found.keys() & {"server", "workspace", "bases"}):
        missing = sorted(
            {"server", "workspace", "bases"} - raw.keys() - ({"bases"} if "base" in raw else set())
        )
        mistakes += [f"seatable.{name} is missing" for name in missing]
        return None
    if known is not None and not whole:
        return replace(known.seatable, **found)
    return SeaTableSettings(**found)


def check_server(value: str) -> str:
    """Return a server's address without its trailing slash.

    Raises:
        ConfigError: when it is not an http(s) address, or carries a name or password.
    """
    try:
        return address(value)
    except ValueError as error:
        msg = f"the server's address {error}"
        raise ConfigError(msg) from error


_CAVE_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "tables": names,
    "exclude": names,
    "synapse_tables": names,
    "parallel": between(1, 8, int),
    "timeout_s": between(0.1, 3600, float),
    "chunk_rows": between(1, 10_000_000, int),
    "tries": between(1, 50, int),
    "patience_s": between(0, 86_400, float),
    "full_every": between(1, 1000, int),
}

_L2_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "where": text,
    "parallel": between(1, 8, int),
    "ids_at_once": between(1, 100_000, int),
    "synapses": yes_or_no,
}

_ANNOTATION_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "table": text,
    "columns": renamed,
    "voxel_nm": three_sizes,
    "backup_cells": text,
}

_SEATABLE_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "server": address,
    "workspace": between(1, 2**53, int),
    "base": text,
    "bases": some_names,
    "tables": some_names,
    "max_requests": between(1, 1_000_000, int),
    "requests_per_s": between(0.01, 100, float),
    "timeout_s": between(0.1, 3600, float),
    "tries": between(1, 50, int),
    "full_every_h": between(0, 24 * 365, float),
}
