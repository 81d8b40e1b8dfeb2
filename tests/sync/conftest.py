"""What the tests of the sync share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sync.bench import unregistered as leaving_out

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def unregistered() -> Iterator[None]:
    """Leave out `crantdb.duckdb`, half the time of a small sync; other tests look at it."""
    with leaving_out():
        yield
