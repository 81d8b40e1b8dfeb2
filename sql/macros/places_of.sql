-- The roots at as_of of supervoxels that annotations or points carry: looked up at as_of, else seen at some moment in a
-- root that stood at as_of, for what a root holds never changes. One row a supervoxel of which it is known.
CREATE OR REPLACE MACRO places_of(of_supervoxels) AS TABLE
    WITH wanted AS MATERIALIZED (SELECT DISTINCT given.one AS supervoxel_id FROM (SELECT unnest(of_supervoxels) AS one) AS given),
    placed AS MATERIALIZED (
        SELECT places.supervoxel_id, places.root_id
        FROM root_ids AS places
        SEMI JOIN wanted ON wanted.supervoxel_id = places.supervoxel_id
    ),
    seen AS MATERIALIZED (
        SELECT DISTINCT anchors.supervoxel_id, anchors.root_id
        FROM root_anchors AS anchors
        SEMI JOIN wanted ON wanted.supervoxel_id = anchors.supervoxel_id
        ANTI JOIN placed ON placed.supervoxel_id = anchors.supervoxel_id
    )
    SELECT placed.supervoxel_id, placed.root_id FROM placed
    UNION ALL
    SELECT seen.supervoxel_id, seen.root_id
    FROM seen
    SEMI JOIN standing_roots((SELECT list(DISTINCT seen.root_id) FROM seen)) AS standing ON standing.root_id = seen.root_id;
COMMENT ON MACRO TABLE places_of IS 'The roots at as_of of supervoxels that annotations or points carry, one row each that is known: FROM places_of([74170512125421134]).';
