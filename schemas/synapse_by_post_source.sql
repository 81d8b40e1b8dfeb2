-- What the view synapses_by_post reads, positions in the server's voxels. One row a synapse.
CREATE TABLE synapse_by_post_source (
    id                     BIGINT NOT NULL,
    pre_pt_root_id         BIGINT,
    post_pt_root_id        BIGINT,
    post_pt_supervoxel_id  BIGINT,
    size                   FLOAT,
    ctr_pt_position_x      INTEGER,
    ctr_pt_position_y      INTEGER,
    ctr_pt_position_z      INTEGER,
    post_pt_position_x     INTEGER,
    post_pt_position_y     INTEGER,
    post_pt_position_z     INTEGER,
    voxel_x_nm             DOUBLE,
    voxel_y_nm             DOUBLE,
    voxel_z_nm             DOUBLE
);
COMMENT ON TABLE synapse_by_post_source IS 'What the view synapses_by_post reads: the narrow copy of the synapses sorted by postsynaptic root.';
COMMENT ON COLUMN synapse_by_post_source.id IS 'CAVE id of the synapse.';
COMMENT ON COLUMN synapse_by_post_source.pre_pt_root_id IS 'Presynaptic root id at as_of.';
COMMENT ON COLUMN synapse_by_post_source.post_pt_root_id IS 'Postsynaptic root id at as_of.';
COMMENT ON COLUMN synapse_by_post_source.post_pt_supervoxel_id IS 'Supervoxel at the postsynaptic point.';
COMMENT ON COLUMN synapse_by_post_source.size IS 'Size as the server gives it (often voxels).';
COMMENT ON COLUMN synapse_by_post_source.ctr_pt_position_x IS 'Centre of the synapse, x in voxels.';
COMMENT ON COLUMN synapse_by_post_source.ctr_pt_position_y IS 'Centre of the synapse, y in voxels.';
COMMENT ON COLUMN synapse_by_post_source.ctr_pt_position_z IS 'Centre of the synapse, z in voxels.';
COMMENT ON COLUMN synapse_by_post_source.post_pt_position_x IS 'Postsynaptic point, x in voxels.';
COMMENT ON COLUMN synapse_by_post_source.post_pt_position_y IS 'Postsynaptic point, y in voxels.';
COMMENT ON COLUMN synapse_by_post_source.post_pt_position_z IS 'Postsynaptic point, z in voxels.';
COMMENT ON COLUMN synapse_by_post_source.voxel_x_nm IS 'Size of those voxels in nm, x.';
COMMENT ON COLUMN synapse_by_post_source.voxel_y_nm IS 'Size of those voxels in nm, y.';
COMMENT ON COLUMN synapse_by_post_source.voxel_z_nm IS 'Size of those voxels in nm, z.';
