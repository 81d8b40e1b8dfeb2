"""What the tests of the sync share."""

from __future__ import annotations

from typing import Any

import pytest

import crantdb.sync.run


@pytest.fixture
def unregistered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out `crantdb.duckdb`, half the time of a small sync; other tests look at it."""

    def leave_out(*_: Any) -> None:
        return None

    monkeypatch.setattr(crantdb.sync.run, "keep_registered", leave_out)
