"""`NeuropilCollection`: nested matrices by region, and `All` to say which of them are meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from crantdb.analysis.matrices.blocks import BlockMatrix
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Collection

    from crantdb.analysis.matrices.frames import Option

Matrix = TypeVar("Matrix", bound=BlockMatrix)


@dataclass(frozen=True, slots=True)
class Selector:
    """All regions of a collection but some. `All` is one; `All.minus("other")` another."""

    without: frozenset[str] = field(default_factory=frozenset)

    def minus(self, *names: str) -> Selector:
        """Return a selector without some regions more."""
        return Selector(self.without | set(names))

    def of(self, names: Collection[str]) -> list[str]:
        """Return the regions selected, in their order.

        Raises:
            BadArgument: when one to leave out is not there.
        """
        unknown = sorted(self.without - set(names))
        if unknown:
            msg = f"there is no region {unknown[0]!r} to leave out; regions are {', '.join(names)}"
            raise BadArgument(msg)
        return [name for name in names if name not in self.without]


All = Selector()
"""Every region of a collection."""


class NeuropilCollection(dict[str, Matrix]):
    """Nested matrices by region; a region is also an attribute: ``collection.ellipsoid_body``."""

    def __getattr__(self, name: str) -> Matrix:
        """Return the matrix of a region."""
        if name.startswith("__") or name not in self:
            has = ", ".join(self) or "none"
            msg = f"there is no region {name!r}; regions are {has}"
            raise AttributeError(msg)
        return self[name]

    def __dir__(self) -> list[str]:
        """List the regions too."""
        return [*super().__dir__(), *(name for name in self if name.isidentifier())]

    def plot(self, name: str | Selector, **options: Option) -> Any:  # noqa: ANN401 - a figure, or a mapping of them
        """Draw one region's matrix, or each of a selection's.

        Args:
            name: a region, or `All`, `All.minus(...)`.
            **options: of the matrix's `plot`. Of several regions, `output_path` is a folder.

        Returns:
            Figure and axes; of a selection, a dict of them by region.

        Raises:
            BadArgument: when there is no such region.
        """
        if isinstance(name, Selector):
            folder = options.pop("output_path", None)
            return {region: self._plot_into(folder, region, options) for region in name.of(self)}
        if name not in self:
            msg = f"there is no region {name!r}; regions are {', '.join(self) or 'none'}"
            raise BadArgument(msg)
        return self[name].plot(**{"title": name.replace("_", " "), **options})

    def _plot_into(self, folder: str | Path | None, region: str, options: dict[str, Any]) -> Any:  # noqa: ANN401
        """Draw a region, into a folder when one is given."""
        if folder is None:
            return self.plot(region, **options)
        return self.plot(region, output_path=Path(folder) / f"{region}.png", **options)
