"""How a sync looks: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from types import TracebackType

    from crantdb.cli.settings import Settings

EVERY_S = 2.0


class Bars:
    """Bars on a terminal. A context manager."""

    def __init__(self, settings: Settings) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=settings.console,
        )
        self._tasks: dict[str, tuple[TaskID, float, int]] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(text, markup=False)

    def begin(self, table: str, expected_rows: int, staged_rows: int) -> None:
        """Add a bar."""
        task = self._bars.add_task(table, total=expected_rows, completed=staged_rows, rate="")
        self._tasks[table] = (task, time.monotonic(), 0)

    def advance(self, table: str, rows: int) -> None:
        """Move a bar on."""
        task, start, done = self._tasks[table]
        self._tasks[table] = (task, start, done + rows)
        rate = (done + rows) / max(time.monotonic() - start, 1e-6)
        self._bars.update(task, advance=rows, rate=f"{rate:,.0f} rows/s")

    def end(self, table: str) -> None:
        """Leave the bar full."""
        task, _, _ = self._tasks[table]
        self._bars.stop_task(task)


class Lines:
    """A line now and then, for logs and pipes. A context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state: dict[str, tuple[int, int, int]] = {}
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state.clear()

    def say(self, text: str) -> None:
        """Print a line."""
        self._settings.say(text)

    def begin(self, table: str, expected_rows: int, staged_rows: int) -> None:
        """Remember a table; say how much of it is here already."""
        self._state[table] = (expected_rows, staged_rows, 0)
        self._start = self._last = time.monotonic()
        if staged_rows:
            self.say(
                f"{table}: {staged_rows:,} of {expected_rows:,} rows are staged from before; going on from there"
            )

    def advance(self, table: str, rows: int) -> None:
        """Say where a table is, when the last word is some seconds old."""
        expected, before, got = self._state[table]
        self._state[table] = (expected, before, got + rows)
        now = time.monotonic()
        if now - self._last < EVERY_S:
            return
        self._last = now
        rate = (got + rows) / max(now - self._start, 1e-6)
        left = (expected - before - got - rows) / max(rate, 1e-6)
        self.say(
            f"{table}: {before + got + rows:,} of {expected:,} rows, {rate:,.0f} rows/s, about {left:,.0f} s left"
        )

    def end(self, table: str) -> None:
        """Say that a table is whole."""
        expected, _, _ = self._state[table]
        self.say(f"{table}: {expected:,} rows, complete")


def progress_for(settings: Settings) -> Bars | Lines:
    """Return what suits where standard error goes."""
    return Bars(settings) if settings.console.is_terminal else Lines(settings)
