-- Which neurons talk to each other both ways. One row a pair of roots, the lower id first; with of_roots those in
-- which one of them takes part. Each of the two ways is left after, in this order: synapses smaller than min_size are
-- dropped; root 0 is dropped unless kept; ways of fewer than min_synapses are dropped. An autapse is no such pair.
CREATE OR REPLACE MACRO reciprocal(
    of_roots := NULL, min_synapses := 1, min_size := NULL, keep_root_zero := false
) AS TABLE
    WITH kept AS MATERIALIZED (
        FROM connectivity(
            of_roots, min_synapses := min_synapses, min_size := min_size, keep_root_zero := keep_root_zero
        )
    )
    SELECT there.pre AS root_a, there.post AS root_b, there.weight AS weight_ab, back.weight AS weight_ba
    FROM kept AS there
    JOIN kept AS back ON back.pre = there.post AND back.post = there.pre
    WHERE there.pre < there.post;
COMMENT ON MACRO TABLE reciprocal IS 'Pairs of neurons that talk to each other both ways (root_a < root_b, weight_ab, weight_ba); without of_roots the whole brain''s.';
