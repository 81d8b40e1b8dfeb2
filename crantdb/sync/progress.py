"""What a sync says while it runs. The command line draws it; a script may listen too."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears how a sync goes. Every method is called from the thread that syncs."""

    def say(self, text: str) -> None:
        """Hear one line that the user should read."""

    def begin(self, table: str, expected_rows: int, staged_rows: int) -> None:
        """Hear that a table's rows begin to come: how many there are, and how many were staged before."""

    def advance(self, table: str, rows: int) -> None:
        """Hear that so many more rows are staged."""

    def end(self, table: str) -> None:
        """Hear that a table is staged and valid."""


class Silence:
    """Says nothing."""

    def say(self, text: str) -> None:
        """Drop a line."""

    def begin(self, table: str, expected_rows: int, staged_rows: int) -> None:
        """Drop it."""

    def advance(self, table: str, rows: int) -> None:
        """Drop it."""

    def end(self, table: str) -> None:
        """Drop it."""
