"""Choosing neurons: crantpy's criteria, rule by rule, and predicates that are predicates and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crantdb
from crantdb.errors import BadArgument, CrantdbError, NoMatches, NotAnId, QueryRefused
from tests.analysis.making import add_brain, declared_rows, synapses_of_edges
from tests.warehouse.making import ROOT, make_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

NEURONS: Sequence[Mapping[str, Any]] = [
    {
        "cell_class": "ER",
        "cell_type": "ER1",
        "side": "left",
        "proofread": True,
        "status": ["BACKBONE_PROOFREAD"],
    },
    {
        "cell_class": "ER",
        "cell_type": "ER10",
        "side": "right",
        "proofread": False,
        "status": ["DAMAGED", "TO_PROOFREAD"],
    },
    {"cell_class": "er", "cell_type": "ER2+", "side": "left", "proofread": None, "status": None},
    {"cell_class": "EPG/PEG", "cell_type": "PFN?", "side": None, "proofread": True, "status": ["damaged"]},
    {
        "cell_class": "ER_input",
        "cell_type": None,
        "side": "left",
        "nucleus_id": 2**60 + 1,
        "region": ["EB", "CX"],
    },
    {
        "cell_class": "O'Brien; DROP TABLE neurons",
        "cell_type": "100%",
        "side": "right",
        "nucleus_id": 2**60 + 2,
    },
]


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to six annotated neurons; the first has a second annotation that calls it an FBt, and one has no root."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("six"))
    known = [{"root_id": ROOT + place} | row for place, row in enumerate(NEURONS, 1)]
    add_brain(warehouse, synapses_of_edges([(ROOT + 1, ROOT + 2, 3), (ROOT + 3, ROOT + 1, 2)]), known)
    with crantdb.connect(warehouse.root) as made:
        more = [
            {"root_id": ROOT + 1, "cell_class": "FBt"},
            {"root_id": None, "cell_class": "ER"},
            {"root_id": 0},
        ]
        typed = made.sql("FROM annotations").to_arrow_table()
        made.register("typed", typed)
        made.register("more", declared_rows("annotations", more))
        made.execute("CREATE OR REPLACE VIEW main.annotations AS FROM typed UNION ALL BY NAME FROM more")
        yield made


def numbers(ids: Any) -> list[int]:
    """Return root ids as places in the list of neurons, the first being 1."""
    return [int(one) - ROOT for one in ids]


RULES: list[tuple[dict[str, Any], list[int]]] = [
    ({"cell_class": "ER"}, [1, 2, 3]),
    ({"cell_class": "er", "case": True}, [3]),
    ({"cell_class": "ER", "case": True}, [1, 2]),
    ({"cell_class": "ER", "exact": False}, [1, 2, 3, 5]),
    ({"cell_class": "ER", "exact": False, "case": True}, [1, 2, 5]),
    ({"cell_class": ["ER", "epg/peg"]}, [1, 2, 3, 4]),
    ({"cell_class": ["_INP", "/peg"], "exact": False}, [4, 5]),
    ({"cell_class": ("ER", "x"), "case": True}, [1, 2]),
    ({"cell_type": "ER2+", "exact": False}, [3]),
    ({"cell_type": "PFN?"}, [4]),
    ({"cell_type": "N?", "exact": False}, [4]),
    ({"cell_type": "ER1", "regex": True}, [1, 2]),
    ({"cell_type": "^er1$", "regex": True}, [1]),
    ({"cell_type": "^er1$", "regex": True, "case": True}, []),
    ({"cell_type": ["^ER1$", r"\?$"], "regex": True}, [1, 4]),
    ({"cell_type": "100%"}, [6]),
    ({"cell_class": "O'Brien; DROP TABLE neurons"}, [6]),
    ({"cell_class": "ER", "side": "left"}, [1, 3]),
    ({"cell_class": "ER", "cell_type": "PFN?"}, []),
    ({"cell_class": "FBt"}, [1]),
    ({"proofread": True}, [1, 4]),
    ({"proofread": False}, [2]),
    ({"status": "damaged"}, [2, 4]),
    ({"status": "damaged", "case": True}, [4]),
    ({"status": ["DAMAGED", "TO_PROOFREAD"]}, [2, 4]),
    ({"status": ["DAMAGED", "TO_PROOFREAD"], "match_all": True}, [2]),
    ({"status": "proofread", "exact": False}, [1, 2]),
    ({"status": "^TO_", "regex": True}, [2]),
    ({"region": ["CX", "EB"], "match_all": True}, [5]),
    ({"nucleus_id": 2**60 + 1}, [5]),
    ({"nucleus_id": [2**60 + 1, 2**60 + 2]}, [5, 6]),
    ({"nucleus_id": str(2**60 + 2)}, [6]),
    ({"cell_type": None, "side": "left"}, [5]),
    ({"cell_type": [None, "ER1"], "side": "left"}, [1, 5]),
    ({"status": [None, "DAMAGED"], "case": True}, [1, 2, 3, 5, 6]),
    ({"proofread": [None, True], "side": ["left", None]}, [1, 3, 4, 5]),
    ({"nucleus_id": [None, 2**60 + 1], "side": "left"}, [1, 3, 5]),
    ({"cell_class": np.array(["ER", "epg/peg"])}, [1, 2, 3, 4]),
    ({"cell_class": pl.Series(["^E.$", "/"]), "regex": True}, [1, 2, 3, 4]),
    ({"cell_class": pd.Index(["ER", "FBt"]), "case": True}, [1, 2]),
    ({"cell_class": {"ER": 1, "FBt": 2}.keys()}, [1, 2, 3]),
    ({"nucleus_id": np.array([2**60 + 1])}, [5]),
    ({"nucleus_id": np.int64(2**60 + 1)}, [5]),
    ({"proofread": np.bool_(False)}, [2]),
    ({"root_id": [str(ROOT + 2), f" {ROOT + 3} "]}, [2, 3]),
    ({}, [1, 2, 3, 4, 5, 6]),
]


@pytest.mark.parametrize(("criteria", "wanted"), RULES, ids=[str(rule) for rule, _ in RULES])
def test_criteria(con: duckdb.DuckDBPyConnection, criteria: dict[str, Any], wanted: list[int]) -> None:
    """Fields match as stated: whole text without regard to case by default, any of a list, substrings as they stand."""
    chosen = crantdb.NeuronCriteria(**criteria)
    if not wanted:
        with pytest.raises(NoMatches, match=re.escape(str(chosen))):
            chosen.get_roots(con)
        return
    assert numbers(chosen.get_roots(con)) == wanted


def test_criteria_in_a_function(con: duckdb.DuckDBPyConnection) -> None:
    """Criteria and predicates stand wherever ids do."""
    left = crantdb.NeuronCriteria(side="left")
    found = crantdb.sparse_adjacency(con, left, crantdb.Where("side = 'right'"))
    assert (numbers(found.pre_ids), numbers(found.post_ids)) == ([1, 3, 5], [2, 6])
    assert found.matrix.toarray().tolist() == [[3, 0], [0, 0], [0, 0]]
    assert crantdb.get_connectivity(con, left).rows() == [(ROOT + 1, ROOT + 2, 3), (ROOT + 3, ROOT + 1, 2)]


@pytest.mark.parametrize(
    ("criteria", "kind", "word"),
    [
        ({"cel_class": "ER"}, BadArgument, "cell_class"),
        ({"type": "ER"}, BadArgument, "cell_type"),
        ({"dataset": "latest"}, BadArgument, "dataset"),
        ({"cell_class": []}, BadArgument, "empty list"),
        ({"nucleus_id": 1.0}, NotAnId, "bends"),
        ({"nucleus_id": np.float64(1)}, NotAnId, "bends"),
        ({"nucleus_id": "1152921504606846977.4"}, NotAnId, "bends"),
        ({"root_id": [f"+{ROOT + 1}e0"]}, NotAnId, "bends"),
        ({"nucleus_id": "x"}, QueryRefused, "x"),
        ({"cell_class": float("nan")}, BadArgument, "None"),
        ({"cell_class": ["ER", float("nan")]}, BadArgument, "None"),
        ({"cell_class": "", "exact": False}, BadArgument, "empty text"),
        ({"status": [""], "regex": True}, BadArgument, "empty text"),
        ({"cell_class": (), "regex": True}, BadArgument, "empty list"),
        ({"cell_class": "(", "regex": True}, QueryRefused, "missing"),
    ],
)
def test_criteria_that_make_no_sense(
    con: duckdb.DuckDBPyConnection, criteria: dict[str, Any], kind: type[CrantdbError], word: str
) -> None:
    """An unknown field is an error with near names, never skipped; so is a value that cannot be compared."""
    with pytest.raises(kind, match=word):
        crantdb.get_connectivity(con, crantdb.NeuronCriteria(**criteria))


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ({"side": "L"}, "side is left (3), right (2)"),
        ({"cell_class": "ERR"}, "cell_class is ER"),
        ({"cell_class": "ER", "status": "DAMAGD"}, "status is DAMAGED"),
        ({"cell_class": "FBt", "side": "right"}, "together"),
        ({"cell_class": "ER", "hemilineage": "x"}, "hemilineage has no value"),
        ({"proofread": True, "nucleus_id": 7}, "nucleus_id"),
    ],
)
def test_what_there_is_is_named(con: duckdb.DuckDBPyConnection, criteria: dict[str, Any], said: str) -> None:
    """Where nothing matches, the field that nothing matches is named, with near values that it has."""
    with pytest.raises(NoMatches, match=re.escape(said)):
        crantdb.NeuronCriteria(**criteria).get_roots(con)


def test_criteria_are_values() -> None:
    """Criteria print as they are typed, and their fields cannot be changed behind one's back."""
    given = ["ER"]
    several = crantdb.NeuronCriteria(cell_class=given)
    given.append("x")
    assert several.criteria["cell_class"] == ("ER",)
    once = crantdb.NeuronCriteria(cell_class=(one for one in ["ER", "x"]))
    assert once.criteria["cell_class"] == ("ER", "x")
    chosen = crantdb.NeuronCriteria(cell_class="ER", regex=True)
    assert str(chosen) == "NeuronCriteria(cell_class='ER', regex=True)"
    with pytest.raises(TypeError):
        chosen.criteria["side"] = "left"  # type: ignore[index]
    with pytest.raises(AttributeError):
        chosen.regex = False  # type: ignore[misc]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=12), regex=st.booleans(), case=st.booleans(), exact=st.booleans())
