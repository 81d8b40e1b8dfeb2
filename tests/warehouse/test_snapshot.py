"""A manifest is read as it was written, or refused in words; formats older than ours open, newer ones say so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crantdb.errors import CorruptWarehouse, NoSuchSnapshot, WarehouseTooNew
from crantdb.warehouse.manifest import (
    FORMAT,
    checksum,
    read_manifest,
    table_from_json,
    table_to_json,
    to_json,
    tool_version,
)
from crantdb.warehouse.snapshot import current, listed, read_snapshot, state_for
from tests.warehouse.making import add, cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from crantdb.warehouse.layout import Warehouse


def rewrite(warehouse: Warehouse, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrite manifest 1 with a change and a checksum that fits."""
    path = warehouse.manifest(1)
    content = json.loads(path.read_text())
    del content["checksum"]
    change(content)
    path.write_text(json.dumps({"checksum": checksum(content)} | content))


def test_what_is_written_is_what_is_read(warehouse: Warehouse) -> None:
    """A snapshot with an added version, skipped tables and exotic names comes back equal."""
    add(warehouse, {"cells": cells([1])}, 2, skipped={"cave.été": 'said "no"\n'})
    made = add(warehouse, {"Ω \"'; --": cells([2])}, 1, main=False)
    assert read_manifest(warehouse.manifest(2)) == made
    for state in made.states():
        for table in state.tables.values():
            assert table_from_json(table_to_json(table)) == table


@pytest.mark.parametrize("versions", [[9, 10], [99, 100, 1000], [2, 10, 1]])
def test_versions_of_any_number_of_digits_are_kept(warehouse: Warehouse, versions: list[int]) -> None:
    """A manifest that keeps versions 9 and 10, which as text sort the other way, is as whole as any."""
    for version in versions:
        made = add(warehouse, {"cells": cells([version])}, version, main=version == max(versions))
    assert current(warehouse) == made
    assert set(made.versions) == set(versions)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_never_passes_for_another_snapshot(warehouse: Warehouse, data: st.DataObject) -> None:
    """Any one byte changed: the manifest is refused, or (a blank for a blank) still says exactly the same."""
    path = warehouse.manifest(9)
    made = current(warehouse) or add(warehouse, {"cells": cells([1])})
    content = bytearray(to_json(made))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        found = read_manifest(path)
    except (CorruptWarehouse, WarehouseTooNew) as error:
        found = error
    path.unlink()
    assert found == made or str(path) in str(found)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"7", b"\xff", b'{"checksum": 1}', b'{"a": 1']
)
def test_what_is_no_manifest_is_refused(warehouse: Warehouse, content: bytes) -> None:
    """A file that is no manifest is named, and the way back is said."""
    path = warehouse.manifest(1)
    path.write_bytes(content)
    with pytest.raises(CorruptWarehouse, match=r"is not a manifest.*crantdb rollback") as caught:
        read_manifest(path)
    assert caught.value.path == path


def test_a_newer_format_is_refused_with_both_versions(warehouse: Warehouse) -> None:
    """A manifest of a newer format names the crantdb that wrote it, its format, ours, and how to upgrade."""
    add(warehouse, {"cells": cells([1])})
    rewrite(warehouse, lambda content: content.update(format=FORMAT + 1, tool="99.1", something="new"))
    wanted = (
        rf"crantdb 99\.1 in warehouse format {FORMAT + 1}.*{tool_version()}.*up to {FORMAT}.*pip install -U"
    )
    with pytest.raises(WarehouseTooNew, match=wanted.replace("+", r"\+")):
        current(warehouse)


def test_a_manifest_without_what_came_later_opens(warehouse: Warehouse) -> None:
    """Optional fields that an older crantdb did not write take their defaults."""
    made = add(warehouse, {"cells": cells([1])})

    def older(content: dict[str, Any]) -> None:
        for name in ("chunkedgraph", "added"):
            del content[name]
        del content["main"]["skipped"]
        table = content["main"]["tables"]["cave.cells"]
        del table["sort_order"], table["rows_per_s"], table["files"][0]["key_min"]

    rewrite(warehouse, older)
    found = read_snapshot(warehouse)
    assert (found.chunkedgraph, found.added, found.main.skipped) == (None, None, {})
    assert found.main.tables["cave.cells"].sort_order == ()
    assert found.main.tables["cave.cells"].rows == made.main.tables["cave.cells"].rows


def test_a_snapshot_that_is_not_there_is_named_with_those_that_are(warehouse: Warehouse) -> None:
    """An empty warehouse, an unknown number and a version that is not kept each say what there is."""
    assert current(warehouse) is None
    with pytest.raises(NoSuchSnapshot, match=r"has no snapshot yet.*crantdb sync"):
        read_snapshot(warehouse)
    made = add(warehouse, {"cells": cells([1])}, 4)
    with pytest.raises(NoSuchSnapshot, match=r"no snapshot 2 in .*there are 1"):
        read_snapshot(warehouse, 2)
    with pytest.raises(NoSuchSnapshot, match=r"keeps no materialization version 3; it keeps 4.*--version 3"):
        state_for(warehouse, made, 3)


def test_a_version_kept_elsewhere_must_be_there(warehouse: Warehouse) -> None:
    """A manifest that points to a snapshot which does not have the version is called damaged."""
    add(warehouse, {"cells": cells([1])}, 4)
    made = add(warehouse, {"cells": cells([1])}, 5)
    wrong = type(made)(**{name: getattr(made, name) for name in made.__slots__} | {"versions": {3: 1, 5: 2}})
    with pytest.raises(CorruptWarehouse, match="stands for version 3, but it does not"):
        state_for(warehouse, wrong, 3)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([], "none"),
        ([3], "3"),
        ([1, 2, 3], "1, 2, 3"),
        ([1, 2, 3, 4, 5], "1 to 5"),
        ([1, 2, 4, 5, 6], "1, 2, 4, 5, 6"),
    ],
)
def test_numbers_are_listed_in_few_words(numbers: list[int], words: str) -> None:
    """A message lists a few numbers one by one, and a line of them by its ends."""
    assert listed(numbers) == words
