"""Root, supervoxel and L2 ids: parsing them at the border, and their bit layout.

An id is an int64 from end to end. The layout of the bits comes from the chunkedgraph's info and is a
value here; nothing in crantdb assumes one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType

import numpy as np

from crantdb.errors import NotAnId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

RootId = NewType("RootId", int)
SupervoxelId = NewType("SupervoxelId", int)
L2Id = NewType("L2Id", int)

MAX_ID = 2**63 - 1
_DIGITS = re.compile(r"[0-9]{1,19}")


def parse_id(value: object) -> int:
    """Return an id given as an integer or as decimal digits.

    Args:
        value: an int, a numpy integer, or text of digits (blanks around it are dropped).

    Raises:
        NotAnId: for a float or a bool (both would bend or invent an id), for text that is not digits,
            for a negative number, and beyond int64.
    """
    if isinstance(value, (bool, np.bool_, float, np.floating)):
        msg = f"{value!r} ({type(value).__name__}) is not an id: pass ids as integers or as text of digits"
        raise NotAnId(msg)
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value.strip())
    if not isinstance(value, (int, np.integer)) or not 0 <= int(value) <= MAX_ID:
        msg = f"{value!r} is not an id: an id is a whole number from 0 to {MAX_ID}"
        raise NotAnId(msg)
    return int(value)


def id_or_none(value: object) -> int | None:
    """Return what `parse_id` returns; None for what is no id."""
    try:
        return parse_id(value)
    except NotAnId:
        return None


def parse_root_id(value: object) -> RootId:
    """Return a root id; like `parse_id`, but 0 (the background) is refused too.

    Raises:
        NotAnId: as `parse_id`, and for 0.
    """
    parsed = parse_id(value)
    if parsed == 0:
        msg = "0 is not a root id: it stands for 'outside the segmentation'"
        raise NotAnId(msg)
    return RootId(parsed)


def whole_ids(values: ArrayLike) -> NDArray[np.int64]:
    """Return an array of int64; a float or a bool in it would have bent or invented an id, and is refused.

    Args:
        values: ids of any shape; an empty array may be of any type.

    Raises:
        NotAnId: when the ids are not integers, or are beyond int64.
    """
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        msg = f"an array of {array.dtype} holds no ids: pass int64, never a float on the way"
        raise NotAnId(msg)
    if array.dtype == np.uint64 and (array > MAX_ID).any():
        msg = f"{array.max()} is not an id: an id is a whole number from 0 to {MAX_ID}"
        raise NotAnId(msg)
    return array.astype(np.int64, copy=False)


@dataclass(frozen=True, slots=True)
class BitLayout:
    """How a chunkedgraph packs layer, chunk and segment into 64 bits: ``| layer | x | y | z | segment |``.

    Attributes:
        layer_bits: bits of the layer, at the top (``graph.n_bits_for_layer_id``).
        spatial_bits: bits of each chunk coordinate, by layer (``graph.spatial_bit_masks``).

    Source: PyChunkedGraph publishes both in its info; `from_info` reads them.
    """

    layer_bits: int
    spatial_bits: Mapping[int, int]

    @classmethod
    def from_info(cls, info: Mapping[str, object]) -> BitLayout:
        """Read the layout from a chunkedgraph's info (the JSON of ``/segmentation/table/<name>/info``).

        Raises:
            KeyError: when the info has no ``graph`` with both fields.
        """
        graph = info["graph"]
        if not isinstance(graph, dict):
            msg = "graph"
            raise KeyError(msg)
        bits = {int(layer): int(count) for layer, count in graph["spatial_bit_masks"].items()}
        return cls(layer_bits=int(graph["n_bits_for_layer_id"]), spatial_bits=bits)

    def segment_bits(self, layer: int) -> int:
        """Return how many bits the segment has in ids of a layer."""
        return 64 - self.layer_bits - 3 * self.spatial_bits[layer]

    def layer(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Return the layer of each id (1 supervoxel, 2 L2 chunk, the highest: root).

        Raises:
            NotAnId: when the ids are not integers.
        """
        return whole_ids(ids) >> (64 - self.layer_bits)

    def chunk(self, ids: ArrayLike, layer: int) -> NDArray[np.int64]:
        """Return the chunk coordinates of ids of one layer, shape (n, 3).

        Raises:
            NotAnId: when the ids are not integers.
        """
        array = np.atleast_1d(whole_ids(ids))
        bits, low = self.spatial_bits[layer], self.segment_bits(layer)
        mask = (1 << bits) - 1
        return np.stack([(array >> (low + shift * bits)) & mask for shift in (2, 1, 0)], axis=1)

    def make(self, layer: int, chunk: ArrayLike, segment: ArrayLike) -> NDArray[np.int64]:
        """Return ids of a layer from chunk coordinates, shape (n, 3), and segment numbers, shape (n,).

        Raises:
            NotAnId: when a coordinate or a segment number is no integer or does not fit its bits.
        """
        xyz = np.atleast_2d(whole_ids(chunk))
        number = np.atleast_1d(whole_ids(segment))
        bits, low = self.spatial_bits[layer], self.segment_bits(layer)
        if (xyz < 0).any() or (xyz >> bits).any() or (number < 0).any() or (number >> low).any():
            msg = f"a chunk coordinate needs more than {bits} bits or a segment more than {low} at layer {layer}"
            raise NotAnId(msg)
        packed = (xyz[:, 0] << (low + 2 * bits)) | (xyz[:, 1] << (low + bits)) | (xyz[:, 2] << low) | number
        return packed | (np.int64(layer) << np.int64(64 - self.layer_bits))