def test_any_text_is_a_value(
    con: duckdb.DuckDBPyConnection, text: str, *, regex: bool, case: bool, exact: bool
) -> None:
    """Whatever text is asked for, the answer is neurons or a stated error; it is never run."""
    chosen = crantdb.NeuronCriteria(cell_class=text, cell_type=[text], regex=regex, case=case, exact=exact)
    try:
        found = numbers(chosen.get_roots(con))
    except (NoMatches, QueryRefused):
        return
    assert set(found) <= set(range(1, 7))


PREDICATES: list[tuple[str, list[int]]] = [
    ("cell_class = 'ER'", [1, 2]),
    ("CELL_CLASS = 'ER' AND side = 'left'", [1]),
    ("lower(cell_class) = 'er' OR cell_type IS NULL", [1, 2, 3, 5]),
    ("NOT (cell_class LIKE 'ER%')", [3, 4, 6]),
    ("cell_class ILIKE 'er' AND cell_type IN ('ER1', 'ER2+')", [1, 3]),
    ("regexp_matches(cell_type, '^ER1')", [1, 2]),
    ("list_contains(status, 'DAMAGED')", [2]),
    ("list_has_any(region, ['CX', 'AL'])", [5]),
    ("proofread", [1, 4]),
    ("proofread IS NOT TRUE", [2, 3, 5, 6]),
    (f"root_id IN ({ROOT + 2}, {ROOT + 4})", [2, 4]),
    (f"root_id BETWEEN {ROOT + 2} AND {ROOT + 3}", [2, 3]),
    (f"nucleus_id = {2**60 + 1}", [5]),
    ("cell_class = 'O''Brien; DROP TABLE neurons'", [6]),
    ("cell_class <> 'ER' -- and nothing more", [3, 4, 5, 6]),
    ("_ctime IS NULL AND side = 'right'", [2, 6]),
    ("date_proofread > DATE '2026-01-01'", []),
    ("date_proofread > TIMESTAMP '2026-01-01 00:00:00'", []),
    ("date_proofread::TIMESTAMP > '2026-01-01'", []),
    ("coalesce(proofread, false) AND NOT (side IS NULL)", [1]),
    (f"root_id = '{ROOT + 2}' OR root_id = ' {ROOT + 3} '", [2, 3]),
    (f"annotation_count < 1.5 AND root_id IN ({ROOT + 1}, {ROOT + 2}) AND NOT cell_type = '1.5'", [1, 2]),
    ("cell_class == 'ER' OR cell_class ^@ 'EP'", [1, 2, 4]),
    ("len(status) = 1 AND 'DAMAGED' NOT IN status", [1, 4]),
    ("contains(lower(cell_class), 'er') AND cell_type NOT LIKE '%1%' ESCAPE '$'", [3]),
    ("(cell_class, side) = ('ER', 'left') OR cell_class IN ('er')", [1, 3]),
    ("true", [1, 2, 3, 4, 5, 6]),
    ("cell_class = 'nothing is like that'", []),
]


