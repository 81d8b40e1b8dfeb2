"""The sandbox answers what the real servers answered: every recorded request sent to it again."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from crantdb.sandbox import Datastack, Fault, Sandbox, Version, generate_world
from crantdb.sandbox.l2cache import gaps_of

from . import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIRE = Path(__file__).resolve().parents[2].parent / "shared" / "wire"
TARGETS = wire.targets(WIRE)

LEFT_OUT = {
    r"/annotation/api/": "the annotation service is for writing; a mirror never calls it",
    r"POST /materialize/api/v3/datastack/\w+/query$": "live queries are not served",
    r"/table/nuclei_v1/precomputed/info$": "neuroglancer's annotations are not served",
    r"/table/cell_types/info$": "neuroglancer's segment properties are not served",
    r"/tabular_change_log_many$": "the recorded server had no auth server to ask for names",
    r"/(children|minimal_covering_nodes)$": "the chunk graph is not served yet",
}
LEFT_OUT_BY_NAME = {
    "0285_raw_legacy_csv_path": "direct_sql_pandas=False mangles types; only clients before 8.0 ask for it",
}

# Our versions in the place of the recorded ones of the same kind: failed, merged, merged, split, …
VERSIONS = {"1": "2", "2": "3", "3": "5", "4": "4", "5": "6", "6": "1"}
DATASTACKS = {
    "crantb_test": "sandbox_ant",
    "crantb_public": "sandbox_public",
    "crantb_sandbox": "sandbox_empty",
}
OTHER_NAMES = {"crantb_pcg": "sandbox_pcg", "crantb_av": "sandbox_av"}
# The moments of recorded versions 2, 3 and 4.
MOMENTS = {"1795244718.084051": 3, "1795244912.879313": 5, "1795244923.624279": 4}
ROOT = re.compile(r"\b57646075230342\d{4}\b")
L2_ID = re.compile(r"\b14411518\d{10}\b")

pytestmark = pytest.mark.skipif(not TARGETS, reason="the recordings are not beside the checkout")


def reason_left_out(name: str) -> str | None:
    """Return why a recording is left out, or None."""
    found = (reason for pattern, reason in LEFT_OUT.items() if re.search(pattern, TARGETS[name]))
    return LEFT_OUT_BY_NAME.get(name) or next(found, None)


@pytest.fixture(scope="module")
def world() -> Datastack:
    """Return the generated world."""
    return generate_world()


@pytest.fixture(scope="module")
def scenes(world: Datastack) -> Iterator[Callable[[str], Sandbox]]:
    """Return sandboxes by the situation in which a recording was made."""
    tokens = {"noperm": "missing_permission", "needtos": "missing_tos"}
    running: dict[str, Sandbox] = {}
    with ExitStack() as stack:

        def scene(name: str) -> Sandbox:
            if name not in running:
                token = "goodtoken" if name == "auth" else None
                sandbox = Sandbox(stacks_of(name, world), token=token, tokens=tokens, seed=1)
                running[name] = stack.enter_context(sandbox)
            return running[name]

        yield scene


def stacks_of(scene: str, world: Datastack) -> list[Datastack]:
    """Return the datastacks of a situation."""
    if scene == "dropped":
        gone = replace(world.versions[1], status="EXPIRED")
        return [replace(world, versions=(world.versions[0], gone, *world.versions[2:]))]
    blank = ["skeleton_source", "viewer_site", "description", "proofreading_status_table"]
    blank += ["cell_identification_table", *(f"viewer_resolution_{axis}" for axis in "xyz")]
    empty = Datastack("sandbox_empty", (), info=dict.fromkeys(blank))
    merged = world.versions[4]
    shared = tuple(table for table in merged.tables if table.name in {"synapses_v2", "cell_types"})
    expires = None if scene == "forever" else datetime(2126, 1, 1, tzinfo=UTC)
    public = Version(merged.number, merged.time_stamp, expires_on=expires, tables=shared)
    info = {key: None for key in blank if key in {"viewer_site", "description"}}
    return [world, empty, Datastack("sandbox_public", (public,), synapse_table="synapses_v2", info=info)]


def translator(world: Datastack) -> Callable[[str], str]:
    """Return what turns the recordings' names, versions, times and root ids into the sandbox's."""
    roots = sorted(world.chunkedgraph.roots)
    l2_ids = np.unique(world.chunkedgraph.l2_of.values)
    cached = [node for node, gap in zip(l2_ids.tolist(), gaps_of(world.l2, l2_ids), strict=True) if not gap]

    def translate(text: str) -> str:
        text = re.sub(r"/version/([1-6])\b", lambda m: f"/version/{VERSIONS[m.group(1)]}", text)
        for old, new in (DATASTACKS | OTHER_NAMES).items():
            text = re.sub(rf"\b{old}\b", new, text)
        for old, number in MOMENTS.items():
            text = text.replace(old, repr(world.version(number).time_stamp.timestamp()))
        text = L2_ID.sub(lambda m: str(cached[int(m.group()) % len(cached)]), text)
        return ROOT.sub(lambda m: str(roots[int(m.group()) % len(roots)]), text)

    return translate


def scene_of(recording: wire.Recording) -> str:
    """Return the situation in which a recording was made."""
    if "auth_rate_limit" in recording.name:
        return "limited"
    if "_auth_" in recording.name and not recording.name.startswith("03"):
        return "auth"
    if "frozen_db_dropped" in recording.name:
        return "dropped"
    if recording.name == "0403_virt_versions_metadata_null_expiry":
        return "forever"
    if recording.answer.status == 500 and b"Foreign key associated" in recording.answer.body:
        return "fresh"
    broken = recording.answer.status == 500 and b"Can't reconnect" in recording.answer.body
    return "broken" if broken else "plain"


@pytest.mark.parametrize("name", [name for name in TARGETS if not reason_left_out(name)])
def test_answers_as_the_real_server_did(
    name: str, world: Datastack, scenes: Callable[[str], Sandbox]
) -> None:
    """Status, telling headers, columns with their types and the shape of JSON are those recorded."""
    recording = wire.read(WIRE, name)
    translate, scene = translator(world), scene_of(recording)
    if scene == "limited":
        ours = answer_after_limit(recording, world, translate)
    elif scene == "fresh":
        with Sandbox(world, foreign_key_500=True) as sandbox:
            ours = wire.replay(recording, sandbox.url, translate)
    else:
        sandbox = scenes(scene)
        if scene == "broken":
            sandbox.faults.add(Fault("me_500", message=recording.answer.json()["message"]))
        ours = wire.replay(recording, sandbox.url, translate)
    assert wire.differences(recording, ours) == []


def answer_after_limit(
    recording: wire.Recording, world: Datastack, translate: Callable[[str], str]
) -> wire.Answer:
    """Return the answer to the query of the recording's number in a row, three a minute allowed."""
    with Sandbox(world, token="goodtoken", rate_limit=(3, 60)) as sandbox:
        answers = [wire.replay(recording, sandbox.url, translate) for _ in range(int(recording.name[-1]) + 1)]
    return answers[-1]


