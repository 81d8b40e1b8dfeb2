-- Which types talk to which, at any level of annotation. One row a pair of types; neurons without a label are left
-- out, or stand together under NULL with keep_untyped. In this order: synapses smaller than min_size are dropped;
-- autapses and root 0 are dropped unless kept; pairs of neurons of fewer than min_synapses are dropped; then summed.
CREATE OR REPLACE MACRO type_connectivity(
    of_level := 'cell_type',
    min_synapses := 1,
    min_size := NULL,
    keep_autapses := false,
    keep_root_zero := false,
    keep_untyped := false
) AS TABLE
    WITH named AS MATERIALIZED (
        FROM neuron_labels(of_level)
    )
    SELECT
        teller.label AS pre_type,
        hearer.label AS post_type,
        sum(pair.weight)::BIGINT AS weight,
        count(*) AS connections,
        count(DISTINCT pair.pre) AS pre_neurons,
        count(DISTINCT pair.post) AS post_neurons
    FROM adjacency(
        min_synapses := min_synapses, min_size := min_size, keep_autapses := keep_autapses,
        keep_root_zero := keep_root_zero
    ) AS pair
    LEFT JOIN named AS teller ON teller.root_id = pair.pre
    LEFT JOIN named AS hearer ON hearer.root_id = pair.post
    WHERE keep_untyped OR (teller.label IS NOT NULL AND hearer.label IS NOT NULL)
    GROUP BY teller.label, hearer.label;
COMMENT ON MACRO TABLE type_connectivity IS 'Which types talk to which at any level of annotation: pre_type, post_type, weight (synapses), connections (pairs of neurons), and the neurons that take part.';
