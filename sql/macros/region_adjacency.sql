-- How much each of some neurons talks to each of others in each region, in long form. One row a region and pair of
-- roots with a synapse left; NULL in the place of a list stands for all. In this order: synapses smaller than
-- min_size are dropped; autapses and root 0 are dropped unless kept; pairs of fewer than min_synapses in a region
-- are dropped there. Regions may overlap: a synapse counts in each that holds it.
CREATE OR REPLACE MACRO region_adjacency(
    of_pre := NULL,
    of_post := NULL,
    in_regions := NULL,
    min_synapses := 1,
    min_size := NULL,
    keep_autapses := false,
    keep_root_zero := false
) AS TABLE
    WITH wanted_pre AS MATERIALIZED (
        FROM root_list(of_pre)
    ),
    wanted_post AS MATERIALIZED (
        FROM root_list(of_post)
    ),
    counted AS (
        SELECT
            one.region,
            one.pre_root_id AS pre,
            one.post_root_id AS post,
            count(*) AS weight,
            sum(one.size::DOUBLE) AS size_sum
        FROM synapse_regions AS one
        WHERE one.pre_root_id IS NOT NULL
            AND one.post_root_id IS NOT NULL
            AND (min_size IS NULL OR one.size >= min_size)
            AND (asks_all(in_regions) OR one.region IN (SELECT named.region FROM region_list(in_regions) AS named))
            AND (asks_all(of_pre) OR one.pre_root_id IN (SELECT wanted_pre.root_id FROM wanted_pre))
            AND (asks_all(of_post) OR one.post_root_id IN (SELECT wanted_post.root_id FROM wanted_post))
        GROUP BY one.region, one.pre_root_id, one.post_root_id
    )
    SELECT counted.region, counted.pre, counted.post, counted.weight, counted.size_sum
    FROM counted
    WHERE (keep_autapses OR counted.pre <> counted.post)
        AND (keep_root_zero OR (counted.pre <> 0 AND counted.post <> 0))
        AND counted.weight >= min_synapses;
COMMENT ON MACRO TABLE region_adjacency IS 'Synapses from each of some neurons to each of others by region (region, pre, post, weight, size_sum); NULL for a list: all. Autapses and root 0 are dropped unless kept.';
