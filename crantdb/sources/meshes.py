"""Regions from a folder: OBJ, PLY, STL or OFF files, one a region, or precomputed meshes. No network here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crantdb.errors import BadArgument, BadFile
from crantdb.morphology.regions import Region, Regions, Surface, surface
from crantdb.sources.precomputed import Folder, MeshSource, open_meshes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from crantdb.sources.precomputed import Triangles

ENDINGS = (".obj", ".ply", ".stl", ".off")


def read_folder(folder: Path, *, unit_nm: float = 1.0) -> Regions:
    """Read every region of a folder.

    Files are named for their regions: ``ellipsoid_body.obj`` is `ellipsoid_body`. A precomputed folder (one with
    an ``info``) names its segments in its ``segment_properties``; a file ``labels.json``, a map from segment id
    to name, says so where it does not.

    Args:
        folder: where.
        unit_nm: how many nm a unit of the files' coordinates is; precomputed meshes are in nm.

    Raises:
        BadFile: when there is no mesh, or one cannot be read.
        ConfigError: when precomputed meshes need a decoder that is not installed.
    """
    if not folder.is_dir():
        msg = f"{folder} is no folder"
        raise BadFile(msg, path=folder)
    if (folder / "info").is_file() or (folder / "mesh" / "info").is_file():
        source = open_meshes(Folder(folder))
        return of_segments(source, _labels(folder, source), {}, folder)
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    if not paths:
        msg = f"{folder} holds no mesh: neither {', '.join(ENDINGS)} files nor a precomputed info"
        raise BadFile(msg, path=folder)
    return _regions([Region(path.stem, (_read_file(path, unit_nm),)) for path in paths], folder)


def of_segments(
    source: MeshSource, names: Mapping[int, str], aliases: Mapping[str, Sequence[str]], place: Path
) -> Regions:
    """Return the regions of precomputed segments, and those that are made of several.

    Args:
        source: the meshes.
        names: the name of each segment.
        aliases: further regions, each with the names of its parts.
        place: what errors call it.

    Raises:
        BadFile, ConfigError: as `read_folder`.
    """
    surfaces = {name: _surface(source.mesh(segment), place, name) for segment, name in names.items()}
    single = [Region(name, (one,)) for name, one in surfaces.items()]
    joined = [Region(name, tuple(surfaces[part] for part in parts)) for name, parts in aliases.items()]
    return _regions([*single, *joined], place)


def _labels(folder: Path, source: MeshSource) -> dict[int, str]:
    """Return the names of a precomputed folder's segments.

    Raises:
        BadFile: when nothing names them, or in a way that cannot be read.
    """
    path = folder / "labels.json"
    if path.is_file():
        try:
            return {int(segment): str(name) for segment, name in json.loads(path.read_text("utf-8")).items()}
        except (ValueError, AttributeError) as error:
            msg = f'{path} is no map from segment ids to names, e.g. {{"1": "ellipsoid_body"}}: {error}'
            raise BadFile(msg, path=path) from error
    names = source.names()
    if not names:
        msg = f'{folder} does not name its segments: put a labels.json beside its info, e.g. {{"1": "ellipsoid_body"}}'
        raise BadFile(msg, path=folder)
    return names


def _read_file(path: Path, unit_nm: float) -> Surface:
    """Read one mesh file."""
    import trimesh  # noqa: PLC0415 - heavy, and only meshes need it

    try:
        mesh = trimesh.load(path, force="mesh", process=False)
        points: NDArray[np.float64] = mesh.vertices * unit_nm
        return _surface((points, mesh.faces), path, path.stem)
    except (
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        TypeError,
        OSError,
        NotImplementedError,
    ) as error:
        msg = f"{path} cannot be read as a mesh of triangles: {error}"
        raise BadFile(msg, path=path) from error


def _surface(mesh: Triangles, path: Path, name: str) -> Surface:
    """Return a mesh as a surface.

    Raises:
        BadFile: when it is none.
    """
    try:
        return surface(*mesh)
    except BadArgument as error:
        msg = f"{name} in {path}: {error}"
        raise BadFile(msg, path=path) from error


def _regions(regions: list[Region], place: Path) -> Regions:
    """Return regions as one set.

    Raises:
        BadFile: when two have one name.
    """
    try:
        return Regions(regions)
    except BadArgument as error:
        msg = f"{place}: {error}"
        raise BadFile(msg, path=place) from error
