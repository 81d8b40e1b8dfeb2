"""The verbs partners, adjacency, synapses, types and neuron: against the rows that the sandbox serves."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

import crantdb
from crantdb.sandbox import generate_world
from tests.analysis.making import add_brain, synapses_of_edges
from tests.cli.conftest import Result, run
from tests.warehouse.making import ROOT, make_warehouse

if TYPE_CHECKING:
    from pathlib import Path

Edges = dict[tuple[int, int], int]


@pytest.fixture(scope="module")
def truth() -> dict[int, Edges]:
    """Return the connections of each version as the generated world has them, counted row by row in plain Python."""
    world = generate_world(synapses=3000)
    found: dict[int, Edges] = {}
    for number in (3, 4, 5):
        version = world.version(number)
        assert version is not None
        rows = version.table("synapses_v2").rows
        # CAVE keeps rows that were taken back, marked so, and serves them to nobody.
        rows = rows.filter(rows["valid"])
        pairs = zip(rows["pre_pt_root_id"].to_pylist(), rows["post_pt_root_id"].to_pylist(), strict=True)
        # A version that serves no NULL serves a root that was not looked up as 1.
        known = (pair for pair in pairs if None not in pair and 1 not in pair)
        found[number] = Counter(pair for pair in known if pair[0] != pair[1] and 0 not in pair)
    return found


def busiest(edges: Edges, count: int = 1) -> list[int]:
    """Return the roots with the most outgoing synapses."""
    totals: Counter[int] = Counter()
    for (pre, _), weight in edges.items():
        totals[pre] += weight
    return [root for root, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:count]]


def listed(done: Result) -> list[dict[str, Any]]:
    """Return the rows that a verb printed as JSON."""
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert isinstance(rows, list)
    return rows


@pytest.mark.parametrize("number", [3, 4, 5])
def test_the_whole_brain_of_each_version(made: Path, truth: dict[int, Edges], number: int) -> None:
    """`adjacency` without neurons lists every connection of a version as the sandbox served it."""
    done = run("adjacency", "--warehouse", made, "--version", str(number), "--output", "json")
    found = {(row["pre"], row["post"]): row["weight"] for row in listed(done)}
    assert found == truth[number]


def test_python_and_sql_agree_with_the_sandbox(made: Path, truth: dict[int, Edges]) -> None:
    """Partners and counts of the busiest neurons are what its rows count up to, in every version on one connection."""
    with crantdb.connect(made, versions=[3, 4, 5]) as con:
        for number, edges in truth.items():
            for root in busiest(edges, 5):
                out = {post: n for (pre, post), n in edges.items() if pre == root}
                into = {pre: n for (pre, post), n in edges.items() if post == root}
                found = crantdb.get_synapse_counts(con, root, materialization=number)
                assert found.rows() == [(root, sum(out.values()), sum(into.values()), len(out), len(into))]  # type: ignore[union-attr]
                query = f"SELECT direction, partner, weight FROM v{number}.partners({root})"
                rows = [("downstream", *pair) for pair in out.items()] + [
                    ("upstream", *pair) for pair in into.items()
                ]
                assert sorted(con.sql(query).fetchall()) == sorted(rows)


def test_partners_verb(made: Path, truth: dict[int, Edges]) -> None:
    """`partners` lists the strongest first, whole ids in every output, and only so many with --top."""
    [root] = busiest(truth[5])
    out = sorted(((n, -post) for (pre, post), n in truth[5].items() if pre == root), reverse=True)
    args = ("partners", str(root), "--warehouse", made, "--version", "5", "--direction", "downstream")
    rows = listed(run(*args, "--output", "json"))
    assert [(row["partner"], row["weight"]) for row in rows] == [(-post, n) for n, post in out]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    few = list(csv.DictReader(io.StringIO(run(*args, "--top", "2", "--output", "csv").out)))
    assert [int(row["partner"]) for row in few] == [-post for _, post in out[:2]]
    assert str(-out[0][1]) in run(*args).out


def test_adjacency_verb(made: Path, truth: dict[int, Edges], tmp_path: Path) -> None:
    """`adjacency` takes neurons as arguments or from a file, among themselves or onto others, as list, matrix, Parquet."""
    roots = busiest(truth[5], 6)
    among = {pair: n for pair, n in truth[5].items() if set(pair) <= set(roots)}
    base = ("--warehouse", made, "--version", "5")
    rows = listed(run("adjacency", *map(str, roots), *base, "--output", "json"))
    assert {(row["pre"], row["post"]): row["weight"] for row in rows} == among
    (tmp_path / "ids.csv").write_text("root_id,name\n" + "".join(f"{root},x\n" for root in roots) + "\n")
    assert listed(run("adjacency", "-f", tmp_path / "ids.csv", *base, "--output", "json")) == rows
    matrix = listed(run("adjacency", *map(str, roots), "--matrix", *base, "--output", "json"))
    assert [row["pre"] for row in matrix] == roots
    assert {(row["pre"], post): row[str(post)] for row in matrix for post in roots if row[str(post)]} == among
    onto = listed(run("adjacency", str(roots[0]), "--to", str(roots[1]), *base, "--output", "json"))
    assert [row["weight"] for row in onto] == [n for pair, n in among.items() if pair == (roots[0], roots[1])]
    file = tmp_path / "out.parquet"
    done = run("adjacency", "--min-synapses", "2", *base, "--output", "parquet", "-o", file)
    assert done.code == 0, done.err
    table = pq.read_table(file)
    assert str(table.schema.field("pre").type) == "int64"
    assert table.num_rows == sum(n >= 2 for n in truth[5].values())


def test_synapses_verb(made: Path, truth: dict[int, Edges]) -> None:
    """`synapses` lists a neuron's synapses, each once; with --to whole rows from the one onto the other."""
    [root] = busiest(truth[5])
    mine = {pair: n for pair, n in truth[5].items() if root in pair}
    base = ("--warehouse", made, "--version", "5", "--output", "json")
    rows = listed(run("synapses", str(root), *base))
    assert Counter((row["pre_pt_root_id"], row["post_pt_root_id"]) for row in rows) == mine
    assert len({row["id"] for row in rows}) == len(rows)
    told = listed(run("synapses", str(root), "--direction", "downstream", *base))
    assert {row["pre_pt_root_id"] for row in told} == {root}
    (_, post), weight = next(item for item in mine.items() if item[0][0] == root)
    whole = listed(run("synapses", str(root), "--to", str(post), *base))
    assert (len(whole), "pre_pt_supervoxel_id" in whole[0]) == (weight, True)


