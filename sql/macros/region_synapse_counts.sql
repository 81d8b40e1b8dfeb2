-- How many synapses and partners neurons have in each region. One row a root asked for and region that there is
-- (or that is asked for), zeros where it has none; without of_roots one row a root and region with a synapse left.
-- In this order: synapses smaller than min_size are dropped; autapses and root 0 are dropped unless kept; pairs of
-- fewer than min_synapses in a region are dropped there.
CREATE OR REPLACE MACRO region_synapse_counts(
    of_roots := NULL,
    in_regions := NULL,
    min_synapses := 1,
    min_size := NULL,
    keep_autapses := false,
    keep_root_zero := false
) AS TABLE
    WITH told AS (
        SELECT pair.region, pair.pre AS root_id, sum(pair.weight)::BIGINT AS synapses, count(*) AS partners
        FROM region_connectivity(
            of_roots, in_regions, upstream := false, min_synapses := min_synapses, min_size := min_size,
            keep_autapses := keep_autapses, keep_root_zero := keep_root_zero
        ) AS pair
        GROUP BY pair.region, pair.pre
    ),
    heard AS (
        SELECT pair.region, pair.post AS root_id, sum(pair.weight)::BIGINT AS synapses, count(*) AS partners
        FROM region_connectivity(
            of_roots, in_regions, downstream := false, min_synapses := min_synapses, min_size := min_size,
            keep_autapses := keep_autapses, keep_root_zero := keep_root_zero
        ) AS pair
        GROUP BY pair.region, pair.post
    ),
    places AS (
        FROM region_list(in_regions)
        UNION
        SELECT every.region FROM synapse_regions AS every WHERE asks_all(in_regions)
    ),
    asked AS (
        SELECT roots.root_id, places.region FROM root_list(of_roots) AS roots CROSS JOIN places
        UNION
        SELECT every.root_id, every.region
        FROM (
            SELECT told.root_id, told.region FROM told UNION ALL SELECT heard.root_id, heard.region FROM heard
        ) AS every
        WHERE asks_all(of_roots)
    )
    SELECT
        asked.root_id,
        asked.region,
        coalesce(told.synapses, 0) AS out_synapses,
        coalesce(heard.synapses, 0) AS in_synapses,
        coalesce(told.partners, 0) AS downstream_partners,
        coalesce(heard.partners, 0) AS upstream_partners
    FROM asked
    LEFT JOIN told ON told.root_id = asked.root_id AND told.region = asked.region
    LEFT JOIN heard ON heard.root_id = asked.root_id AND heard.region = asked.region;
COMMENT ON MACRO TABLE region_synapse_counts IS 'Synapses and partners of neurons by region, out and in; zeros where a neuron has none. Without of_roots: every neuron.';
