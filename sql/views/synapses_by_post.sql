-- The synapses sorted by postsynaptic root, the columns that questions about inputs need, positions in nm.
-- One row a synapse; join `synapses` on id for the others.
CREATE OR REPLACE VIEW synapses_by_post AS
SELECT
    source.id,
    source.pre_pt_root_id,
    source.post_pt_root_id,
    source.post_pt_supervoxel_id,
    source.size,
    voxel_to_nm(source.post_pt_position_x, source.voxel_x_nm) AS post_x_nm,
    voxel_to_nm(source.post_pt_position_y, source.voxel_y_nm) AS post_y_nm,
    voxel_to_nm(source.post_pt_position_z, source.voxel_z_nm) AS post_z_nm,
    voxel_to_nm(source.ctr_pt_position_x, source.voxel_x_nm) AS ctr_x_nm,
    voxel_to_nm(source.ctr_pt_position_y, source.voxel_y_nm) AS ctr_y_nm,
    voxel_to_nm(source.ctr_pt_position_z, source.voxel_z_nm) AS ctr_z_nm
FROM synapse_by_post_source AS source;
COMMENT ON VIEW synapses_by_post IS 'The synapses sorted by postsynaptic root, with the columns that questions about inputs need: one row a synapse.';
