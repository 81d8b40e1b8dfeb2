"""A base that is edited while it is read: nothing twice, nothing lost, and the class of consistency says which moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crantdb.errors import BadResponse, NotServed
from crantdb.sandbox.seatable import (
    Base,
    Clock,
    Column,
    SeaTable,
    add_column,
    append_socket_row,
    archive_rows,
    delete_column,
    delete_option,
    delete_rows,
    drop_table,
    insert_rows,
    modify_column_type,
    recompute_formula,
    rename_column,
    rename_option,
    rename_table,
    set_links,
    update_row,
)
from tests.sources.seatable.serving import (
    BORN,
    ids_of,
    neurons,
    read,
    rows_of,
    same_as_truth,
    served,
    table_of,
    with_links,
)

PAGE = r"SELECT \* FROM `neurons` (WHERE `_id` > |ORDER)"
ROWS = 1_000


def reading(
    base: Base, edit: Callable[[], object], *, nth: int = 3, page_rows: int = 250, **options: Any
) -> Any:
    """Return what is read of a base that is edited once, before the n-th page."""
    with served(base, **options) as server:
        server.on(nth, edit, match=PAGE)
        return read(server, page_rows=page_rows)


EDITS: dict[str, Callable[[Base], object]] = {
    "insert below all": lambda base: insert_rows(base, "neurons", 3, ids="low"),
    "insert above all": lambda base: insert_rows(base, "neurons", 3, ids="high"),
    "delete rows read already": lambda base: delete_rows(base, "neurons", ids_of(base)[:5]),
    "delete rows not read yet": lambda base: delete_rows(base, "neurons", ids_of(base)[-5:]),
    "change a row read already": lambda base: update_row(base, "neurons", ids_of(base)[2], {"n": -1}),
    "change a row not read yet": lambda base: update_row(base, "neurons", ids_of(base)[-2], {"side": "left"}),
    "as many inserted as deleted": lambda base: (
        insert_rows(base, "neurons", 4, ids="low"),
        delete_rows(base, "neurons", ids_of(base)[10:14]),
    ),
    "rows without times": lambda base: append_socket_row(base, "neurons", {"n": 7}),
    "rows archived": lambda base: archive_rows(base, "neurons", ids_of(base)[:4]),
    "a new option": lambda base: update_row(base, "neurons", ids_of(base)[0], {"side": "unclear"}),
    "an option renamed": lambda base: rename_option(base, "neurons", "side", "left", name="L"),
    "an option deleted": lambda base: delete_option(base, "neurons", "side", "left"),
    "a column renamed": lambda base: rename_column(base, "neurons", "n", "number of things"),
    "a column of another type": lambda base: modify_column_type(base, "neurons", "n", "text"),
    "a column deleted": lambda base: delete_column(base, "neurons", "n"),
    "a column added": lambda base: add_column(base, "neurons", Column("notes")),
    "the table renamed": lambda base: rename_table(base, "neurons", "neurones"),
}


@pytest.mark.parametrize("keyset", [True, False])
@pytest.mark.parametrize("edit", EDITS)
def test_one_edit_between_pages(edit: str, *, keyset: bool) -> None:
    """Whatever is edited between two pages, the result is the table as it stands, at one version."""
    base = neurons(ROWS)
    result = reading(base, lambda: EDITS[edit](base), keyset_strings=keyset)
    same_as_truth(result, base, base.tables[0].name)
    assert result.consistency.atomic
    assert len(result.consistency.versions) > 2, "the edit was not met"
    assert result.consistency.versions[-1] == base.version == result.info.version


def test_a_base_that_never_rests() -> None:
    """Edits that do not stop give a window: no row twice, none lost that nobody touched, and it says so."""
    base = neurons(ROWS)
    untouched = set(ids_of(base)[50:-50])
    with served(base) as server:
        server.on(
            1,
            lambda: (
                insert_rows(base, "neurons", 1, ids="low"),
                delete_rows(base, "neurons", [ids_of(base)[-1]]),
                insert_rows(base, "neurons", 1, ids="high"),
            ),
            match="/sql",
            times=None,
        )
        result = read(server, page_rows=250)
    ids = [row["_id"] for row in rows_of(result, "neurons")]
    assert len(ids) == len(set(ids))
    assert untouched <= set(ids)
    assert not result.consistency.atomic
    assert str(result.consistency).startswith("window [")
    assert str(result.consistency).endswith(f"{result.consistency.versions[0]}..{result.info.version}")


def test_two_edits_within_one_tick_of_the_clock() -> None:
    """A row edited twice with the same `_mtime`, before and after it is read, shows the later edit."""
    base = neurons(ROWS)
    row = ids_of(base)[0]
    with served(base) as server:
        server.on(1, lambda: update_row(base, "neurons", row, {"n": 1}), match=PAGE)
        server.on(3, lambda: update_row(base, "neurons", row, {"n": 2}), match=PAGE)
        result = read(server, page_rows=250)
    same_as_truth(result, base)


SILENT: dict[str, Callable[[Base], object]] = {
    "a row without times": lambda base: append_socket_row(base, "neurons", {"n": 3}),
    "a link": lambda base: set_links(
        base, "neurons", "types", {ids_of(base)[0]: list(base.table("types").rows)[1:3]}
    ),
    "an option renamed": lambda base: rename_option(base, "neurons", "side", "right", name="R"),
    "a formula": lambda base: recompute_formula(base, "neurons", "twice", dict.fromkeys(ids_of(base)[:9], 7)),
}


@pytest.mark.parametrize("moment", [0, 2, 4, 5])
@pytest.mark.parametrize("edit", SILENT)
def test_changes_that_no_time_tells(edit: str, moment: int) -> None:
    """Edits that leave `_mtime` alone, before, between and after the pages: the hash is a full reading's."""
    base = neurons(900, clock=Clock(BORN))
    add_column(
        base,
        "neurons",
        Column("twice", "formula", {"result_type": "number"}, compute=lambda row: row.get("n")),
    )
    with_links(base, 5)
    base.table("neurons").column("twice").compute = None
    with served(base) as server:
        hook = {0: "metadata", 5: "metadata"}.get(moment, PAGE)
        server.on({0: 1, 5: 2}.get(moment, moment), lambda: SILENT[edit](base), match=hook)
        first = read(server, page_rows=300)
        again = read(server, page_rows=300)
    assert table_of(first, "neurons").content_hash == table_of(again, "neurons").content_hash
    assert rows_of(first, "neurons") == rows_of(again, "neurons")


def test_a_table_that_is_dropped_while_it_is_read() -> None:
    """A table that vanishes is an error that says so, never a short table."""
    base = neurons(ROWS)
    with pytest.raises(NotServed, match=r"'neurons' was removed .* Sync again"):
        reading(base, lambda: drop_table(base, "neurons"))


def test_columns_that_never_rest() -> None:
    """A table whose columns change at every page is given up, in words."""
    base = neurons(ROWS)

    def rename(server: SeaTable) -> None:
        rename_column(base, "neurons", base.table("neurons").columns[1].name, f"n{server.log.count()}")

    with served(base) as server:
        server.on(1, lambda: rename(server), match=PAGE, times=None)
        with pytest.raises(BadResponse, match=r"columns of table 'neurons' changed every time .* sync again"):
            read(server, page_rows=250)
