-- What became of roots by their anchors: supervoxels that they held at some moment, and the roots of those at as_of.
-- Of the annotations' anchors, nuclei and other points, the best sort that a root has. One row a root and new root.
CREATE OR REPLACE MACRO evidence_of_anchors(of_roots) AS TABLE
    WITH wanted AS MATERIALIZED (SELECT DISTINCT given.one AS root_id FROM (SELECT unnest(of_roots) AS one) AS given),
    held AS MATERIALIZED (
        SELECT anchors.root_id, anchors.supervoxel_id, anchors.rank
        FROM root_anchors AS anchors
        SEMI JOIN wanted ON wanted.root_id = anchors.root_id
    ),
    counted AS (
        SELECT held.root_id, places.root_id AS new_id, held.rank, count(*) AS votes
        FROM held
        JOIN places_of((SELECT list(DISTINCT held.supervoxel_id) FROM held)) AS places ON places.supervoxel_id = held.supervoxel_id
        WHERE places.root_id > 1
        GROUP BY ALL
    )
    SELECT
        counted.root_id AS id,
        counted.new_id,
        counted.rank,
        counted.votes,
        counted.votes / sum(counted.votes) OVER (PARTITION BY counted.root_id) AS fraction
    FROM (SELECT all_sorts.* FROM counted AS all_sorts QUALIFY all_sorts.rank = min(all_sorts.rank) OVER (PARTITION BY all_sorts.root_id)) AS counted;
COMMENT ON MACRO TABLE evidence_of_anchors IS 'The roots at as_of of the supervoxels that old roots are known by: FROM evidence_of_anchors([576460752303423489]).';
