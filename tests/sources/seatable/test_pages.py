"""Every row once, whatever number of rows, page, cap, order of ids or age of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from crantdb.errors import StorageError
from crantdb.sources.seatable.server import TokenKind
from tests.sources.seatable.serving import neurons, pages_asked, read, same_as_truth, served


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 9_999, 10_000, 10_001, 25_001])
def test_every_row_once_whatever_their_number(count: int, tmp_path: Path) -> None:
    """Tables around the server's limits (100 by default, 10,000 at most) are whole, in the fewest pages."""
    base = neurons(count)
    with served(base) as server:
        result = read(server, spill=tmp_path)
        same_as_truth(result, base)
        assert all("LIMIT" in entry.body for entry in server.log.entries(r"POST .*/sql"))
        assert pages_asked(server) <= -(-count // 10_000) + 1
        assert str(result.consistency) == f"atomic({base.version})"
        assert result.requests == server.log.gateway_calls()


def test_twenty_thousand_rows_take_three_pages() -> None:
    """An exact multiple of the page is whole too, and its last page is the empty one."""
    base = neurons(20_000)
    with served(base) as server:
        same_as_truth(read(server), base)
        assert pages_asked(server) == 3


@pytest.mark.parametrize("cap", [100, 3_000])
def test_a_short_page_is_not_the_end(cap: int) -> None:
    """A server that caps pages below what was asked, without a word, still gives every row."""
    base = neurons(3 * cap + 7)
    with served(base, sql_hard_limit=cap) as server:
        same_as_truth(read(server), base)


@pytest.mark.parametrize("version", ["5.3", "6.1", "6.2"])
@pytest.mark.parametrize("empty", ["[]", "null"])
@pytest.mark.parametrize(
    ("collation", "keyset"), [("bytes", True), ("ci", True), ("bytes", False), ("ci", False)]
)
def test_every_row_once_on_any_server(version: str, empty: str, collation: str, *, keyset: bool) -> None:
    """Versions, empty results as null, another order of ids, no comparison of ids: the same rows in the same order."""
    base = neurons(1_234)
    options = {
        "version": version,
        "empty_results": empty,
        "id_collation": collation,
        "keyset_strings": keyset,
    }
    with served(base, **options) as server:
        result = read(server, page_rows=500)
        same_as_truth(result, base)
        assert result.consistency.atomic
        by_offset = server.log.count("OFFSET")
    assert bool(by_offset) is not keyset


@pytest.mark.parametrize("kind", TokenKind)
def test_both_kinds_of_token_read_the_same(kind: TokenKind) -> None:
    """An account's token and a read-only base token give the same table."""
    base = neurons(321)
    with served(base) as server:
        same_as_truth(read(server, kind=kind), base)


def test_wide_tables_are_asked_for_in_smaller_pages() -> None:
    """A server that refuses a million cells is never asked for so many; one that refuses less gets smaller pages."""
    base = neurons(4_000)
    with served(base, cell_cap=20_000) as server:
        same_as_truth(read(server), base)
        assert server.log.count(r"LIMIT 10000") == 1
        assert server.log.count(r"LIMIT 1250") > 0


def test_pages_in_memory_and_pages_in_files_are_the_same(tmp_path: Path) -> None:
    """Where pages wait makes no difference to what comes out."""
    base = neurons(2_222)
    with served(base) as server:
        kept, spilled = read(server, page_rows=300), read(server, page_rows=300, spill=tmp_path)
    same_as_truth(kept, base)
    same_as_truth(spilled, base)
    assert any(tmp_path.rglob("*.arrow"))


def test_a_folder_that_takes_no_pages(tmp_path: Path) -> None:
    """A disk that refuses is called that, with the folder."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with (
        served(neurons(3)) as server,
        pytest.raises(StorageError, match=r"'neurons' cannot be kept in .*file"),
    ):
        read(server, spill=blocked)
