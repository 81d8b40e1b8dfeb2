-- The connections of neurons in each region, both ways: one row a region and pair of roots, once even where both
-- ways were asked for; without of_roots the whole brain's. In this order: synapses smaller than min_size are
-- dropped; autapses and root 0 are dropped unless kept; pairs of fewer than min_synapses in a region are dropped there.
CREATE OR REPLACE MACRO region_connectivity(
    of_roots := NULL,
    in_regions := NULL,
    upstream := true,
    downstream := true,
    min_synapses := 1,
    min_size := NULL,
    keep_autapses := false,
    keep_root_zero := false
) AS TABLE
    WITH wanted AS MATERIALIZED (
        FROM root_list(of_roots)
    ),
    counting AS (
        SELECT told.region, told.pre_root_id, told.post_root_id, told.size
        FROM synapse_regions AS told
        SEMI JOIN wanted ON told.pre_root_id = wanted.root_id
        WHERE downstream
        UNION ALL
        SELECT heard.region, heard.pre_root_id, heard.post_root_id, heard.size
        FROM synapse_regions AS heard
        SEMI JOIN wanted ON heard.post_root_id = wanted.root_id
        WHERE upstream
            AND NOT (downstream AND heard.pre_root_id IS NOT NULL AND heard.pre_root_id IN (SELECT known.root_id FROM wanted AS known))
        UNION ALL
        SELECT every.region, every.pre_root_id, every.post_root_id, every.size
        FROM synapse_regions AS every
        WHERE asks_all(of_roots)
    ),
    counted AS (
        SELECT
            one.region,
            one.pre_root_id AS pre,
            one.post_root_id AS post,
            count(*) AS weight,
            sum(one.size::DOUBLE) AS size_sum
        FROM counting AS one
        WHERE one.pre_root_id IS NOT NULL
            AND one.post_root_id IS NOT NULL
            AND (min_size IS NULL OR one.size >= min_size)
            AND (asks_all(in_regions) OR one.region IN (SELECT named.region FROM region_list(in_regions) AS named))
        GROUP BY one.region, one.pre_root_id, one.post_root_id
    )
    SELECT counted.region, counted.pre, counted.post, counted.weight, counted.size_sum
    FROM counted
    WHERE (keep_autapses OR counted.pre <> counted.post)
        AND (keep_root_zero OR (counted.pre <> 0 AND counted.post <> 0))
        AND counted.weight >= min_synapses;
COMMENT ON MACRO TABLE region_connectivity IS 'The connections of neurons by region, both ways (region, pre, post, weight, size_sum); without of_roots the whole brain''s. Autapses and root 0 are dropped unless kept.';
