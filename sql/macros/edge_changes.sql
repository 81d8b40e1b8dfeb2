-- What became of connections from one version to another, each named by its schema ('main', 'v7', 's41'). One row an
-- edge that is gained, lost, or has another count or size (sizes are sums: what differs beyond the ninth digit counts).
CREATE OR REPLACE MACRO edge_changes(of_before, of_after) AS TABLE
    SELECT
        pre_root_id,
        post_root_id,
        CASE
            WHEN was.syn_count IS NULL THEN 'gained'
            WHEN became.syn_count IS NULL THEN 'lost'
            ELSE 'changed'
        END AS change,
        was.syn_count AS count_before,
        became.syn_count AS count_after,
        was.size_sum AS size_before,
        became.size_sum AS size_after
    FROM query_table(of_before || '.edges') AS was
    FULL JOIN query_table(of_after || '.edges') AS became USING (pre_root_id, post_root_id)
    WHERE was.syn_count IS DISTINCT FROM became.syn_count
        OR (was.size_sum IS NULL) <> (became.size_sum IS NULL)
        OR abs(was.size_sum - became.size_sum) > 1e-9 * greatest(abs(was.size_sum), abs(became.size_sum));
COMMENT ON MACRO TABLE edge_changes IS 'What became of connections between two versions, by schema: edge_changes(''v7'', ''main''). One row an edge gained, lost or changed, with counts and sizes before and after.';
