"""Neuroglancer's sharded files (``neuroglancer_uint64_sharded_v1``): where the value of a key lies in which file. Pure."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ENTRY = 16
_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Sharding:
    """How keys are spread over files.

    Attributes:
        preshift_bits: low bits of a key that do not count.
        hashed: whether keys are hashed (murmurhash3_x86_128) first.
        minishard_bits: bits that choose the minishard.
        shard_bits: bits that choose the file.
        index_packed: whether the minishards' indices are gzipped.
        data_packed: whether the values are.
    """

    preshift_bits: int
    hashed: bool
    minishard_bits: int
    shard_bits: int
    index_packed: bool
    data_packed: bool

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Sharding:
        """Read it from the ``sharding`` of an info.

        Raises:
            KeyError: when a part is missing.
        """
        return cls(
            int(info["preshift_bits"]),
            info["hash"] == "murmurhash3_x86_128",
            int(info["minishard_bits"]),
            int(info["shard_bits"]),
            info.get("minishard_index_encoding", "raw") == "gzip",
            info.get("data_encoding", "raw") == "gzip",
        )

    def place(self, key: int) -> tuple[str, int]:
        """Return the file's name and the minishard of a key."""
        number = key >> self.preshift_bits
        if self.hashed:
            number = murmur3(number.to_bytes(8, "little"))
        minishard = number & ((1 << self.minishard_bits) - 1)
        shard = (number >> self.minishard_bits) & ((1 << self.shard_bits) - 1)
        return f"{shard:0{-(-self.shard_bits // 4)}x}.shard" if self.shard_bits else "0.shard", minishard

    def span(self, shard: bytes, minishard: int, key: int) -> tuple[int, int] | None:
        """Return where a key's value begins and ends in a shard's bytes; None when it has none."""
        base = _ENTRY << self.minishard_bits
        start, end = (int(part) for part in np.frombuffer(shard, "<u8", count=2, offset=_ENTRY * minishard))
        packed = shard[base + start : base + end]
        index = np.frombuffer(gzip.decompress(packed) if self.index_packed and packed else packed, "<u8")
        keys, starts, sizes = index.reshape(3, -1)
        found = np.flatnonzero(np.cumsum(keys) == key)
        if not found.size:
            return None
        at = int(found[0])
        begin = base + int(starts[: at + 1].sum()) + int(sizes[:at].sum())
        return begin, begin + int(sizes[at])

    def value(self, shard: bytes, span: tuple[int, int]) -> bytes:
        """Return the value at a place."""
        packed = shard[span[0] : span[1]]
        return gzip.decompress(packed) if self.data_packed else packed


def murmur3(eight: bytes) -> int:
    """Return the low 64 bits of murmurhash3_x86_128 (seed 0) of eight bytes."""
    c1, c2, c3 = 0x239B961B, 0xAB0E9789, 0x38B34AE5
    low, high = int.from_bytes(eight[:4], "little"), int.from_bytes(eight[4:], "little")
    h = [_turned(low * c1, 15) * c2 & _MASK, _turned(high * c2, 16) * c3 & _MASK, 0, 0]
    h = [part ^ 8 for part in h]
    h = _mixed(h, _final)
    return h[0] | h[1] << 32


def _mixed(h: list[int], final: Callable[[int], int]) -> list[int]:
    """Add the four parts to each other, finish each, and add them again."""

    def added(parts: list[int]) -> list[int]:
        first = sum(parts) & _MASK
        return [first, *((part + first) & _MASK for part in parts[1:])]

    return added([final(part) for part in added(h)])


def _turned(value: int, bits: int) -> int:
    """Turn 32 bits to the left."""
    value &= _MASK
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _final(part: int) -> int:
    """Spread the bits of a part."""
    part = (part ^ part >> 16) * 0x85EBCA6B & _MASK
    part = (part ^ part >> 13) * 0xC2B2AE35 & _MASK
    return part ^ part >> 16
