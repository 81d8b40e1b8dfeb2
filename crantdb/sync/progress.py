"""What a sync says while it runs. The command line draws it; a script may listen too."""

from __future__ import annotations

import time
from typing import Protocol

FIRST_S, EVERY_S = 2.0, 10.0
"""After so many seconds a long step says first how far it is, and then so often."""


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


class Steps:
    """Says how far a step is that has many parts: nothing of one that is over soon.

    Args:
        progress: hears it.
        what: the step, in words before "12 of 1,234".
        total: how many parts it has.
    """

    def __init__(self, progress: Progress, what: str, total: int) -> None:
        self._progress = progress
        self._what = what
        self._total = total
        self._done = 0
        self._due = time.monotonic() + FIRST_S

    def done(self, parts: int = 1) -> None:
        """Know that so many more parts are done."""
        self._done += parts
        now = time.monotonic()
        if now >= self._due and self._done < self._total:
            self._due = now + EVERY_S
            self._progress.say(f"{self._what}: {self._done:,} of {self._total:,}")
