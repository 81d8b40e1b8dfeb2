-- Everything that the warehouse knows of what ids stand for at as_of. One row an id, sort of evidence and root;
-- `step` orders the sorts, the strongest first; `votes` of `all_votes` say so (1 of 1 where nothing is counted).
-- `sure`: the new root holds a part of it for certain; `complete`: every root that may hold one was looked at. An id that
-- is a root at as_of has that one row. NULL as new_id: the id is known, and no root of it is.
CREATE OR REPLACE MACRO id_evidence(of_ids) AS TABLE
    WITH wanted AS MATERIALIZED (SELECT DISTINCT given.one AS id FROM (SELECT unnest(of_ids) AS one) AS given WHERE given.one > 1),
    standing AS MATERIALIZED (SELECT found.root_id AS id FROM standing_roots((SELECT list(wanted.id) FROM wanted)) AS found),
    lost AS MATERIALIZED (SELECT wanted.id FROM wanted ANTI JOIN standing ON standing.id = wanted.id),
    by_synapses AS MATERIALIZED (SELECT found.* FROM evidence_of_synapses((SELECT list(lost.id) FROM lost)) AS found),
    by_lineage AS MATERIALIZED (SELECT found.* FROM evidence_of_lineage((SELECT list(lost.id) FROM lost)) AS found),
    by_l2 AS MATERIALIZED (SELECT found.* FROM evidence_of_l2((SELECT list(lost.id) FROM lost)) AS found),
    -- Of roots whose L2 chunks are not mirrored nobody knows how many they share: lineage tells which those may be.
    ends AS MATERIALIZED (SELECT found.id, found.new_id FROM by_lineage AS found SEMI JOIN by_l2 ON by_l2.id = found.id),
    strange AS (SELECT ends.id FROM ends ANTI JOIN l2_members AS members ON members.root_id = ends.new_id)
    SELECT standing.id, standing.id AS new_id, 'identity' AS method, 1 AS step, 1 AS rank, 1 AS votes, 1 AS all_votes, false AS merged, true AS sure, true AS complete
    FROM standing
    UNION ALL
    SELECT found.id, found.new_id, 'anchor supervoxel', 2, found.rank, found.votes, sum(found.votes) OVER (PARTITION BY found.id), false, true, true
    FROM evidence_of_anchors((SELECT list(lost.id) FROM lost)) AS found
    UNION ALL
    SELECT found.id, nullif(found.new_id, 0), found.method, 2, 1, 1, count(*) OVER (PARTITION BY found.id, found.method), false, true, true
    FROM roots_of_things((SELECT list(lost.id) FROM lost)) AS found
    UNION ALL
    SELECT by_synapses.id, by_synapses.new_id, 'supervoxels of synapses', 3, 1, by_synapses.supervoxels, by_synapses.all_supervoxels, by_synapses.merged, true, true
    FROM by_synapses
    WHERE by_synapses.supervoxels > 0
    UNION ALL
    SELECT by_lineage.id, by_lineage.new_id, 'lineage', 4, 1, 1, count(*) OVER (PARTITION BY by_lineage.id), by_lineage.merged, by_lineage.sure, true
    FROM by_lineage
    UNION ALL
    -- A synapse may be looked up anew, elsewhere: where supervoxels vote, its id alone proves no part.
    SELECT
        by_synapses.id, by_synapses.new_id, 'shared synapses', 5, 1, by_synapses.synapses, by_synapses.all_synapses, by_synapses.merged,
        by_synapses.all_supervoxels = 0, true
    FROM by_synapses
    WHERE by_synapses.synapses > 0
    UNION ALL
    SELECT
        by_l2.id, by_l2.new_id, 'shared L2 chunks', 6, 1, by_l2.votes, (by_l2.votes / by_l2.fraction)::BIGINT, false, true,
        by_l2.id IN (SELECT ends.id FROM ends) AND by_l2.id NOT IN (SELECT strange.id FROM strange)
    FROM by_l2
    UNION ALL
    SELECT known.id, NULL, NULL, 9, 1, 0, 0, false, false, true
    FROM (
        SELECT lost.id FROM lost SEMI JOIN root_lives AS lives ON lives.root_id = lost.id
        UNION
        SELECT lost.id FROM lost SEMI JOIN root_anchors AS anchors ON anchors.root_id = lost.id
        UNION
        SELECT lost.id FROM lost SEMI JOIN root_overlaps AS shared ON shared.one_root_id = lost.id
        UNION
        SELECT lost.id FROM lost SEMI JOIN root_overlaps AS shared ON shared.two_root_id = lost.id
        UNION
        SELECT lost.id FROM lost SEMI JOIN l2_members AS members ON members.root_id = lost.id
        UNION
        SELECT lost.id FROM lost SEMI JOIN annotations AS typed ON typed.root_id_typed = lost.id
    ) AS known;
COMMENT ON MACRO TABLE id_evidence IS 'All evidence of what ids stand for at as_of, one row an id, sort of evidence and root: FROM id_evidence([576460752303423489]).';
