-- Ids of any age and sort (roots, supervoxels, L2 chunks, nuclei, SeaTable _ids) as roots at the snapshot's as_of.
-- One row an input, in input order. `method` is the first of these that decides: identity; anchor supervoxel (or
-- supervoxel, L2 chunk, nucleus, annotation row, for ids of those); supervoxels of synapses; lineage that ends in
-- one root; shared synapses; shared L2 chunks. `kind` says what edits did: unchanged, edited, merged into,
-- split into n, retired, unknown. new_id is NULL when nothing decides. For all parts of a split: ids_at_all.
-- `confidence` is 1 for what is certain, else at most 0.9: what the votes speak for with caution, each counted half, for
-- synapses stand in clusters, and a part without any may be the larger one; of L2 chunks the share of the old root.
CREATE OR REPLACE MACRO ids_at(of_ids) AS TABLE
    WITH asked AS MATERIALIZED (SELECT given.* FROM ids_given(of_ids) AS given),
    found AS MATERIALIZED (SELECT rows_of.* FROM id_evidence((SELECT list(asked.whole) FROM asked)) AS rows_of),
    known AS MATERIALIZED (
        SELECT
            found.id,
            count(DISTINCT found.new_id) FILTER (WHERE found.sure AND found.method IN ('anchor supervoxel', 'supervoxels of synapses', 'lineage', 'shared synapses', 'shared L2 chunks')) AS parts,
            count(*) FILTER (WHERE found.step = 4) AS ends,
            list(found.new_id) FILTER (WHERE found.step = 4) AS end_ids,
            max(found.all_votes) FILTER (WHERE found.step = 3) AS synapse_votes,
            max(found.votes) FILTER (WHERE found.step = 3) AS most_votes
        FROM found
        GROUP BY found.id
    ),
    deciding AS (
        SELECT
            found.*,
            known.ends,
            known.end_ids,
            known.synapse_votes,
            known.most_votes,
            sum(found.votes) OVER (PARTITION BY found.id, found.method) AS cast_votes,
            coalesce(max(found.votes) FILTER (WHERE found.step = 3) OVER (PARTITION BY found.id, found.new_id), 0) AS backing
        FROM found
        JOIN known ON known.id = found.id
        WHERE found.new_id IS NOT NULL
    ),
    decided AS (
        SELECT
            deciding.id,
            deciding.new_id,
            deciding.method,
            deciding.merged,
            CASE
                WHEN deciding.step = 1 OR deciding.method IN ('supervoxel', 'L2 chunk', 'nucleus') THEN 1.0
                WHEN deciding.ends = 1 AND deciding.new_id = deciding.end_ids[1] THEN 1.0
                WHEN deciding.ends >= 1 AND NOT list_contains(deciding.end_ids, deciding.new_id) THEN 0.5
                WHEN deciding.method = 'anchor supervoxel' AND deciding.votes < deciding.all_votes
                    THEN least(share_at_least(deciding.votes, deciding.all_votes), 0.9)
                WHEN deciding.method = 'anchor supervoxel' AND deciding.rank <= 2 THEN 1.0
                WHEN deciding.method = 'anchor supervoxel'
                    THEN least(share_at_least(deciding.backing, coalesce(deciding.synapse_votes, 0)) + 0.5, 0.9)
                WHEN deciding.method = 'shared L2 chunks' AND deciding.votes = deciding.all_votes THEN 1.0
                WHEN deciding.method = 'shared L2 chunks' THEN least(deciding.votes / deciding.all_votes, 0.9)
                ELSE least(share_at_least(deciding.votes / 2, deciding.all_votes / 2), 0.9)
            END AS confidence
        FROM deciding
        WHERE (
                deciding.votes = deciding.all_votes
                OR (
                    2 * deciding.votes > CASE WHEN deciding.complete THEN deciding.cast_votes ELSE deciding.all_votes END
                    AND (deciding.step > 2 OR deciding.method = 'anchor supervoxel')
                )
            )
            -- Synapses crowd in few supervoxels: where those say otherwise, their number decides nothing.
            AND (deciding.step <> 5 OR deciding.backing >= coalesce(deciding.most_votes, 0))
        QUALIFY row_number() OVER (
            PARTITION BY deciding.id
            ORDER BY CASE WHEN deciding.step = 2 AND deciding.votes < deciding.all_votes THEN 8 ELSE deciding.step END, deciding.method, deciding.new_id
        ) = 1
    ),
    merged AS (SELECT found.id, found.new_id, bool_or(found.merged) AS merged FROM found GROUP BY ALL),
    annotated AS (SELECT typed._id AS row_id, typed.root_id FROM annotations AS typed)
    SELECT
        asked.old_id,
        coalesce(decided.new_id, annotated.root_id) AS new_id,
        CASE
            WHEN asked.problem IS NOT NULL THEN asked.problem
            WHEN annotated.row_id IS NOT NULL THEN 'annotation row'
            ELSE decided.method
        END AS method,
        CASE WHEN annotated.root_id IS NOT NULL THEN 1.0 ELSE coalesce(decided.confidence, 0.0) END AS confidence,
        coalesce(decided.new_id, annotated.root_id) IS NOT NULL AND coalesce(decided.method, '') <> 'identity' AS changed,
        CASE
            WHEN decided.method IN ('identity', 'supervoxel', 'L2 chunk', 'nucleus') OR annotated.root_id IS NOT NULL THEN 'unchanged'
            WHEN known.parts > 1 THEN 'split into ' || known.parts
            WHEN decided.new_id IS NOT NULL AND merged.merged AND known.ends <= 1 THEN 'merged into'
            WHEN decided.new_id IS NOT NULL THEN 'edited'
            WHEN known.id IS NOT NULL OR annotated.row_id IS NOT NULL THEN 'retired'
            ELSE 'unknown'
        END AS kind,
        here.version,
        here.as_of
    FROM asked
    JOIN snapshot AS here ON true
    LEFT JOIN known ON known.id = asked.whole
    LEFT JOIN decided ON decided.id = asked.whole
    LEFT JOIN merged ON merged.id = decided.id AND merged.new_id = decided.new_id
    LEFT JOIN annotated ON annotated.row_id = asked.given_text AND asked.whole IS NULL
    ORDER BY asked.position;
COMMENT ON MACRO TABLE ids_at IS 'Ids of any age and sort as roots at as_of, one row an input in input order, with how sure that is: FROM ids_at([576460752303423489, 576460752303423567]).';
