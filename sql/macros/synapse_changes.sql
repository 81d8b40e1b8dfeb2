-- What became of synapses from one version to another, each named by its schema ('main', 'v7', 's41'). One row a
-- synapse that came, went, or has another root on a side.
CREATE OR REPLACE MACRO synapse_changes(of_before, of_after) AS TABLE
    SELECT
        id,
        CASE
            WHEN was.there IS NULL THEN 'added'
            WHEN became.there IS NULL THEN 'removed'
            ELSE 'reassigned'
        END AS change,
        was.pre_pt_root_id AS pre_before,
        became.pre_pt_root_id AS pre_after,
        was.post_pt_root_id AS post_before,
        became.post_pt_root_id AS post_after
    FROM (SELECT *, true AS there FROM query_table(of_before || '.synapse_ids')) AS was
    FULL JOIN (SELECT *, true AS there FROM query_table(of_after || '.synapse_ids')) AS became USING (id)
    WHERE was.there IS NULL
        OR became.there IS NULL
        OR was.pre_pt_root_id IS DISTINCT FROM became.pre_pt_root_id
        OR was.post_pt_root_id IS DISTINCT FROM became.post_pt_root_id;
COMMENT ON MACRO TABLE synapse_changes IS 'What became of synapses between two versions, by schema: synapse_changes(''v7'', ''main''). One row a synapse added, removed or reassigned, with both roots before and after.';