def test_neurons_must_be_said_in_one_way(made: Path) -> None:
    """No neurons where some are needed, or neurons said twice, are wrong usage; Parquet needs a path."""
    base = ("--warehouse", made)
    assert run("partners", *base).code == 2
    assert run("partners", str(ROOT), "--where", "side = 'left'", *base).code == 2
    assert run("synapses", *base).code == 2
    assert run("adjacency", *base, "--output", "parquet").code == 2
    assert run("adjacency", *base, "-o", "x.parquet").code == 2


@pytest.mark.parametrize("nothing", ["", "  "])
@pytest.mark.parametrize(
    "words",
    [
        ("adjacency", "--where"),
        ("adjacency", "--to-where"),
        ("partners", "--where"),
        ("synapses", "--where"),
        ("plot", "matrix", "-o", "x.png", "--where"),
        ("plot", "matrix", "-o", "x.png", "--to-where"),
        ("sync", "l2", "--where"),
    ],
    ids=" ".join,
)
def test_an_empty_predicate_is_not_everybody(made: Path, words: tuple[str, ...], nothing: str) -> None:
    """--where "$FORGOTTEN" is wrong usage, never the whole brain."""
    done = run(*words, nothing, "--warehouse", made)
    assert (done.code, done.out, "where" in done.err, "is empty" in done.err) == (2, "", True, True)


def test_how_many_is_no_negative_number(made: Path) -> None:
    """--top -1 is wrong usage, not an empty answer that looks like a lonely neuron."""
    for words in (("partners", str(ROOT)), ("neuron", str(ROOT))):
        assert run(*words, "--top", "-1", "--warehouse", made).code == 2


