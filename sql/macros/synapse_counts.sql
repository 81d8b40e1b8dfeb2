-- How many synapses and how many partners neurons have. One row an id asked for, zeros where it has none; without
-- of_roots one row a root of `edges`. In this order: synapses smaller than min_size are dropped; autapses and root 0
-- are dropped unless kept; pairs of fewer than min_synapses are dropped.
CREATE OR REPLACE MACRO synapse_counts(
    of_roots := NULL, min_synapses := 1, min_size := NULL, keep_autapses := false, keep_root_zero := false
) AS TABLE
    WITH told AS (
        SELECT pair.pre AS root_id, sum(pair.weight)::BIGINT AS synapses, count(*) AS partners
        FROM connectivity(
            of_roots, upstream := false, min_synapses := min_synapses, min_size := min_size,
            keep_autapses := keep_autapses, keep_root_zero := keep_root_zero
        ) AS pair
        GROUP BY pair.pre
    ),
    heard AS (
        SELECT pair.post AS root_id, sum(pair.weight)::BIGINT AS synapses, count(*) AS partners
        FROM connectivity(
            of_roots, downstream := false, min_synapses := min_synapses, min_size := min_size,
            keep_autapses := keep_autapses, keep_root_zero := keep_root_zero
        ) AS pair
        GROUP BY pair.post
    ),
    asked AS (
        FROM root_list(of_roots)
        UNION
        SELECT every.root_id
        FROM (SELECT told.root_id FROM told UNION ALL SELECT heard.root_id FROM heard) AS every
        WHERE asks_all(of_roots)
    )
    SELECT
        asked.root_id,
        coalesce(told.synapses, 0) AS out_synapses,
        coalesce(heard.synapses, 0) AS in_synapses,
        coalesce(told.partners, 0) AS downstream_partners,
        coalesce(heard.partners, 0) AS upstream_partners
    FROM asked
    LEFT JOIN told ON told.root_id = asked.root_id
    LEFT JOIN heard ON heard.root_id = asked.root_id;
COMMENT ON MACRO TABLE synapse_counts IS 'Synapses and partners of neurons, out and in, under names that cannot be confused; zeros for an id without any. Without of_roots: every neuron.';
