"""What the tests of the warehouse share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.warehouse.making import make_warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """Return a new, empty warehouse."""
    return make_warehouse(tmp_path)
