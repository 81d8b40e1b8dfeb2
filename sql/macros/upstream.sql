-- Who talks to neurons. One row a pair of roots (post asked for, pre its partner) that is left after, in this
-- order: synapses smaller than min_size are dropped; autapses and root 0 are dropped unless kept; pairs of fewer
-- than min_synapses are dropped. Without min_size `edges_by_post` answers, else the synapses themselves.
CREATE OR REPLACE MACRO upstream(
    of_roots, min_synapses := 1, min_size := NULL, keep_autapses := false, keep_root_zero := false
) AS TABLE
    WITH wanted AS MATERIALIZED (
        FROM root_list(of_roots)
    ),
    counted AS (
        SELECT whole.pre_root_id AS pre, whole.post_root_id AS post, whole.syn_count AS weight, whole.size_sum
        FROM edges_by_post AS whole
        SEMI JOIN wanted ON whole.post_root_id = wanted.root_id
        WHERE min_size IS NULL
        UNION ALL
        SELECT one.pre_pt_root_id, one.post_pt_root_id, count(*), sum(one.size::DOUBLE)
        FROM synapses_by_post AS one
        SEMI JOIN wanted ON one.post_pt_root_id = wanted.root_id
        WHERE min_size IS NOT NULL AND one.size >= min_size AND one.pre_pt_root_id IS NOT NULL
        GROUP BY one.pre_pt_root_id, one.post_pt_root_id
    )
    SELECT counted.pre, counted.post, counted.weight, counted.size_sum
    FROM counted
    WHERE (keep_autapses OR counted.pre <> counted.post)
        AND (keep_root_zero OR (counted.pre <> 0 AND counted.post <> 0))
        AND counted.weight >= min_synapses;
COMMENT ON MACRO TABLE upstream IS 'Who talks to neurons: one row a pair (pre, post, weight, size_sum). Size, then autapses and root 0 (dropped), then min_synapses a pair.';
