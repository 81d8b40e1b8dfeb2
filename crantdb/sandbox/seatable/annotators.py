"""What annotators do to a CRANTb-like base between two reads, each change told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from crantdb.sandbox.seatable import crantb_columns as words
from crantdb.sandbox.seatable.crantb import row_cells
from crantdb.sandbox.seatable.crantb_columns import META, PAPERS
from crantdb.sandbox.seatable.dirt import texts
from crantdb.sandbox.seatable.row_edits import delete_rows, insert_rows, update_row
from crantdb.sandbox.seatable.schema_edits import set_links

if TYPE_CHECKING:
    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.crantb import Crantb

_TYPES = ("PFN", "ER4d", "delta7", None)


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        kind: a row added, a row deleted, a cell written, or the links of a paper changed.
        row_id: of the annotation table; of the papers for links.
        column: the cell's column; empty for whole rows.
        before: what stood there, options by name.
        after: what stands there now.
    """

    kind: Literal["added", "deleted", "cell", "links"]
    row_id: str
    column: str = ""
    before: Json = None
    after: Json = None


def annotate(crantb: Crantb, changes: int = 20) -> list[Change]:
    """Change a base as annotators do; the truth is kept.

    The first changes are one of each sort: a stale root put right, a type, a status, a checkbox, a cleared
    note, a row added, a row deleted, links.

    Args:
        crantb: the base and its truth, both changed.
        changes: how many changes.

    Returns:
        What was done, in this order.
    """
    sorts = (_new_root, _new_type, _new_status, _proofread, _clear_note, _add, _delete, _link)
    with crantb.base.lock:
        return [sorts[turn % len(sorts)](crantb) for turn in range(changes)]


def _write(crantb: Crantb, row_id: str, column: str, value: Json) -> Change:
    """Write one cell."""
    before = shown(crantb, row_id, column)
    update_row(crantb.base, META, row_id, {column: value}, author=crantb.rng.choice(words.PEOPLE))
    return Change("cell", row_id, column, before, shown(crantb, row_id, column))


def shown(crantb: Crantb, row_id: str, column: str) -> Json:
    """Return a cell of the annotation table as people see it: options by name, long text as text."""
    table = crantb.base.table(META)
    found = table.column(column)
    cell = table.rows[row_id].get(found.key)
    names = found.option_names()
    if isinstance(cell, list):
        return [names.get(part, part) for part in cell]
    return cell.get("text") if isinstance(cell, dict) else names.get(str(cell), cell)


def _some_row(crantb: Crantb) -> str:
    """Return the id of a row."""
    return crantb.rng.choice(list(crantb.base.table(META).rows))


def _new_root(crantb: Crantb) -> Change:
    """Write the newest root of a row's supervoxel, of a stale row when there is one."""
    stale = [row_id for row_id in crantb.rows_of("stale") if row_id in crantb.base.table(META).rows]
    row_id = stale[0] if stale else _some_row(crantb)
    truth = crantb.truth[row_id]
    late = next(point.late for point in crantb.anchors if point.supervoxel == truth.at_supervoxel)
    crantb.truth[row_id] = replace(truth, kind="clean", typed_root=late)
    return _write(crantb, row_id, "root_id", str(late))


def _new_type(crantb: Crantb) -> Change:
    """Write a cell type, or clear it."""
    return _write(crantb, _some_row(crantb), "cell_type", crantb.rng.choice(_TYPES))


def _new_status(crantb: Crantb) -> Change:
    """Write the status."""
    return _write(crantb, _some_row(crantb), "status", crantb.rng.sample(words.STATUS, 2))


def _proofread(crantb: Crantb) -> Change:
    """Set the checkbox the other way."""
    row_id = _some_row(crantb)
    return _write(crantb, row_id, "proofread", shown(crantb, row_id, "proofread") is not True)


def _clear_note(crantb: Crantb) -> Change:
    """Clear a note."""
    return _write(crantb, _some_row(crantb), "proofreader_notes", None)


def _add(crantb: Crantb) -> Change:
    """Add a clean row."""
    here = crantb.rng.choice(list(crantb.anchors))
    cells, truth = texts("clean", here, here)
    values = row_cells(cells, len(crantb.truth) + 1, crantb.rng)
    row_id = insert_rows(crantb.base, META, [values], author=crantb.rng.choice(words.PEOPLE))[0]
    crantb.truth[row_id] = truth
    return Change("added", row_id)


def _delete(crantb: Crantb) -> Change:
    """Delete a row."""
    row_id = _some_row(crantb)
    delete_rows(crantb.base, META, [row_id])
    del crantb.truth[row_id]
    return Change("deleted", row_id)


def _link(crantb: Crantb) -> Change:
    """Link the last paper to two rows; no row's time is touched."""
    papers = crantb.base.table(PAPERS)
    paper = list(papers.rows)[-1]
    link = crantb.base.links[str((papers.column("neurons").data or {})["link_id"])]
    before = list(link.of(papers.id).get(paper, ()))
    after = list(dict.fromkeys([_some_row(crantb), _some_row(crantb)]))
    set_links(crantb.base, PAPERS, "neurons", {paper: after})
    return Change("links", paper, "neurons", before, after)
