-- The types there are at a level of annotation, and how large they are. One row a type; NULL: annotated, but not so.
-- Synapses are those of `connectivity` with the same arguments: autapses and root 0 are dropped unless kept, then pairs
-- of fewer than min_synapses.
CREATE OR REPLACE MACRO type_counts(
    of_level := 'cell_type', min_synapses := 1, min_size := NULL, keep_autapses := false, keep_root_zero := false
) AS TABLE
    WITH named AS MATERIALIZED (
        FROM neuron_labels(of_level)
    ),
    counted AS (
        FROM synapse_counts(
            min_synapses := min_synapses, min_size := min_size, keep_autapses := keep_autapses,
            keep_root_zero := keep_root_zero
        )
    )
    SELECT
        named.label,
        count(*) AS neurons,
        count(*) FILTER (WHERE known.side = 'left') AS left_neurons,
        count(*) FILTER (WHERE known.side = 'right') AS right_neurons,
        count(*) FILTER (WHERE known.proofread) AS proofread_neurons,
        coalesce(sum(counted.out_synapses), 0)::BIGINT AS out_synapses,
        coalesce(sum(counted.in_synapses), 0)::BIGINT AS in_synapses
    FROM named
    JOIN neurons AS known ON known.root_id = named.root_id
    LEFT JOIN counted ON counted.root_id = named.root_id
    GROUP BY named.label
    ORDER BY neurons DESC, named.label;
COMMENT ON MACRO TABLE type_counts IS 'The types at a level of annotation, by size: FROM type_counts(''cell_class''). Neurons, by side, proofread, and their synapses.';
