"""The recorded exchanges of real CAVE servers: reading them, sending them again, comparing two answers."""

from __future__ import annotations

import ast
import gzip
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import urllib3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# Headers that say how an answer is to be read.
_TELLING = (
    "content-type",
    "content-encoding",
    "cache-control",
    "vary",
    "used-bounds",
    "dataframe_resolution",
)
_NOT_SENT = {"host", "content-length", "connection"}
_NULLABLE = {
    *(
        "notice_text",
        "reference_table",
        "flat_segmentation_source",
        "expires_on",
        "proofreading_review_table",
    ),
    *("description", "segmentation_source", "skeleton_source"),
}
_LIMITED = re.compile(r'201 - "Limited query to (\d+) rows')


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, header values by lower-case name, and the body without content encoding."""

    status: int
    headers: Mapping[str, tuple[str, ...]]
    body: bytes

    @property
    def is_arrow(self) -> bool:
        """Whether the body is an Arrow stream."""
        return self.headers.get("content-type") == ("data.arrow",)

    def table(self) -> pa.Table:
        """Return the Arrow stream as a table."""
        return pa.ipc.open_stream(self.body).read_all()

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded exchange."""

    name: str
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    request_body: bytes
    answer: Answer


def targets(folder: Path) -> dict[str, str]:
    """Return method and path of every recording of a folder by its name; none when there is no folder."""
    metas = {path.name.removesuffix(".meta.json"): path for path in sorted(folder.glob("*.meta.json"))}
    read_metas = {name: json.loads(path.read_text()) for name, path in metas.items()}
    return {name: f"{meta['method']} {meta['path']}" for name, meta in read_metas.items()}


def read(folder: Path, name: str) -> Recording:
    """Return a recording by its name, e.g. ``0026_mat_versions``."""
    meta = json.loads((folder / f"{name}.meta.json").read_text())
    headers: dict[str, tuple[str, ...]] = {}
    for key, value in meta["response_headers"]:
        headers[key.lower()] = (*headers.get(key.lower(), ()), value)
    body = (folder / f"{name}.body").read_bytes()
    answer = Answer(meta["status"], headers, _decoded(body, headers))
    sent = tuple((key, value) for key, value in meta["request_headers"] if key.lower() not in _NOT_SENT)
    return Recording(
        name,
        meta["method"],
        meta["path"],
        meta["query_string"],
        sent,
        _request_body(folder, name, meta),
        answer,
    )


def replay(recording: Recording, url: str, translate: Callable[[str], str]) -> Answer:
    """Send a recorded request to another server and return its answer.

    Args:
        recording: what to send.
        url: the server.
        translate: turns names, versions and times of the recordings into those of the server.
    """
    text = recording.query
    target = url + translate(recording.path + (f"?{text}" if text else ""))
    body = recording.request_body
    if body.startswith(b'{"'):
        body = translate(body.decode()).encode()
    with urllib3.PoolManager(retries=False) as pool:
        response = pool.request(
            recording.method,
            target,
            headers=dict(recording.headers),
            body=body or None,
            redirect=False,
            decode_content=False,
            timeout=30,
        )
        values = {key.lower(): tuple(response.headers.getlist(key)) for key in response.headers}
        return Answer(response.status, values, _decoded(response.data, values))


def differences(recording: Recording, ours: Answer) -> list[str]:
    """Return in what an answer differs from the recorded one; empty when the form is the same."""
    real = recording.answer
    if ours.status != real.status:
        return [f"status {ours.status} in place of {real.status}: {ours.body[:300]!r}"]
    found = [
        f"header {name}: {ours.headers.get(name)} in place of {real.headers.get(name)}"
        for name in _TELLING
        if ours.headers.get(name) != real.headers.get(name)
    ]
    found += [
        f"header {name} is {'missing' if name in real.headers else 'too many'}"
        for name in ("location", "www-authenticate", "set-cookie")
        if (name in ours.headers) != (name in real.headers)
    ]
    found += _warnings(recording, ours)
    is_join = recording.path.endswith(tuple(f"/version/{number}/query" for number in range(10)))
    if real.is_arrow:
        return found + _tables(real, ours, ordered=not is_join)
    if real.headers["content-type"] == ("application/json",):
        return found + _bodies(real.json(), ours.json())
    if real.headers["content-type"][0].startswith("text/html") and real.body[:1] == b"<":
        return found + ([] if _words(real.body) == _words(ours.body) else [f"page {ours.body[:200]!r}"])
    return found + (
        [] if len(ours.body) == len(real.body) else [f"{len(ours.body)} bytes for {len(real.body)}"]
    )


def _decoded(body: bytes, headers: Mapping[str, tuple[str, ...]]) -> bytes:
    """Return a body without its gzip."""
    return gzip.decompress(body) if headers.get("content-encoding") == ("gzip",) else body


def _request_body(folder: Path, name: str, meta: Mapping[str, Any]) -> bytes:
    """Return the recorded body of a request."""
    file = folder / f"{name}.reqbody"
    if file.exists():
        return file.read_bytes()
    if meta["request_body"] is None:
        return b""
    if meta["request_body_type"] == "hex":
        return bytes.fromhex(meta["request_body"])
    return json.dumps(meta["request_body"]).encode()