def test_every_recording_is_replayed_or_left_out_for_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing recorded is passed over in silence, and no reason stands without a recording."""
    left_out = Counter(reason for name in TARGETS if (reason := reason_left_out(name)))
    with capsys.disabled():
        replayed = len(TARGETS) - left_out.total()
        print(f"\nsandbox contract: {replayed} of {len(TARGETS)} recordings replayed; left out:")
        for reason, count in left_out.most_common():
            print(f"  {count:3} {reason}")
    assert set(left_out) == {*LEFT_OUT.values(), *LEFT_OUT_BY_NAME.values()}
    assert set(TARGETS) >= set(LEFT_OUT_BY_NAME)


def test_the_comparison_sees_what_differs() -> None:
    """A recorded answer equals itself; another status, header, column, key or message is told."""
    query, listing, error = (
        wire.read(WIRE, name)
        for name in ("0081_q_syn_idrange_v3", "0042_mat_version_metadata_v3", "0069_mat_count_zzz")
    )
    assert [wire.differences(recording, recording.answer) for recording in (query, listing, error)] == [
        [],
        [],
        [],
    ]
    as_double = query.answer.table().cast(bent(query.answer.table().schema))
    changed = [
        (query, replace(query.answer, status=404)),
        (query, replace(query.answer, headers={**query.answer.headers, "content-type": ("text/plain",)})),
        (query, replace(query.answer, headers={**query.answer.headers, "warning": ("Other notice",)})),
        (query, replace(query.answer, body=as_stream(as_double))),
        (listing, replace(listing.answer, body=listing.answer.body.replace(b"is_merged", b"merged"))),
        (listing, replace(listing.answer, body=listing.answer.body.replace(b"true", b"1"))),
        (error, replace(error.answer, body=error.answer.body.replace(b"404 Not Found", b"401 Unauthorized"))),
    ]
    assert [bool(wire.differences(recording, answer)) for recording, answer in changed] == [True] * len(
        changed
    )


def bent(schema: pa.Schema) -> pa.Schema:
    """Return a schema whose ids are doubles."""
    return schema.set(0, pa.field("id", pa.float64()))


def as_stream(table: pa.Table) -> bytes:
    """Return a table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
