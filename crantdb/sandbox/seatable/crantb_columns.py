"""The columns of a base like CRANTb's, and the words that stand in them."""

# ruff: noqa: RUF001 (letters that look alike are part of real annotations)
from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.model import Column

if TYPE_CHECKING:
    from crantdb.sandbox.seatable.cells import Json, Row

META, PAPERS = "CRANTb_meta", "CRANTb_papers"
"""The annotation table, and a small one that it is linked to."""

STATUS = (
    *("DAMAGED", "PARTIALLY_PROOFREAD", "TRACING_ISSUE", "BACKBONE_PROOFREAD", "THOROUGHLY_PROOFREAD"),
    *("MISSING_SOMA", "MERGE_ERROR", "MERGE_MONSTER", "DUPLICATED", "TO_PROOFREAD", "NA"),
    *("NOT_BACKBONE_PROOFREAD", "DELETE", "GLIA", "NOT_A_NEURON", "DEBRIS", "PRELIM_PROOFREAD"),
)
"""The options of ``status``."""

REGIONS = ("LH", "AL", "MB", "CX", "LX", "SEZ", "EB, FB")
"""The options of ``region``; the last one's name has a comma."""

PROOFREADERS = ("annotator_1", "annotator_2", "annotator_3")
"""The options of ``user_proofreader``."""

PEOPLE = ("ant.one@auth.local", "ant.two@auth.local", "ant.three@auth.local")
"""Who edits and annotates."""

CLASSES = (
    ("intrinsic", "central_complex", "FBc", "PFN"),
    ("intrinsic", "central_complex", "FBc", "PFN?"),
    ("intrinsic", "central_complex", "ER", "ER2+"),
    ("intrinsic", "central_complex", "EBc", "EPG/PEG"),
    ("intrinsic", "central_complex", "PBt", "delta7"),
    ("intrinsic", "antennal_lobe", "olfactory_projection_neuron", None),
    ("intrinsic", "kenyon_cell", "spiny_kenyon_cell", "KCγ"),
    ("afferent", "sensory", "olfactory_sensory_neuron", ""),
    ("efferent", "descending", "descending_neuron", "DNa02"),
    ("intrinsic", "optic", "photo_receptor", "R7 (蟻)"),
    (None, None, None, None),
)
"""flow, super_class, cell_class and cell_type that go together."""

NOTES = (
    *(None, "", "PN following mALT; need to finish proofreading to LH\n", "maybe more in LH"),
    *("\u200bspiny KC;\n\nlarge merge", 'says "R4d", \\ and naïve', "NA", "🐜", "tab\there"),
)
"""Notes as they are found: empty, with line breaks, quotes and letters beyond 16 bits."""

_TEXTS = ("known_nt", "known_nt_source", "alternative_names")
_METRICS = (
    *("input_connections", "output_connections", "axon_input", "axon_output"),
    *("dendrite_input", "dendrite_output"),
)


def meta_columns() -> list[Column]:
    """Return the columns of the annotation table, without the links."""
    texts = [Column(name) for name in ("flow", "super_class", "cell_class", "cell_type")]
    return [
        Column("root_id"),
        Column("root_id_processed"),
        Column("supervoxel_id"),
        Column("position"),
        Column("nucleus_id"),
        Column("nucleus_position"),
        Column("root_position"),
        Column("cave_table"),
        Column("proofread", "checkbox"),
        Column("status", "multiple-select", options=STATUS),
        Column("region", "multiple-select", options=REGIONS),
        Column("proofreader_notes"),
        Column("side", "single-select", options=("left", "right")),
        Column("nerve"),
        Column("tract", "single-select", options=("mALT", "lALT", "mlALT")),
        Column("hemilineage"),
        *texts,
        Column("cell_subtype"),
        Column("cell_instance"),
        *(Column(name) for name in _TEXTS),
        Column("annotator_notes", "long-text"),
        Column("user_annotator", "collaborator"),
        Column("user_proofreader", "multiple-select", options=PROOFREADERS),
        Column("ngl_link", "url"),
        Column("date_proofread", "date", {"format": "YYYY-MM-DD"}),
        Column("last_look", "date", {"format": "YYYY-MM-DD HH:mm"}),
        Column("volume_nm3", "number", {"format": "number"}),
        Column("l2_nodes", "number", {"format": "number"}),
        Column("l2_cable_length_um", "number", {"format": "number"}),
        *(Column(name, "number", {"format": "number"}) for name in _METRICS),
        Column("segregation_index", "number", {"format": "number"}),
        Column("root_id_as_number", "number", {"format": "number"}),
        Column("confidence", "rate", {"rate_max_number": 5}),
        Column("number", "auto-number", {"format": "row-0000"}),
        Column("notes"),
        Column("created", "ctime"),
        Column("modified", "mtime"),
        Column("show", "button", {"button_type": "open_url"}),
    ]


def connections_column(columns: list[Column]) -> Column:
    """Return a formula over the metrics: their sum, ``#VALUE!`` where one of them is missing.

    Args:
        columns: the table's columns, with their keys.
    """
    keys = {column.name: column.key for column in columns}
    into, out = keys["input_connections"], keys["output_connections"]

    def total(row: Row) -> Json:
        """Return the sum for a row."""
        both = (row.get(into), row.get(out))
        return "#VALUE!" if None in both else float(sum(both))  # type: ignore[arg-type]

    data = {"formula": "{input_connections} + {output_connections}", "result_type": "number"}
    return Column("connections", "formula", data, compute=total)


def paper_columns() -> list[Column]:
    """Return the columns of the small table."""
    return [Column("name"), Column("doi", "url"), Column("year", "number", {"format": "number"})]


def papers() -> list[dict[str, Json]]:
    """Return the rows of the small table."""
    names = (
        ("Tanaka et al., 2012 (immuno, mALT)", "https://doi.org/10.1000/1", 2012.0),
        ("Barnstedt et al. 2016 (immuno, KCs)", "https://doi.org/10.1000/2", 2016.0),
        ('Yasuyama "ORNs" et al. 1999', None, 1999.0),
    )
    return [{"name": name, "doi": doi, "year": year} for name, doi, year in names]
