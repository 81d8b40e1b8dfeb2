"""CRANTb's neuropils: the published meshes at one pinned commit, with their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import requests

from crantdb.errors import NotServed
from crantdb.sources.meshes import of_segments
from crantdb.sources.precomputed import open_meshes
from crantdb.sources.transport import RetryRule, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crantdb.morphology.regions import Regions
    from crantdb.sources.classify import Answer

COMMIT = "6d007140ff8b15dd20b4110b8c22b556e76c6f14"
URL = f"https://raw.githubusercontent.com/yigityargili991/haberkernlab_mesh_repo/{COMMIT}"

_MUSHROOM_BODY = ("pedunculus_and_lobes", "medial_calyx", "lateral_calyx")
NAMES: Mapping[int, str] = MappingProxyType(
    dict(
        enumerate(
            [
                *(f"mushroom_body_{part}_{side}" for side in ("left", "right") for part in _MUSHROOM_BODY),
                *("antennal_lobe_left", "antennal_lobe_right"),
                *("fan_shaped_body", "ellipsoid_body", "protocerebral_bridge", "nodulus_left"),
                *("optic_lobe_left", "optic_lobe_right", "lateral_horn_left", "lateral_horn_right"),
                *(
                    f"pb_glomerulus_{name}"
                    for name in ["L5", "L6", "L7", "L8", "R1", "R2", "R3", "R5", "R7", "R8"]
                ),
                *("gall_left", "gall_right", "bulb_left", "bulb_right"),
                *("posterior_optic_tubercle_left", "posterior_optic_tubercle_right"),
                *("NOc_r", "NOm1_r", "NOm2_r", "NOs_r"),
            ],
            start=1,
        )
    )
)
"""The published segments by id."""

ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"nodulus_right": ("NOc_r", "NOm1_r", "NOm2_r", "NOs_r")}
)
"""Regions made of several segments."""


@dataclass(frozen=True, slots=True)
class Server:
    """A folder on a web server as a store of meshes.

    Attributes:
        url: its address, without a slash behind it.
        transport: how it is asked.
    """

    url: str
    transport: Transport

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.url

    @property
    def place(self) -> Path:
        """The same as a path."""
        return Path(self.url)

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None when the server has none of that name."""
        try:
            return self.transport.ask("GET", f"{self.url}/{name}", decode=_body)
        except NotServed:
            return None


def fetch(url: str = URL, *, timeout_s: float = 120.0) -> Regions:
    """Fetch CRANTb's neuropils: 36 segments, and the alias `nodulus_right`.

    Args:
        url: where they lie; by default the published ones at the pinned commit.
        timeout_s: seconds without a byte after which a try is given up.

    Raises:
        SourceError: when the server does not give them.
        BadFile: when what it gives are no such meshes.
        ConfigError: when the decoder of Draco is not installed.
    """
    server = Server(url, Transport(requests.Session(), timeout_s=timeout_s, rule=RetryRule()))
    return of_segments(open_meshes(server), NAMES, ALIASES, server.place)


def _body(answer: Answer) -> bytes:
    """Return an answer's bytes."""
    return answer.body
