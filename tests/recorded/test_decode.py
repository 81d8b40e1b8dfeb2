"""Every recorded Arrow answer of the real servers goes through our own decoder, and every list through our parsers."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from requests.structures import CaseInsensitiveDict

from crantdb.errors import BadResponse, ServiceUnavailable
from crantdb.sources.cave_rows import decode_arrow
from crantdb.sources.classify import Answer
from crantdb.sources.materialization import (
    RemoteTable,
    choose_version,
    id_columns,
    key_of,
    parse_version,
    view_key,
    warned_limit,
)

if TYPE_CHECKING:
    from collections.abc import Callable

WIRE = Path(__file__).resolve().parents[2].parent / "shared" / "wire"
SERVER_LIMIT = 10_000
"""The recording server's `QUERY_LIMIT_SIZE`."""

LEGACY = "0285_raw_legacy_csv_path"
WARNS_OF_THE_FORMAT_ONLY = "0286_raw_no_arrow_format"
"""Without `arrow_format=True` the server leaves its limit's warning out: crantdb never asks so."""

_IDS = frozenset({"id", "target_id", "valid_id", "superceded_id"})


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded exchange: its name, and what was said of it."""

    name: str
    meta: dict[str, Any]

    @property
    def answer(self) -> Answer:
        """The answer as requests hands it over: content-encoding undone, repeated headers joined."""
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        for name, value in self.meta["response_headers"]:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        body = (WIRE / f"{self.name}.body").read_bytes()
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return Answer(int(self.meta["status"]), headers, body, str(self.meta["path"]))

    @property
    def kind(self) -> str:
        """The content type without its parameters."""
        found = {name.lower(): value for name, value in self.meta["response_headers"]}
        return str(found.get("content-type", "")).split(";")[0]

    @property
    def asked(self) -> dict[str, Any]:
        """The request's body."""
        body = self.meta["request_body"]
        return body if isinstance(body, dict) else {}

    def is_arrow(self) -> bool:
        """Tell whether it is an answer with rows."""
        return self.meta["status"] < 300 and self.kind == "data.arrow"


def recordings() -> list[Recording]:
    """Return every recorded exchange; none where the recordings are not beside the checkout."""
    found = sorted(WIRE.glob("*.meta.json")) if WIRE.is_dir() else []
    return [Recording(path.name.removesuffix(".meta.json"), json.loads(path.read_bytes())) for path in found]


def recording(start: str) -> Recording:
    """Return the recording whose name starts so."""
    [found] = [item for item in recordings() if item.name.startswith(start)]
    return found


ARROW = [item for item in recordings() if item.is_arrow() and item.name != LEGACY]
each_arrow = pytest.mark.parametrize("item", ARROW, ids=lambda item: item.name)
pytestmark = pytest.mark.usefixtures("shared")


def _raw(item: Recording) -> pa.Table:
    """Decode a body with pyarrow alone."""
    return pa.ipc.open_stream(item.answer.body).read_all()


@each_arrow
def test_every_recorded_arrow_body_decodes_to_the_rows_its_headers_tell(item: Recording) -> None:
    """A warned limit N comes with N rows; without a warning there are fewer rows than any limit; ids are int64."""
    fetched = decode_arrow(item.answer)
    asked = item.asked.get("limit", SERVER_LIMIT)
    live = item.meta["path"].endswith("crantb_test/query")
    if fetched.limit is not None:
        assert fetched.limit == asked == fetched.rows.num_rows
    elif live or item.name == WARNS_OF_THE_FORMAT_ONLY:
        assert fetched.rows.num_rows <= asked, "these warn in other words"
    else:
        assert fetched.rows.num_rows < asked
    kinds = {field.name: field.type for field in fetched.rows.schema}
    ids = [name for name in kinds if name in _IDS or name in id_columns([name])]
    assert all(kinds[name] == pa.int64() for name in ids)