@pytest.mark.parametrize(("text", "wanted"), PREDICATES)
def test_predicates(con: duckdb.DuckDBPyConnection, text: str, wanted: list[int]) -> None:
    """A predicate chooses the neurons for which it holds in DuckDB's own reading; none is an empty choice."""
    assert numbers(crantdb.Where(text).get_roots(con)) == wanted
    plain = con.sql(f"SELECT root_id FROM neurons WHERE {text}\nORDER BY root_id").fetchnumpy()["root_id"]
    assert numbers(plain) == wanted


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("cell_class = ER", "single quotes"),
        ("cel_class = 'ER'", "cell_class"),
        ("n.cell_class = 'ER'", "alone"),
        ("cell_class", "cell_class .*no yes or no"),
        ("root_id", "root_id .*no yes or no"),
        ("1", "1 .*no yes or no"),
        ("NULL", "NULL .*no yes or no"),
        ("cell_class = 'ER' AND root_id", "root_id .*no yes or no"),
        ("NOT (side = 'left' OR len(status))", "no yes or no"),
        ("lower(side)", "no yes or no"),
        ("coalesce(root_id, nucleus_id)", "no yes or no"),
        ("(cell_class = 'ER', true)", "no yes or no|cannot be asked"),
        ("1 = 1; DROP TABLE neurons", "not a predicate"),
        ("cell_class = 'ER' UNION SELECT 1", "union"),
        ("cell_class = 'ER' ORDER BY 1", "not a predicate"),
        ("cell_class = 'ER' LIMIT 1", "not a predicate"),
        ("root_id IN (SELECT root_id FROM annotations)", "subquery|select"),
        ("EXISTS (SELECT 1)", "exists"),
        ("FROM neurons", "select"),
        ("COPY neurons TO 'x'", "copy|predicate"),
        ("SET threads = 1", "set"),
        ("read_text('/etc/passwd') = 'x'", "read_text"),
        ("pg_sleep(1) IS NULL", "(?i)pg_sleep"),
        ("random() < 0.5", "rand"),
        ("getenv('HOME') = 'x'", "(?i)getenv"),
        ("row_number() OVER () = 1", "window"),
        ("cell_class = $1", "(?i)placeholder|parameter"),
        ("cell_class = ?", "(?i)placeholder|parameter"),
        ("root_id = 5.7e17", "whole number"),
        ("root_id = 576460752303423489.0", "whole number"),
        ("root_id = '5.7e17'", "whole number"),
        (f"root_id = '+{ROOT + 1}.4'", "whole number"),
        (f"root_id = ' +{ROOT + 1}e0'", "whole number"),
        (f"root_id IN ({ROOT + 1}, '-1.0')", "whole number"),
        (f"NOT (1.5 < 1 AND [root_id] = ['{ROOT + 1}.'])", "whole number"),
        ("list_contains([nucleus_id, 1], 0.5)", "whole number"),
        ("CAST(root_id AS DOUBLE) = 1", "dates"),
        ("root_id::VARCHAR LIKE '%9'", "dates"),
        ("nucleus_id = 'x'", "INT64"),
        ("cell_class = 'ER", "not a predicate"),
        ("(cell_class = 'ER'", "not a predicate"),
    ],
)
def test_what_is_no_predicate_is_refused(con: duckdb.DuckDBPyConnection, text: str, word: str) -> None:
    """Only a predicate over the columns of neurons gets through: no subquery, statement, other function or float."""
    with pytest.raises(QueryRefused, match=word):
        crantdb.Where(text).get_roots(con)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            ["cell_class", "'ER'", "=", "AND", "(", ")", "SELECT", "1", "FROM", "neurons", ";", "--", "/*", "*/", "IN",
             ",", "'", '"', "OR", "NOT", "UNION", "::", "[", "]", "DROP", "{", "}", "$$", "query", "LIKE", "\n"]
        ),
        max_size=8,
    )
)  # fmt: skip
def test_any_words_are_a_predicate_or_refused(con: duckdb.DuckDBPyConnection, words: list[str]) -> None:
    """Words in any order are neurons of the snapshot or a stated refusal, and nothing else."""
    try:
        found = numbers(crantdb.Where(" ".join(words)).get_roots(con))
    except QueryRefused:
        return
    assert set(found) <= set(range(1, 7))


def test_a_version_has_its_own_annotations(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Criteria and predicates look in the version that is asked."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("versions"))
    for version, name in ((1, "old"), (2, "new")):
        known = [{"root_id": ROOT + version, "cell_class": name}]
        add_brain(warehouse, synapses_of_edges([(ROOT + version, ROOT + 9, 1)]), known, version=version)
    with crantdb.connect(warehouse.root, versions=[1]) as both:
        old = crantdb.get_connectivity(both, crantdb.NeuronCriteria(cell_class="old"), materialization=1)
        new = crantdb.get_connectivity(both, crantdb.Where("cell_class = 'new'"))
        assert (old.rows(), new.rows()) == ([(ROOT + 1, ROOT + 9, 1)], [(ROOT + 2, ROOT + 9, 1)])  # type: ignore[union-attr]
        with pytest.raises(NoMatches):
            crantdb.get_connectivity(both, crantdb.NeuronCriteria(cell_class="old"))
