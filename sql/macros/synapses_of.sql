-- The synapses of neurons, out and in, each once: the columns that both sorted forms hold, so that a neuron's are
-- there in milliseconds. Kept are those of at least min_size whose pair of roots `connectivity` keeps with the same
-- arguments. Whole rows: synapses_between, or synapse(ids).
CREATE OR REPLACE MACRO synapses_of(
    of_roots,
    upstream := true,
    downstream := true,
    min_synapses := 1,
    min_size := NULL,
    keep_autapses := false,
    keep_root_zero := false
) AS TABLE
    SELECT
        told.id, told.pre_pt_root_id, told.post_pt_root_id, told.post_pt_supervoxel_id, told.size,
        told.post_x_nm, told.post_y_nm, told.post_z_nm, told.ctr_x_nm, told.ctr_y_nm, told.ctr_z_nm
    FROM synapses AS told
    SEMI JOIN downstream(
        of_roots, min_synapses := min_synapses, min_size := min_size, keep_autapses := keep_autapses,
        keep_root_zero := keep_root_zero
    ) AS pair ON told.pre_pt_root_id = pair.pre AND told.post_pt_root_id = pair.post
    WHERE downstream AND (min_size IS NULL OR told.size >= min_size)
    UNION ALL
    SELECT
        heard.id, heard.pre_pt_root_id, heard.post_pt_root_id, heard.post_pt_supervoxel_id, heard.size,
        heard.post_x_nm, heard.post_y_nm, heard.post_z_nm, heard.ctr_x_nm, heard.ctr_y_nm, heard.ctr_z_nm
    FROM synapses_by_post AS heard
    SEMI JOIN upstream(
        of_roots, min_synapses := min_synapses, min_size := min_size, keep_autapses := keep_autapses,
        keep_root_zero := keep_root_zero
    ) AS pair ON heard.post_pt_root_id = pair.post AND heard.pre_pt_root_id = pair.pre
    WHERE upstream
        AND (min_size IS NULL OR heard.size >= min_size)
        AND NOT (downstream AND heard.pre_pt_root_id IN (SELECT known.root_id FROM root_list(of_roots) AS known));
COMMENT ON MACRO TABLE synapses_of IS 'The synapses of neurons, out and in, each once, narrow columns: FROM synapses_of(576460752303423489). Autapses and root 0 are dropped unless kept.';