@each_arrow
def test_every_recorded_id_comes_through_unbent(item: Recording) -> None:
    """Ids, and every other value, are those on the wire; only times change, from nano- to microseconds."""
    raw, rows = _raw(item), decode_arrow(item.answer).rows
    assert rows.column_names == raw.column_names
    for name in raw.column_names:
        if pa.types.is_timestamp(raw.schema.field(name).type):
            assert rows[name].type == pa.timestamp("us", "UTC")
            assert rows[name].cast(pa.timestamp("ns", "UTC")).equals(raw[name])
        else:
            assert rows[name].equals(raw[name])


def test_the_legacy_csv_answer_is_refused() -> None:
    """Ids that come as doubles are refused, with the columns named; the server's own warning is no limit."""
    item = recording(LEGACY)
    with pytest.raises(BadResponse, match="pre_pt_root_id as double") as caught:
        decode_arrow(item.answer)
    assert "nothing was taken" in str(caught.value)
    assert warned_limit(item.answer.header("warning")) is None


@pytest.mark.parametrize(
    ("as_json", "as_arrow"),
    [("0178_q_json", "0280_raw"), ("0179_q_json", "0115_q"), ("0181_q_json", "0126_q")],
)
def test_arrow_ids_equal_the_json_ids_of_the_same_rows(as_json: str, as_arrow: str) -> None:
    """The same rows asked for as JSON text have the very same ids, NULLs included: two ways, one answer."""
    rows = decode_arrow(recording(as_arrow).answer).rows
    names = [name for name in rows.column_names if name in _IDS or name in id_columns([name])]
    ours = {row["id"]: row for row in rows.select(names).to_pylist()}
    theirs = {
        row["id"]: {name: row[name] for name in names} for row in json.loads(recording(as_json).answer.body)
    }
    shared = ours.keys() & theirs.keys()
    assert shared
    assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}


@pytest.mark.parametrize("item", recordings(), ids=lambda item: item.name)
def test_the_warned_limit_is_the_one_in_the_header(item: Recording) -> None:
    """`warned_limit` finds N in exactly those headers that say `Limited query to N rows`, alone or among others."""
    warnings = [value for name, value in item.meta["response_headers"] if name.lower() == "warning"]
    limits = [text.split("Limited query to ")[1] for text in warnings if "Limited query" in text]
    expected = int(limits[0].removesuffix(" rows")) if limits else None
    assert warned_limit(item.answer.header("warning")) == expected


@pytest.mark.parametrize("cut", [0, 1, 100, 0.5, -8, -1], ids=lambda cut: f"cut at {cut}")
@pytest.mark.parametrize("name", ["0089_q", "0282_raw_arrow_zstd", "0281_raw_arrow_lz4", "0280_raw"])
def test_a_body_cut_short_is_never_taken_for_fewer_rows(name: str, cut: float) -> None:
    """A stream cut anywhere before its last message is refused as transient; cut behind it, it has every row."""
    answer = recording(name).answer
    at = (
        int(len(answer.body) * cut) if isinstance(cut, float) else cut if cut >= 0 else len(answer.body) + cut
    )
    short = Answer(answer.status, answer.headers, answer.body[:at], answer.url)
    whole = decode_arrow(answer).rows
    if cut in {
        -8,
        -1,
    }:  # the end-of-stream marker: pyarrow does not insist on it, and no row can be behind it
        try:
            assert decode_arrow(short).rows.equals(whole)
        except ServiceUnavailable:
            return
        return
    with pytest.raises(ServiceUnavailable, match="no whole Arrow stream"):
        decode_arrow(short)


# --- versions, tables, views ------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["0034_mat", "0037_mat", "0324_p"])
def test_recorded_version_lists_parse(start: str) -> None:
    """Every version of a recorded list parses: number, UTC moment to the microsecond, expiry, status."""
    raw = json.loads(recording(start).answer.body)
    versions = [parse_version(entry) for entry in raw]
    assert [v.number for v in versions] == [entry["version"] for entry in raw]
    assert [v.as_of.replace(tzinfo=None).isoformat() for v in versions] == [e["time_stamp"] for e in raw]
    assert all(v.as_of.tzinfo is UTC for v in versions)


