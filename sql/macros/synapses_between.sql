-- The synapses from some neurons to others, whole rows; NULL in the place of a list stands for every neuron. Kept
-- are those of at least min_size whose pair of roots `adjacency` keeps with the same arguments.
CREATE OR REPLACE MACRO synapses_between(
    of_pre := NULL, of_post := NULL, min_synapses := 1, min_size := NULL, keep_autapses := false, keep_root_zero := false
) AS TABLE
    SELECT one.*
    FROM synapses AS one
    SEMI JOIN adjacency(
        of_pre, of_post, min_synapses := min_synapses, min_size := min_size, keep_autapses := keep_autapses,
        keep_root_zero := keep_root_zero
    ) AS pair ON one.pre_pt_root_id = pair.pre AND one.post_pt_root_id = pair.post
    WHERE min_size IS NULL OR one.size >= min_size;
COMMENT ON MACRO TABLE synapses_between IS 'The synapses from some neurons to others, whole rows; NULL for a list: every neuron. Autapses and root 0 are dropped unless kept.';
