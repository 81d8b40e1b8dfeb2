-- The connectome in one row: how many neurons, connections and synapses are left after, in this order: synapses
-- smaller than min_size are dropped; autapses and root 0 are dropped unless kept; pairs of fewer than min_synapses
-- are dropped. The last four columns count, before all that, what those rules are about.
CREATE OR REPLACE MACRO connectome_stats(
    min_synapses := 1, min_size := NULL, keep_autapses := false, keep_root_zero := false
) AS TABLE
    WITH kept AS MATERIALIZED (
        FROM adjacency(
            min_synapses := min_synapses, min_size := min_size, keep_autapses := keep_autapses,
            keep_root_zero := keep_root_zero
        )
    ),
    taking_part AS (
        SELECT kept.pre AS root_id FROM kept
        UNION
        SELECT kept.post FROM kept
    ),
    ends AS (
        SELECT count(*) AS neurons FROM taking_part
    ),
    pairs AS (
        SELECT
            count(*) AS connections,
            coalesce(sum(kept.weight), 0)::BIGINT AS synapses,
            max(kept.weight) AS strongest,
            count(*) FILTER (WHERE kept.pre = kept.post) AS loops
        FROM kept
    ),
    both_ways AS (
        SELECT 2 * count(*) AS connections
        FROM kept AS there
        JOIN kept AS back ON back.pre = there.post AND back.post = there.pre
        WHERE there.pre < there.post
    ),
    before AS (
        SELECT
            count(*) FILTER (WHERE whole.pre_root_id = whole.post_root_id AND whole.pre_root_id <> 0) AS autapses,
            coalesce(sum(whole.syn_count) FILTER (
                WHERE whole.pre_root_id = whole.post_root_id AND whole.pre_root_id <> 0
            ), 0)::BIGINT AS autapse_synapses,
            coalesce(sum(whole.syn_count) FILTER (
                WHERE whole.pre_root_id = 0 OR whole.post_root_id = 0
            ), 0)::BIGINT AS root_zero_synapses
        FROM edges AS whole
    ),
    nowhere AS (
        SELECT count(*) AS synapses
        FROM synapse_ids AS loose
        WHERE loose.pre_pt_root_id IS NULL OR loose.post_pt_root_id IS NULL
    )
    SELECT
        ends.neurons,
        pairs.connections,
        pairs.synapses,
        pairs.synapses / nullif(pairs.connections, 0) AS mean_weight,
        pairs.strongest AS max_weight,
        (pairs.connections - pairs.loops) / nullif(ends.neurons * (ends.neurons - 1), 0) AS density,
        both_ways.connections AS reciprocal_connections,
        both_ways.connections / nullif(pairs.connections - pairs.loops, 0) AS reciprocity,
        before.autapses,
        before.autapse_synapses,
        before.root_zero_synapses,
        nowhere.synapses AS unresolved_synapses
    FROM ends, pairs, both_ways, before, nowhere;
COMMENT ON MACRO TABLE connectome_stats IS 'The connectome in one row: neurons, connections, synapses, weights, density, reciprocity, and what was left out (autapses, root 0, synapses without a root).';