def test_recorded_states_decide_which_versions_are_touched() -> None:
    """Of the recorded versions 1 FAILED, 5 RUNNING and 6 EXPIRED are refused, and 4 is the newest to mirror."""
    raw = json.loads(recording("0037_mat").answer.body)
    versions = [parse_version(entry) for entry in raw]
    assert {v.number: v.is_available for v in versions} == {
        1: False, 2: True, 3: True, 4: True, 5: False, 6: False
    }  # fmt: skip
    chosen = choose_version(versions, None, datastack="crantb_test")
    assert (chosen.number, chosen.is_merged) == (4, False)


def _virtual() -> list[Recording]:
    """Return the recorded version lists of the virtual datastack (their client call failed in caveclient)."""
    return [item for item in recordings() if item.meta["path"].endswith("crantb_public/metadata")]


def test_a_moment_without_microseconds_parses() -> None:
    """`2126-01-01T00:00:00`, on which caveclient fails, is a time like any other; null is no expiry."""
    entries = [entry for item in _virtual() for entry in json.loads(item.answer.body)]
    whole = [entry for entry in entries if entry["expires_on"] and "." not in entry["expires_on"]]
    assert whole, "a recording with zero microseconds is there"
    assert parse_version(whole[0]).expires_on == datetime.fromisoformat(whole[0]["expires_on"] + "+00:00")
    assert parse_version({**whole[0], "expires_on": None}).expires_on is None


_BROKEN: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "a missing field": lambda raw: {key: value for key, value in raw.items() if key != "time_stamp"},
    "a moment that is none": lambda raw: {**raw, "time_stamp": "yesterday"},
    "a number that is none": lambda raw: {**raw, "version": None},
}


@pytest.mark.parametrize("why", _BROKEN)
def test_a_version_that_is_none_is_refused(why: str) -> None:
    """A version's description with a field missing or of another kind is a `BadResponse` that shows it."""
    raw = json.loads(recording("0034_mat").answer.body)[0]
    with pytest.raises(BadResponse, match="describes a materialization version"):
        parse_version(_BROKEN[why](raw))


def _tables(start: str) -> list[RemoteTable]:
    """Return the tables of a recorded metadata list."""
    raw = json.loads(recording(start).answer.body)
    return [RemoteTable(entry["table_name"], "table", entry, {}) for entry in raw]


@pytest.mark.parametrize("start", ["0070_mat", "0071_mat", "0335_p"])
def test_recorded_table_metadata_says_what_refers_to_what(start: str) -> None:
    """Every table of a recorded list has its key `id`; exactly the reference tables name their target."""
    tables = _tables(start)
    assert {table.name: table.reference_table for table in tables if table.reference_table} == {
        "syn_groups": "synapses_v2",
        "nuc_cell_type_ref": "nuclei_v1",
        "ref_points": "nuclei_v1",
        "valid_synapses": "synapses_v2",
    }
    assert {key_of(table) for table in tables} == {"id"}


def test_the_recorded_unicode_notice_is_the_one_that_makes_a_table_unreadable() -> None:
    """Of all recorded tables only `notice_unicode` is known beforehand to fail on every query."""
    broken = {table.name: table.why_unreadable() for table in _tables("0070_mat") if table.why_unreadable()}
    assert list(broken) == ["notice_unicode"]
    assert "ask the owner" in str(broken["notice_unicode"])


def test_recorded_views_have_a_key_to_be_cut_by() -> None:
    """A view is cut by its `id`, else by a root id: never by a float, a text or a count."""
    schemas = json.loads(recording("0192_view").answer.body)
    kinds = {
        name: {column: kind["type"] for column, kind in schema.items()} for name, schema in schemas.items()
    }
    assert view_key(kinds["nuclei_view"]) == "id"
    assert view_key(kinds["connections_view"]) in {"pre_pt_root_id", "post_pt_root_id"}
    assert view_key({"size": "float", "tag": "string"}) is None
