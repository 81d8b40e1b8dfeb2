-- The connections of neurons, both ways: one row a pair of roots, once even where both were asked for; without
-- of_roots the whole brain's. In this order: synapses smaller than min_size are dropped; autapses and root 0 are
-- dropped unless kept; pairs of fewer than min_synapses are dropped.
CREATE OR REPLACE MACRO connectivity(
    of_roots := NULL,
    upstream := true,
    downstream := true,
    min_synapses := 1,
    min_size := NULL,
    keep_autapses := false,
    keep_root_zero := false
) AS TABLE
    SELECT told.*
    FROM downstream(
        of_roots, min_synapses := min_synapses, min_size := min_size, keep_autapses := keep_autapses,
        keep_root_zero := keep_root_zero
    ) AS told
    WHERE downstream
    UNION ALL
    SELECT heard.*
    FROM upstream(
        of_roots, min_synapses := min_synapses, min_size := min_size, keep_autapses := keep_autapses,
        keep_root_zero := keep_root_zero
    ) AS heard
    WHERE upstream AND NOT (downstream AND heard.pre IN (SELECT known.root_id FROM root_list(of_roots) AS known))
    UNION ALL
    SELECT every.*
    FROM adjacency(
        min_synapses := min_synapses, min_size := min_size, keep_autapses := keep_autapses,
        keep_root_zero := keep_root_zero
    ) AS every
    WHERE asks_all(of_roots);
COMMENT ON MACRO TABLE connectivity IS 'The connections of neurons, both ways, each pair once (pre, post, weight, size_sum); without of_roots the whole brain''s. Autapses and root 0 are dropped unless kept.';
