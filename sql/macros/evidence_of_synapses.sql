-- What became of roots by their synapses, at the other kept version that shares the most with this one: by the
-- supervoxels of the synapses, and by the synapses' own ids. One row a root and new root.
CREATE OR REPLACE MACRO evidence_of_synapses(of_roots) AS TABLE
    WITH wanted AS MATERIALIZED (SELECT DISTINCT given.one AS root_id FROM (SELECT unnest(of_roots) AS one) AS given),
    pairs AS (
        SELECT shared.one_root_id AS root_id, shared.two_root_id AS new_id, shared.one_version AS other, shared.supervoxels, shared.synapses
        FROM root_overlaps AS shared
        JOIN snapshot AS here ON here.version = shared.two_version
        UNION ALL
        SELECT shared.two_root_id, shared.one_root_id, shared.two_version, shared.supervoxels, shared.synapses
        FROM root_overlaps AS shared
        JOIN snapshot AS here ON here.version = shared.one_version
    ),
    weighed AS (
        SELECT mine.*, sum(mine.supervoxels + mine.synapses) OVER (PARTITION BY mine.root_id, mine.other) AS total
        FROM (SELECT pairs.* FROM pairs SEMI JOIN wanted ON wanted.root_id = pairs.root_id) AS mine
    ),
    best AS MATERIALIZED (
        SELECT weighed.*
        FROM weighed
        QUALIFY dense_rank() OVER (PARTITION BY weighed.root_id ORDER BY weighed.total DESC, weighed.other DESC) = 1
    ),
    crowded AS (
        SELECT pairs.new_id, pairs.other
        FROM pairs
        SEMI JOIN best ON best.new_id = pairs.new_id AND best.other = pairs.other
        GROUP BY ALL
        HAVING count(*) > 1
    )
    SELECT
        best.root_id AS id,
        best.new_id,
        best.supervoxels,
        best.synapses,
        sum(best.supervoxels) OVER (PARTITION BY best.root_id) AS all_supervoxels,
        sum(best.synapses) OVER (PARTITION BY best.root_id) AS all_synapses,
        crowded.new_id IS NOT NULL AS merged
    FROM best
    LEFT JOIN crowded ON crowded.new_id = best.new_id AND crowded.other = best.other;
COMMENT ON MACRO TABLE evidence_of_synapses IS 'The roots at as_of that hold the synapses of roots of other kept versions: FROM evidence_of_synapses([576460752303423489]).';
