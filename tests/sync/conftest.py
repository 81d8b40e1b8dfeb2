"""What the tests of the sync share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sync.bench import unregistered as leaving_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def unregistered() -> Iterator[list[Path]]:
    """Leave out `crantdb.duckdb`, half the time of a small sync; give the warehouses that would have had it made."""
    with leaving_out() as asked:
        yield asked
