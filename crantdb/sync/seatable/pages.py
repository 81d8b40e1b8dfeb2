"""How far the reading of a base is, in the words of a sync's progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crantdb.sources.seatable.result import PageNews
    from crantdb.sync.progress import Progress


class Pages:
    """Hears of pages and tells a progress of rows.

    Args:
        progress: hears how it goes.
        base: the base's name.
    """

    def __init__(self, progress: Progress, base: str) -> None:
        self._progress = progress
        self._base = base
        self._open: tuple[str, str] | None = None
        self._rows = 0

    def hear(self, news: PageNews) -> None:
        """Hear of a page."""
        if self._open != (news.table, news.doing):
            self.end()
            self._open, self._rows = (news.table, news.doing), 0
            self._progress.begin(self._name(), news.expected, 0)
        self._progress.advance(self._name(), max(news.rows - self._rows, 0))
        self._rows = max(news.rows, self._rows)

    def end(self) -> None:
        """Close what is open."""
        if self._open is not None:
            self._progress.end(self._name())
        self._open = None

    def _name(self) -> str:
        """Return what is read, in words."""
        table, doing = self._open or ("", "")
        name = f"{self._base}.{table}"
        return name if doing == "rows" else f"{name} ({doing})"
