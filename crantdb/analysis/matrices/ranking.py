"""`by`: the order of neurons by what their annotations say, e.g. the column of the ring in an instance's name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantdb.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

EB_COLUMNS = (
    *("R1", "L8", "R2", "L7", "R3", "L6", "R4", "L5"),
    *("R5", "L4", "R6", "L3", "R7", "L2", "R8", "L1"),
)
"""The columns of the protocerebral bridge in the order in which their cells meet around the ellipsoid body."""

_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class By:
    """A rule that orders the neurons of a block by annotation. Made by `by`.

    Attributes:
        columns: annotation columns, the first that gives a label counts.
        rank: labels in the order wanted; None: natural order.
        extract: its first group is the label; None: the leftmost label of `rank`, else the whole text.
        key: label to sort key, where there is no rank.
        na: where neurons without a label stand: ``last`` or ``first`` (in row order), or ``raise``.
        optional: whether the annotations may lack all of the columns.
    """

    columns: tuple[str, ...]
    rank: tuple[str, ...] | None = None
    extract: re.Pattern[str] | None = None
    key: Callable[[str], Any] | None = None
    na: str = "last"
    optional: bool = False

    def label(self, row: Mapping[str, object]) -> str | None:
        """Return a neuron's label, from the first column that gives one; None when none does."""
        for column in self.columns:
            value = row.get(column)
            if value is None:
                continue
            label = self._label_in(str(value).strip())
            if label is not None:
                return label
        return None

    def _label_in(self, text: str) -> str | None:
        """Return the label in a text."""
        if self.extract is not None:
            match = self.extract.search(text)
            found = match.group(1) if match else None
            return found if self.rank is None or found in self.rank else None
        if self.rank is not None:
            return leftmost(text, self.rank)
        return text or None

    def sort(self, rows: Sequence[Mapping[str, object]], cell_type: str) -> list[int]:
        """Return the places of a block's rows in the order that the rule gives; equal ones in row order.

        Raises:
            BadArgument: when no row has a column that the rule reads, or a neuron has no label and must.
        """
        if rows and not self.optional and not set(self.columns) & set(rows[0]):
            has = ", ".join(rows[0])
            msg = f"the order of {cell_type!r} reads {', '.join(self.columns)}; the annotations have {has}"
            raise BadArgument(msg)
        labels = [self.label(row) for row in rows]
        if self.na == "raise" and None in labels:
            row = rows[labels.index(None)]
            seen = {name: row.get(name) for name in self.columns}
            msg = f"a neuron of {cell_type!r} has no label to be ordered by: {seen}"
            raise BadArgument(msg)
        return sorted(range(len(rows)), key=lambda place: (*self._place(labels[place]), place))

    def _place(self, label: str | None) -> tuple[bool, Any]:
        """Return where a label stands: with or without one, then its rank or key."""
        if label is None:
            return self.na != "first", ()
        behind = self.na == "first"
        if self.rank is not None:
            return behind, (self.rank.index(label),)
        return behind, natural(label) if self.key is None else (self.key(label),)


def by(
    *columns: str,
    rank: Iterable[str] | None = None,
    extract: str | re.Pattern[str] | None = None,
    key: Callable[[str], Any] | None = None,
    na: str = "last",
) -> By:
    r"""Return a rule that orders the neurons of a type by annotation columns.

    Args:
        *columns: annotation columns to read; of each neuron the first that gives a label counts.
        rank: the labels in the order wanted, e.g. `EB_COLUMNS`. Without `extract` the leftmost of them in the
            text counts: a label that ends in a digit is not found before another digit (R1 is not in R10), and
            of two that begin at one place the longer counts.
        extract: a regular expression whose first group is the label, e.g. ``r"([LR]\d+)$"``.
        key: label to sort key; without it (and without `rank`) digits count as numbers and case does not count.
        na: ``last`` or ``first``: where neurons without a label stand; ``raise``: there may be none.

    Raises:
        BadArgument: when the rule is not one.
    """
    pattern = re.compile(extract) if isinstance(extract, str) else extract
    wrong = {
        "by() needs the name of at least one annotation column": not columns,
        f"by(na={na!r}) is not 'last', 'first' or 'raise'": na not in {"last", "first", "raise"},
        "by() takes a rank or a key, not both: a rank is an order already": rank is not None
        and key is not None,
        "by(rank=...) is a list of labels, not one text": isinstance(rank, str),
        "by(extract=...) needs a group in parentheses: the label": pattern is not None and not pattern.groups,
    }
    for said, true in wrong.items():
        if true:
            raise BadArgument(said)
    return By(columns, None if rank is None else tuple(rank), pattern, key, na)


def leftmost(text: str, labels: Iterable[str]) -> str | None:
    """Return which of some labels stands leftmost in a text, the longer of two that begin at one place."""
    found: list[tuple[int, int, str]] = []
    for label in labels:
        # A label that ends in a digit ends where the number ends.
        behind = r"(?!\d)" if label[-1:].isdigit() else ""
        match = re.search(re.escape(label) + behind, text) if label else None
        if match:
            found.append((match.start(), -len(label), label))
    return min(found)[2] if found else None


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which digits count as numbers and case does not count: x2 comes before X10."""
    parts = _DIGITS.split(text)
    return tuple((1, int(part), "") if odd % 2 else (0, 0, part.casefold()) for odd, part in enumerate(parts))