def _warnings(recording: Recording, ours: Answer) -> list[str]:
    """Compare notices word for word; of the limit, that it is told if and only if it was reached."""
    real = recording.answer
    told = [[w for w in a.headers.get("warning", ()) if not _LIMITED.fullmatch(w)] for a in (real, ours)]
    found = [] if told[0] == told[1] else [f"warnings {told[1]} in place of {told[0]}"]
    if not real.is_arrow:
        return found
    limits = [_LIMITED.fullmatch(w) for w in ours.headers.get("warning", ())]
    said = [int(match.group(1)) for match in limits if match]
    limit = json.loads(recording.request_body or b"{}").get("limit", 10_000)
    rows = ours.table().num_rows
    expected = [limit] if rows == limit else []
    return found if said == expected else [*found, f"{rows} rows of {limit}, but the limit is told as {said}"]


def _tables(real: Answer, ours: Answer, *, ordered: bool) -> list[str]:
    """Compare columns, types, pandas metadata and column names."""
    ours_schema, real_schema = ours.table().schema, real.table().schema
    pairs = [[(f.name, str(f.type)) for f in schema] for schema in (real_schema, ours_schema)]
    names = [ast.literal_eval(answer.headers["column_names"][0]) for answer in (real, ours)]
    pandas = [json.loads(schema.metadata[b"pandas"])["columns"] for schema in (real_schema, ours_schema)]
    if not ordered:
        pairs = [sorted(columns) for columns in pairs]
        pandas = [sorted(columns, key=lambda c: c["name"]) for columns in pandas]
    found = [] if pairs[0] == pairs[1] else [f"columns {pairs[1]} in place of {pairs[0]}"]
    found += [] if pandas[0] == pandas[1] else [f"pandas metadata {pandas[1]} in place of {pandas[0]}"]
    if ordered:
        names = [[(table, list(columns.items())) for table, columns in header.items()] for header in names]
    return found + ([] if names[0] == names[1] else [f"column_names {names[1]} in place of {names[0]}"])


def _bodies(real: Any, ours: Any) -> list[str]:
    """Compare two JSON bodies; of errors, their family."""
    if isinstance(real, dict) and "traceback" in real:
        same = set(real) == set(ours) and _family(real["message"]) == _family(ours["message"])
        return [] if same else [f"error {ours} in place of {real}"]
    if isinstance(real, dict) and "reference_synapse_valid" in real:
        real = {
            name: schema for name, schema in real.items() if name in ours
        }  # we know a few of the 60 types
    if (
        isinstance(real, dict) and "crantb_pcg" in real
    ):  # by the chunkedgraph's name, which is each world's own
        real, ours = list(real.values()), list(ours.values())
    return _shapes(real, ours, "body")


def _family(message: str) -> str:
    """Return what is left of an error message without names, numbers and SQL."""
    coded = re.match(r"\d{3} [A-Z][A-Za-z ]+:", message)
    if coded:
        return coded.group()
    if message.startswith("Execution failed on sql"):
        return "Execution failed on sql: " + message.rsplit("': ", 1)[-1].split("\n", maxsplit=1)[0]
    if message.startswith("datastack"):
        return re.sub(r"for url: .*", "", message, flags=re.DOTALL)
    return message


def _shapes(real: Any, ours: Any, at: str) -> list[str]:
    """Compare keys and types, recursively; the values themselves are each world's own."""
    if at.rsplit(".", 1)[-1] in _NULLABLE and (real is None or ours is None):
        return []
    if type(real) is not type(ours):
        return [f"{at}: {type(ours).__name__} in place of {type(real).__name__}"]
    if isinstance(real, dict):
        return _members(real, ours, at)
    return _elements(real, ours, at) if isinstance(real, list) and real and ours else []


def _members(real: dict[str, Any], ours: dict[str, Any], at: str) -> list[str]:
    """Compare two objects key by key."""
    by_id = real and all(re.fullmatch(r"\d{10,}", key) for key in (*real, *ours))
    if by_id or at.endswith(".user_info"):
        return _shapes([*real.values()], [*ours.values()], f"{at}[id]")
    if set(real) != set(ours):
        return [f"{at}: keys differ by {sorted(set(real) ^ set(ours))}"]
    return [line for key in real for line in _shapes(real[key], ours[key], f"{at}.{key}")]


def _elements(real: list[Any], ours: list[Any], at: str) -> list[str]:
    """Return what is wrong when an element of ours has the shape of none of the real ones."""
    kinds = list({json.dumps(_shape(element)): element for element in real}.values())
    known = [element for element in ours if element is not None]
    for element in {json.dumps(_shape(element)): element for element in known}.values():
        wrong = [_shapes(kind, element, f"{at}[]") for kind in kinds]
        if all(wrong):
            return min(wrong, key=len)
    return []


def _shape(value: Any) -> Any:
    """Return a value with its types in the place of its values."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return type(value).__name__


def _words(page: bytes) -> list[str]:
    """Return the words of a page, links left out."""
    return re.findall(r"[A-Za-z]+", re.sub(rb"https?://[^ \"<]+", b"", page).decode())