def test_five_thousand_ids_from_files_and_standard_input(
    made: Path, truth: dict[int, Edges], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five thousand ids in a file, one a line or with a heading as a spreadsheet saves it, and from a pipe: one answer."""
    roots = busiest(truth[5], 30)
    ids = [*map(str, roots), *map(str, range(10**9, 10**9 + 5000 - len(roots)))]
    files = {
        "plain": "\n".join(ids),
        "spreadsheet": "\ufeffroot_id,name\r\n" + "\r\n".join(f'"{one}",x' for one in ids) + "\r\n",
        "marked": "\ufeff" + "\n".join(ids) + "\n\n",
    }
    base = ("--warehouse", made, "--version", "5", "--output", "json")
    kept = {pair: n for pair, n in truth[5].items() if set(pair) <= set(roots)}
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())
        done = run("adjacency", "-f", tmp_path / name, *base)
        assert {(row["pre"], row["post"]): row["weight"] for row in listed(done)} == kept
        assert f"of 5000 id(s) given, version 5 has {5000 - len(roots)} under no such root" in done.err
    (tmp_path / "empty").write_text("root_id\n\n")
    none = run("adjacency", "-f", tmp_path / "empty", *base)
    assert (listed(none), "no id in" in none.err) == ([], True), "a file without ids is nobody, and said"
    monkeypatch.setattr("sys.stdin", io.StringIO(files["plain"]))
    piped = run("adjacency", "-f", "-", *base)
    assert {(row["pre"], row["post"]): row["weight"] for row in listed(piped)} == kept
    counts = run("partners", "-f", tmp_path / "plain", "--direction", "upstream", *base)
    heard = {pair: n for pair, n in truth[5].items() if pair[1] in roots}
    assert {(row["partner"], row["neuron"]): row["weight"] for row in listed(counts)} == heard


def test_unknown_ids_are_named(made: Path) -> None:
    """An id that the snapshot does not know is named on standard error; `neuron` of such a one fails."""
    done = run("partners", "4242", "--warehouse", made, "--output", "csv")
    assert (done.code, len(done.out.splitlines()), "4242" in done.err) == (0, 1, True)
    assert done.out.startswith("neuron,direction,partner,weight")
    done = run("neuron", "4242", "--warehouse", made)
    assert (done.code, "4242" in done.err) == (1, True)
    done = run("neuron", "5.76e17", "--warehouse", made)
    assert (done.code, "whole number" in done.err) == (1, True)


# --- annotated ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse of four neurons, three of them annotated."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("annotated"))
    known = [
        {"root_id": ROOT + 1, "cell_class": "ER", "cell_type": "ER1", "side": "left", "proofread": True},
        {
            "root_id": ROOT + 2,
            "cell_class": "ER",
            "cell_type": "ER2",
            "side": "right",
            "status": ["DAMAGED", "NA"],
        },
        {
            "root_id": ROOT + 3,
            "cell_class": "EPG",
            "cell_type": "EPG",
            "side": "left",
            "annotation_count": 2,
            "duplicate_annotations": True,
            "merged_at_as_of": True,
        },
    ]
    edges = [
        (ROOT + 1, ROOT + 3, 7),
        (ROOT + 2, ROOT + 3, 4),
        (ROOT + 3, ROOT + 1, 2),
        (ROOT + 4, ROOT + 1, 1),
    ]
    add_brain(warehouse, synapses_of_edges(edges), known)
    return warehouse.root


def test_neuron_is_one_page(annotated: Path) -> None:
    """`neuron` says who it is, its status, its counts and its strongest partners, for eyes and for programs."""
    done = run("neuron", str(ROOT + 3), "--warehouse", annotated)
    assert done.code == 0, done.err
    for word in (
        "EPG",
        "left",
        "in_synapses",
        "11",
        "ER1",
        "ER2",
        str(ROOT + 1),
        "upstream",
        "downstream",
        "0.6364",
        "duplicate_annotations, merged_at_as_of",
    ):
        assert word in done.out, word
    assert "findings" not in run("neuron", str(ROOT + 1), "--warehouse", annotated).out
    done = run("neuron", str(ROOT + 3), "--warehouse", annotated, "--output", "json", "--top", "1")
    page = json.loads(done.out)
    assert (page["root_id"], page["cell_type"], page["in_synapses"]) == (ROOT + 3, "EPG", 11)
    assert [(row["direction"], row["partner"], row["cell_type"]) for row in page["partners"]] == [
        ("downstream", ROOT + 1, "ER1"),
        ("upstream", ROOT + 1, "ER1"),
    ]
    alone = json.loads(run("neuron", str(ROOT + 4), "--warehouse", annotated, "--output", "json").out)
    assert (alone["out_synapses"], alone.get("cell_type")) == (1, None)


def test_where_chooses(annotated: Path) -> None:
    """--where takes a predicate over neurons; what is none is refused in one line."""
    base = ("--warehouse", annotated, "--output", "json")
    rows = listed(run("adjacency", "--where", "cell_class = 'ER'", "--to-where", "cell_type = 'EPG'", *base))
    assert [(row["pre"], row["weight"]) for row in rows] == [(ROOT + 1, 7), (ROOT + 2, 4)]
    none = run("adjacency", "--where", "cell_class = 'EPGG'", *base)
    assert (listed(none), "no neuron is like that: cell_class = 'EPGG'" in none.err) == ([], True)
    for bad in ("1 = 1; DROP TABLE neurons", "root_id IN (SELECT 1)", "cel_class = 'ER'"):
        done = run("partners", "--where", bad, "--warehouse", annotated)
        assert (done.code, done.err.count("\n"), done.out) == (1, 1, "")


def test_types_verb(annotated: Path, made: Path) -> None:
    """`types` lists the types at any level; --between says which talk to which; an unknown level is named."""
    base = ("--warehouse", annotated, "--output", "json")
    rows = listed(run("types", "--level", "cell_class", *base))
    assert [(row["label"], row["neurons"], row["left_neurons"], row["out_synapses"]) for row in rows] == [
        ("ER", 2, 1, 11),
        ("EPG", 1, 1, 2),
    ]
    between = listed(run("types", "--level", "cell_class", "--between", *base))
    assert [(row["pre_type"], row["post_type"], row["weight"]) for row in between] == [
        ("ER", "EPG", 11),
        ("EPG", "ER", 2),
    ]
    nothing = run("types", "--warehouse", made, "--output", "json")
    assert (listed(nothing), "never synced" in nothing.err) == ([], True)
    done = run("types", "--level", "cel_class", "--warehouse", annotated)
    assert (done.code, "cell_class" in done.err) == (1, True)
