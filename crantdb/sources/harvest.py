"""Fetches spans with a few requests at a time, cutting those that hold too many rows.

A span is taken only when the server counted its rows beforehand, gave exactly as many, and gave fewer
than its limit; else it is cut in two. A span of one key is complete by definition.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from crantdb.errors import IncompleteError, Interrupted
from crantdb.sources.extract import Batch
from crantdb.sources.ranges import Span, cut_point

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

FILL = 0.7
"""How full a request is planned, of the most rows the server gives at once."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer: the rows, and the limit the server said it was cut at (None when it did not)."""

    rows: pa.Table
    limit: int | None


class RowSource(Protocol):
    """Something that counts and gives the rows of a span."""

    @property
    def name(self) -> str:
        """The table's name."""

    def count(self, span: Span) -> int:
        """Return how many rows a span holds."""

    def fetch(self, span: Span) -> Fetched:
        """Return the rows of a span, or the first of them up to the server's limit."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A span to be done; how many rows it holds, when known; how far its last fruitless cut reached."""

    span: Span
    rows: int | None
    stride: int = 0


class Harvest:
    """One table's spans on their way.

    Args:
        source: counts and gives rows.
        spans: what to fetch, each with its count when that is known.
        chunk_rows: rows to ask for at once; lowered when the server turns out to give fewer.
        parallel: requests at a time.
        stop: set from outside to end early.
    """

    def __init__(
        self,
        source: RowSource,
        spans: Sequence[tuple[Span, int | None]],
        *,
        chunk_rows: int,
        parallel: int,
        stop: threading.Event,
    ) -> None:
        self._source = source
        self._chunk_rows = chunk_rows
        self._parallel = parallel
        self._stop = stop
        self._tasks = [_Task(span, rows) for span, rows in reversed(spans)]
        self._open = len(self._tasks)
        self._closed = False
        self._changed = threading.Condition()
        self._done: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=2 * parallel)

    def batches(self) -> Iterator[Batch]:
        """Yield each span's rows as they come.

        Raises:
            SourceError: the first that any request met; the rest is given up.
            Interrupted: when `stop` was set.
        """
        if not self._tasks:
            return
        for number in range(self._parallel):
            # Daemons: a request that hangs must not keep an interrupted program from ending.
            threading.Thread(target=self._work, daemon=True, name=f"{self._source.name}-{number}").start()
        try:
            while (item := self._next()) is not None:
                yield item
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _next(self) -> Batch | None:
        """Return the next batch, or None after the last; wakes often, so that Ctrl-C is heard."""
        while True:
            try:
                item = self._done.get(timeout=0.2)
            except queue.Empty:
                if self._stop.is_set():
                    msg = "stopped; what was staged is kept"
                    raise Interrupted(msg) from None
                continue
            if isinstance(item, BaseException):
                raise item
            return item

    def _work(self) -> None:
        """Do tasks until none is open."""
        while (task := self._take()) is not None:
            try:
                more, batch = self._do(task)
            except BaseException as error:  # noqa: BLE001 - handed to the thread that asked, which raises it
                self._put(error)
                return
            if batch is not None:
                self._put(batch)
            self._finish(more)

    def _take(self) -> _Task | None:
        """Take a task, waiting for one while others may still be cut in two."""
        with self._changed:
            while not self._tasks and self._open and not self._closed:
                self._changed.wait()
            return self._tasks.pop() if self._tasks and not self._closed else None

    def _finish(self, more: Sequence[_Task]) -> None:
        """Count a task as done and its parts as open; say when nothing is left."""
        with self._changed:
            self._tasks.extend(reversed(more))
            self._open += len(more) - 1
            over = self._open == 0
            self._changed.notify_all()
        if over:
            self._put(None)

    def _put(self, item: Batch | BaseException | None) -> None:
        """Hand over a result, unless nobody listens any more."""
        while not self._closed:
            try:
                self._done.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    def _do(self, task: _Task) -> tuple[list[_Task], Batch | None]:
        """Count a span, cut it, or fetch it."""
        rows = self._source.count(task.span) if task.rows is None else task.rows
        if rows > self._chunk_rows and not task.span.is_single:
            return self._cut(_Task(task.span, rows, task.stride)), None
        fetched = self._source.fetch(task.span)
        got = fetched.rows.num_rows
        whole = got == rows and (fetched.limit is None or got < fetched.limit or task.span.is_single)
        if whole:
            return [], Batch(task.span, fetched.rows)
        if got > rows or task.span.is_single:
            msg = (
                f"{self._source.name}: the server counted {rows:,} rows in {task.span} and gave {got:,}. "
                f"Run the command again; if it says the same, tell the server's keeper"
            )
            raise IncompleteError(msg, expected=rows, got=got)
        if fetched.limit is not None:
            self._chunk_rows = min(self._chunk_rows, max(1, int(FILL * fetched.limit)))
        return self._cut(_Task(task.span, rows, task.stride)), None

    def _cut(self, task: _Task) -> list[_Task]:
        """Cut a span in two; one count tells the rows of both."""
        rows = task.rows or 0
        at = cut_point(task.span, rows, chunk_rows=self._chunk_rows, stride=task.stride)
        below, above = task.span.cut(at)
        count = self._source.count(below)
        if not 0 <= count <= rows:
            msg = f"{self._source.name}: the server counted {rows:,} rows in {task.span} but {count:,} in {below}"
            raise IncompleteError(msg, expected=rows, got=count)
        stride = 0 if count else at - task.span.start
        parts = [_Task(below, count), _Task(above, rows - count, stride)]
        return [part for part in parts if part.rows]
