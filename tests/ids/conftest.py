"""Versions edited at random, mirrored once for all tests of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from crantdb.sandbox import Datastack, Sandbox
from crantdb.warehouse.catalog import connect
from tests.ids.bringing import Bringing, bringing
from tests.ids.chain import Truth, chain, micros, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb

VERSIONS = 4


@dataclass(frozen=True, slots=True)
class Chain:
    """A mirrored chain of versions and its truth."""

    stack: Datastack
    truth: Truth
    sandbox: Sandbox
    brought: Bringing

    @property
    def root(self) -> Path:
        """The warehouse's folder."""
        return self.brought.warehouse.root

    def stood(self, versions: Sequence[int] | None = None) -> list[int]:
        """Return every root that stood at one of some versions, ascending; of all versions when none is named."""
        named = [version.number for version in self.stack.versions] if versions is None else versions
        moments = [micros(moment(version)) for version in named]
        roots = self.truth.history.roots.values()
        return sorted(root.id for root in roots if any(root.is_latest(at) for at in moments))


@pytest.fixture(scope="package")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Return a chain of four versions with 750 edits, brought one after the other; the last is the main one."""
    stack = chain(neurons=10, edits=150, synapses=8_000, versions=VERSIONS)
    assert stack.chunkedgraph is not None
    with Sandbox(stack) as sandbox:
        brought = bringing(tmp_path_factory.mktemp("chain") / "wh", sandbox, "chain_ant")
        for number in range(1, VERSIONS + 1):
            brought.version(number)
        yield Chain(stack, Truth(stack.chunkedgraph), sandbox, brought)


@pytest.fixture(scope="package")
def con(mirrored: Chain) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection with the last version in main, and every version in a schema of its own."""
    with connect(mirrored.root, versions=range(1, VERSIONS + 1)) as connection:
        yield connection
