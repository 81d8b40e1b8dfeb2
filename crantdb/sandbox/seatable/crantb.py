"""A base like CRANTb's over the generated world, with all the dirt that annotators leave and the truth beside."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import TYPE_CHECKING, get_args

import numpy as np

from crantdb.errors import ConfigError
from crantdb.sandbox.seatable import crantb_columns as words
from crantdb.sandbox.seatable.base import Base
from crantdb.sandbox.seatable.clock import stamp
from crantdb.sandbox.seatable.crantb_columns import META, PAPERS
from crantdb.sandbox.seatable.dirt import Anchor, Kind, RowTruth, anchors, texts
from crantdb.sandbox.seatable.model import Table
from crantdb.sandbox.seatable.schema_edits import add_column, add_link_column, set_links

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crantdb.sandbox.given import Datastack
    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.clock import Clock
    from crantdb.sandbox.world import Truth

_KINDS: tuple[Kind, ...] = get_args(Kind)
_EVERY_KIND = 3
_CITED = 60  # more than the 50 links that a cell shows


@dataclass(frozen=True, slots=True)
class Crantb:
    """The base and what is true of it.

    Attributes:
        base: the base, to be served.
        truth: what is so of every row of the annotation table, by row id.
        anchors: points that rows annotate or might.
        rng: where chance goes on.
    """

    base: Base
    truth: dict[str, RowTruth]
    anchors: Sequence[Anchor]
    rng: random.Random = field(repr=False)

    def rows_of(self, kind: Kind) -> list[str]:
        """Return the ids of the rows of a kind."""
        return [row_id for row_id, truth in self.truth.items() if truth.kind == kind]


def crantb_base(
    datastack: Datastack,
    *,
    seed: int = 0,
    rows: int | None = None,
    api_tokens: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Crantb:
    """Return a base "CRANTb" with the tables "CRANTb_meta" and "CRANTb_papers"; the same seed gives the same.

    Every kind of dirt comes three times at least (as far as the world has an edit for it); the other rows are
    clean, and each neuron's soma has one.

    Args:
        datastack: a generated datastack.
        seed: where chance starts.
        rows: rows of the annotation table, 100 or more; None for two a neuron and the dirt.
        api_tokens: base API tokens and what they may do.
        clock: the time of later edits (default: the machine's).

    Raises:
        ConfigError: the datastack was not generated, so that nothing is known to annotate.
    """
    truth = datastack.truth
    if truth is None:
        msg = f"datastack {datastack.name!r} was given, not generated: serve rows with base_from_rows instead"
        raise ConfigError(msg)
    rng = random.Random(f"crantb:{seed}")  # noqa: S311 (a world, no secret)
    count = rows if rows is not None else 2 * truth.brain.neurons + _EVERY_KIND * len(_KINDS)
    newest = max(v.time_stamp for v in datastack.versions if v.valid)
    first = min(version.time_stamp for version in datastack.versions)
    moments = (_micros(first), _micros(newest))
    points = _anchors(truth, moments, count, seed)
    told = _told(points, count, rng)
    made = [_row(cells, newest, number, rng) for number, (cells, _) in enumerate(told, 1)]
    base = Base(
        "CRANTb",
        [Table(META, words.meta_columns(), made), Table(PAPERS, words.paper_columns(), words.papers())],
        api_tokens=api_tokens,
        seed=seed,
        clock=clock,
    )
    out = Crantb(base, {}, points, rng)
    out.truth.update(zip(base.table(META).rows, (truth for _, truth in told), strict=True))
    _finish(base)
    return out


def row_cells(cells: Mapping[str, Json], number: int, rng: random.Random) -> dict[str, Json]:
    """Return all cells of an annotation row.

    Args:
        cells: its ids and position.
        number: its number in the table, from 1.
        rng: where chance comes from.
    """
    if cells["root_id"] is None:
        return {}
    names = ("flow", "super_class", "cell_class", "cell_type")
    looked = datetime(2025, 3, 1, 9, 30, tzinfo=UTC) + timedelta(days=rng.randrange(400))
    return {
        **cells,
        **dict(zip(names, rng.choice(words.CLASSES), strict=True)),
        **_labels(rng),
        **_metrics(str(cells["root_id"]), rng),
        "date_proofread": looked.date().isoformat() if rng.random() < 0.4 else None,
        "last_look": looked.strftime("%Y-%m-%d %H:%M") if rng.random() < 0.4 else None,
        "number": f"row-{number:04d}",
    }


def _labels(rng: random.Random) -> dict[str, Json]:
    """Return the cells that people write."""
    return {
        "proofread": rng.choice((True, False, None)),
        "status": rng.sample(words.STATUS, rng.randrange(3)) or _nothing(rng),
        "region": rng.sample(words.REGIONS, rng.randrange(4)) or None,
        "side": rng.choice(("left", "left", "right", None)),
        "tract": rng.choice(("mALT", "lALT", None)),
        "nerve": rng.choice(("antennal_nerve", "", None)),
        "known_nt": rng.choice(("acetylcholine", "acetylcholine, sNPF", "", None)),
        "proofreader_notes": rng.choice(words.NOTES),
        "annotator_notes": rng.choice(words.NOTES),
        "user_annotator": rng.sample(words.PEOPLE, rng.randrange(3)) or _nothing(rng),
        "user_proofreader": rng.sample(words.PROOFREADERS, rng.randrange(3)) or None,
        "ngl_link": rng.choice(
            ("https://spelunker.cave-explorer.org/#!middleauth+https://example.org/1", None)
        ),
        "confidence": rng.choice((0, 3, 5, None)),
    }


def _nothing(rng: random.Random) -> list[str] | None:
    """Return one of the two forms of an empty list cell."""
    return None if rng.random() < 0.5 else []


def _metrics(root: str, rng: random.Random) -> dict[str, Json]:
    """Return the cells that scripts write, for most rows; the tags name the root they were computed for."""
    if rng.random() < 0.3:
        return {}
    volume = rng.randrange(10**9, 10**14)
    return {
        "root_id_processed": ", ".join(f"{metric}_{root}" for metric in ("l2", "synapses", "volume")),
        "volume_nm3": float(volume),
        "l2_nodes": float(rng.randrange(1, 4000)),
        "l2_cable_length_um": rng.randrange(10**6) / 1000,
        "input_connections": float(rng.randrange(5000)),
        "output_connections": float(rng.randrange(5000)) if rng.random() < 0.9 else None,
        "segregation_index": rng.random(),
        "root_id_as_number": float(int(root)) if root.isdigit() else None,
    }


def _anchors(truth: Truth, moments: tuple[int, int], count: int, seed: int) -> list[Anchor]:
    """Return points to annotate: every soma, then nodes of neurons and twigs; moments in µs since 1970."""
    picked = np.random.default_rng([seed, 4]).integers(len(truth.brain.pieces.node_piece), size=count)
    nodes = np.r_[truth.brain.somata(), picked]
    return anchors(truth.brain, nodes, *moments)


def _told(
    points: Sequence[Anchor], count: int, rng: random.Random
) -> list[tuple[dict[str, str | None], RowTruth]]:
    """Return ids, positions and truth of rows: the dirt, and clean rows of all somata before further ones."""
    kinds = [kind for kind in _KINDS for _ in range(_EVERY_KIND) if kind != "clean"][:count]
    out = []
    for kind in kinds:
        fit = _fitting(kind, points)
        if fit:
            here, other = rng.choice(fit), rng.choice(points)
            while other.root == here.root:
                other = rng.choice(points)
            out.append(texts(kind, here, other))
    clean = (texts("clean", here, here) for here in cycle(points))
    out += [next(clean) for _ in range(count - len(out))]
    rng.shuffle(out)
    return out


def _fitting(kind: Kind, points: Sequence[Anchor]) -> list[Anchor]:
    """Return the points of which a row of a kind can be made."""
    if kind == "stale":
        return [point for point in points if point.early != point.root]
    if kind == "unborn":
        return [point for point in points if point.late != point.root]
    return list(points[: len(points) // 8] if kind == "shared" else points)


def _row(cells: Mapping[str, Json], newest: datetime, number: int, rng: random.Random) -> dict[str, Json]:
    """Return a row with its times and people; one in forty came over a websocket and has none."""
    born = newest - timedelta(days=rng.randrange(5, 300), milliseconds=rng.randrange(10**8))
    edited = born + timedelta(seconds=rng.randrange(10**5))
    who = rng.choice(words.PEOPLE)
    system: dict[str, Json] = {
        "_ctime": stamp(born),
        "_mtime": stamp(edited),
        "_creator": who,
        "_last_modifier": rng.choice((who, *words.PEOPLE)),
    }
    if number % 40 == 0:
        system = dict.fromkeys(system)
    return row_cells(cells, number, rng) | system


def _finish(base: Base) -> None:
    """Add what hangs on keys and ids: the formula and the links."""
    meta = base.table(META)
    add_column(base, META, words.connections_column(meta.columns))
    add_link_column(base, META, "papers", PAPERS, other_name="neurons")
    cited, other, _ = base.table(PAPERS).rows
    ids = list(meta.rows)
    set_links(base, PAPERS, "neurons", {cited: ids[:_CITED], other: ids[10:13]})


def _micros(moment: datetime) -> int:
    """Return a moment in µs since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
