-- The datastack's synapses under one name for every lab, positions in nm. One row a synapse; columns that
-- only some servers have follow the named ones.
CREATE OR REPLACE VIEW synapses AS
SELECT
    source.id,
    source.pre_pt_supervoxel_id,
    source.pre_pt_root_id,
    source.post_pt_supervoxel_id,
    source.post_pt_root_id,
    source.size,
    voxel_to_nm(source.pre_pt_position_x, source.voxel_x_nm) AS pre_x_nm,
    voxel_to_nm(source.pre_pt_position_y, source.voxel_y_nm) AS pre_y_nm,
    voxel_to_nm(source.pre_pt_position_z, source.voxel_z_nm) AS pre_z_nm,
    voxel_to_nm(source.post_pt_position_x, source.voxel_x_nm) AS post_x_nm,
    voxel_to_nm(source.post_pt_position_y, source.voxel_y_nm) AS post_y_nm,
    voxel_to_nm(source.post_pt_position_z, source.voxel_z_nm) AS post_z_nm,
    voxel_to_nm(source.ctr_pt_position_x, source.voxel_x_nm) AS ctr_x_nm,
    voxel_to_nm(source.ctr_pt_position_y, source.voxel_y_nm) AS ctr_y_nm,
    voxel_to_nm(source.ctr_pt_position_z, source.voxel_z_nm) AS ctr_z_nm,
    source.* EXCLUDE (
        id, pre_pt_supervoxel_id, pre_pt_root_id, post_pt_supervoxel_id, post_pt_root_id, size,
        pre_pt_position_x, pre_pt_position_y, pre_pt_position_z,
        post_pt_position_x, post_pt_position_y, post_pt_position_z,
        ctr_pt_position_x, ctr_pt_position_y, ctr_pt_position_z,
        voxel_x_nm, voxel_y_nm, voxel_z_nm
    )
FROM synapse_source AS source;
COMMENT ON VIEW synapses IS 'The datastack''s synapses, one row a synapse: CAVE''s ids and values, positions in nm.';
