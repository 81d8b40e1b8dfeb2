-- How much each of some neurons talks to each of others, in long form. One row a pair of roots with a synapse left;
-- NULL as it is written, in the place of a list, stands for every neuron (what a query found none for does not). In
-- this order: synapses smaller than min_size are dropped; autapses and root 0 are dropped unless kept; pairs of fewer
-- than min_synapses are dropped.
CREATE OR REPLACE MACRO adjacency(
    of_pre := NULL, of_post := NULL, min_synapses := 1, min_size := NULL, keep_autapses := false, keep_root_zero := false
) AS TABLE
    WITH wanted_pre AS MATERIALIZED (
        FROM root_list(of_pre)
    ),
    wanted_post AS MATERIALIZED (
        FROM root_list(of_post)
    ),
    counted AS (
        SELECT whole.pre_root_id AS pre, whole.post_root_id AS post, whole.syn_count AS weight, whole.size_sum
        FROM edges AS whole
        WHERE min_size IS NULL
            AND (asks_all(of_pre) OR whole.pre_root_id IN (SELECT wanted_pre.root_id FROM wanted_pre))
            AND (asks_all(of_post) OR whole.post_root_id IN (SELECT wanted_post.root_id FROM wanted_post))
        UNION ALL
        SELECT one.pre_pt_root_id, one.post_pt_root_id, count(*), sum(one.size::DOUBLE)
        FROM synapses AS one
        WHERE min_size IS NOT NULL
            AND one.size >= min_size
            AND one.pre_pt_root_id IS NOT NULL
            AND one.post_pt_root_id IS NOT NULL
            AND (asks_all(of_pre) OR one.pre_pt_root_id IN (SELECT wanted_pre.root_id FROM wanted_pre))
            AND (asks_all(of_post) OR one.post_pt_root_id IN (SELECT wanted_post.root_id FROM wanted_post))
        GROUP BY one.pre_pt_root_id, one.post_pt_root_id
    )
    SELECT counted.pre, counted.post, counted.weight, counted.size_sum
    FROM counted
    WHERE (keep_autapses OR counted.pre <> counted.post)
        AND (keep_root_zero OR (counted.pre <> 0 AND counted.post <> 0))
        AND counted.weight >= min_synapses;
COMMENT ON MACRO TABLE adjacency IS 'Synapses from each of some neurons to each of others, long form (pre, post, weight, size_sum); NULL for a list: every neuron. Autapses and root 0 are dropped unless kept.';
