"""What the tests of SeaTable's part of a sync share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sync.seatable.lab import lab, neurons

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sync.seatable.lab import Lab


@pytest.fixture(autouse=True)
def _quick(unregistered: None) -> None:
    """Leave out `crantdb.duckdb`."""


@pytest.fixture
def ants(tmp_path: Path) -> Iterator[Lab]:
    """Return a lab of twenty neurons, not synced yet."""
    made = lab(tmp_path, neurons(20))
    with made.server:
        yield made
