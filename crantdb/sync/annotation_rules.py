"""The rules by which annotations get their root and status, as statements over tables on a connection.

Read: `typed` (a row a SeaTable row), `root_ids`, `found_at`, `unfound`, `typed_roots`, `held`, `lineage_ends`,
`roots_later`, `typed_later`.
"""

from __future__ import annotations

PLACED = """
CREATE OR REPLACE TABLE main.placed AS
SELECT
    typed._id,
    coalesce(own.supervoxel_id, found.supervoxel_id) AS supervoxel_id,
    coalesce(own.root_id, found.root_id) AS root_id,
    CASE WHEN own.root_id IS NOT NULL THEN 'supervoxel' WHEN found.root_id IS NOT NULL THEN at_position.source END AS source
FROM main.typed AS typed
LEFT JOIN main.root_ids AS own ON own.supervoxel_id = typed.supervoxel_id AND own.root_id > 1
LEFT JOIN main.found_at AS at_position ON at_position._id = typed._id
LEFT JOIN main.root_ids AS found ON found.supervoxel_id = at_position.supervoxel_id AND found.root_id > 1
"""
"""Each row's supervoxel that counts, and its root: the one typed, else the one at its position."""

ANNOTATED = """
CREATE OR REPLACE TABLE main.annotated AS
WITH ends AS (
    SELECT root_id, any_value(new_id) AS new_id FROM main.lineage_ends GROUP BY root_id HAVING count(*) = 1
)
SELECT
    typed.*,
    coalesce(
        placed.root_id,
        CASE WHEN facts.is_latest THEN typed.root_id_typed END,
        ends.new_id
    ) AS root_id,
    CASE
        WHEN placed.root_id IS NOT NULL THEN placed.source
        WHEN facts.is_latest THEN 'typed root'
        WHEN ends.new_id IS NOT NULL THEN 'lineage'
    END AS root_source,
    placed.supervoxel_id AS supervoxel_id_used,
    CASE
        WHEN typed.root_is_damaged OR facts.is_known IS false THEN 'not an id'
        WHEN facts.is_latest THEN 'current'
        WHEN facts.is_later THEN 'newer than as_of'
        WHEN typed.root_id_typed IS NOT NULL AND coalesce(placed.root_id, ends.new_id) IS NOT NULL THEN 'older than as_of'
        WHEN typed.root_id_typed IS NOT NULL THEN 'retired'
        WHEN placed.root_id IS NOT NULL THEN 'current'
        WHEN typed.supervoxel_id IS NOT NULL THEN 'supervoxel unknown'
        ELSE 'no supervoxel'
    END AS root_status,
    CASE
        WHEN facts.is_latest AND placed.root_id <> typed.root_id_typed THEN true
        WHEN NOT facts.is_latest AND held.root_id <> typed.root_id_typed THEN true
        ELSE false
    END AS is_inconsistent
FROM main.typed AS typed
LEFT JOIN main.placed AS placed ON placed._id = typed._id
LEFT JOIN main.typed_roots AS facts ON facts.root_id = typed.root_id_typed
LEFT JOIN ends ON ends.root_id = typed.root_id_typed
LEFT JOIN main.held AS held
    ON held.typed_root_id = typed.root_id_typed AND held.supervoxel_id = placed.supervoxel_id
"""
"""Each row with its root at as_of, and what the typed root is."""

ANNOTATIONS = """
WITH later AS (
    SELECT annotated._id, annotated.root_id, coalesce(placed.root_id, typed.later_root_id) AS later_root_id
    FROM main.annotated AS annotated
    LEFT JOIN main.roots_later AS placed ON placed.supervoxel_id = annotated.supervoxel_id_used
    LEFT JOIN main.typed_later AS typed ON typed.root_id = annotated.root_id_typed
    WHERE annotated.root_id IS NOT NULL
),
grouped AS (
    SELECT
        _id,
        count(*) OVER same_root AS sharing,
        count(DISTINCT later_root_id) OVER same_root AS later_roots,
        count(*) OVER (PARTITION BY root_id, later_root_id) AS sharing_later
    FROM later
    WINDOW same_root AS (PARTITION BY root_id)
)
SELECT
    annotated.* EXCLUDE (is_inconsistent, root_is_damaged, other_is_damaged),
    list_filter(
        [
            CASE WHEN grouped.later_roots > 1 THEN 'merged_at_as_of' END,
            CASE
                WHEN grouped.later_roots > 1 AND grouped.sharing_later > 1 THEN 'duplicate_annotations'
                WHEN grouped.later_roots <= 1 AND grouped.sharing > 1 THEN 'duplicate_annotations'
            END,
            CASE WHEN annotated.is_inconsistent THEN 'inconsistent_annotations' END,
            CASE WHEN annotated.root_is_damaged OR annotated.other_is_damaged THEN 'damaged_id' END,
            unfound.finding
        ],
        lambda finding: finding IS NOT NULL
    ) AS findings
FROM main.annotated AS annotated
LEFT JOIN grouped ON grouped._id = annotated._id
LEFT JOIN main.unfound AS unfound ON unfound._id = annotated._id
"""
"""The rows of `annotations`. Of rows that share a root: those that have several roots later, by their supervoxels or
by what was typed, were parted since; those that have one, or that nothing tells apart, are one neuron annotated twice."""

NEURONS = """
WITH ordered AS (
    SELECT
        rows_of.*,
        row_number() OVER best AS place,
        list(_id) OVER (best ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS annotation_ids,
        count(*) OVER own AS annotation_count,
        bool_or(list_contains(findings, 'merged_at_as_of')) OVER own AS merged_at_as_of,
        bool_or(list_contains(findings, 'duplicate_annotations')) OVER own AS duplicate_annotations,
        bool_or(list_contains(findings, 'inconsistent_annotations')) OVER own AS inconsistent_annotations
    FROM main.annotations AS rows_of
    WHERE root_id IS NOT NULL
    WINDOW
        own AS (PARTITION BY root_id),
        best AS (
            PARTITION BY root_id
            ORDER BY
                list_contains(findings, 'inconsistent_annotations'),
                root_status <> 'current',
                coalesce(proofread, false) DESC,
                _mtime DESC NULLS LAST,
                _id
        )
)
SELECT
    * EXCLUDE (place, supervoxel_id, supervoxel_id_used, root_id_typed, root_source, findings),
    supervoxel_id_used AS supervoxel_id
FROM ordered
WHERE place = 1
"""
"""The rows of `neurons`: one annotation of each root gives the columns, all are listed."""
